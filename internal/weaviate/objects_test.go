package weaviate_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"github.com/weaviate-drill/weaviate-drill/internal/servertest"
	"github.com/weaviate-drill/weaviate-drill/internal/weaviate"
)

type object = map[string]any

func id(collection string, i int) string {
	return uuid.NewSHA1(uuid.NameSpaceOID, fmt.Append(nil, collection, i)).String()
}

func parse(id string) uuid.UUID { return uuid.MustParse(id) }

func do(t testing.TB, c *weaviate.Conn, method, path string, body any) {
	t.Helper()
	if err := c.Do(t.Context(), method, path, body, nil); err != nil {
		t.Fatal(err)
	}
}

// write creates a collection and n objects in it.
func write(t testing.TB, c *weaviate.Conn, schema object, n int, make func(i int) object) {
	t.Helper()
	do(t, c, http.MethodPost, "/schema", schema)
	if schema["multiTenancyConfig"] != nil {
		do(t, c, http.MethodPost, "/schema/"+schema["class"].(string)+"/tenants", []object{{"name": "acme"}, {"name": "idle", "activityStatus": "COLD"}})
	}
	var all []object
	for i := range n {
		o := make(i)
		o["class"] = schema["class"]
		all = append(all, o)
	}
	for part := range slices.Chunk(all, 500) {
		var answer []struct {
			Result struct {
				Errors *struct{ Error []struct{ Message string } }
			}
		}
		if err := c.Do(t.Context(), http.MethodPost, "/batch/objects", object{"objects": part}, &answer); err != nil {
			t.Fatal(err)
		}
		for _, a := range answer {
			if a.Result.Errors != nil && len(a.Result.Errors.Error) > 0 {
				t.Fatal(a.Result.Errors.Error[0].Message)
			}
		}
	}
}

// read scans a range to its end.
func read(ctx context.Context, c *weaviate.Conn, r weaviate.Range) ([]weaviate.Object, error) {
	var all []weaviate.Object
	for s := c.Scan(r); ; {
		page, err := s.Next(ctx)
		if err == io.EOF { //nolint:errorlint // a broken connection wraps io.EOF
			return all, nil
		}
		if err != nil {
			return all, err
		}
		all = append(all, page...)
	}
}

func floats(r *rand.Rand, n int) []float32 {
	out := make([]float32, n)
	for i := range out {
		out[i] = r.Float32() - 0.5
	}
	return out
}

// alike says whether a property read over gRPC and over REST is the same to a person: gRPC fills in null for what is missing, and gives phone numbers in another order.
func alike(d weaviate.PropertyDifference) bool {
	if d.A == "null" && d.B == "(missing)" {
		return true
	}
	if strings.HasPrefix(d.A, "phone") {
		return strings.Contains(d.A, `"+49 171 1234567"`) && strings.Contains(d.B, `"+49 171 1234567"`) && strings.Contains(d.A, `"1711234567"`) && strings.Contains(d.B, "1711234567")
	}
	return d.A == d.B
}

