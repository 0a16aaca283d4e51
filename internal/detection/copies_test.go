package detection

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weaviate-drill/weaviate-drill/backup/bucket"
	"github.com/weaviate-drill/weaviate-drill/internal/servertest"
	"github.com/weaviate-drill/weaviate-drill/internal/weaviate"
	"github.com/weaviate-drill/weaviate-drill/rto"
	"github.com/weaviate-drill/weaviate-drill/rto/evidence"
	"github.com/weaviate-drill/weaviate-drill/verify"
)

// Three nodes take long to come up, so that one backup has all damages of copies, each of a tenant of its own: each must be found where it is, and nothing else.
var (
	trio = []string{"node1", "node2", "node3"}
	// Nodes heal each other, where they are let. A sandbox does not let them.
	apart = map[string]string{"ASYNC_REPLICATION_PROPAGATION_DELAY": "876000h", "PERSISTENCE_LSM_MAX_SEGMENT_SIZE": "1KiB"}
)

const (
	copiesOf = 60 // objects of each tenant of Copy, which has three copies, and of Alone, which has one
	newer    = 7  // of the tenant "older", written once more at the end
	bitOf    = 40 // whose vector suffers, of the tenant "bit"
)

// copyDamage is something that happened to what one node has, while the others are whole.
type copyDamage struct {
	name, collection, tenant, node string
	do                             func(t *testing.T, w *world, b *bucket.Bucket, d copyDamage)
	found                          func(r *verify.Result, d copyDamage) (verdict, says string)
}

// lacks leaves files of the tenant out of what the node has.
func lacks(which func(path string) bool) func(*testing.T, *world, *bucket.Bucket, copyDamage) {
	return func(t *testing.T, _ *world, b *bucket.Bucket, d copyDamage) {
		leaveOut(t, b, "none", d.node, d.collection, func(path string) bool { return inFolder(d.tenant)(path) && which(path) })
	}
}

// lacksNewest leaves out what was written last.
func lacksNewest(t *testing.T, w *world, b *bucket.Bucket, d copyDamage) {
	lacks(newest(t, b, "none", d.node, d.collection, "objects"))(t, w, b, d)
}

// lacksShards leaves out what the node has of the tenant, or of a collection without any.
func lacksShards(t *testing.T, _ *world, b *bucket.Bucket, d copyDamage) {
	dropShards(t, b, "none", d.node, d.collection, func(shard string) bool { return d.tenant == "" || shard == d.tenant })
}

var copyDamages = []copyDamage{
	{"one copy of three: its shard emptied", "Copy", "emptied", "node2", lacksShards, asCopy},
	{"one copy of three: the newest objects missing", "Copy", "lacking", "node2", lacksNewest, asCopy},
	{"one copy of three: an object in an older version", "Copy", "older", "node3", lacksNewest, asCopy},
	{"one copy of three: one bit of a vector flipped", "Copy", "bit", "node3", func(t *testing.T, w *world, b *bucket.Bucket, d copyDamage) {
		v := stored(w.vectors[fmt.Sprint("bit", bitOf)])
		alter(t, b, "none", d.node, d.collection, "objects", v, flipped(v, 40), 0)
	}, asCopy},
	{"one copy of three: the log of its vector index emptied", "Copy", "vectors", "node2", func(t *testing.T, _ *world, b *bucket.Bucket, d copyDamage) {
		rewrite(t, b, "none", d.node, d.collection, func(path string, content []byte) []byte {
			if inFolder(vectorLog)(path) && inFolder(d.tenant)(path) {
				return []byte{}
			}
			return content
		})
	}, asIndex},
	{"one copy of three: its index of keywords dropped", "Copy", "keywords", "node3", lacks(inFolder("property_text_searchable")), asIndex},
	{"shard dropped on the node that alone holds it", "Alone", "", "node3", lacksShards, asObjects},
}

