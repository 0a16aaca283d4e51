// Package servertest gives tests real servers: one MinIO and one source Weaviate shared by the tests of a package, and
// fresh Weaviates for those that need their own. Tests that share isolate themselves by bucket, path and collection.
package servertest

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/weaviate-drill/weaviate-drill/backup/bucket"
	"github.com/weaviate-drill/weaviate-drill/internal/secret"
	"github.com/weaviate-drill/weaviate-drill/internal/servers"
	"github.com/weaviate-drill/weaviate-drill/internal/weaviate"
)

// Lacking skips a test that needs something this machine does not have, and says what. With DRILL_REQUIRE_ALL=1 it fails instead.
func Lacking(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("DRILL_REQUIRE_ALL") == "1" {
		t.Fatalf("DRILL_REQUIRE_ALL=1, and this is lacking: %s", what)
	}
	t.Skip(what)
}

var shared struct {
	sync.Mutex
	dir    string
	host   string // on which MinIO listens; set by Docker
	minio  *servers.MinIO
	source *servers.Weaviate
	bucket *bucket.Bucket
}

// Run runs a package's tests and stops the shared servers: func TestMain(m *testing.M) { os.Exit(servertest.Run(m)) }.
func Run(m *testing.M) int {
	code := m.Run()
	if shared.source != nil {
		shared.source.Stop(5 * time.Second)
	}
	if shared.minio != nil {
		shared.minio.Stop(5 * time.Second)
	}
	if shared.dir != "" {
		_ = os.RemoveAll(shared.dir)
	}
	return code
}

func sharedDir(t testing.TB) string {
	if shared.dir == "" {
		dir, err := os.MkdirTemp("", "weaviate-drill-test-")
		if err != nil {
			t.Fatal(err)
		}
		shared.dir = dir
	}
	return shared.dir
}

// MinIO returns the shared S3 server; the process environment then holds its credentials for the AWS SDK.
func MinIO(t testing.TB) *servers.MinIO {
	t.Helper()
	shared.Lock()
	defer shared.Unlock()
	return minio(t)
}

func minio(t testing.TB) *servers.MinIO {
	t.Helper()
	if shared.minio == nil {
		m, err := servers.StartMinIOAt(context.Background(), cmp.Or(shared.host, "127.0.0.1"), sharedDir(t))
		fatal(t, err)
		m.SetEnv(func(k, v string) { _ = os.Setenv(k, v) })
		shared.minio = m
	}
	return shared.minio
}

// Bucket makes a new, empty bucket on the shared MinIO; backups lie in it below path.
func Bucket(t testing.TB, path string) *bucket.Bucket {
	t.Helper()
	return newBucket(t, MinIO(t), path)
}

func newBucket(t testing.TB, m *servers.MinIO, path string) *bucket.Bucket {
	t.Helper()
	b, err := bucket.Open(t.Context(), bucket.Options{
		Name: "test-" + strings.ToLower(rand.Text()[:12]), Path: path, Region: "us-east-1", Endpoint: m.Endpoint, PathStyle: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Client.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String(b.Name)}); err != nil {
		t.Fatal(err)
	}
	return b
}

// APIKey is the key of every Weaviate that a test starts.
const APIKey = "test-key-of-more-than-32-characters-0123456789"

// A test whose server does not come up says so, with its log, long before the tests' own deadline.
const readyTimeout = time.Minute

// Source returns the shared source Weaviate (one node, "node1") with its bucket, in which its backups lie below "backups".
func Source(t testing.TB) (*servers.Weaviate, *bucket.Bucket) {
	t.Helper()
	shared.Lock()
	defer shared.Unlock()
	if shared.source == nil {
		m := minio(t)
		b := newBucket(t, m, "backups")
		ctx, cancel := context.WithTimeout(context.Background(), readyTimeout)
		defer cancel()
		env := servers.SourceEnv(m, b.Name, b.Path, secret.New(APIKey))
		// No two segments are ever merged, so that what an incremental backup can borrow does not depend on when a compaction happens to run.
		env["PERSISTENCE_LSM_MAX_SEGMENT_SIZE"] = "1KiB"
		w, err := servers.StartWeaviate(ctx, servers.WeaviateOptions{Dir: sharedDir(t), Nodes: []string{"node1"}, APIKey: secret.New(APIKey), Env: env})
		fatal(t, err)
		shared.source, shared.bucket = w, b
	}
	return shared.source, shared.bucket
}

// Weaviate starts a fresh, empty Weaviate of the given nodes on bucket b for this test alone; env overrides.
func Weaviate(t testing.TB, b *bucket.Bucket, env map[string]string, nodes ...string) *servers.Weaviate {
	t.Helper()
	all := servers.SourceEnv(MinIO(t), b.Name, b.Path, secret.New(APIKey))
	for k, v := range env {
		all[k] = v
	}
	if len(nodes) == 0 {
		nodes = []string{"node1"}
	}
	ctx, cancel := context.WithTimeout(t.Context(), readyTimeout)
	defer cancel()
	w, err := servers.StartWeaviate(ctx, servers.WeaviateOptions{Dir: t.TempDir(), Nodes: nodes, APIKey: secret.New(APIKey), Env: all})
	fatal(t, err)
	t.Cleanup(func() {
		w.Kill()
		if t.Failed() {
			for _, p := range w.Nodes {
				t.Logf("last lines of %s:\n%s", p.Name, servers.Tail(p.LogFile, 20))
			}
		}
	})
	return w
}

// Dial connects to the first node.
func Dial(t testing.TB, w *servers.Weaviate) *weaviate.Conn {
	t.Helper()
	c, err := weaviate.Dial(t.Context(), w.Endpoints[0])
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func fatal(t testing.TB, err error) {
	t.Helper()
	if errors.Is(err, servers.ErrNotBuilt) {
		Lacking(t, err.Error())
	}
	if err != nil {
		t.Fatal(err)
	}
}
