package verify

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/google/uuid"

	"github.com/weaviate-drill/weaviate-drill/internal/weaviate"
)

// single are the damages that leave everything else to be compared, in the order in which they are done.
var single = []sabotage{
	{"object removed", func(ctx context.Context, s *saboteur) (wanted, error) {
		v, err := s.draw(ctx, func(victim) bool { return true })
		if err != nil {
			return wanted{}, err
		}
		return s.wants(v, Lost), s.restored.Do(ctx, http.MethodDelete, v.path(), nil, nil)
	}},
	{"object added", func(ctx context.Context, s *saboteur) (wanted, error) {
		like, err := s.draw(ctx, func(victim) bool { return true })
		if err != nil {
			return wanted{}, err
		}
		body, err := s.read(ctx, like)
		if err != nil {
			return wanted{}, err
		}
		v := like
		v.object.ID = uuid.New()
		body["id"] = v.object.ID.String()
		return s.wants(v, Unexpected), s.restored.Do(ctx, http.MethodPost, "/objects?consistency_level=ALL", body, nil)
	}},
	{"one bit of a vector flipped", changeVector(func(numbers []float32) {
		i := slices.IndexFunc(numbers, func(f float32) bool { return f != 0 })
		numbers[i] = math.Float32frombits(math.Float32bits(numbers[i]) ^ 1)
	})},
	{"vector rounded to float16", changeVector(func(numbers []float32) {
		for i, f := range numbers { // 10 bits of mantissa; the range of the exponent does not matter here
			numbers[i] = math.Float32frombits((math.Float32bits(f) + 1<<12) &^ (1<<13 - 1))
		}
	})},
	{"vector of another object", exchangeVector},
	{"vector lost", func(ctx context.Context, s *saboteur) (wanted, error) {
		return s.change(ctx, hasVector, func(v victim, body map[string]any) (fields []string, err error) {
			delete(body, "vector")
			delete(body, "vectors")
			for _, x := range v.object.Vectors {
				fields = append(fields, vectorField(x))
			}
			return fields, nil
		})
	}},
	{"property changed", func(ctx context.Context, s *saboteur) (wanted, error) {
		return s.change(ctx, hasProperty, func(v victim, body map[string]any) ([]string, error) {
			name, properties := propertyOf(v, body)
			if name == "" {
				return nil, errNoVictim
			}
			switch value := properties[name].(type) {
			case string:
				properties[name] = value + "."
			case bool:
				properties[name] = !value
			case json.Number:
				number, err := value.Float64()
				if err != nil {
					return nil, err
				}
				properties[name] = number + 1
			}
			return []string{"properties." + name}, nil
		})
	}},
	{"property lost", func(ctx context.Context, s *saboteur) (wanted, error) {
		return s.change(ctx, hasProperty, func(v victim, body map[string]any) ([]string, error) {
			name, properties := propertyOf(v, body)
			delete(properties, name)
			if name == "" {
				return nil, errNoVictim
			}
			return []string{"properties." + name}, nil
		})
	}},
	{"object written again, with the same content", func(ctx context.Context, s *saboteur) (wanted, error) {
		return s.change(ctx, func(victim) bool { return true }, func(victim, map[string]any) ([]string, error) { return []string{"lastUpdateTime"}, nil })
	}},
	{"setting of a schema changed", schemaChanged},
	{"alias lost", func(ctx context.Context, s *saboteur) (wanted, error) {
		alias, _, err := s.alias(ctx)
		if err != nil {
			return wanted{}, err
		}
		return wantsStructure("alias", alias, Lost), s.restored.Do(ctx, http.MethodDelete, "/aliases/"+url.PathEscape(alias), nil, nil)
	}},
	{"alias added", func(ctx context.Context, s *saboteur) (wanted, error) {
		if len(s.places) == 0 {
			return wanted{}, errNoVictim
		}
		alias := s.name()
		return wantsStructure("alias", alias, Unexpected), s.restored.Do(ctx, http.MethodPost, "/aliases", map[string]any{"alias": alias, "class": s.places[0].collection.Name}, nil)
	}},
	{"collection added", func(ctx context.Context, s *saboteur) (wanted, error) {
		name := s.name()
		return wantsStructure("collection", name, Unexpected), s.restored.Do(ctx, http.MethodPost, "/schema", map[string]any{"class": name, "vectorizer": "none"}, nil)
	}},
}

