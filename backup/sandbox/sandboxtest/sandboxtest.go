// Package sandboxtest holds each kind of sandbox to the contract of sandbox.Sandbox, with real servers and a real backup.
package sandboxtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weaviate-drill/weaviate-drill/backup/bucket"
	"github.com/weaviate-drill/weaviate-drill/backup/sandbox"
	"github.com/weaviate-drill/weaviate-drill/internal/secret"
	"github.com/weaviate-drill/weaviate-drill/internal/servertest"
	"github.com/weaviate-drill/weaviate-drill/internal/weaviate"
)

// Collection is what every backup of these tests holds, with Objects objects.
const (
	Collection = "SandboxProof"
	Objects    = 30
)

// Kind is a kind of sandbox under test.
type Kind struct {
	New  func() sandbox.Sandbox
	Left func(t *testing.T, drillID string) []string // whatever there is of a drill: processes, folders, containers
}

// Run runs all tests that apply to a sandbox which the tool makes itself.
func Run(t *testing.T, k Kind) {
	w, b := servertest.Source(t)
	Backup(t, servertest.Dial(t, w), "proof")
	t.Run("restores and leaves nothing", func(t *testing.T) { restores(t, k, b) })
	t.Run("another version", func(t *testing.T) {
		spec := Spec(t, b, "node1")
		spec.Version = "1.0.0"
		fails(t, k, spec, t.Context(), sandbox.ErrVersion, "1.0.0", servertest.WeaviateVersion)
	})
	t.Run("cancelled while it starts", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
		defer cancel()
		fails(t, k, Spec(t, b, "node1"), ctx, context.DeadlineExceeded)
	})
	t.Run("a server that ends at once", func(t *testing.T) {
		spec := Spec(t, b, "node1")
		spec.S3.Bucket = ""
		began := time.Now()
		fails(t, k, spec, t.Context(), nil, "node1", "ended before it was ready", "BACKUP_S3_BUCKET")
		if took := time.Since(began); took > 20*time.Second {
			t.Errorf("noticed after %v", took)
		}
	})
	t.Run("an id or a node that reaches out", func(t *testing.T) {
		spec := Spec(t, b, "../node1")
		fails(t, k, spec, t.Context(), nil, "../node1")
		spec = Spec(t, b, "node1")
		spec.DrillID = "../drill"
		if _, err := k.New().Up(t.Context(), spec); err == nil {
			t.Error("an id with a separator was taken")
		}
		if err := k.New().Tidy(t.Context(), "../drill"); err == nil {
			t.Error("an id with a separator was tidied")
		}
	})
	t.Run("nothing to tidy", func(t *testing.T) {
		if err := k.New().Tidy(t.Context(), ID()); err != nil {
			t.Error(err)
		}
	})
}

// ID is a new drill id.
func ID() string { return fmt.Sprintf("test-%d", time.Now().UnixNano()) }

// Spec describes the sandbox of a new drill for a backup that lies in b.
func Spec(t testing.TB, b *bucket.Bucket, nodes ...string) sandbox.Spec {
	m := servertest.MinIO(t)
	return sandbox.Spec{DrillID: ID(), Version: servertest.WeaviateVersion, Nodes: nodes, S3: sandbox.S3{
		Bucket: b.Name, Path: b.Path, Region: "us-east-1", Endpoint: strings.TrimPrefix(m.Endpoint, "http://"), Plain: true,
		AccessKeyID: secret.New(m.AccessKey), SecretAccessKey: secret.New(m.SecretKey),
	}}
}

// Backup fills the Weaviate behind c with Collection (in as many shards and copies as it has nodes) and backs it up.
func Backup(t *testing.T, c *weaviate.Conn, id string) {
	t.Helper()
	nodes, err := c.Nodes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	must(t, c.Do(t.Context(), http.MethodPost, "/schema", map[string]any{
		"class": Collection, "vectorizer": "none", "properties": []any{map[string]any{"name": "text", "dataType": []string{"text"}}},
		"shardingConfig": map[string]any{"desiredCount": len(nodes)}, "replicationConfig": map[string]any{"factor": len(nodes)},
	}, nil))
	var objects []map[string]any
	for i := range Objects {
		objects = append(objects, map[string]any{"class": Collection, "properties": map[string]any{"text": fmt.Sprint("object ", i)}, "vector": []float32{float32(i), 1, 2, 3}})
	}
	must(t, c.Do(t.Context(), http.MethodPost, "/batch/objects", map[string]any{"objects": objects}, nil))
	_, err = c.CreateBackup(t.Context(), weaviate.BackupRequest{ID: id})
	must(t, err)
	wait(t, func(ctx context.Context) (weaviate.BackupStatus, error) {
		return c.BackupStatus(ctx, id, weaviate.Location{})
	})
}

