package backup_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/weaviate-drill/weaviate-drill/backup"
	"github.com/weaviate-drill/weaviate-drill/backup/bucket"
	"github.com/weaviate-drill/weaviate-drill/internal/servertest"
	"github.com/weaviate-drill/weaviate-drill/internal/weaviate"
)

// The collections of the backups below: big enough for a chunk of its own, with tenants of which one is inactive, and empty.
var samples = []string{"SamplePlain", "SampleTenants", "SampleEmpty"}

var world struct {
	sync.Mutex
	bucket *bucket.Bucket
	made   map[string]bool
}

// realBackup makes, once, a backup by the real Weaviate and returns its bucket. The names are gzip, zstd, none, and full, inc1, inc2 (a zstd chain, each
// with objects that the one before does not have).
func realBackup(t testing.TB, id string) *bucket.Bucket {
	t.Helper()
	w, b := servertest.Source(t)
	world.Lock()
	defer world.Unlock()
	c := servertest.Dial(t, w)
	if world.made == nil {
		fill(t, c)
		world.bucket, world.made = b, map[string]bool{}
	}
	levels := map[string]string{"gzip": "DefaultCompression", "zstd": "ZstdDefaultCompression", "none": "NoCompression"}
	if level, ok := levels[id]; ok {
		create(t, c, weaviate.BackupRequest{ID: id, Include: samples, CompressionLevel: level})
		return b
	}
	base := ""
	for i, link := range []string{"full", "inc1", "inc2"} {
		if !world.made[link] && base != "" {
			addObjects(t, c, "SamplePlain", "", 10_000*i, 50)
		}
		create(t, c, weaviate.BackupRequest{ID: link, Include: samples, CompressionLevel: "ZstdDefaultCompression", IncrementalBase: base})
		if link == id {
			break
		}
		base = link
	}
	return b
}