// tenantRemoved and collectionRemoved take so much with them that what was damaged before could not be told from it.
var (
	tenantRemoved = sabotage{"tenant removed", func(ctx context.Context, s *saboteur) (wanted, error) {
		v, err := s.draw(ctx, func(v victim) bool { return v.tenant != "" })
		if err != nil {
			return wanted{}, err
		}
		return wantsStructure("tenant", v.place.String(), Lost), s.restored.Do(ctx, http.MethodDelete, "/schema/"+url.PathEscape(v.collection.Name)+"/tenants", []string{v.tenant}, nil)
	}}
	collectionRemoved = sabotage{"collection removed", func(ctx context.Context, s *saboteur) (wanted, error) {
		v, err := s.draw(ctx, func(victim) bool { return true })
		if err != nil {
			return wanted{}, err
		}
		return wantsStructure("collection", v.collection.Name, Lost), s.restored.Do(ctx, http.MethodDelete, "/schema/"+url.PathEscape(v.collection.Name), nil, nil)
	}}
)

// name is one that no collection or alias has.
func (s *saboteur) name() string { return "SelfTest" + strconv.FormatUint(s.random.Uint64(), 36) }

// path is the victim's, for all copies of it at once.
func (v victim) path() string {
	path := "/objects/" + url.PathEscape(v.collection.Name) + "/" + v.object.ID.String() + "?consistency_level=ALL"
	if v.tenant != "" {
		path += "&tenant=" + url.QueryEscape(v.tenant)
	}
	return path
}

// read gives an object as it can be written again. Numbers keep their text.
func (s *saboteur) read(ctx context.Context, v victim) (map[string]any, error) {
	var raw json.RawMessage
	if err := s.restored.Do(ctx, http.MethodGet, v.path()+"&include=vector", nil, &raw); err != nil {
		return nil, err
	}
	all, err := decoded(raw)
	if err != nil {
		return nil, err
	}
	body := map[string]any{}
	for _, key := range []string{"class", "id", "tenant", "properties", "vector", "vectors"} {
		if value, there := all[key]; there {
			body[key] = value
		}
	}
	return body, nil
}

func decoded(raw []byte) (map[string]any, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var all map[string]any
	return all, d.Decode(&all)
}

// change draws a victim, changes its content and writes it. A server that refuses one, such as for a module whose service is not there, is asked with others.
func (s *saboteur) change(ctx context.Context, fit func(victim) bool, change func(v victim, body map[string]any) (fields []string, err error)) (w wanted, err error) {
	const tries = 4
	for range tries {
		var v victim
		if v, err = s.draw(ctx, fit); err != nil {
			return w, err
		}
		var body map[string]any
		if body, err = s.read(ctx, v); err != nil {
			return w, err
		}
		var fields []string
		if fields, err = change(v, body); err != nil {
			continue
		}
		if err = s.restored.Do(ctx, http.MethodPut, v.path(), body, nil); err == nil || fatal(err) {
			return s.wants(v, Corrupt, fields...), err
		}
	}
	return w, err
}

func vectorField(v weaviate.Vector) string {
	if v.Name == "" {
		return "vector"
	}
	return "vectors." + v.Name
}

// hasVector: one that is not all zeros.
func hasVector(v victim) bool {
	return slices.ContainsFunc(v.object.Vectors, func(x weaviate.Vector) bool { return !x.Multi && len(bytes.Trim(x.Bytes, "\x00")) > 0 })
}

// plainVector is the first vector of hasVector, with its numbers.
func plainVector(v victim) (weaviate.Vector, []float32) {
	for _, x := range v.object.Vectors {
		if !x.Multi && len(bytes.Trim(x.Bytes, "\x00")) > 0 {
			return x, numbersOf(x)
		}
	}
	return weaviate.Vector{}, nil
}