// asCopy finds what is said of the node's copy.
func asCopy(r *verify.Result, d copyDamage) (verdict, says string) {
	where := d.node + "/" + d.collection + "/" + d.tenant
	if i := slices.IndexFunc(r.Structure, func(s verify.StructureDifference) bool { return s.Where == where && s.Kind == "copy" }); i >= 0 {
		return string(r.Structure[i].Verdict), d.node + ": " + r.Structure[i].Restored
	}
	return "", ""
}

// asIndex finds what is said of the answers of the node's index.
func asIndex(r *verify.Result, d copyDamage) (verdict, says string) {
	through := "through " + d.node + ": "
	for _, f := range r.Index.Failures {
		if f.Collection == d.collection && f.Tenant == d.tenant && strings.HasPrefix(f.Question, through) {
			return "index, " + questions[f.Kind], through + f.Rule
		}
	}
	return "", ""
}

// asObjects finds what is said of an object.
func asObjects(r *verify.Result, d copyDamage) (verdict, says string) {
	if i := slices.IndexFunc(r.Differences, func(x verify.Difference) bool { return x.Collection == d.collection }); i >= 0 {
		return string(r.Differences[i].Verdict), cmp.Or(r.Differences[i].Detail, r.Differences[i].Rule)
	}
	return "", ""
}

// newTrio fills a source of three nodes in two halves, and writes one object once more, each time with a backup: the last is none.
func newTrio(t *testing.T) *world {
	t.Helper()
	b := servertest.Bucket(t, "backups")
	w := &world{bucket: b, vectors: map[string][]float32{}}
	w.source = servertest.Weaviate(t, b, apart, trio...)
	w.conn = servertest.Dial(t, w.source)
	class := func(name string, factor int) object {
		return object{"class": name, "vectorizer": "none", "replicationConfig": object{"factor": factor}, "properties": []object{{"name": "text", "dataType": []string{"text"}}}}
	}
	alone, copied := class("Alone", 1), class("Copy", len(trio))
	alone["shardingConfig"], copied["multiTenancyConfig"] = object{"desiredCount": len(trio)}, object{"enabled": true}
	do(t, w.conn, http.MethodPost, "/schema", alone)
	do(t, w.conn, http.MethodPost, "/schema", copied)
	var list []object
	for _, d := range copyDamages {
		if d.tenant != "" {
			list = append(list, object{"name": d.tenant})
		}
	}
	do(t, w.conn, http.MethodPost, "/schema/Copy/tenants", list)
	r := rand.New(rand.NewPCG(3, 3))
	written := func(d copyDamage, i int, text string) object {
		v := make([]float32, dimensions)
		for k := range v {
			v[k] = float32(r.NormFloat64())
		}
		w.vectors[fmt.Sprint(d.tenant, i)] = v
		o := object{"class": d.collection, "id": id(d.collection+d.tenant, i), "vector": v, "properties": object{"text": fmt.Sprintf("%s number %d", text, i)}}
		if d.tenant != "" {
			o["tenant"] = d.tenant
		}
		return o
	}
	for half := range 2 {
		var all []object
		for _, d := range copyDamages {
			for i := half * copiesOf / 2; i < (half+1)*copiesOf/2; i++ {
				all = append(all, written(d, i, "Object"))
			}
		}
		send(t, w.conn, all)
		w.backUp(t, weaviate.BackupRequest{ID: fmt.Sprint("half", half), CompressionLevel: "NoCompression"})
	}
	i := slices.IndexFunc(copyDamages, func(d copyDamage) bool { return d.tenant == "older" })
	send(t, w.conn, []object{written(copyDamages[i], newer, "Newer object")})
	time.Sleep(2 * time.Second) // as in newWorld
	w.backUp(t, weaviate.BackupRequest{ID: "none", CompressionLevel: "NoCompression"})
	return w
}

