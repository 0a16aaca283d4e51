// Package detection damages real backups and real servers in every way that is known to happen, and proves that the drill notices each of them. docs/detection.md is what it measured.
package detection

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/google/uuid"

	drill "github.com/weaviate-drill/weaviate-drill"
	"github.com/weaviate-drill/weaviate-drill/backup"
	"github.com/weaviate-drill/weaviate-drill/backup/bucket"
	"github.com/weaviate-drill/weaviate-drill/internal/servers"
	"github.com/weaviate-drill/weaviate-drill/internal/servertest"
	"github.com/weaviate-drill/weaviate-drill/internal/weaviate"
	"github.com/weaviate-drill/weaviate-drill/rto/evidence"
	"github.com/weaviate-drill/weaviate-drill/verify"
)

func TestMain(m *testing.M) { os.Exit(servertest.Run(m)) }

type object = map[string]any

const (
	node       = "node1" // of the source
	dimensions = 32
)

// world is a source Weaviate with data that nobody writes to any more, and real backups of it.
type world struct {
	source  *servers.Weaviate
	conn    *weaviate.Conn
	bucket  *bucket.Bucket
	vectors map[string][]float32 // as written, by collection and number
	shards  []string             // names that differ from run to run
}

// The data: a collection with an unnamed vector, one with two named ones, and one with tenants.
const (
	articles = 300
	products = 200
	notes    = 200 // half of them of each tenant

	updated, deleted = 7, 11 // articles, after the first backup
)

const role = "reader"

var tenants = []string{"acme", "globex"}

func id(collection string, i int) uuid.UUID {
	return uuid.NewSHA1(uuid.NameSpaceOID, fmt.Append(nil, collection, i))
}

// newWorld fills a source in two halves, so that its storage has several segments, with a backup after each: base, and inc that builds on it. gzip, zstd and none are full ones of the end.
func newWorld(t *testing.T) *world {
	t.Helper()
	b := servertest.Bucket(t, "backups")
	check(t, os.Setenv("DRILL_TEST_KEY", servertest.APIKey)) // not t.Setenv, which forbids parallel tests
	w := &world{bucket: b, vectors: map[string][]float32{}}
	// No two segments are merged, and chunks are small enough that an incremental backup has something to borrow.
	w.source = servertest.Weaviate(t, b, map[string]string{"PERSISTENCE_LSM_MAX_SEGMENT_SIZE": "1KiB", "BACKUP_MIN_CHUNK_SIZE": "8192"}, node)
	w.conn = servertest.Dial(t, w.source)
	w.define(t)
	w.write(t, 0, 2)
	time.Sleep(2 * time.Second) // a log of the vector index that was begun in the second of the backup is not in it
	w.backUp(t, weaviate.BackupRequest{ID: "base", CompressionLevel: "ZstdBestSpeed"})
	w.write(t, 1, 2)
	path := "/objects/Article/" + id("Article", updated).String()
	do(t, w.conn, http.MethodPut, path, object{"class": "Article", "id": id("Article", updated), "vector": w.vectors["Article0"], "properties": object{"title": "A newer version", "words": -1}})
	do(t, w.conn, http.MethodDelete, "/objects/Article/"+id("Article", deleted).String(), nil)
	time.Sleep(2 * time.Second)
	w.backUp(t, weaviate.BackupRequest{ID: "inc", CompressionLevel: "ZstdBestSpeed", IncrementalBase: "base"})
	for id, level := range map[string]string{"gzip": "BestSpeed", "zstd": "ZstdBestSpeed", "none": "NoCompression"} {
		w.backUp(t, weaviate.BackupRequest{ID: id, CompressionLevel: level})
	}
	for _, class := range part(t, b, "none", node).Classes {
		for _, shard := range class.Shards {
			if !slices.Contains(tenants, shard.Name) {
				w.shards = append(w.shards, shard.Name)
			}
		}
	}
	return w
}

