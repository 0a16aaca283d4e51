// Package demo is the world that "weaviate-drill demo" drills in: a source Weaviate with made-up data, a hardened bucket on a
// local S3 server, and, when asked for, the smallest damage that a restore does not notice.
package demo

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/weaviate-drill/weaviate-drill/internal/weaviate"
)

// Objects is how many objects Fill writes, over all three collections.
const Objects = 5000

const (
	dimensions = 64
	perBatch   = 500
	seed       = 20
)

// Victim is the object that Damage changes: its collection, and the content that finds it in a chunk.
type Victim struct {
	Collection string
	ID         string
	vector     []float32
}

// Fill creates three collections (Article; Product with named vectors; Note with tenants) and an alias, and writes Objects objects. The content is the
// same each time. It returns the object that Damage is to change.
func Fill(ctx context.Context, c *weaviate.Conn) (Victim, error) {
	text := func(name string) map[string]any { return map[string]any{"name": name, "dataType": []string{"text"}} }
	typed := func(name, dataType string) map[string]any {
		return map[string]any{"name": name, "dataType": []string{dataType}}
	}
	hnsw := map[string]any{"vectorizer": map[string]any{"none": map[string]any{}}, "vectorIndexType": "hnsw"}
	for _, schema := range []map[string]any{
		{"class": "Article", "vectorizer": "none", "properties": []any{text("title"), text("body"), typed("words", "int"), typed("published", "date")}},
		{"class": "Product", "vectorConfig": map[string]any{"image": hnsw, "description": hnsw}, "properties": []any{text("name"), typed("price", "number"), typed("inStock", "boolean")}},
		{"class": "Note", "vectorizer": "none", "multiTenancyConfig": map[string]any{"enabled": true}, "properties": []any{text("text"), typed("tags", "text[]")}},
	} {
		if err := c.Do(ctx, http.MethodPost, "/schema", schema, nil); err != nil {
			return Victim{}, err
		}
	}
	tenants := []string{"acme", "globex", "initech", "umbrella"}
	var list []map[string]string
	for _, t := range tenants {
		list = append(list, map[string]string{"name": t})
	}
	if err := c.Do(ctx, http.MethodPost, "/schema/Note/tenants", list, nil); err != nil {
		return Victim{}, err
	}
	if err := c.Do(ctx, http.MethodPost, "/aliases", map[string]string{"alias": "News", "class": "Article"}, nil); err != nil {
		return Victim{}, err
	}

	r := rand.New(rand.NewPCG(seed, seed))
	victim := Victim{Collection: "Article"}
	articles := func(i int) map[string]any {
		o := object("Article", uint64(i))
		o["vector"] = vector(r)
		o["properties"] = map[string]any{
			"title": fmt.Sprintf("Article %d on %s", i, words(r, 2)), "body": words(r, 40), "words": 40,
			"published": time.Date(2026, 1, 1, 0, 0, i, 0, time.UTC).Format(time.RFC3339),
		}
		if i == 1234 {
			victim.ID, victim.vector = o["id"].(string), o["vector"].([]float32)
		}
		return o
	}
	products := func(i int) map[string]any {
		o := object("Product", uint64(i))
		o["vectors"] = map[string]any{"image": vector(r), "description": vector(r)}
		o["properties"] = map[string]any{"name": words(r, 3), "price": float64(r.IntN(100_000)) / 100, "inStock": r.IntN(2) == 0}
		return o
	}
	notes := func(i int) map[string]any {
		o := object("Note", uint64(i))
		o["tenant"] = tenants[i%len(tenants)]
		o["vector"] = vector(r)
		o["properties"] = map[string]any{"text": words(r, 12), "tags": []string{words(r, 1), words(r, 1)}}
		return o
	}
	for _, part := range []struct {
		count int
		make  func(int) map[string]any
	}{{Objects / 2, articles}, {Objects * 3 / 10, products}, {Objects / 5, notes}} {
		if err := write(ctx, c, part.count, part.make); err != nil {
			return Victim{}, err
		}
	}
	// A backup leaves out the log of a vector index that was begun in the same second, because the log's name is the second it was begun in (Weaviate 1.38.5, adapters/repos/db/vector/hnsw/backup.go):
	// what it restores finds nothing by vector. A drill says so, and this data is to be whole.
	select {
	case <-ctx.Done():
		return Victim{}, ctx.Err()
	case <-time.After(1100 * time.Millisecond):
	}
	return victim, nil
}

func write(ctx context.Context, c *weaviate.Conn, count int, make func(int) map[string]any) error {
	for from := 0; from < count; from += perBatch {
		var batch []map[string]any
		for i := from; i < min(from+perBatch, count); i++ {
			batch = append(batch, make(i))
		}
		var answer []struct {
			Result struct {
				Errors *struct{ Error []struct{ Message string } }
			}
		}
		if err := c.Do(ctx, http.MethodPost, "/batch/objects", map[string]any{"objects": batch}, &answer); err != nil {
			return err
		}
		for _, a := range answer {
			if a.Result.Errors != nil && len(a.Result.Errors.Error) > 0 {
				return fmt.Errorf("write the demo data: %s", a.Result.Errors.Error[0].Message)
			}
		}
	}
	return nil
}

// object has an id that depends on its collection and number alone, spread over the whole UUID space.
func object(collection string, i uint64) map[string]any {
	name := binary.BigEndian.AppendUint64([]byte(collection), i)
	return map[string]any{"class": collection, "id": uuid.NewSHA1(uuid.NameSpaceOID, name).String()}
}

func vector(r *rand.Rand) []float32 {
	v := make([]float32, dimensions)
	var sum float64
	for i := range v {
		v[i] = float32(r.NormFloat64())
		sum += float64(v[i]) * float64(v[i])
	}
	for i := range v {
		v[i] /= float32(math.Sqrt(sum))
	}
	return v
}

var vocabulary = []string{
	"harbour", "lantern", "orchard", "signal", "granite", "river", "copper", "meadow", "engine", "paper", "winter", "compass", "violet", "bridge", "cedar",
	"market", "shadow", "silver", "thunder", "window", "garden", "island", "mirror", "needle", "ocean", "pepper", "quartz", "rocket", "saddle", "timber",
}

func words(r *rand.Rand, n int) string {
	var out []byte
	for i := range n {
		if i > 0 {
			out = append(out, ' ')
		}
		out = append(out, vocabulary[r.IntN(len(vocabulary))]...)
	}
	return string(out)
}
