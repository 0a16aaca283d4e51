package verify

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/weaviate-drill/weaviate-drill/internal/secret"
	"github.com/weaviate-drill/weaviate-drill/internal/servers"
	"github.com/weaviate-drill/weaviate-drill/internal/servertest"
	"github.com/weaviate-drill/weaviate-drill/internal/weaviate"
)

// TestCopies restores a cluster of three with replicated data, damages single copies of it, and wants the comparison to see what no count and no read through another copy does. One copy on the source lacks an
// object from the beginning: that the restore brought back as well, and it is no damage.
func TestCopies(t *testing.T) {
	names := []string{"weaviate-0", "weaviate-1", "weaviate-2"}
	b := servertest.Bucket(t, "backups")
	apart := map[string]string{"ASYNC_REPLICATION_PROPAGATION_DELAY": "876000h"} // as in a sandbox
	sourceCluster := servertest.Weaviate(t, b, apart, names...)
	source := servertest.Dial(t, sourceCluster)
	replicated := func(class string, factor, shards int) object {
		return object{
			"class": class, "vectorizer": "none", "replicationConfig": object{"factor": factor}, "shardingConfig": object{"desiredCount": shards},
			"properties": []object{{"name": "text", "dataType": []string{"text"}}},
		}
	}
	do(t, source, http.MethodPost, "/schema", replicated("Article", 3, 2))
	do(t, source, http.MethodPost, "/schema", replicated("Pair", 2, 3))
	tenants := replicated("Note", 3, 0)
	delete(tenants, "shardingConfig")
	tenants["multiTenancyConfig"] = object{"enabled": true}
	do(t, source, http.MethodPost, "/schema", tenants)
	do(t, source, http.MethodPost, "/schema/Note/tenants", []object{{"name": "acme"}, {"name": "hollow"}})
	const each = 100
	var all []object
	for i := range each {
		for _, class := range []string{"Article", "Pair", "Note"} {
			o := object{"class": class, "id": id(class, i), "vector": []float32{1, float32(i)}, "properties": object{"text": fmt.Sprint(class, i)}}
			if class == "Note" {
				o["tenant"] = "acme"
			}
			all = append(all, o)
		}
	}
	batch(t, source, all)
	onNode(t, sourceCluster, 1, http.MethodDelete, "Article", id("Article", 7), nil)
	time.Sleep(2 * time.Second)
	capture := backUp(t, source, "copies")

	dir := t.TempDir()
	start := func() (*servers.Weaviate, *weaviate.Conn, Options) {
		env := servers.SourceEnv(servertest.MinIO(t), b.Name, b.Path, secret.New(servertest.APIKey))
		maps.Copy(env, apart)
		w, err := servers.StartWeaviate(t.Context(), servers.WeaviateOptions{Dir: dir, Nodes: names, APIKey: secret.New(servertest.APIKey), Env: env})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(w.Kill)
		o := Options{CapturePoint: capture, Included: []string{"Article", "Pair", "Note"}}
		for i, name := range names {
			conn, err := weaviate.Dial(t.Context(), w.Endpoints[i])
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = conn.Close() })
			o.Nodes = append(o.Nodes, Node{name, conn})
		}
		return w, o.Nodes[0].Conn, o
	}
	cluster, restored, options := start()
	restore(t, restored, "copies")
	if err := WaitIndexed(t.Context(), restored, time.Minute, nil); err != nil {
		t.Fatal(err)
	}
	// wants holds what is said of copies against places and the beginning of what is said of them, and sees that nothing else is wrong.
	wants := func(name string, r *Result, want map[string]string) {
		t.Helper()
		if r.Verdicts.Match != 3*each || r.Verdicts.Bad() != 0 {
			t.Errorf("%s: the reads through the first node see it: %+v", name, r.Verdicts)
		}
		for _, d := range r.Structure {
			if d.Kind != "copy" {
				continue
			}
			says, known := want[d.Where]
			if !known || string(d.Verdict)+": "+d.Restored[:min(len(d.Restored), len(says)-len(d.Verdict)-2)] != says {
				t.Errorf("%s: %+v, want %q", name, d, says)
			}
			delete(want, d.Where)
		}
		if len(want) > 0 || t.Failed() {
			dump(t, r)
			t.Errorf("%s: not noticed: %q; %+v", name, want, r.Copies)
		}
	}

	r := compare(t, source, restored, options)
	wants("as restored", r, map[string]string{})
	if r.Outcome() != Passed || len(r.Notes) != 1 || !strings.Contains(r.Notes[0], "Article: the copies of 1 of the 1 objects") {
		t.Errorf("as restored: %s, notes %q", r.Outcome(), r.Notes)
	}
	for _, c := range r.Copies {
		if len(c.Nodes) != 3 || c.Drift != 0 || (c.Differing > 0) != (c.Collection == "Article") || c.Nodes[0].Objects != each || c.Nodes[0].Digest != c.Nodes[2].Digest || c.Nodes[0].Digest == (Sum{}) {
			t.Errorf("%+v", c)
		}
	}
	alone := options
	alone.Nodes = options.Nodes[:1]
	if r := compare(t, source, restored, alone); r.Outcome() != Inconclusive || len(r.Unknown) != 1 || !strings.Contains(r.Unknown[0], "the copies on weaviate-1, weaviate-2 were not compared") {
		t.Errorf("copies that cannot be read: %s, %q", r.Outcome(), r.Unknown)
	}
	alone.Level = LevelSample
	if r := compare(t, source, restored, alone); r.Outcome() != Passed || r.Copies != nil {
		t.Errorf("level sample: %s, %q, %+v", r.Outcome(), r.Unknown, r.Copies)
	}

	// The indexes of each node are asked also when a fingerprint answers for the source.
	gone := options
	gone.Level, gone.After = LevelIndex, fingerprint(t, source, FingerprintOptions{Questions: true})
	if r := compareAlone(t, restored, gone); r.Index.Outcome() != Passed || r.Index.Stored == nil || r.Index.Stored.Verdicts.Bad() > 0 || r.Index.Collections[1].ByID.Asked != 3*each {
		t.Errorf("with a fingerprint: %s, %+v", r.Index.Outcome(), r.Index)
	}

	for i := range each / 20 {
		onNode(t, cluster, 1, http.MethodDelete, "Note", id("Note", i), nil)
	}
	one := id("Pair", 0)
	for i := 1; !holds(t, restored, names[0], "/objects/Pair/"+one); i++ { // else the first node would read the copy of another
		one = id("Pair", i)
	}
	o, err := restored.Object(t.Context(), "Pair", "", uuid.MustParse(one))
	if err != nil {
		t.Fatal(err)
	}
	victim := onNode(t, cluster, -1, http.MethodPatch, "Pair", one, object{"class": "Pair", "id": one, "primitiveSchema": object{"text": "changed"}, "updateTime": o.Updated})
	damaged := func() map[string]string {
		return map[string]string{"weaviate-1/Note/acme": "lost: 5 missing and 0 different among its copies", names[victim] + "/Pair": "corrupt: 1 of 1 objects looked at"}
	}
	r = compare(t, source, restored, options)
	wants("a part of one copy lost, an object of another changed", r, damaged())
	if r.Outcome() != Failed {
		t.Error(r.Outcome())
	}

	cluster.Stop(20 * time.Second)
	emptied := emptyShards(t, filepath.Join(dir, names[2], "data"), "article")
	_, restored, options = start()
	if err := WaitIndexed(t.Context(), restored, time.Minute, nil); err != nil {
		t.Fatal(err)
	}
	r = compare(t, source, restored, options)
	want := damaged()
	want["weaviate-2/Article"] = "lost: 100 missing and 0 different among its copies; "
	wants("one copy emptied", r, want)
	for _, d := range r.Structure {
		if d.Kind == "shard" && d.Verdict == Lost && d.Restored == "empty" && strings.HasPrefix(d.Where, "weaviate-2/Article/") {
			emptied--
		}
	}
	if emptied != 0 {
		t.Errorf("%d shards were emptied and are not reported", emptied)
	}
}

