package sandbox_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weaviate-drill/weaviate-drill/backup/sandbox"
	"github.com/weaviate-drill/weaviate-drill/backup/sandbox/process"
	"github.com/weaviate-drill/weaviate-drill/backup/sandbox/sandboxtest"
	"github.com/weaviate-drill/weaviate-drill/internal/secret"
	"github.com/weaviate-drill/weaviate-drill/internal/servertest"
	"github.com/weaviate-drill/weaviate-drill/internal/weaviate"
	"github.com/weaviate-drill/weaviate-drill/verify"
)

func TestMain(m *testing.M) { os.Exit(servertest.Run(m)) }

// modules that are built on a service or on somebody's API, and one of each sort that is on without being asked for.
var modules = []string{
	"generative-ollama", "generative-openai", "multi2vec-clip", "ner-transformers", "qna-transformers", "ref2vec-centroid", "reranker-cohere", "reranker-transformers",
	"sum-transformers", "text2vec-gpt4all", "text2vec-model2vec", "text2vec-ollama", "text2vec-openai", "text2vec-transformers",
}

// Collections that name modules come back, and answer, with none of the services there; and objects whose time has passed are not deleted.
func TestModulesWithoutTheirServices(t *testing.T) {
	service := listen(t)
	b := servertest.Bucket(t, "backups")
	env := maps.Clone(sandbox.Spec{Modules: modules}.Env(secret.Value{}))
	maps.DeleteFunc(env, func(name, _ string) bool {
		return !strings.HasSuffix(name, "_INFERENCE_API") && !strings.HasSuffix(name, "_WAIT_FOR_STARTUP") && !strings.HasPrefix(name, "OBJECTS_TTL_")
	})
	env["ENABLE_MODULES"] = strings.Join(append([]string{"backup-s3"}, modules...), ",")
	source := servertest.Dial(t, servertest.Weaviate(t, b, env))
	fill(t, source, map[string]any{
		"class": "Passage", "vectorizer": "text2vec-transformers", "moduleConfig": map[string]any{
			"text2vec-transformers": map[string]any{"inferenceUrl": service.url}, "reranker-transformers": map[string]any{}, "qna-transformers": map[string]any{}, "sum-transformers": map[string]any{},
			"generative-openai": map[string]any{"baseURL": service.url},
		},
	})
	fill(t, source, map[string]any{
		"class": "Remote", "moduleConfig": map[string]any{
			"reranker-cohere": map[string]any{"baseURL": service.url}, "generative-ollama": map[string]any{"apiEndpoint": service.url}, "ner-transformers": map[string]any{},
		},
		"vectorConfig": map[string]any{
			"openai":    vectorConfig("text2vec-openai", map[string]any{"baseURL": service.url}),
			"ollama":    vectorConfig("text2vec-ollama", map[string]any{"apiEndpoint": service.url}),
			"clip":      vectorConfig("multi2vec-clip", map[string]any{"inferenceUrl": service.url, "textFields": []string{"text"}}),
			"model2vec": vectorConfig("text2vec-model2vec", map[string]any{"inferenceUrl": service.url}),
			"gpt4all":   vectorConfig("text2vec-gpt4all", map[string]any{}),
		},
	})
	fill(t, source, map[string]any{
		"class": "Expiring", "vectorizer": "none", "objectTtlConfig": map[string]any{"enabled": true, "deleteOn": "_creationTimeUnix", "defaultTtl": 1},
	})
	fill(t, source, map[string]any{
		"class": "Hidden", "vectorizer": "none", "objectTtlConfig": map[string]any{"enabled": true, "deleteOn": "_creationTimeUnix", "defaultTtl": 1, "filterExpiredObjects": true},
	})
	status, restored := restore(t, source, sandboxtest.Spec(t, b, "node1"))
	if status != "SUCCESS" {
		t.Fatal(status)
	}
	time.Sleep(3 * time.Second) // if what expired were deleted, it would be gone by now: a schedule can be as short as a second

	if from, to := enabled(t, source), enabled(t, restored); !slices.Equal(from, to) {
		t.Errorf("the source's modules are %q, the sandbox's %q", from, to)
	}
	must(t, verify.WaitIndexed(t.Context(), restored, time.Minute, func(int, int64) {}))
	if _, err := verify.FirstAnswer(t.Context(), restored); err != nil {
		t.Error(err)
	}
	result, err := verify.Compare(t.Context(), source, restored, verify.Options{})
	must(t, err)
	if result.Outcome() != verify.Passed || result.Verdicts.Match != 4*objects {
		t.Errorf("%s: %s %+v", result.Outcome(), result.Summary(), result.Structure)
	}
	for _, class := range []string{"Passage", "Remote", "Expiring"} {
		if from, to := keyword(t, source, class), keyword(t, restored, class); len(from) != 1 || !slices.Equal(from, to) {
			t.Errorf("a search for a word in %s finds %q in the source, %q in the sandbox", class, from, to)
		}
	}
	if n := service.asked.Load(); n > 0 {
		t.Errorf("the service that the collections name was asked %d times", n)
	}
}