// putVector puts numbers into a body as the vector of that name.
func putVector(body map[string]any, name string, numbers []float32) {
	if name == "" {
		body["vector"] = numbers
		return
	}
	vectors, _ := body["vectors"].(map[string]any)
	vectors[name] = numbers
}

func changeVector(change func(numbers []float32)) func(context.Context, *saboteur) (wanted, error) {
	return func(ctx context.Context, s *saboteur) (wanted, error) {
		return s.change(ctx, hasVector, func(v victim, body map[string]any) ([]string, error) {
			x, numbers := plainVector(v)
			before := slices.Clone(numbers)
			if change(numbers); slices.Equal(before, numbers) {
				return nil, errNoVictim // it was of that precision already
			}
			putVector(body, x.Name, numbers)
			return []string{vectorField(x)}, nil
		})
	}
}

// exchangeVector gives an object the vector of another one.
func exchangeVector(ctx context.Context, s *saboteur) (wanted, error) {
	other, err := s.draw(ctx, hasVector)
	if err != nil {
		return wanted{}, err
	}
	x, numbers := plainVector(other)
	fits := func(v victim) bool {
		mine, _ := plainVector(v)
		return v.place.String() == other.place.String() && mine.Name == x.Name && len(mine.Bytes) == len(x.Bytes) && !bytes.Equal(mine.Bytes, x.Bytes)
	}
	return s.change(ctx, fits, func(_ victim, body map[string]any) ([]string, error) {
		putVector(body, x.Name, numbers)
		return []string{vectorField(x)}, nil
	})
}

// hasProperty: one that can be changed a little.
func hasProperty(v victim) bool { return slices.ContainsFunc(v.collection.Properties, simple) }

func simple(p weaviate.Property) bool {
	return len(p.DataType) == 1 && slices.Contains([]string{"text", "int", "number", "boolean"}, p.DataType[0])
}

// propertyOf is the first simple property that the object has, "" when it has none.
func propertyOf(v victim, body map[string]any) (string, map[string]any) {
	properties, _ := body["properties"].(map[string]any)
	for _, p := range v.collection.Properties {
		if simple(p) && properties[p.Name] != nil {
			return p.Name, properties
		}
	}
	return "", properties
}

// schemaChanged changes a number that no stored object depends on.
func schemaChanged(ctx context.Context, s *saboteur) (wanted, error) {
	for _, i := range s.random.Perm(len(s.places)) {
		c := s.places[i].collection
		schema, err := decoded(c.Schema)
		if err != nil {
			return wanted{}, err
		}
		inverted, _ := schema["invertedIndexConfig"].(map[string]any)
		bm25, _ := inverted["bm25"].(map[string]any)
		k1, is := bm25["k1"].(json.Number)
		if !is {
			continue
		}
		number, err := k1.Float64()
		if err != nil {
			return wanted{}, err
		}
		bm25["k1"] = number + 1
		return wantsStructure("schema", c.Name+".invertedIndexConfig.bm25.k1", Corrupt), s.restored.Do(ctx, http.MethodPut, "/schema/"+url.PathEscape(c.Name), schema, nil)
	}
	return wanted{}, errNoVictim
}

// alias draws one that both sides have.
func (s *saboteur) alias(ctx context.Context) (alias, collection string, err error) {
	source, err := s.source.Aliases(ctx)
	if err != nil {
		return "", "", &sideError{"source", err}
	}
	restored, err := s.restored.Aliases(ctx)
	if err != nil {
		return "", "", &sideError{"restored", err}
	}
	maps.DeleteFunc(source, func(alias, to string) bool { return restored[alias] != to })
	if len(source) == 0 {
		return "", "", fmt.Errorf("%w: there is no alias", errNoVictim)
	}
	names := slices.Sorted(maps.Keys(source))
	alias = names[s.random.IntN(len(names))]
	return alias, source[alias], nil
}

// numbersOf reads a vector that is no multi-vector.
func numbersOf(v weaviate.Vector) []float32 {
	out := make([]float32, len(v.Bytes)/4)
	for i := range out {
		out[i] = math.Float32frombits(binary.LittleEndian.Uint32(v.Bytes[4*i:]))
	}
	return out
}
