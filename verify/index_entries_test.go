package verify

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/weaviate-drill/weaviate-drill/internal/secret"
	"github.com/weaviate-drill/weaviate-drill/internal/servers"
	"github.com/weaviate-drill/weaviate-drill/internal/servertest"
	"github.com/weaviate-drill/weaviate-drill/internal/weaviate"
)

// thirds writes collections in three parts, with a backup after each, so that each index has a segment of a third of the entries. It returns the capture point of the last backup, which has the id third2.
func thirds(t *testing.T, c *weaviate.Conn) (capture time.Time) {
	t.Helper()
	r := rand.New(rand.NewPCG(8, 9))
	property := func(name, dataType string, more object) object {
		p := object{"name": name, "dataType": []string{dataType}}
		maps.Copy(p, more)
		return p
	}
	for _, class := range []string{"Parts", "Ids", "Whole", "Rented"} {
		do(t, c, http.MethodPost, "/schema", object{
			"class": class, "vectorizer": "none", "multiTenancyConfig": object{"enabled": class == "Rented"}, "invertedIndexConfig": object{"indexNullState": true, "indexPropertyLength": true, "indexTimestamps": true},
			"properties": []object{
				property("words", "text", nil), property("searched", "text", object{"indexFilterable": false, "tokenization": "field"}), property("trigram", "text", object{"tokenization": "trigram"}), property("tags", "text[]", nil),
				property("count", "int", object{"indexRangeFilters": true}), property("size", "number", nil), property("day", "date", nil), property("flag", "boolean", nil), property("key", "uuid", nil),
			},
		})
	}
	do(t, c, http.MethodPost, "/schema/Rented/tenants", []object{{"name": "acme"}, {"name": "globex"}})
	words := func(n int) string {
		var out []string
		for range n {
			out = append(out, fmt.Sprint("word", r.IntN(40)))
		}
		return strings.Join(out, " ")
	}
	for third := range 3 {
		var all []object
		for i := third * 200; i < (third+1)*200; i++ {
			for _, class := range []string{"Parts", "Ids", "Whole", "Rented"} {
				o := object{"class": class, "id": id(class, i), "vector": floats(r, 4), "properties": object{
					"words": words(5), "searched": words(1), "trigram": words(2), "tags": []string{words(1), words(2)}, "count": i % 7, "size": float64(i % 5), "day": fmt.Sprintf("2026-01-0%dT00:00:00Z", 1+i%9),
					"flag": i%2 == 0, "key": id("key", i%5),
				}}
				if class == "Rented" {
					o["tenant"] = []string{"acme", "globex"}[i%2]
				}
				if i%10 == 3 {
					delete(o["properties"].(object), "size")
				}
				all = append(all, o)
			}
		}
		for part := range slices.Chunk(all, 400) {
			batch(t, c, part)
		}
		capture = backUp(t, c, fmt.Sprint("third", third))
	}
	return capture
}

// dropSegment takes the middle one of three segments out of a bucket.
func dropSegment(t *testing.T, bucket string) {
	t.Helper()
	segments := files(t, bucket, "segment-*.db")
	if len(segments) != 3 {
		t.Fatalf("%s has %d segments", bucket, len(segments))
	}
	name, _, _ := strings.Cut(segments[1], ".") // no folder has a dot
	for _, f := range files(t, filepath.Dir(name), filepath.Base(name)+".*") {
		must(t, os.Remove(f))
	}
}

