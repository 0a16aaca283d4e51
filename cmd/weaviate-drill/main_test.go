package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/weaviate-drill/weaviate-drill/backup/bucket"
	"github.com/weaviate-drill/weaviate-drill/internal/demo"
	"github.com/weaviate-drill/weaviate-drill/internal/servers"
	"github.com/weaviate-drill/weaviate-drill/internal/servertest"
	"github.com/weaviate-drill/weaviate-drill/rto/evidence"
)

// asProgram makes the test binary behave as the program: the tests run it as a user would, as a process of its own.
const asProgram = "WEAVIATE_DRILL_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		os.Exit(execute(os.Args[1:], os.Stdout, os.Stderr))
	}
	os.Exit(servertest.Run(m))
}

// program prepares a run of the program in folder dir.
func program(ctx context.Context, dir string, args ...string) *exec.Cmd {
	self, err := os.Executable()
	if err != nil {
		panic(err)
	}
	c := exec.CommandContext(ctx, self, args...)
	c.Dir = dir
	c.Env = append(os.Environ(), asProgram+"=1", "DRILL_TEST_KEY="+servertest.APIKey)
	if server, err := servers.Find("weaviate-server"); err == nil { // the program runs in another folder, and beside nothing
		c.Env = append(c.Env, "DRILL_BIN="+filepath.Dir(server))
	}
	return c
}

type result struct {
	code           int
	stdout, stderr string
}

// do runs the program to its end.
func do(t testing.TB, dir string, args ...string) result {
	t.Helper()
	return finish(t, program(t.Context(), dir, args...))
}

func finish(t testing.TB, c *exec.Cmd) result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	c.Stdout, c.Stderr = &stdout, &stderr
	err := c.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	r := result{c.ProcessState.ExitCode(), stdout.String(), stderr.String()}
	if text := r.stdout + r.stderr; strings.Contains(text, servertest.APIKey) || strings.Contains(text, os.Getenv("AWS_SECRET_ACCESS_KEY")) && os.Getenv("AWS_SECRET_ACCESS_KEY") != "" {
		t.Errorf("%v prints a credential", c.Args[1:])
	}
	return r
}

// wants ends the test unless the program ended with the status and its output says every part.
func (r result) wants(t testing.TB, status evidence.Status, says ...string) {
	t.Helper()
	if r.code != int(status) {
		t.Fatalf("exit status %d, want %d (%s)\nstdout: %s\nstderr: %s", r.code, int(status), status, r.stdout, r.stderr)
	}
	folded := strings.Join(strings.Fields(r.stdout+" "+r.stderr), " ") // a table breaks lines where it likes
	for _, s := range says {
		if !strings.Contains(folded, s) {
			t.Errorf("does not say %q\nstdout: %s\nstderr: %s", s, r.stdout, r.stderr)
		}
	}
}

// site is a folder with a drill.yaml for the shared source.
type site struct {
	dir    string
	bucket *bucket.Bucket
}

var filled struct {
	sync.Mutex
	victim demo.Victim
}

// source gives the shared source, with the demo's data.
func source(t testing.TB) (url, grpc string, b *bucket.Bucket) {
	t.Helper()
	w, b := servertest.Source(t)
	filled.Lock()
	defer filled.Unlock()
	if filled.victim.ID == "" {
		victim, err := demo.Fill(t.Context(), servertest.Dial(t, w))
		if err != nil {
			t.Fatal(err)
		}
		filled.victim = victim
	}
	return w.Endpoints[0].URL, w.Endpoints[0].GRPC, b
}

// newSite writes a drill.yaml; sections replace the ones that it has by default, an empty one leaves it out.
func newSite(t testing.TB, sections map[string]string) site {
	t.Helper()
	url, grpc, b := source(t)
	return siteIn(t, b, url, grpc, sections)
}

func siteIn(t testing.TB, b *bucket.Bucket, url, grpc string, sections map[string]string) site {
	t.Helper()
	s := site{dir: t.TempDir(), bucket: b}
	all := map[string]string{
		"source":     fmt.Sprintf("\n  url: %s\n  grpc: %s\n  api_key: env:DRILL_TEST_KEY", url, grpc),
		"bucket":     fmt.Sprintf("\n  name: %s\n  path: %s\n  region: us-east-1\n  endpoint: %s\n  path_style: true", b.Name, b.Path, b.Endpoint),
		"backup":     "\n  compression: ZstdBestSpeed\n  baseline: 100ms",
		"sandbox":    "\n  kind: process\n  process:\n    dir: " + s.dir,
		"objectives": "\n  rto: 15m\n  rpo: 10h\n  owner: platform\n  approved_on: 2026-01-01\n  review_by: 2100-01-01",
		// The tests' buckets are plain; the bucket's own checks have tests of their own.
		"policy": "\n  fail_on: critical",
	}
	maps.Copy(all, sections)
	var text strings.Builder
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if all[name] != "" {
			fmt.Fprintf(&text, "%s: %s\n", name, all[name])
		}
	}
	if err := os.WriteFile(filepath.Join(s.dir, "drill.yaml"), []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s site) do(t testing.TB, args ...string) result {
	t.Helper()
	return do(t, s.dir, args...)
}

