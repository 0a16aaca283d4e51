package verify

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weaviate-drill/weaviate-drill/internal/secret"
	"github.com/weaviate-drill/weaviate-drill/internal/servers"
	"github.com/weaviate-drill/weaviate-drill/internal/servertest"
	"github.com/weaviate-drill/weaviate-drill/internal/weaviate"
)

// TestEmptyReplica restores a cluster of three with three copies of everything, takes the data of one copy away, and wants the comparison to see what no count and no read through another copy does.
func TestEmptyReplica(t *testing.T) {
	names := []string{"weaviate-0", "weaviate-1", "weaviate-2"}
	b := servertest.Bucket(t, "backups")
	source := servertest.Dial(t, servertest.Weaviate(t, b, nil, names...))
	replicated := func(class string) object {
		return object{"class": class, "vectorizer": "none", "replicationConfig": object{"factor": 3}, "properties": []object{{"name": "text", "dataType": []string{"text"}}}}
	}
	do(t, source, http.MethodPost, "/schema", replicated("Article"))
	tenants := replicated("Note")
	tenants["multiTenancyConfig"] = object{"enabled": true}
	do(t, source, http.MethodPost, "/schema", tenants)
	do(t, source, http.MethodPost, "/schema/Note/tenants", []object{{"name": "acme"}, {"name": "hollow"}})
	var all []object
	for i := range 300 {
		all = append(all, object{"class": "Article", "id": id("Article", i), "vector": []float32{1, float32(i)}, "properties": object{"text": fmt.Sprint("article ", i)}})
		all = append(all, object{"class": "Note", "tenant": "acme", "id": id("Note", i), "vector": []float32{1, float32(i)}, "properties": object{"text": "note"}})
	}
	batch(t, source, all)
	capture := backUp(t, source, "replicas")

	dir := t.TempDir()
	start := func() (*servers.Weaviate, *weaviate.Conn) {
		w, err := servers.StartWeaviate(t.Context(), servers.WeaviateOptions{
			Dir: dir, Nodes: names, APIKey: secret.New(servertest.APIKey), Env: servers.SourceEnv(servertest.MinIO(t), b.Name, b.Path, secret.New(servertest.APIKey)),
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(w.Kill)
		return w, servertest.Dial(t, w)
	}
	cluster, restored := start()
	restore(t, restored, "replicas")
	if err := WaitIndexed(t.Context(), restored, time.Minute, nil); err != nil {
		t.Fatal(err)
	}
	options := Options{CapturePoint: capture, Included: []string{"Article", "Note"}}
	if r := compare(t, source, restored, options); r.Outcome() != Passed || r.Verdicts.Match != 600 {
		dump(t, r)
		t.Fatal("a good restore of a cluster does not pass")
	}

	cluster.Stop(20 * time.Second)
	const victim = "weaviate-2"
	emptied := emptyShards(t, filepath.Join(dir, victim, "data"), "article")
	_, restored = start()
	if err := WaitIndexed(t.Context(), restored, time.Minute, nil); err != nil {
		t.Fatal(err)
	}
	r := compare(t, source, restored, options)
	if r.Verdicts.Match != 600 || r.Verdicts.Bad() != 0 || r.Collections[0].RestoredCount != 300 {
		dump(t, r)
		t.Error("the reads through the other replicas see the damage: the test does not test what it should")
	}
	var found []string
	for _, d := range r.Structure {
		if d.Kind != "shard" || d.Verdict != Lost || d.Restored != "empty" || !strings.HasPrefix(d.Where, victim+"/Article/") {
			t.Errorf("%+v", d)
		}
		found = append(found, d.Where)
	}
	if r.Outcome() != Failed || len(found) != emptied {
		dump(t, r)
		t.Errorf("%d shards were emptied, %s reported: %q", emptied, r.Outcome(), found)
	}
}

// emptyShards takes away what the shards of a collection hold, and returns how many it emptied.
func emptyShards(t *testing.T, data, collection string) int {
	t.Helper()
	shards, err := filepath.Glob(filepath.Join(data, collection, "*", "lsm"))
	if err != nil || len(shards) == 0 {
		t.Fatalf("no shard of %s in %s: %v", collection, data, err)
	}
	n := 0
	for _, lsm := range shards {
		if segments, _ := filepath.Glob(filepath.Join(lsm, "objects", "*.db")); len(segments) == 0 {
			continue
		}
		if err := os.RemoveAll(filepath.Dir(lsm)); err != nil {
			t.Fatal(err)
		}
		n++
	}
	return n
}