// TestPartsOfIndexes takes a third of the entries out of inverted indexes, in which most values of the lost objects are those of others too, and wants every draw to notice each, and none to complain before.
func TestPartsOfIndexes(t *testing.T) {
	b := servertest.Bucket(t, "backups")
	env := map[string]string{"PERSISTENCE_LSM_MAX_SEGMENT_SIZE": "1KiB"} // no two segments are merged
	source := servertest.Dial(t, servertest.Weaviate(t, b, env))
	capture := thirds(t, source)
	dir := t.TempDir()
	start := func() (*servers.Weaviate, *weaviate.Conn) {
		all := servers.SourceEnv(servertest.MinIO(t), b.Name, b.Path, secret.New(servertest.APIKey))
		maps.Copy(all, env)
		w, err := servers.StartWeaviate(t.Context(), servers.WeaviateOptions{Dir: dir, Nodes: []string{"node1"}, APIKey: secret.New(servertest.APIKey), Env: all})
		must(t, err)
		t.Cleanup(w.Kill)
		return w, servertest.Dial(t, w)
	}
	server, restored := start()
	restore(t, restored, "third2")
	options := func(seed uint64) Options {
		return Options{CapturePoint: capture, Level: LevelIndex, Seed: seed, Index: IndexOptions{Sample: 60, Probes: 1, Values: 1}}
	}
	for seed := range uint64(2) {
		r := compare(t, source, restored, options(seed))
		if mustComplain(t, r.Index); r.Index.Outcome() != Passed || len(r.Index.Notes) > 0 {
			t.Errorf("undamaged: %s %q", r.Index.Summary(), r.Index.Notes)
		}
		for _, c := range r.Index.Collections {
			mustBound(t, c, 0)
		}
	}

	server.Stop(20 * time.Second)
	data := filepath.Join(dir, "node1", "data")
	for _, bucket := range files(t, data, "ids/*/lsm/property__id", "rented/acme/lsm/property_words_searchable",
		"parts/*/lsm/property_words", "parts/*/lsm/property_words_searchable", "parts/*/lsm/property_searched_searchable", "parts/*/lsm/property_trigram_searchable", "parts/*/lsm/property_tags", "parts/*/lsm/property_count_rangeable",
		"parts/*/lsm/property_size", "parts/*/lsm/property_size_nullState", "parts/*/lsm/property_tags_propertyLength", "parts/*/lsm/property_day", "parts/*/lsm/property_flag", "parts/*/lsm/property_key", "parts/*/lsm/property__creationTimeUnix") {
		dropSegment(t, bucket)
	}
	_, restored = start()
	want := []string{"Ids _id id", "Parts _creationTimeUnix value", "Parts count range", "Parts day value", "Parts flag value", "Parts key value", "Parts searched keyword", "Parts size null", "Parts size value", "Parts tags length",
		"Parts tags value", "Parts trigram keyword", "Parts words keyword", "Parts words value", "Rented words keyword"}
	for seed := range uint64(4) {
		r := compare(t, source, restored, options(seed))
		var lost []string
		for _, c := range r.Index.Collections {
			for _, e := range c.Entries {
				if e.Entries.Failed == 0 {
					continue
				}
				lost = append(lost, c.Name+" "+e.Property+" "+e.Kind)
				if share := float64(e.Entries.Failed) / float64(e.Entries.Asked); c.Name != "Rented" && (share < 0.12 || share > 0.6) || e.MaxLost < share {
					t.Errorf("%s.%s (%s): %d of %d lost, at most %g; a third was taken away", c.Name, e.Property, e.Kind, e.Entries.Failed, e.Entries.Asked, e.MaxLost)
				}
			}
		}
		if !slices.Equal(lost, want) {
			t.Errorf("seed %d: lost\n%q\nwant\n%q", seed, lost, want)
		}
		if r.Index.Outcome() != Failed || r.Verdicts.Bad() != 0 || len(r.Index.Unknown) > 0 {
			t.Errorf("%s %+v %q", r.Index.Outcome(), r.Verdicts, r.Index.Unknown)
		}
		for _, f := range r.Index.Failures {
			if strings.Contains(f.Rule, "lost the entries") && f.Source != "found" {
				t.Errorf("%+v", f)
			}
		}
	}

	// What was so on the source is no fault of the restore.
	r := compare(t, restored, restored, options(1))
	if mustComplain(t, r.Index); r.Index.Failed > 0 || !slices.ContainsFunc(r.Index.Notes, func(n string) bool {
		return strings.HasPrefix(n, "Rented: ") && strings.Contains(n, "entries of words (keyword) are not in the inverted index, nor in that of the source")
	}) {
		t.Errorf("%q", r.Index.Notes)
	}
}

// mustBound wants so many entries of each index to have failed, and the bound that follows from those that were drawn.
func mustBound(t *testing.T, c IndexedCollection, failed int64) {
	t.Helper()
	asked := map[string]int64{}
	for _, e := range c.Entries {
		asked[e.Property+" "+e.Kind] = e.Entries.Asked
		if want := UpperBound(600, e.Entries.Asked, failed, 0.95); e.Entries.Failed != failed || e.Neither != 0 || e.MaxLost != want || e.Property != "size" && e.Entries.Asked != 60 {
			t.Errorf("%s: %+v, want at most %g", c.Name, e, want)
		}
	}
	for _, index := range []string{"_creationTimeUnix value", "_id id", "_lastUpdateTimeUnix value", "count null", "count range", "count value", "day value", "flag value", "key value", "searched keyword", "searched length", "size null",
		"size value", "tags keyword", "tags length", "tags null", "tags value", "trigram keyword", "words keyword", "words length", "words null", "words value"} {
		if asked[index] == 0 {
			t.Errorf("%s: nothing was asked of %s", c.Name, index)
		}
	}
}

// TestKeywordsThatShareASearch: whatever the texts, each object of a search has no token that is asked for but its own, and the server takes no other tokens out of the query.
func TestKeywordsThatShareASearch(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tokenization := rapid.SampledFrom(slices.Sorted(maps.Keys(tokenizers))).Draw(t, "tokenization")
		property := &indexedProperty{Name: "text", DataType: []string{"text"}, Tokenization: tokenization, base: "text"}
		schema := &indexSchema{properties: []indexedProperty{*property}}
		var groups []*keywordGroup
		objects := rapid.SliceOfN(rapid.SliceOfN(rapid.SampledFrom([]string{"lamp", "Lamp", "river", "granite", "amp"}), 1, 4), 1, 20).Draw(t, "texts")
		for i, words := range objects {
			text := strings.Join(words, " ")
			o := own{&entered{id: uuid.UUID{byte(i)}, values: values{"text": {all: []any{text}}}}, entry{}}
			tokens := schema.askable(property, []string{text})
			o.entry = entry{property: "text", kind: entryKeyword, token: tokens[rapid.IntRange(0, len(tokens)-1).Draw(t, "token")]}
			if !slices.ContainsFunc(groups, func(g *keywordGroup) bool { return g.take(o, tokenization) }) {
				groups = append(groups, &keywordGroup{[]own{o}, []string{o.token}})
			}
		}
		for _, g := range groups {
			if got := tokenizers[tokenization](strings.Join(g.tokens, " ")); !slices.Equal(got, g.tokens) {
				t.Fatalf("%q is split into %q", g.tokens, got)
			}
			for _, o := range g.members {
				for _, token := range g.tokens {
					if has := slices.Contains(o.values.of("text").tokens(tokenization), token); has != (token == o.token) {
						t.Fatalf("the search for %q finds %v by %q, and its own is %q", g.tokens, o.values.of("text").all, token, o.token)
					}
				}
			}
		}
	})
}