// copies damages backups of three nodes.
func (w *world) copies(t *testing.T) (rows []row) {
	b := w.clone(t, "none")
	cluster := servertest.Weaviate(t, b, apart, trio...)
	plain := servertest.Dial(t, cluster)

	partOf := partKey(b, "none", trio[1])
	content := get(t, b, partOf)
	remove(t, b, partOf)
	r := w.row(t, "one node of three: its backup.json missing", w.drill(t, b, "none", nil), "")
	r.weaviate = restoreInto(t, plain, "none")
	rows = append(rows, r)
	put(t, b, partOf, content)

	without := w.clone(t, "none")
	for _, key := range keys(t, without, "none") {
		if strings.Contains(key, "/"+trio[1]+"/") && key != partOf {
			remove(t, without, key)
		}
	}
	r = w.row(t, "one node of three: its chunks missing", w.drill(t, without, "none", nil), "")
	r.weaviate = restoreInto(t, servertest.Dial(t, servertest.Weaviate(t, without, apart, trio...)), "none")
	rows = append(rows, r)

	for _, d := range copyDamages {
		d.do(t, w, b, d)
	}
	record := w.drill(t, b, "none", nil)
	if record.Verification == nil || record.Status != evidence.DataFailed {
		t.Fatalf("damaged copies: %s: %+v", record.Status, record.Reasons)
	}
	said := restoreInto(t, plain, "none")
	var each []verify.Node
	for i, name := range trio {
		c, err := weaviate.Dial(t.Context(), cluster.Endpoints[i])
		check(t, err)
		t.Cleanup(func() { _ = c.Close() })
		each = append(each, verify.Node{Name: name, Conn: c})
	}
	alone := w.compare(t, plain, b, "none", each...)
	for _, d := range copyDamages {
		r := row{damage: d.name, weaviate: said, naive: w.naivePart(t, plain, d), phase: rto.Verify, status: evidence.DataFailed}
		r.verdict, r.says = d.found(record.Verification, d)
		r.alone, _ = d.found(alone, d)
		if r.says = w.stable(r.says); r.verdict == "" || r.alone == "" {
			t.Errorf("%s is not noticed by the drill (%q) or by the comparison alone (%q)", d.name, r.verdict, r.alone)
		}
		rows = append(rows, r)
	}
	w.nothingElse(t, record.Verification)
	w.nothingElse(t, alone)
	return rows
}

// nothingElse requires that every finding is of a place that was damaged, by its node.
func (w *world) nothingElse(t *testing.T, r *verify.Result) {
	t.Helper()
	known := map[string]bool{}
	for _, d := range copyDamages {
		known[d.node+"/"+d.collection+"/"+d.tenant] = true
	}
	for _, s := range r.Structure {
		if !known[s.Where] && !strings.Contains(s.Where, "Alone") {
			t.Errorf("found, and not damaged: %+v", s)
		}
	}
	for _, f := range r.Index.Failures {
		through, _, _ := strings.Cut(strings.TrimPrefix(f.Question, "through "), ": ")
		if !known[through+"/"+f.Collection+"/"+f.Tenant] && f.Kind != "recall" {
			t.Errorf("found, and not damaged: %s", f)
		}
	}
	for _, x := range r.Differences {
		if x.Collection != "Alone" {
			t.Errorf("found, and not damaged: %+v", x)
		}
	}
}

// naivePart is naive for the place of one damage.
func (w *world) naivePart(t *testing.T, c *weaviate.Conn, d copyDamage) string {
	t.Helper()
	want, err := w.conn.Count(t.Context(), d.collection, d.tenant)
	check(t, err)
	if got, err := c.Count(t.Context(), d.collection, d.tenant); err != nil || got != want {
		return "the count of " + d.collection
	}
	r := rand.New(rand.NewPCG(10, 10))
	differ := 0
	for range 10 {
		which := id(d.collection+d.tenant, r.IntN(copiesOf))
		want, err := w.conn.Object(t.Context(), d.collection, d.tenant, which)
		check(t, err)
		got, err := c.Object(t.Context(), d.collection, d.tenant, which)
		if err != nil || !slices.EqualFunc(want.Vectors, got.Vectors, sameVector) {
			differ++
		}
	}
	if differ > 0 {
		return fmt.Sprintf("%d of 10 vectors", differ)
	}
	return "nothing"
}