// record is the newest in the site's evidence.
func (s site) record(t testing.TB) *evidence.Record {
	t.Helper()
	store, err := evidence.Open(filepath.Join(s.dir, "evidence"))
	if err != nil {
		t.Fatal(err)
	}
	r, err := store.Get(t.Context(), evidence.Latest)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// makeBackup makes a backup by the program and returns its id.
func (s site) makeBackup(t testing.TB) string {
	t.Helper()
	r := s.do(t, "backup", "create", "--output", "json")
	r.wants(t, evidence.Passed)
	var made struct{ ID string }
	if err := json.Unmarshal([]byte(r.stdout), &made); err != nil || made.ID == "" {
		t.Fatalf("%v: %s", err, r.stdout)
	}
	return made.ID
}

// clone copies a backup to a bucket of its own, where a test may damage it, and gives a site that drills it there.
func (s site) clone(t testing.TB, id string) site {
	t.Helper()
	url, grpc, _ := source(t)
	to := servertest.Bucket(t, s.bucket.Path)
	for _, key := range keys(t, s.bucket, id) {
		if _, err := to.Client.CopyObject(t.Context(), &s3.CopyObjectInput{Bucket: &to.Name, Key: &key, CopySource: aws.String(s.bucket.Name + "/" + key)}); err != nil {
			t.Fatal(err)
		}
	}
	return siteIn(t, to, url, grpc, map[string]string{"backup": "\n  id: " + id})
}

func keys(t testing.TB, b *bucket.Bucket, id string) []string {
	t.Helper()
	var list []string
	pages := s3.NewListObjectsV2Paginator(b.Client, &s3.ListObjectsV2Input{Bucket: &b.Name, Prefix: aws.String(b.Key(id) + "/")})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range page.Contents {
			list = append(list, *o.Key)
		}
	}
	return list
}

// restoreConfig says whether there is a restore_config.json beside the backup.
func (s site) restoreConfig(t testing.TB, id string) bool {
	t.Helper()
	return slices.Contains(keys(t, s.bucket, id), s.bucket.Key(id, "restore_config.json"))
}

func (s site) put(t testing.TB, key string, content []byte) {
	t.Helper()
	if _, err := s.bucket.Client.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &s.bucket.Name, Key: &key, Body: bytes.NewReader(content)}); err != nil {
		t.Fatal(err)
	}
}

func (s site) get(t testing.TB, key string) []byte {
	t.Helper()
	o, err := s.bucket.Client.GetObject(t.Context(), &s3.GetObjectInput{Bucket: &s.bucket.Name, Key: &key})
	if err != nil {
		t.Fatal(err)
	}
	defer o.Body.Close()
	var content bytes.Buffer
	if _, err := content.ReadFrom(o.Body); err != nil {
		t.Fatal(err)
	}
	return content.Bytes()
}

func (s site) remove(t testing.TB, key string) {
	t.Helper()
	if _, err := s.bucket.Client.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: &s.bucket.Name, Key: &key}); err != nil {
		t.Fatal(err)
	}
}

// nothingLeft fails when something of a drill still runs, or its sandbox's folder is there.
func (s site) nothingLeft(t testing.TB) {
	t.Helper()
	folders, err := filepath.Glob(filepath.Join(s.dir, "weaviate-drill-*"))
	if err != nil || len(folders) > 0 {
		t.Errorf("folders are left: %v, %v", folders, err)
	}
	deadline := time.Now().Add(5 * time.Second)
	for {
		left := processesIn(t, s.dir)
		if len(left) == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Errorf("processes are left: %v", left)
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// processesIn lists the processes whose working folder is below dir (Linux).
func processesIn(t testing.TB, dir string) []string {
	t.Helper()
	links, err := filepath.Glob("/proc/[0-9]*/cwd")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, l := range links {
		if target, err := os.Readlink(l); err == nil && strings.HasPrefix(target, dir+"/weaviate-drill-") {
			found = append(found, l+" -> "+target)
		}
	}
	return found
}