func (w *world) define(t *testing.T) {
	t.Helper()
	typed := func(name, dataType string) object { return object{"name": name, "dataType": []string{dataType}} }
	hnsw := object{"vectorizer": object{"none": object{}}, "vectorIndexType": "hnsw"}
	for _, class := range []object{
		{"class": "Article", "vectorizer": "none", "properties": []object{typed("title", "text"), typed("words", "int"), typed("published", "date")}},
		{"class": "Product", "vectorConfig": object{"image": hnsw, "description": hnsw}, "shardingConfig": object{"desiredCount": 2}, "properties": []object{typed("name", "text"), {"name": "price", "dataType": []string{"number"}, "indexRangeFilters": true}},
			"invertedIndexConfig": object{"indexNullState": true, "indexPropertyLength": true, "indexTimestamps": true}},
		{"class": "Note", "vectorizer": "none", "multiTenancyConfig": object{"enabled": true}, "properties": []object{typed("text", "text"), typed("tags", "text[]")}},
	} {
		do(t, w.conn, http.MethodPost, "/schema", class)
	}
	var list []object
	for _, name := range tenants {
		list = append(list, object{"name": name})
	}
	do(t, w.conn, http.MethodPost, "/schema/Note/tenants", list)
	do(t, w.conn, http.MethodPost, "/aliases", object{"alias": "News", "class": "Article"})
	do(t, w.conn, http.MethodPost, "/authz/roles", object{"name": role, "permissions": []object{{"action": "read_data", "data": object{"collection": "Article"}}}})
}

// write writes one of so many parts of the data.
func (w *world) write(t *testing.T, part, of int) {
	t.Helper()
	r := rand.New(rand.NewPCG(uint64(part), 4))
	vector := func(key string) []float32 {
		v := make([]float32, dimensions)
		for i := range v {
			v[i] = float32(r.NormFloat64())
		}
		w.vectors[key] = v
		return v
	}
	var all []object
	each := func(class string, count int, make func(i int) object) {
		for i := part * count / of; i < (part+1)*count/of; i++ {
			o := make(i)
			o["class"], o["id"] = class, id(class, i)
			all = append(all, o)
		}
	}
	each("Article", articles, func(i int) object {
		return object{"vector": vector(fmt.Sprint("Article", i)), "properties": object{"title": fmt.Sprintf("Article number %d of %d", i, articles), "words": i, "published": "2026-01-02T03:04:05Z"}}
	})
	each("Product", products, func(i int) object {
		return object{"vectors": object{"image": vector(fmt.Sprint("image", i)), "description": vector(fmt.Sprint("description", i))},
			"properties": object{"name": fmt.Sprintf("Product number %d", i), "price": float64(i) / 4}}
	})
	each("Note", notes, func(i int) object {
		return object{"tenant": tenants[i%2], "vector": vector(fmt.Sprint("Note", i)), "properties": object{"text": fmt.Sprintf("Note number %d", i), "tags": []string{"odd", "even"}[i%2 : i%2+1]}}
	})
	for batch := range slices.Chunk(all, 200) {
		send(t, w.conn, batch)
	}
}

func do(t testing.TB, c *weaviate.Conn, method, path string, body any) {
	t.Helper()
	check(t, c.Do(t.Context(), method, path, body, nil))
}

