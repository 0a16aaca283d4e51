package verify

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/weaviate-drill/weaviate-drill/internal/servertest"
	"github.com/weaviate-drill/weaviate-drill/internal/weaviate"
)

func TestMain(m *testing.M) {
	if servers := os.Getenv(benchChild); servers != "" {
		if err := compareOnce(servers); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(servertest.Run(m))
}

type object = map[string]any

func id(collection string, i int) string {
	return uuid.NewSHA1(uuid.NameSpaceOID, fmt.Append(nil, collection, i)).String()
}

const nilID = "00000000-0000-0000-0000-000000000000"

func floats(r *rand.Rand, n int) []float32 {
	out := make([]float32, n)
	for i := range out {
		out[i] = r.Float32() - 0.5
	}
	return out
}

func do(t testing.TB, c *weaviate.Conn, method, path string, body any) {
	t.Helper()
	if err := c.Do(context.WithoutCancel(t.Context()), method, path, body, nil); err != nil {
		t.Fatal(err)
	}
}

func batch(t testing.TB, c *weaviate.Conn, objects []object) {
	t.Helper()
	var answer []struct {
		Result struct {
			Errors *struct{ Error []struct{ Message string } }
		}
	}
	if err := c.Do(t.Context(), http.MethodPost, "/batch/objects", object{"objects": objects}, &answer); err != nil {
		t.Fatal(err)
	}
	for _, a := range answer {
		if a.Result.Errors != nil && len(a.Result.Errors.Error) > 0 {
			t.Fatal(a.Result.Errors.Error[0].Message)
		}
	}
}

// fill writes every kind of thing that a comparison has to see.
func fill(t testing.TB, c *weaviate.Conn) {
	t.Helper()
	property := func(name string, dataType string) object { return object{"name": name, "dataType": []string{dataType}} }
	index := object{"vectorizer": object{"none": object{}}, "vectorIndexType": "hnsw"}
	multi := object{"vectorizer": object{"none": object{}}, "vectorIndexType": "hnsw", "vectorIndexConfig": object{"multivector": object{"enabled": true}}}
	for _, class := range []object{
		{"class": "Article", "vectorizer": "none", "properties": []object{
			property("title", "text"), property("words", "int"), property("score", "number"), property("published", "date"), property("key", "uuid"), property("open", "boolean"),
			property("tags", "text[]"), property("sizes", "int[]"), property("weights", "number[]"), property("flags", "boolean[]"), property("place", "geoCoordinates"), property("phone", "phoneNumber"),
			{"name": "author", "dataType": []string{"object"}, "nestedProperties": []object{property("name", "text"), property("age", "int")}},
		}},
		{"class": "Product", "vectorConfig": object{"image": index, "tokens": multi}, "properties": []object{property("name", "text")}},
		{"class": "Note", "vectorizer": "none", "multiTenancyConfig": object{"enabled": true}, "properties": []object{property("text", "text")}},
		{"class": "Media", "vectorizer": "none", "properties": []object{property("picture", "blob"), property("of", "Article"), property("size", "number")}},
		{"class": "Doomed", "vectorizer": "none", "properties": []object{property("text", "text")}},
		{"class": "Void", "vectorizer": "none", "properties": []object{property("text", "text")}},
	} {
		do(t, c, http.MethodPost, "/schema", class)
	}
	do(t, c, http.MethodPost, "/schema/Note/tenants", []object{{"name": "acme"}, {"name": "globex"}, {"name": "hollow"}})
	do(t, c, http.MethodPost, "/aliases", object{"alias": "News", "class": "Article"})
	do(t, c, http.MethodPost, "/aliases", object{"alias": "Shop", "class": "Product"})
	r := rand.New(rand.NewPCG(1, 2))
	var all []object
	for i := range 600 {
		o := object{"class": "Article", "id": id("Article", i), "vector": floats(r, 16), "properties": object{
			"title": fmt.Sprint("article ", i), "words": i, "score": float64(i) / 3, "published": "2026-01-02T03:04:05.123456Z", "key": id("key", i), "open": i%2 == 0,
			"tags": []string{"a", fmt.Sprint(i)}, "sizes": []int{i, -i}, "weights": []float64{0.1, float64(i)}, "flags": []bool{true, false},
			"place": object{"latitude": 1.5, "longitude": -2.25}, "phone": object{"input": "+49 171 1234567"}, "author": object{"name": "A", "age": i},
		}}
		if i == 0 {
			o["id"] = nilID
		}
		if i%7 == 0 {
			delete(o["properties"].(object), "title")
		}
		all = append(all, o)
	}
	for i := range 200 {
		all = append(all, object{"class": "Product", "id": id("Product", i), "properties": object{"name": fmt.Sprint("product ", i)},
			"vectors": object{"image": floats(r, 16), "tokens": [][]float32{floats(r, 8), floats(r, 8), floats(r, 8)}}})
		all = append(all, object{"class": "Note", "id": id("Note", i), "tenant": []string{"acme", "globex"}[i%2], "vector": floats(r, 8), "properties": object{"text": fmt.Sprint("note ", i)}})
	}
	for i := range 40 {
		o := object{"class": "Media", "id": id("Media", i), "vector": floats(r, 8), "properties": object{
			"picture": base64.StdEncoding.EncodeToString(fmt.Append(nil, "picture ", i)), "size": float64(i) + 0.25,
			"of": []object{{"beacon": "weaviate://localhost/Article/" + id("Article", i+1)}},
		}}
		if i == 0 {
			o["id"] = nilID
		}
		all = append(all, o)
		all = append(all, object{"class": "Doomed", "id": id("Doomed", i), "vector": floats(r, 8), "properties": object{"text": "x"}})
	}
	for part := range slices.Chunk(all, 300) {
		batch(t, c, part)
	}
}

// backUp makes a backup and returns its capture point.
func backUp(t testing.TB, c *weaviate.Conn, id string) time.Time {
	t.Helper()
	for attempt := 1; ; attempt++ {
		_, err := c.CreateBackup(t.Context(), weaviate.BackupRequest{ID: id, CompressionLevel: "NoCompression"})
		if err == nil {
			break
		}
		if attempt == 3 {
			t.Fatal(err)
		}
		t.Log(err) // one of several nodes did not answer the others in time, as happens on a busy machine
		time.Sleep(time.Second)
	}
	await(t, func() (weaviate.BackupStatus, error) { return c.BackupStatus(t.Context(), id, weaviate.Location{}) })
	var made struct{ StartedAt time.Time }
	if err := c.Do(t.Context(), http.MethodGet, "/backups/s3/"+id, nil, &made); err != nil {
		t.Fatal(err)
	}
	return made.StartedAt
}

func restore(t testing.TB, c *weaviate.Conn, id string) {
	t.Helper()
	if _, err := c.Restore(t.Context(), weaviate.RestoreRequest{ID: id}); err != nil {
		t.Fatal(err)
	}
	await(t, func() (weaviate.BackupStatus, error) { return c.RestoreStatus(t.Context(), id, weaviate.Location{}) })
}

func await(t testing.TB, status func() (weaviate.BackupStatus, error)) {
	t.Helper()
	for {
		s, err := status()
		if err != nil {
			t.Fatal(err)
		}
		if s.Done() {
			if s.Status != "SUCCESS" {
				t.Fatalf("%s: %s", s.Status, s.Error)
			}
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
}

func compare(t testing.TB, source, restored *weaviate.Conn, o Options) *Result {
	t.Helper()
	r, err := Compare(t.Context(), source, restored, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func dump(t testing.TB, r *Result) {
	t.Helper()
	for _, d := range r.Structure {
		t.Logf("structure: %+v", d)
	}
	for _, d := range r.Differences {
		t.Logf("difference: %+v", d)
	}
	t.Logf("unknown %q, notes %q, verdicts %+v", r.Unknown, r.Notes, r.Verdicts)
}

func (r *Result) find(id string) Difference {
	for _, d := range r.Differences {
		if d.ID == id {
			return d
		}
	}
	return Difference{}
}

func (r *Result) structureAt(where string) StructureDifference {
	for _, d := range r.Structure {
		if d.Where == where {
			return d
		}
	}
	return StructureDifference{}
}

func TestCompare(t *testing.T) {
	server, b := servertest.Source(t)
	source := servertest.Dial(t, server)
	fill(t, source)
	const skew = 300 * time.Millisecond
	time.Sleep(2 * time.Second) // the log of a vector index that was begun in the same second is left out of a backup
	capture := backUp(t, source, "compare")
	restored := servertest.Dial(t, servertest.Weaviate(t, b, nil))
	restore(t, restored, "compare")
	all := []string{"Article", "Product", "Note", "Media", "Doomed", "Void"}
	options := Options{CapturePoint: capture, ClockSkew: skew, Included: all}

	t.Run("ready", func(t *testing.T) {
		if err := WaitIndexed(t.Context(), restored, time.Minute, nil); err != nil {
			t.Fatal(err)
		}
		a, err := FirstAnswer(t.Context(), restored)
		if err != nil || a.Collections != 5 || a.ByID != 5 || a.ByVector != 5 {
			t.Errorf("%+v, %v", a, err)
		}
		t.Logf("first answer after %s", a.Duration)
	})
	t.Run("equal", func(t *testing.T) {
		var last, total int64
		o := options
		o.Progress = func(done, all int64) { last, total = done, all }
		r := compare(t, source, restored, o)
		if r.Outcome() != Passed || r.Verdicts != (Verdicts{Match: 1080}) || len(r.Structure) > 0 || len(r.Collections) != 6 {
			dump(t, r)
			t.Errorf("%s, %+v", r.Outcome(), r.Collections)
		}
		if r.VectorsCompared != 600+400+200+40+40 || r.BytesRead == 0 || last != 1080 || total != 1080 {
			t.Errorf("%d vectors, %d bytes, progress %d of %d", r.VectorsCompared, r.BytesRead, last, total)
		}
		if r.CompletenessHorizon.Before(capture.Truncate(time.Millisecond)) || r.FreshnessHorizon.IsZero() || r.FreshnessHorizon.After(capture) {
			t.Errorf("capture %s, complete to %s, fresh to %s", capture, r.CompletenessHorizon, r.FreshnessHorizon)
		}
	})
	t.Run("equal without a capture point, at every level", func(t *testing.T) {
		for _, level := range Levels() {
			if !level.Restores() || level == LevelIndex { // which has tests of its own, of data that had come to rest before the backup
				continue
			}
			r := compare(t, source, restored, Options{Level: level, Sample: 50, Seed: 7})
			if r.Outcome() != Passed {
				dump(t, r)
				t.Errorf("%s: %s", level, r.Outcome())
			}
			if level == LevelSample && (r.Sampling.Seed != 7 || r.Sampling.Drawn != 50+2*200+2*40 || r.Sampling.Drawn != r.Verdicts.Match) {
				t.Errorf("drawn %+v, %+v", r.Sampling, r.Verdicts)
			}
		}
	})
	t.Run("cancelled", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		o := options
		o.MaxRate = 100
		time.AfterFunc(300*time.Millisecond, cancel)
		began := time.Now()
		if _, err := Compare(ctx, source, restored, o); !errors.Is(err, context.Canceled) || time.Since(began) > 2*time.Second {
			t.Errorf("%v after %s", err, time.Since(began))
		}
	})
	t.Run("drift on the source", func(t *testing.T) {
		do(t, source, http.MethodPatch, "/objects/Article/"+id("Article", 1), object{"class": "Article", "properties": object{"words": 77}})
		batch(t, source, []object{{"class": "Article", "id": id("new", 1), "properties": object{"title": "new"}}})
		r := compare(t, source, restored, options)
		updated, added := r.find(id("Article", 1)), r.find(id("new", 1))
		if r.Outcome() != Passed || r.Verdicts.Drift != 2 || updated.Verdict != Drift || added.Verdict != Drift || !slices.Contains(updated.Fields, "properties.words") {
			dump(t, r)
			t.Error("an update and a new object on the source are not drift")
		}
		if h := r.CompletenessHorizon; h.Before(capture) || h.After(time.Now()) {
			t.Errorf("complete to %s, captured at %s", h, capture)
		}
		do(t, source, http.MethodDelete, "/objects/Article/"+id("Article", 2), nil)
		r = compare(t, source, restored, options)
		if deleted := r.find(id("Article", 2)); r.Outcome() != Inconclusive || deleted.Verdict != Unverifiable || r.Verdicts.Unverifiable != 1 {
			dump(t, r)
			t.Errorf("a deletion on the source is %q, outcome %s", deleted.Verdict, r.Outcome())
		}
	})
	t.Run("new collection and alias on the source", func(t *testing.T) {
		do(t, source, http.MethodPost, "/schema", object{"class": "Later", "vectorizer": "none", "properties": []object{{"name": "text", "dataType": []string{"text"}}}})
		batch(t, source, []object{{"class": "Later", "properties": object{"text": "new"}}})
		do(t, source, http.MethodPost, "/aliases", object{"alias": "Soon", "class": "Later"})
		r := compare(t, source, restored, options)
		if d := r.structureAt("Later"); d.Verdict != Drift || len(r.Structure) != 1 || r.Verdicts.Drift != 3 {
			dump(t, r)
			t.Errorf("%+v", d)
		}
		o := options
		o.Excluded = []string{"Later"}
		if r = compare(t, source, restored, o); len(r.Structure) > 0 || len(r.Notes) != 1 {
			dump(t, r)
			t.Error("a collection that was left out on purpose is a difference")
		}
		do(t, source, http.MethodDelete, "/aliases/Soon", nil)
		do(t, source, http.MethodDelete, "/schema/Later", nil)
	})
	t.Run("a deadline that the rate cannot keep", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		o := options
		o.MaxRate = 10
		if _, err := Compare(ctx, source, restored, o); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
	})
	t.Run("damage", func(t *testing.T) {
		r := rand.New(rand.NewPCG(3, 4))
		do(t, restored, http.MethodDelete, "/objects/Article/"+id("Article", 3), nil)
		do(t, restored, http.MethodDelete, "/objects/Article/"+nilID, nil)
		do(t, restored, http.MethodPatch, "/objects/Article/"+id("Article", 4), object{"class": "Article", "properties": object{"title": "other"}})
		do(t, restored, http.MethodPatch, "/objects/Article/"+id("Article", 5), object{"class": "Article", "properties": object{"author": object{"name": "B", "age": 5}}})
		o, err := restored.Object(t.Context(), "Product", "", uuid.MustParse(id("Product", 6)))
		if err != nil {
			t.Fatal(err)
		}
		if len(o.Vectors) != 2 || !o.Vectors[1].Multi || len(o.Vectors[1].Bytes) != 2+3*8*4 {
			t.Fatalf("%+v", o.Vectors)
		}
		do(t, restored, http.MethodPatch, "/objects/Product/"+id("Product", 6), object{"class": "Product", "vectors": object{"image": floats(r, 16)}})
		do(t, restored, http.MethodPatch, "/objects/Product/"+id("Product", 7), object{"class": "Product", "vectors": object{"tokens": [][]float32{floats(r, 8)}}})
		do(t, restored, http.MethodPatch, "/objects/Media/"+id("Media", 8), object{"class": "Media", "properties": object{"picture": base64.StdEncoding.EncodeToString([]byte("other"))}})
		do(t, restored, http.MethodPut, "/objects/Media/"+id("Media", 9)+"/references/of", []object{{"beacon": "weaviate://localhost/Article/" + id("Article", 99)}})
		do(t, restored, http.MethodPatch, "/objects/Note/"+id("Note", 10), object{"class": "Note", "tenant": "acme", "properties": object{"text": nil}})
		batch(t, restored, []object{{"class": "Note", "tenant": "globex", "id": id("extra", 1), "properties": object{"text": "x"}}})
		do(t, restored, http.MethodDelete, "/aliases/Shop", nil)
		do(t, restored, http.MethodDelete, "/schema/Doomed", nil)
		do(t, restored, http.MethodDelete, "/schema/Note/tenants", []string{"hollow"})
		do(t, restored, http.MethodPost, "/schema/Void/properties", object{"name": "added", "dataType": []string{"text"}})
		got := compare(t, source, restored, options)
		if got.Outcome() != Failed {
			t.Errorf("outcome %s", got.Outcome())
		}
		for _, want := range []struct {
			what, id, field string
			verdict         Verdict
		}{
			{"deleted object", id("Article", 3), "", Lost},
			{"deleted all-zero object", nilID, "", Lost},
			{"changed text", id("Article", 4), "properties.title", Corrupt},
			{"changed nested object", id("Article", 5), "properties.author", Corrupt},
			{"changed named vector", id("Product", 6), "vectors.image", Corrupt},
			{"changed multi-vector", id("Product", 7), "vectors.tokens", Corrupt},
			{"changed blob", id("Media", 8), "properties.picture", Corrupt},
			{"changed reference", id("Media", 9), "properties.of", Corrupt},
			{"removed property of a tenant's object", id("Note", 10), "properties.text", Corrupt},
			{"added object", id("extra", 1), "", Unexpected},
		} {
			d := got.find(want.id)
			if d.Verdict != want.verdict || want.field != "" && !slices.Contains(d.Fields, want.field) || want.field != "" && !strings.Contains(d.Detail, want.field) {
				t.Errorf("%s: %+v", want.what, d)
			}
		}
		for where, want := range map[string]Verdict{"Shop": Lost, "Doomed": Lost, "Note/hollow": Unverifiable, "Void.properties.added": Unexpected} {
			if d := got.structureAt(where); d.Verdict != want {
				t.Errorf("%s: %+v", where, d)
			}
		}
		// Doomed's 40 objects are lost with it.
		if v := got.Verdicts; v.Lost != 42 || v.Corrupt != 7 || v.Unexpected != 1 || v.Drift != 2 || v.Unverifiable != 1 {
			t.Errorf("%+v", v)
		}
		if !got.CompletenessHorizon.Before(capture) {
			t.Errorf("objects are lost, and yet complete to %s", got.CompletenessHorizon)
		}
		if t.Failed() {
			dump(t, got)
		}
		few := options
		few.MaxDifferences = 3
		if r := compare(t, source, restored, few); len(r.Differences) != 3 || r.Differences[0].Verdict == Drift || r.Verdicts != got.Verdicts {
			t.Errorf("%d differences listed, verdicts %+v", len(r.Differences), r.Verdicts)
		}
		counts := options
		counts.Level = LevelCounts
		if r := compare(t, source, restored, counts); r.structureAt("Doomed").Verdict != Lost || r.structureAt("Article").Verdict != Unverifiable || r.Outcome() != Failed {
			dump(t, r)
			t.Error("level counts")
		}
	})
	t.Run("tenant that is cold on the source", func(t *testing.T) {
		do(t, source, http.MethodPut, "/schema/Note/tenants", []object{{"name": "acme", "activityStatus": "COLD"}})
		r := compare(t, source, restored, options)
		if d := r.structureAt("Note/acme"); d.Verdict != Unverifiable || len(r.Unknown) != 1 || !strings.Contains(r.Unknown[0], "acme") {
			dump(t, r)
			t.Error("an inactive tenant is not told")
		}
		list, err := source.Tenants(t.Context(), "Note")
		if err != nil || list[0].Name != "acme" || list[0].Active() {
			t.Errorf("the comparison activated a tenant of the source: %+v, %v", list, err)
		}
	})
	t.Run("first answer of an empty server", func(t *testing.T) {
		for _, name := range []string{"Article", "Product", "Note", "Media", "Void"} {
			do(t, restored, http.MethodDelete, "/schema/"+name, nil)
		}
		if _, err := FirstAnswer(t.Context(), restored); !errors.Is(err, ErrNoAnswer) {
			t.Error(err)
		}
		r := compare(t, source, restored, options)
		if r.Outcome() != Failed || r.Verdicts.Lost < 800 {
			dump(t, r)
			t.Errorf("an empty restored side: %s, %+v", r.Outcome(), r.Verdicts)
		}
	})
}
