package verify

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/weaviate-drill/weaviate-drill/internal/weaviate"
)

// realAnswers are what Weaviate 1.38.5 answered.
func realAnswers(f *testing.F, names ...string) (out [][]byte) {
	f.Helper()
	for _, name := range names {
		raw, err := os.ReadFile(filepath.Join("..", "internal", "weaviate", "testdata", "seed", name))
		if err != nil {
			f.Fatal(err)
		}
		out = append(out, raw)
	}
	return out
}

// FuzzCheckAnswer: an answer to a check of the user's own meets the expectation or does not, in one short line, and twice the same. What is at a path is equal to itself, and nothing is at a path that leads nowhere.
func FuzzCheckAnswer(f *testing.F) {
	for _, raw := range realAnswers(f, "graphql.json", "aggregate.json", "graphql-error.json", "objects.json", "nodes.json") {
		for _, path := range []string{"", "data.Aggregate.Article[0].meta.count", "data.Get.Article[1].title", "objects", "a..b[", "[0][-1]", "data.Get.Article[99999999999999999999]"} {
			f.Add(raw, path, int64(2))
		}
	}
	f.Add([]byte(`{"n":1e400}`), "n", int64(1))
	f.Add([]byte(`[1,2]{}`), "", int64(2))
	f.Fuzz(func(t *testing.T, raw []byte, path string, count int64) {
		for _, c := range []Check{{Path: path, Count: &count}, {Path: path, Minimum: 1}, {Path: path, Equals: new(string)}, {Path: path, IDs: []string{"00000000-0000-0000-0000-000000000001"}, AnyOrder: true}, {Get: "/nodes", Path: path, Count: &count}} {
			detail, err := c.judge(raw)
			again, errAgain := c.judge(raw)
			switch {
			case detail != again || (err == nil) != (errAgain == nil):
				t.Errorf("%+v: %q, %v, and then %q, %v", c, detail, err, again, errAgain)
			case (err == nil) == (detail == ""):
				t.Errorf("%+v: %q, %v", c, detail, err)
			case c.Equals != nil && err == nil && !strings.HasSuffix(detail, `is ""`):
				t.Errorf("%q is equal to nothing", detail)
			}
			var text string
			if text = detail; err != nil {
				text = err.Error()
			}
			if strings.ContainsAny(text, "\r\n") && !strings.ContainsAny(path, "\r\n") && errors.Is(err, errNotMet) {
				t.Errorf("%+v: more than a line: %q", c, text)
			}
		}
	})
}

// FuzzCanonicalSchema: the canonical form of a schema has a canonical form, which is the same, and does not differ from itself.
func FuzzCanonicalSchema(f *testing.F) {
	for _, raw := range realAnswers(f, "schema.json", "meta.json", "tenants.json") {
		f.Add(raw)
	}
	f.Add([]byte(`{"properties":[{"name":"b","dataType":["text","int"]},{"name":"a"},{"name":"a"}],"x":[[],null,{}],"additions":["b","a"]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		once, err := canonicalSchema(raw)
		if err != nil {
			return
		}
		other, err := canonicalSchema(raw)
		if err != nil || !reflect.DeepEqual(once, other) {
			t.Fatalf("%v: read twice: %v and %v", err, once, other)
		}
		twice, err := canonicalSchema([]byte(text(once)))
		if err != nil || text(once) != text(twice) {
			t.Fatalf("%v: %s became %s", err, text(once), text(twice))
		}
		c := &comparison{result: &Result{}}
		c.compareSchema(weaviate.Collection{Name: "A", Schema: raw}, weaviate.Collection{Name: "A", Schema: raw})
		if len(c.result.Structure) > 0 || len(c.result.Unknown) > 0 {
			t.Fatalf("it differs from itself: %+v %q", c.result.Structure, c.result.Unknown)
		}
	})
}