func TestBothWaysOfReadingAgree(t *testing.T) {
	server, _ := servertest.Source(t)
	c := servertest.Dial(t, server)
	r := rand.New(rand.NewPCG(1, 2))
	property := func(name, dataType string) object { return object{"name": name, "dataType": []string{dataType}} }
	index := object{"vectorizer": object{"none": object{}}, "vectorIndexType": "hnsw"}
	multi := object{"vectorizer": object{"none": object{}}, "vectorIndexType": "hnsw", "vectorIndexConfig": object{"multivector": object{"enabled": true}}}
	nested := object{"name": "author", "dataType": []string{"object"}, "nestedProperties": []object{property("name", "text"), property("age", "int"), property("pets", "text[]")}}
	list := object{"name": "parts", "dataType": []string{"object[]"}, "nestedProperties": []object{property("weight", "number"), property("made", "date")}}
	types := []object{
		property("text", "text"), property("int", "int"), property("number", "number"), property("date", "date"), property("uuid", "uuid"), property("boolean", "boolean"),
		property("texts", "text[]"), property("ints", "int[]"), property("numbers", "number[]"), property("dates", "date[]"), property("uuids", "uuid[]"), property("booleans", "boolean[]"),
		property("place", "geoCoordinates"), property("phone", "phoneNumber"), nested, list,
	}
	filled := func(i int) object {
		return object{
			"text": fmt.Sprint("größe ", i, " \"quoted\"\n"), "int": i - 20, "number": float64(i) / 3, "date": "2026-01-02T03:04:05.123456Z", "uuid": id("key", i), "boolean": i%2 == 0,
			"texts": []string{"a", ""}, "ints": []int{i, -i, 1 << 52}, "numbers": []float64{0.1, float64(i), 1e-7, 3}, "dates": []string{"2026-01-02T03:04:05Z"}, "uuids": []string{id("key", i), id("key", i+1)},
			"booleans": []bool{true, false}, "place": object{"latitude": 1.5, "longitude": -2.25}, "phone": object{"input": "+49 171 1234567"},
			"author": object{"name": "A", "age": i, "pets": []string{"cat"}}, "parts": []object{{"weight": 0.5, "made": "2026-01-02T03:04:05Z"}, {"weight": float64(i), "made": "2025-01-02T03:04:05Z"}},
		}
	}
	write(t, c, object{"class": "Typed", "vectorizer": "none", "properties": types}, 60, func(i int) object {
		o := object{"id": id("Typed", i), "vector": floats(r, 16), "properties": filled(i)}
		switch {
		case i == 0:
			o["id"] = uuid.Nil.String()
		case i == 1:
			o["id"] = uuid.Max.String()
		case i == 2:
			o["properties"] = object{}
		case i == 3:
			o["properties"] = object{"text": "", "texts": []string{}, "number": 3}
		case i%5 == 0:
			delete(o, "vector")
		}
		return o
	})
	write(t, c, object{"class": "Named", "vectorConfig": object{"zeta": index, "alpha": index, "tokens": multi}, "properties": []object{property("text", "text")}}, 60, func(i int) object {
		vectors := object{"zeta": floats(r, 8), "alpha": floats(r, 4), "tokens": [][]float32{floats(r, 8), floats(r, 8), floats(r, 8)}}
		if i%3 == 0 {
			delete(vectors, "alpha")
		}
		o := object{"id": id("Named", i), "vectors": vectors, "properties": object{"text": "x"}}
		if i%4 == 0 {
			delete(o, "vectors")
		}
		return o
	})
	write(t, c, object{"class": "Tenanted", "vectorizer": "none", "multiTenancyConfig": object{"enabled": true}, "properties": []object{property("text", "text")}}, 60, func(i int) object {
		return object{"id": id("Tenanted", i), "tenant": "acme", "vector": floats(r, 4), "properties": object{"text": "x"}}
	})
	for _, tt := range []struct {
		collection, tenant string
		vectors            int
	}{{"Typed", "", 49}, {"Named", "", 45*3 - 15}, {"Tenanted", "acme", 60}} {
		t.Run(tt.collection, func(t *testing.T) {
			overGRPC, err := read(t.Context(), c, weaviate.Range{Collection: tt.collection, Tenant: tt.tenant})
			if err != nil {
				t.Fatal(err)
			}
			overREST, err := read(t.Context(), c, weaviate.Range{Collection: tt.collection, Tenant: tt.tenant, REST: true})
			if err != nil {
				t.Fatal(err)
			}
			if len(overGRPC) != 60 || len(overREST) != 60 {
				t.Fatalf("read %d over gRPC, %d over REST", len(overGRPC), len(overREST))
			}
			vectors := 0
			for i := range overGRPC {
				a, b := overGRPC[i], overREST[i]
				differences, err := weaviate.DiffProperties(a.Properties, b.Properties)
				if err != nil {
					t.Fatal(err)
				}
				for _, d := range differences {
					if !alike(d) {
						t.Errorf("%s: %s is %s over gRPC and %s over REST", a.ID, d.Name, d.A, d.B)
					}
				}
				vectors += len(a.Vectors)
				b.Properties = a.Properties
				if !a.Equal(&b) {
					t.Errorf("over gRPC %+v, over REST %+v", a, b)
				}
				byID, err := c.Object(t.Context(), tt.collection, tt.tenant, a.ID)
				if err != nil {
					t.Fatal(err)
				}
				if !byID.Equal(&overREST[i]) {
					t.Errorf("by id %+v, over REST %+v", byID, overREST[i])
				}
			}
			if vectors != tt.vectors {
				t.Errorf("%d vectors, want %d", vectors, tt.vectors)
			}
			if n, err := c.Count(t.Context(), tt.collection, tt.tenant); n != 60 || err != nil {
				t.Errorf("counted %d, %v", n, err)
			}
		})
	}
	t.Run("a property that is gone is seen", func(t *testing.T) {
		from := parse(id("Typed", 7))
		for name, value := range filled(7) {
			for _, rest := range []bool{false, true} {
				one := weaviate.Range{Collection: "Typed", From: from, To: weaviate.Next(from), REST: rest}
				before, err := read(t.Context(), c, one)
				if err != nil || len(before) != 1 {
					t.Fatal(len(before), err)
				}
				do(t, c, http.MethodPatch, "/objects/Typed/"+from.String(), object{"class": "Typed", "properties": object{name: nil}})
				after, err := read(t.Context(), c, one)
				if err != nil || len(after) != 1 {
					t.Fatal(len(after), err)
				}
				d, err := weaviate.DiffProperties(before[0].Properties, after[0].Properties)
				if err != nil || len(d) != 1 || d[0].Name != name || d[0].A == d[0].B || before[0].Equal(&after[0]) {
					t.Errorf("%s, over REST %t: %+v, %v", name, rest, d, err)
				}
				do(t, c, http.MethodPatch, "/objects/Typed/"+from.String(), object{"class": "Typed", "properties": object{name: value}})
			}
		}
	})
	t.Run("inactive tenant", func(t *testing.T) {
		if _, err := c.Count(t.Context(), "Tenanted", "idle"); err == nil || !strings.Contains(err.Error(), "Tenanted/idle") {
			t.Error(err)
		}
		list, err := c.Tenants(t.Context(), "Tenanted")
		if err != nil || len(list) != 2 || !list[0].Active() || list[1].Active() {
			t.Errorf("%+v, %v", list, err)
		}
	})
	t.Run("blobs and references", func(t *testing.T) {
		write(t, c, object{"class": "Media", "vectorizer": "none", "properties": []object{property("picture", "blob"), property("of", "Typed")}}, 20, func(i int) object {
			return object{"id": id("Media", i), "properties": object{
				"picture": base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{byte(i)}, 1<<20)), "of": []object{{"beacon": "weaviate://localhost/Typed/" + id("Typed", i+2)}},
			}}
		})
		collections, err := c.Collections(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, collection := range collections {
			if collection.NeedsREST() != (collection.Name == "Media") {
				t.Errorf("%s needs REST: %t", collection.Name, collection.NeedsREST())
			}
		}
		all, err := read(t.Context(), c, weaviate.Range{Collection: "Media", REST: true})
		if err != nil || len(all) != 20 {
			t.Fatal(len(all), err)
		}
		d, err := weaviate.DiffProperties(all[0].Properties, all[1].Properties)
		if err != nil || len(d) != 2 || d[0].Name != "of" || d[1].Name != "picture" {
			t.Errorf("%v, %v", d, err)
		}
	})
}