func send(t testing.TB, c *weaviate.Conn, objects []object) {
	t.Helper()
	var answer []struct {
		Result struct{ Errors json.RawMessage }
	}
	check(t, c.Do(t.Context(), http.MethodPost, "/batch/objects", object{"objects": objects}, &answer))
	for _, a := range answer {
		if len(a.Result.Errors) > 0 {
			t.Fatal(string(a.Result.Errors))
		}
	}
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (w *world) backUp(t *testing.T, r weaviate.BackupRequest) {
	t.Helper()
	_, err := w.conn.CreateBackup(t.Context(), r)
	check(t, err)
	if s := wait(t, func() (weaviate.BackupStatus, error) {
		return w.conn.BackupStatus(t.Context(), r.ID, weaviate.Location{})
	}); s.Status != "SUCCESS" {
		t.Fatalf("backup %s: %s %s", r.ID, s.Status, s.Error)
	}
}

// wait asks until a backup or a restore has ended. One that nobody cancelled and that is being cancelled for five seconds never ends.
func wait(t testing.TB, ask func() (weaviate.BackupStatus, error)) weaviate.BackupStatus {
	t.Helper()
	began := time.Now()
	for ; ; time.Sleep(50 * time.Millisecond) {
		s, err := ask()
		check(t, err)
		if s.Done() || s.Status == "CANCELLING" && time.Since(began) > 5*time.Second {
			return s
		}
		if time.Since(began) > time.Minute {
			t.Fatalf("%s does not end: %s", s.ID, s.Status)
		}
	}
}

// clone copies backups to a bucket of their own, whose content may be damaged.
func (w *world) clone(t testing.TB, ids ...string) *bucket.Bucket {
	t.Helper()
	to := servertest.Bucket(t, "backups")
	for _, id := range ids {
		for _, key := range keys(t, w.bucket, id) {
			if strings.HasSuffix(key, "/restore_config.json") {
				continue
			}
			_, err := to.Client.CopyObject(t.Context(), &s3.CopyObjectInput{Bucket: &to.Name, Key: &key, CopySource: aws.String(w.bucket.Name + "/" + key)})
			check(t, err)
		}
	}
	return to
}

func keys(t testing.TB, b *bucket.Bucket, id string) (list []string) {
	t.Helper()
	pages := s3.NewListObjectsV2Paginator(b.Client, &s3.ListObjectsV2Input{Bucket: &b.Name, Prefix: aws.String(b.Key(id) + "/")})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		check(t, err)
		for _, o := range page.Contents {
			list = append(list, *o.Key)
		}
	}
	return list
}

func get(t testing.TB, b *bucket.Bucket, key string) []byte {
	t.Helper()
	o, err := b.Client.GetObject(t.Context(), &s3.GetObjectInput{Bucket: &b.Name, Key: &key})
	check(t, err)
	defer o.Body.Close()
	content, err := io.ReadAll(o.Body)
	check(t, err)
	return content
}

func put(t testing.TB, b *bucket.Bucket, key string, content []byte) {
	t.Helper()
	_, err := b.Client.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &b.Name, Key: &key, Body: bytes.NewReader(content)})
	check(t, err)
}

func remove(t testing.TB, b *bucket.Bucket, key string) {
	t.Helper()
	_, err := b.Client.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: &b.Name, Key: &key})
	check(t, err)
}

// restored is what a plain restore gave, as somebody without the tool would do it.
type restored struct {
	conn     *weaviate.Conn
	weaviate string // what Weaviate says of it
}

// restore restores a backup into a fresh Weaviate.
func restore(t testing.TB, b *bucket.Bucket, id string, nodes ...string) restored {
	t.Helper()
	c := servertest.Dial(t, servertest.Weaviate(t, b, nil, nodes...))
	return restored{c, restoreInto(t, c, id)}
}

func restoreInto(t testing.TB, c *weaviate.Conn, id string) string {
	t.Helper()
	if _, err := c.Restore(t.Context(), weaviate.RestoreRequest{ID: id}); err != nil {
		return "refuses the restore"
	}
	s := wait(t, func() (weaviate.BackupStatus, error) { return c.RestoreStatus(t.Context(), id, weaviate.Location{}) })
	switch {
	case s.Status == "FAILED", s.Status == "CANCELED": // which of the two is a matter of luck
		return "FAILED or CANCELED"
	case !s.Done():
		return "stays " + s.Status
	}
	return s.Status
}