// A module that does not start alone is left out, and a collection that names it is the only one that does not come back.
func TestModuleThatNeedsItsService(t *testing.T) {
	ready := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer ready.Close()
	b := servertest.Bucket(t, "backups")
	source := servertest.Dial(t, servertest.Weaviate(t, b, map[string]string{
		"ENABLE_MODULES": "backup-s3,img2vec-neural,multi2vec-bind,text-spellcheck", "IMAGE_INFERENCE_API": ready.URL, "BIND_INFERENCE_API": ready.URL, "SPELLCHECK_INFERENCE_API": ready.URL,
	}))
	fill(t, source, map[string]any{"class": "Plain", "vectorizer": "none"})
	status, restored := restore(t, source, sandboxtest.Spec(t, b, "node1"))
	if status != "SUCCESS" {
		t.Fatalf("a source that only has such modules: %s", status)
	}
	holds(t, source, "Plain", nil)
	if slices.Contains(enabled(t, restored), "img2vec-neural") {
		t.Error("img2vec-neural is there")
	}

	fill(t, source, map[string]any{
		"class": "Picture", "vectorConfig": map[string]any{"image": vectorConfig("img2vec-neural", map[string]any{"imageFields": []string{"image"}})},
		"properties": []any{property("text", "text"), property("image", "blob")},
	})
	holds(t, source, "Picture", sandbox.ErrModule)
	if status, _ := restore(t, source, sandboxtest.Spec(t, b, "node1")); status != "FAILED" {
		t.Errorf("a restore of the collection that is refused: %s", status)
	}
}

func TestHolds(t *testing.T) {
	for schema, refused := range map[string]string{
		`{"class":"A","vectorizer":"none"}`:                                                                      "",
		`{"class":"A","vectorConfig":{"a":{"vectorizer":{"none":{}}}}}`:                                          "",
		`{"class":"A","vectorizer":"text2vec-transformers","moduleConfig":{"reranker-transformers":{}}}`:         "",
		`{"class":"A","vectorizer":"text2vec-contextionary"}`:                                                    "A names text2vec-contextionary",
		`{"class":"A","vectorizer":"none","moduleConfig":{"text-spellcheck":{}}}`:                                "A names text-spellcheck",
		`{"class":"A","vectorConfig":{"a":{"vectorizer":{"none":{}}},"b":{"vectorizer":{"multi2vec-bind":{}}}}}`: "A names multi2vec-bind",
	} {
		err := sandbox.Holds([]byte(schema))
		if (refused != "") != errors.Is(err, sandbox.ErrModule) || err != nil && !strings.Contains(err.Error(), refused) {
			t.Errorf("%s: %v", schema, err)
		}
	}
	if err := sandbox.Holds([]byte(`{"class":`)); err == nil || errors.Is(err, sandbox.ErrModule) {
		t.Errorf("half a schema: %v", err)
	}
}

// objects of each collection.
const objects = 20

// fill makes a collection and its objects, with a vector for each of its vector indexes.
func fill(t *testing.T, c *weaviate.Conn, class map[string]any) {
	t.Helper()
	if class["properties"] == nil {
		class["properties"] = []any{property("text", "text")}
	}
	must(t, c.Do(t.Context(), http.MethodPost, "/schema", class, nil))
	var batch []map[string]any
	for i := range objects {
		o := map[string]any{"class": class["class"], "properties": map[string]any{"text": fmt.Sprint("word", i)}}
		vector := []float32{float32(i), 1, 2, 3}
		if named, ok := class["vectorConfig"].(map[string]any); ok {
			vectors := map[string]any{}
			for name := range named {
				vectors[name] = vector
			}
			o["vectors"] = vectors
		} else {
			o["vector"] = vector
		}
		batch = append(batch, o)
	}
	var reply []struct{ Result struct{ Errors any } }
	must(t, c.Do(t.Context(), http.MethodPost, "/batch/objects", map[string]any{"objects": batch}, &reply))
	for _, r := range reply {
		if r.Result.Errors != nil {
			t.Fatal(r.Result.Errors)
		}
	}
}

