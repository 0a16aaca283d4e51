package demo

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/weaviate-drill/weaviate-drill/backup/bucket"
	"github.com/weaviate-drill/weaviate-drill/internal/secret"
	"github.com/weaviate-drill/weaviate-drill/internal/servers"
	"github.com/weaviate-drill/weaviate-drill/internal/weaviate"
)

// World is a source Weaviate with data, and a bucket for its backups.
type World struct {
	Victim Victim // the object that Damage changes

	dir    string
	minio  *servers.MinIO
	source *servers.Weaviate
}

const (
	bucketName  = "weaviate-backups"
	backupPath  = "production"
	keyVariable = "WEAVIATE_DRILL_DEMO_API_KEY"
)

// Start brings the world up in a temporary folder. setenv (os.Setenv) makes the credentials known to this program, as a deployment would. After an error nothing is left
// running.
func Start(ctx context.Context, setenv func(key, value string) error) (_ *World, err error) {
	w := &World{}
	defer func() {
		if err != nil {
			w.Stop()
		}
	}()
	if w.dir, err = os.MkdirTemp("", "weaviate-drill-demo-"); err != nil {
		return nil, err
	}
	s3Dir, sourceDir := filepath.Join(w.dir, "s3"), filepath.Join(w.dir, "source")
	for _, dir := range []string{s3Dir, sourceDir} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			return nil, err
		}
	}
	if w.minio, err = servers.StartMinIO(ctx, s3Dir); err != nil {
		return nil, err
	}
	w.minio.SetEnv(func(k, v string) { _ = setenv(k, v) })
	b, err := bucket.Open(ctx, bucket.Options{Name: bucketName, Path: backupPath, Region: "us-east-1", Endpoint: w.minio.Endpoint, PathStyle: true})
	if err != nil {
		return nil, err
	}
	if err := Harden(ctx, b); err != nil {
		return nil, err
	}
	key := secret.New(rand.Text() + rand.Text())
	if err := setenv(keyVariable, key.Reveal()); err != nil {
		return nil, err
	}
	w.source, err = servers.StartWeaviate(ctx, servers.WeaviateOptions{
		Dir: sourceDir, Nodes: []string{"weaviate-0"}, APIKey: key, Env: servers.SourceEnv(w.minio, bucketName, backupPath, key),
	})
	if err != nil {
		return nil, err
	}
	c, err := weaviate.Dial(ctx, w.source.Endpoints[0])
	if err != nil {
		return nil, err
	}
	defer c.Close()
	w.Victim, err = Fill(ctx, c)
	return w, err
}

// Stop ends the servers and removes their data.
func (w *World) Stop() {
	if w.source != nil {
		w.source.Stop(5 * time.Second)
	}
	if w.minio != nil {
		w.minio.Stop(5 * time.Second)
	}
	if w.dir != "" {
		_ = os.RemoveAll(w.dir)
	}
}

// Config is the drill.yaml of this world. A backup that is to be damaged is not compressed, since there a flipped bit breaks no checksum.
func (w *World) Config(evidence string, corrupt bool) []byte {
	compression := "ZstdBestSpeed"
	if corrupt {
		compression = "NoCompression"
	}
	e := w.source.Endpoints[0]
	today := time.Now().UTC()
	return []byte(strings.TrimSpace(fmt.Sprintf(`
source:
  url: %s
  grpc: %s
  api_key: env:%s
bucket:
  name: %s
  path: %s
  region: us-east-1
  endpoint: %s
  path_style: true
backup:
  compression: %s
  baseline: 2s
tracer:
  enabled: true
sandbox:
  kind: process
verify:
  level: index
  index:
    sample: 300
objectives:
  rto: 15m
  rpo: 1h
  owner: demo
  approved_on: %s
  review_by: %s
evidence:
  dir: %q
`, e.URL, e.GRPC, keyVariable, bucketName, backupPath, w.minio.Endpoint, compression, today.Format(time.DateOnly), today.AddDate(1, 0, 0).Format(time.DateOnly), evidence)) + "\n")
}