// onNode asks a node's API of the cluster, which changes the copies that the node holds and no other, to delete or merge an object, in whichever of its shards that is. Node -1 is the last that holds it, and not the first node.
// It returns the node.
func onNode(t *testing.T, w *servers.Weaviate, node int, method, class, id string, body object) int {
	t.Helper()
	c := servertest.Dial(t, w)
	path := "/objects/" + class + "/" + id
	tenant := ""
	if class == "Note" {
		tenant = "?tenant=acme"
	}
	nodes, err := c.Nodes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for n := len(w.Endpoints) - 1; n >= 0; n-- {
		if node >= 0 && n != node || node < 0 && n == 0 {
			continue
		}
		if !holds(t, c, w.Nodes[n].Name, path+tenant) {
			continue
		}
		at, err := url.Parse(w.Endpoints[n].URL)
		if err != nil {
			t.Fatal(err)
		}
		port, err := strconv.Atoi(at.Port())
		if err != nil {
			t.Fatal(err)
		}
		at.Host = net.JoinHostPort(at.Hostname(), fmt.Sprint(port-6)) // CLUSTER_DATA_BIND_PORT, see servers.StartWeaviate
		raw, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range nodes[n].Shards {
			if s.Collection != class || tenant != "" && s.Name != "acme" {
				continue
			}
			req, err := http.NewRequestWithContext(t.Context(), method, at.String()+"/indices/"+class+"/shards/"+s.Name+"/objects/"+id, bytes.NewReader(raw))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Content-Type", "application/vnd.weaviate.mergedoc+json")
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			_ = resp.Body.Close()
			if method == http.MethodPatch && resp.StatusCode == http.StatusNoContent {
				return n
			}
		}
		if method == http.MethodDelete && !holds(t, c, w.Nodes[n].Name, path+tenant) {
			return n
		}
	}
	t.Fatalf("%s of %s was possible on no node", method, path)
	return 0
}

// holds says whether a node has a copy of an object.
func holds(t *testing.T, c *weaviate.Conn, node, path string) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	separator := "?"
	if strings.Contains(path, "?") {
		separator = "&"
	}
	return c.Do(ctx, http.MethodGet, path+separator+"node_name="+node, nil, nil) == nil
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