func property(name, kind string) map[string]any {
	return map[string]any{"name": name, "dataType": []string{kind}}
}

func vectorConfig(vectorizer string, config map[string]any) map[string]any {
	return map[string]any{"vectorizer": map[string]any{vectorizer: config}, "vectorIndexType": "hnsw"}
}

// restore backs the source up and restores it into a sandbox like it, which ends with the test.
func restore(t *testing.T, source *weaviate.Conn, spec sandbox.Spec) (status string, restored *weaviate.Conn) {
	t.Helper()
	spec.Modules = enabled(t, source)
	time.Sleep(2 * time.Second) // a backup leaves out a log of the vector index that is begun in the very second, because its name is the second (Weaviate 1.38.5)
	_, err := source.CreateBackup(t.Context(), weaviate.BackupRequest{ID: spec.DrillID})
	must(t, err)
	if s := ended(t, func(ctx context.Context) (weaviate.BackupStatus, error) {
		return source.BackupStatus(ctx, spec.DrillID, weaviate.Location{})
	}); s.Status != "SUCCESS" {
		t.Fatalf("backup: %s: %s", s.Status, s.Error)
	}
	i, err := process.New(process.Options{Dir: t.TempDir()}).Up(t.Context(), spec)
	must(t, err)
	t.Cleanup(func() { must(t, i.Down(context.Background())) })
	restored, err = weaviate.Dial(t.Context(), i.Endpoint())
	must(t, err)
	t.Cleanup(func() { _ = restored.Close() })
	_, err = restored.Restore(t.Context(), weaviate.RestoreRequest{ID: spec.DrillID})
	must(t, err)
	s := ended(t, func(ctx context.Context) (weaviate.BackupStatus, error) {
		return restored.RestoreStatus(ctx, spec.DrillID, weaviate.Location{})
	})
	t.Logf("restore: %s %s", s.Status, s.Error)
	return s.Status, restored
}

// holds asks what is to be said of a collection of the source.
func holds(t *testing.T, source *weaviate.Conn, class string, want error) {
	t.Helper()
	var schema json.RawMessage
	must(t, source.Do(t.Context(), http.MethodGet, "/schema/"+class, nil, &schema))
	if err := sandbox.Holds(schema); !errors.Is(err, want) {
		t.Errorf("%s: %v", class, err)
	}
}

// enabled are a server's modules, sorted.
func enabled(t *testing.T, c *weaviate.Conn) []string {
	t.Helper()
	meta, err := c.Meta(t.Context())
	must(t, err)
	return slices.Sorted(maps.Keys(meta.Modules))
}

// keyword finds the ids of the objects that have a word which one of them has.
func keyword(t *testing.T, c *weaviate.Conn, class string) (ids []string) {
	t.Helper()
	var reply struct {
		Data struct {
			Get map[string][]struct {
				Additional struct{ ID string } `json:"_additional"`
			}
		}
		Errors []struct{ Message string }
	}
	must(t, c.Do(t.Context(), http.MethodPost, "/graphql", map[string]any{"query": fmt.Sprintf(`{Get{%s(bm25:{query:"word7"}){_additional{id}}}}`, class)}, &reply))
	if len(reply.Errors) > 0 {
		t.Fatal(reply.Errors[0].Message)
	}
	for _, found := range reply.Data.Get[class] {
		ids = append(ids, found.Additional.ID)
	}
	return ids
}

// ended waits for the end of a backup or a restore.
func ended(t *testing.T, status func(context.Context) (weaviate.BackupStatus, error)) weaviate.BackupStatus {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		s, err := status(t.Context())
		must(t, err)
		if s.Done() {
			return s
		}
		if time.Now().After(deadline) {
			t.Fatalf("still %s", s.Status)
		}
	}
}

// service is an address that is to be left alone.
type service struct {
	url   string
	asked atomic.Int32
}

func listen(t *testing.T) *service {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { _ = l.Close() })
	s := &service{url: "http://" + l.Addr().String()}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.asked.Add(1)
			_ = c.Close()
		}
	}()
	return s
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