// Restore restores the backup into the sandbox behind c and counts what came back.
func Restore(t *testing.T, c *weaviate.Conn, id string) {
	t.Helper()
	_, err := c.Restore(t.Context(), weaviate.RestoreRequest{ID: id})
	must(t, err)
	wait(t, func(ctx context.Context) (weaviate.BackupStatus, error) {
		return c.RestoreStatus(ctx, id, weaviate.Location{})
	})
	n, err := c.Count(t.Context(), Collection, "")
	must(t, err)
	if n != Objects {
		t.Errorf("%d objects came back of %d", n, Objects)
	}
}

// EveryNode reads what was restored through each node by itself.
func EveryNode(t *testing.T, i sandbox.Instance, nodes ...string) {
	t.Helper()
	endpoints, err := i.(sandbox.Spread).Endpoints(t.Context())
	must(t, err)
	if got := slices.Sorted(maps.Keys(endpoints)); !slices.Equal(got, nodes) {
		t.Errorf("nodes %q are reached, not %q", got, nodes)
	}
	addresses := map[string]bool{}
	for name, e := range endpoints {
		addresses[e.URL], addresses[e.GRPC] = true, true
		c, err := weaviate.Dial(t.Context(), e)
		must(t, err)
		page, err := c.Scan(weaviate.Range{Collection: Collection, Expect: Objects}).Next(t.Context())
		if err != nil || len(page) != Objects {
			t.Errorf("%s lists %d objects of %d, %v", name, len(page), Objects, err)
		}
		must(t, c.Close())
	}
	if len(addresses) != 2*len(nodes) {
		t.Errorf("two nodes have the same address: %v", endpoints)
	}
}

func wait(t *testing.T, status func(context.Context) (weaviate.BackupStatus, error)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		s, err := status(ctx)
		must(t, err)
		if s.Done() {
			if s.Status != "SUCCESS" {
				t.Fatalf("%s: %s", s.Status, s.Error)
			}
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
}

func restores(t *testing.T, k Kind, b *bucket.Bucket) {
	spec := Spec(t, b, "node1")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	i, err := k.New().Up(ctx, spec)
	must(t, err)
	t.Cleanup(func() { _ = i.Down(context.Background()) })
	if len(k.Left(t, spec.DrillID)) == 0 {
		t.Error("the sandbox is up, and the test sees nothing of it")
	}
	e := i.Endpoint()
	if n := len(e.APIKey.Reveal()); n < 32 {
		t.Errorf("the API key has %d characters", n)
	}
	for name, key := range map[string]secret.Value{"no key": {}, "another key": sandbox.NewKey()} {
		stranger := e
		stranger.APIKey = key
		if _, err := weaviate.Dial(ctx, stranger); !errors.Is(err, weaviate.ErrUnauthorized) {
			t.Errorf("%s: %v", name, err)
		}
	}
	c, err := weaviate.Dial(ctx, e)
	must(t, err)
	defer c.Close()
	Restore(t, c, "proof")

	var log bytes.Buffer
	must(t, i.Logs(ctx, &log))
	if !strings.Contains(log.String(), "backup restored successfully") {
		t.Errorf("the log does not tell of the restore:\n%s", log.String())
	}
	for line := range strings.Lines(log.String()) {
		if !strings.HasPrefix(line, "node1: ") {
			t.Errorf("a line of the log has no node: %s", line)
		}
	}
	noSecret(t, spec, e.APIKey, log.String(), i.Describe())

	// The same id again is refused, and does not disturb the one that is up.
	if _, err := k.New().Up(ctx, spec); err == nil {
		t.Error("a second sandbox came up under the same id")
	}
	if _, err := c.Meta(ctx); err != nil {
		t.Errorf("after a second Up: %v", err)
	}

	cancel()
	for range 2 {
		if err := i.Down(context.Background()); err != nil {
			t.Error(err)
		}
		if left := k.Left(t, spec.DrillID); len(left) > 0 {
			t.Errorf("still there: %v", left)
		}
	}
}

// fails checks that Up returns an error with the given cause and words, and leaves nothing.
func fails(t *testing.T, k Kind, spec sandbox.Spec, ctx context.Context, cause error, words ...string) { //nolint:revive // the context is what is tested
	t.Helper()
	i, err := k.New().Up(ctx, spec)
	if err == nil {
		_ = i.Down(context.WithoutCancel(ctx))
		t.Fatal("it came up")
	}
	if cause != nil && !errors.Is(err, cause) {
		t.Errorf("another cause: %v", err)
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("the error lacks %q: %v", word, err)
		}
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("the error has more than one line: %v", err)
	}
	noSecret(t, spec, secret.Value{}, err.Error())
	if left := k.Left(t, spec.DrillID); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func noSecret(t *testing.T, spec sandbox.Spec, key secret.Value, texts ...string) {
	t.Helper()
	for name, v := range map[string]secret.Value{"API key": key, "AWS secret": spec.S3.SecretAccessKey, "AWS access key": spec.S3.AccessKeyID} {
		for _, text := range texts {
			if !v.IsZero() && strings.Contains(text, v.Reveal()) {
				t.Errorf("the %s is in: %s", name, text)
			}
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