func TestScansSeeEveryObjectOnce(t *testing.T) {
	server, _ := servertest.Source(t)
	c := servertest.Dial(t, server)
	r := rand.New(rand.NewPCG(5, 6))
	const n = 2000
	ids := map[string][]uuid.UUID{}
	for i := range n {
		even := uuid.UUID{}
		for j := range even {
			even[j] = byte(r.Uint32())
		}
		ids["Even"] = append(ids["Even"], even)
		// As an application makes them that counts upwards, with a few strays at the very ends.
		skewed := uuid.UUID{14: byte(i >> 8), 15: byte(i)}
		if i > n-10 {
			skewed = uuid.Max
			skewed[15] -= byte(n - i - 1)
		}
		ids["Skewed"] = append(ids["Skewed"], skewed)
	}
	for name, list := range ids {
		write(t, c, object{"class": name, "vectorizer": "none", "shardingConfig": object{"desiredCount": 3}}, n, func(i int) object { return object{"id": list[i].String()} })
		want := slices.SortedFunc(slices.Values(list), func(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) })
		for workers := 1; workers <= 5; workers++ {
			t.Run(fmt.Sprint(name, " with ", workers), func(t *testing.T) {
				// Cut at ids that exist, and at some that do not.
				cuts := []uuid.UUID{{}}
				for i := range workers - 1 {
					cut := want[(i+1)*n/workers]
					if i%2 == 1 {
						cut = weaviate.Next(cut)
					}
					cuts = append(cuts, cut)
				}
				found := make([][]weaviate.Object, workers)
				group, ctx := errgroup.WithContext(t.Context())
				size := new(weaviate.Size)
				for i, from := range cuts {
					var to uuid.UUID
					if i+1 < workers {
						to = cuts[i+1]
					}
					group.Go(func() (err error) {
						found[i], err = read(ctx, c, weaviate.Range{Collection: name, From: from, To: to, Expect: n / int64(workers), Size: size, REST: i == 3})
						return err
					})
				}
				if err := group.Wait(); err != nil {
					t.Fatal(err)
				}
				var got []uuid.UUID
				for _, o := range slices.Concat(found...) {
					got = append(got, o.ID)
				}
				if !slices.Equal(got, want) {
					t.Errorf("read %d objects, %d are stored, or in another order", len(got), n)
				}
			})
		}
	}
	t.Run("stopped by the caller", func(t *testing.T) {
		stop := errors.New("enough")
		s := c.Scan(weaviate.Range{Collection: "Even"})
		s.Wait = func(_ context.Context, objects int) error {
			if objects < 1 || objects > weaviate.MaxPage {
				t.Errorf("asks for %d objects", objects)
			}
			return stop
		}
		if _, err := s.Next(t.Context()); !errors.Is(err, stop) {
			t.Error(err)
		}
	})
}

func TestBeforeAndNext(t *testing.T) {
	for _, s := range []string{"00000000-0000-0000-0000-000000000001", "00000000-0000-0000-0000-0000000000ff", "00000000-0000-0000-0000-00000000ffff", "80000000-0000-0000-0000-000000000000", uuid.Max.String()} {
		u := parse(s)
		before := weaviate.Before(u)
		if weaviate.Next(before) != u || bytes.Compare(before[:], u[:]) >= 0 {
			t.Errorf("before %s is %s", u, before)
		}
	}
	if weaviate.Next(uuid.Max) != uuid.Nil {
		t.Error("above the last UUID is one")
	}
}