func create(t testing.TB, c *weaviate.Conn, r weaviate.BackupRequest) {
	t.Helper()
	if world.made[r.ID] {
		return
	}
	if _, err := c.CreateBackup(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		s, err := c.BackupStatus(ctx, r.ID, weaviate.Location{})
		if err != nil {
			t.Fatal(err)
		}
		if s.Status == "SUCCESS" {
			world.made[r.ID] = true
			return
		}
		if s.Done() {
			t.Fatalf("backup %s: %s %s", r.ID, s.Status, s.Error)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func fill(t testing.TB, c *weaviate.Conn) {
	t.Helper()
	text := []map[string]any{{"name": "text", "dataType": []string{"text"}}}
	do := func(method, path string, body any) {
		t.Helper()
		if err := c.Do(t.Context(), method, path, body, nil); err != nil {
			t.Fatal(err)
		}
	}
	do(http.MethodPost, "/schema", map[string]any{"class": "SamplePlain", "vectorizer": "none", "properties": text})
	do(http.MethodPost, "/schema", map[string]any{"class": "SampleEmpty", "vectorizer": "none", "properties": text})
	do(http.MethodPost, "/schema", map[string]any{"class": "SampleTenants", "vectorizer": "none", "properties": text, "multiTenancyConfig": map[string]any{"enabled": true}})
	do(http.MethodPost, "/schema/SampleTenants/tenants", []map[string]any{{"name": "warm"}, {"name": "cold"}, {"name": "bare"}})
	addObjects(t, c, "SamplePlain", "", 0, 3000)
	addObjects(t, c, "SampleTenants", "warm", 0, 100)
	addObjects(t, c, "SampleTenants", "cold", 0, 100)
	do(http.MethodPut, "/schema/SampleTenants/tenants", []map[string]any{{"name": "cold", "activityStatus": "COLD"}})
}

func addObjects(t testing.TB, c *weaviate.Conn, class, tenant string, from, n int) {
	t.Helper()
	r := rand.New(rand.NewPCG(uint64(from), 7))
	for done := 0; done < n; done += 500 {
		var batch []map[string]any
		for i := done; i < min(done+500, n); i++ {
			vector := make([]float32, 128)
			for k := range vector {
				vector[k] = float32(r.NormFloat64())
			}
			o := map[string]any{"class": class, "id": fmt.Sprintf("%08x-0000-4000-8000-%012x", r.Uint32(), from+i), "vector": vector,
				"properties": map[string]any{"text": fmt.Sprintf("object %d of %s", from+i, class)}}
			if tenant != "" {
				o["tenant"] = tenant
			}
			batch = append(batch, o)
		}
		if err := c.Do(t.Context(), http.MethodPost, "/batch/objects", map[string]any{"objects": batch}, nil); err != nil {
			t.Fatal(err)
		}
	}
}

// clone copies backups to a place of their own and returns it: the test may damage what is there.
func clone(t testing.TB, from *bucket.Bucket, ids ...string) *bucket.Bucket {
	t.Helper()
	to := servertest.Bucket(t, "some/path")
	copyBackups(t, from, to, ids...)
	return to
}

func copyBackups(t testing.TB, from, to *bucket.Bucket, ids ...string) {
	t.Helper()
	for _, id := range ids {
		for _, o := range list(t, from, id) {
			key := to.Key(strings.TrimPrefix(o, from.Path+"/"))
			if _, err := to.Client.CopyObject(t.Context(), &s3.CopyObjectInput{Bucket: &to.Name, Key: &key, CopySource: aws.String(from.Name + "/" + o)}); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// list gives all keys of a backup, sorted.
func list(t testing.TB, b *bucket.Bucket, id string) []string {
	t.Helper()
	var keys []string
	pages := s3.NewListObjectsV2Paginator(b.Client, &s3.ListObjectsV2Input{Bucket: &b.Name, Prefix: aws.String(b.Key(id) + "/")})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range page.Contents {
			keys = append(keys, *o.Key)
		}
	}
	return keys
}

func get(t testing.TB, b *bucket.Bucket, key string) []byte {
	t.Helper()
	o, err := b.Client.GetObject(t.Context(), &s3.GetObjectInput{Bucket: &b.Name, Key: &key})
	if err != nil {
		t.Fatal(err)
	}
	defer o.Body.Close()
	content, err := io.ReadAll(o.Body)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func put(t testing.TB, b *bucket.Bucket, key string, content []byte) {
	t.Helper()
	if _, err := b.Client.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &b.Name, Key: &key, Body: bytes.NewReader(content)}); err != nil {
		t.Fatal(err)
	}
}

func remove(t testing.TB, b *bucket.Bucket, key string) {
	t.Helper()
	if _, err := b.Client.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: &b.Name, Key: &key}); err != nil {
		t.Fatal(err)
	}
}

// versioned switches versioning of a bucket on.
func versioned(t testing.TB, b *bucket.Bucket) {
	t.Helper()
	if _, err := b.Client.PutBucketVersioning(t.Context(), &s3.PutBucketVersioningInput{
		Bucket: &b.Name, VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusEnabled},
	}); err != nil {
		t.Fatal(err)
	}
}

func catalogue(t testing.TB, b *bucket.Bucket, id string) *backup.Catalogue {
	t.Helper()
	c, err := backup.ReadCatalogue(t.Context(), b, id)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func check(t testing.TB, c *backup.Catalogue) backup.CatalogueResult {
	t.Helper()
	r, err := c.Check(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func checkArchive(t testing.TB, b *bucket.Bucket, c *backup.Catalogue) backup.ArchiveResult {
	t.Helper()
	r, err := backup.CheckArchive(t.Context(), b, c, backup.ArchiveOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// wants fails unless one problem is of the kind, at the key (if given), and says every part; it logs what was found.
func wants(t testing.TB, problems []backup.Problem, kind backup.ProblemKind, key string, says ...string) backup.Problem {
	t.Helper()
	for _, p := range problems {
		if p.Kind == kind && (key == "" || p.Key == key) && !slices.ContainsFunc(says, func(s string) bool { return !strings.Contains(p.String(), s) }) {
			return p
		}
	}
	t.Errorf("no problem of kind %q at %q that says %q among:\n%s", kind, key, says, text(problems))
	return backup.Problem{}
}

func none(t testing.TB, problems []backup.Problem) {
	t.Helper()
	if len(problems) > 0 {
		t.Errorf("%d problems, want none:\n%s", len(problems), text(problems))
	}
}

func text(problems []backup.Problem) string {
	var lines []string
	for _, p := range problems {
		lines = append(lines, "  "+p.String())
	}
	return strings.Join(lines, "\n")
}

func is(t testing.TB, err, target error, says ...string) {
	t.Helper()
	if !errors.Is(err, target) {
		t.Fatalf("error %v, want one that is %v", err, target)
	}
	for _, s := range says {
		if !strings.Contains(err.Error(), s) {
			t.Errorf("error %q does not say %q", err, s)
		}
	}
}