// naive is what counts and, where they are equal, ten sampled vectors asked for by id see of a restored Weaviate: "nothing" when it looks whole to them.
func (w *world) naive(t testing.TB, c *weaviate.Conn) string {
	t.Helper()
	type place struct{ collection, tenant string }
	places := []place{{"Article", ""}, {"Product", ""}}
	for _, tenant := range tenants {
		places = append(places, place{"Note", tenant})
	}
	for _, p := range places {
		want, err := w.conn.Count(t.Context(), p.collection, p.tenant)
		check(t, err)
		if got, err := c.Count(t.Context(), p.collection, p.tenant); err != nil || got != want {
			return "the count of " + p.collection
		}
	}
	r := rand.New(rand.NewPCG(10, 10))
	differ := 0
	for range 10 {
		i, p := r.IntN(articles+products+notes), place{}
		switch {
		case i < articles:
			if p.collection = "Article"; i == deleted {
				i++
			}
		case i < articles+products:
			p.collection, i = "Product", i-articles
		default:
			p.collection, i = "Note", i-articles-products
			p.tenant = tenants[i%2]
		}
		want, err := w.conn.Object(t.Context(), p.collection, p.tenant, id(p.collection, i))
		check(t, err)
		got, err := c.Object(t.Context(), p.collection, p.tenant, want.ID)
		if err != nil || !slices.EqualFunc(want.Vectors, got.Vectors, sameVector) {
			differ++
		}
	}
	if differ > 0 {
		return fmt.Sprintf("%d of 10 vectors", differ)
	}
	return "nothing"
}

func sameVector(a, b weaviate.Vector) bool { return a.Name == b.Name && bytes.Equal(a.Bytes, b.Bytes) }

// drill performs a whole drill of a backup, as a user does; more are further sections of the configuration. before, when not nil, is the backup as it was recorded when it was made.
func (w *world) drill(t testing.TB, b *bucket.Bucket, id string, before *backup.Catalogue, more ...string) *evidence.Record {
	t.Helper()
	dir := t.TempDir()
	e := w.source.Endpoints[0]
	if !slices.ContainsFunc(more, func(section string) bool { return strings.HasPrefix(section, "sandbox:") }) {
		more = append(more, fmt.Sprintf("sandbox: {kind: process, process: {dir: %q}}", dir))
	}
	cfg, err := drill.ParseConfig("drill.yaml", fmt.Appendf(nil, `
source: {url: %q, grpc: %q, api_key: env:DRILL_TEST_KEY}
bucket: {name: %s, path: %s, region: us-east-1, endpoint: %q, path_style: true}
backup: {id: %s}
policy: {fail_on: critical}
evidence: {dir: %q}
verify: {level: index}
%s
`, e.URL, e.GRPC, b.Name, b.Path, b.Endpoint, id, filepath.Join(dir, "evidence"), strings.Join(more, "\n")))
	check(t, err)
	if before != nil {
		store, err := cfg.OpenEvidence(t.Context())
		check(t, err)
		check(t, store.PutInventory(t.Context(), drill.Inventory(b, before)))
	}
	record, err := drill.Run(t.Context(), cfg, drill.Options{})
	check(t, err)
	return record
}

// compare is the command verify: what the comparison alone says of a restored Weaviate.
func (w *world) compare(t testing.TB, c *weaviate.Conn, b *bucket.Bucket, id string, nodes ...verify.Node) *verify.Result {
	t.Helper()
	d, err := backup.ReadDescriptor(t.Context(), b, id)
	check(t, err)
	r, err := verify.Compare(t.Context(), w.conn, c, verify.Options{Level: verify.LevelIndex, CapturePoint: d.StartedAt, Included: d.Collections(), Nodes: nodes})
	check(t, err)
	return r
}

// part reads a node's part of a backup.
func part(t testing.TB, b *bucket.Bucket, id, node string) backup.NodeDescriptor {
	t.Helper()
	d, err := backup.ReadNodeDescriptor(t.Context(), b, id, node)
	check(t, err)
	return d
}
