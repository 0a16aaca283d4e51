package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weaviate-drill/weaviate-drill/internal/servertest"
	"github.com/weaviate-drill/weaviate-drill/rto/evidence"
)

// Each case is told in one line that names what and where, with its own exit status, and leaves nothing behind.
func TestWhatIsWrongIsTold(t *testing.T) {
	url, grpc, b := source(t)
	at := func(name string) string {
		return fmt.Sprintf("\n  name: %s\n  path: %s\n  region: us-east-1\n  endpoint: %s\n  path_style: true", name, b.Path, b.Endpoint)
	}
	for _, tt := range []struct {
		name     string
		sections map[string]string
		args     []string
		status   evidence.Status
		says     []string
	}{
		{"unknown key", map[string]string{"verify": "\n  concurency: 4"}, []string{"run"}, evidence.Usage, []string{"drill.yaml:", "concurency", "concurrency"}},
		{"missing secret", map[string]string{"source": "\n  url: " + url + "\n  grpc: " + grpc + "\n  api_key: env:DRILL_TEST_ABSENT"}, []string{"run"}, evidence.Usage, []string{"env:DRILL_TEST_ABSENT", "not set"}},
		{"secret in the file", map[string]string{"source": "\n  url: " + url + "\n  api_key: hunter2-hunter2-hunter2-hunter2"}, []string{"run"}, evidence.Usage, []string{"drill.yaml:", "source.api_key: takes a reference to a secret"}},
		{"wrong API key", map[string]string{"source": "\n  url: " + url + "\n  grpc: " + grpc + "\n  api_key: file:wrong-key"}, []string{"run"}, evidence.NotCarriedOut, []string{"source", "401"}},
		{"source unreachable", map[string]string{"source": "\n  url: http://127.0.0.1:1\n  grpc: 127.0.0.1:2"}, []string{"run"}, evidence.NotCarriedOut, []string{"http://127.0.0.1:1", "cannot be reached"}},
		{"wrong bucket", map[string]string{"bucket": at("no-such-bucket")}, []string{"run"}, evidence.Usage, []string{"no-such-bucket", "does not exist"}},
		{"S3 unreachable", map[string]string{"bucket": "\n  name: backups\n  region: us-east-1\n  endpoint: http://127.0.0.1:1\n  path_style: true"}, []string{"run"}, evidence.NotCarriedOut, []string{"127.0.0.1:1", "cannot reach"}},
		{"no such backup", nil, []string{"run", "--backup-id", "not-there"}, evidence.Usage, []string{"not-there", "no such backup"}},
		{"bad backup id", nil, []string{"run", "--backup-id", "Not There"}, evidence.Usage, []string{"backup.id: takes a backup id"}},
		{"unknown level", nil, []string{"run", "--level", "most"}, evidence.Usage, []string{"verify.level: takes one of catalogue, archive, structure, counts, sample, full"}},
		{"no share", nil, []string{"run", "--max-bad", "0.1"}, evidence.Usage, []string{"verify.max_bad: takes a share such as 0.1%"}},
		{"confidence beyond all", nil, []string{"run", "--max-bad", "1%", "--confidence", "100"}, evidence.Usage, []string{"verify.confidence: takes a number from 50 to 99.9999"}},
		{"no sandbox to verify", nil, []string{"verify"}, evidence.Usage, []string{"sandbox.external"}},
		{"sandbox binary missing", map[string]string{"sandbox": "\n  kind: process\n  process:\n    binary: /nonexistent/weaviate"}, []string{"run"}, evidence.NotCarriedOut, []string{"/nonexistent/weaviate"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSite(t, tt.sections)
			if err := os.WriteFile(filepath.Join(s.dir, "wrong-key"), []byte("not-the-key-of-this-server-0123456789"), 0o600); err != nil {
				t.Fatal(err)
			}
			r := s.do(t, tt.args...)
			r.wants(t, tt.status, tt.says...)
			if strings.Contains(r.stdout+r.stderr, "hunter2") || strings.Contains(r.stdout+r.stderr, "not-the-key") {
				t.Error("a secret is printed")
			}
			s.nothingLeft(t)
		})
	}
}

func TestDamagedBackups(t *testing.T) {
	whole := newSite(t, map[string]string{"backup": "\n  compression: ZstdBestSpeed"})
	id := whole.makeBackup(t)
	plain := newSite(t, map[string]string{"backup": "\n  compression: NoCompression"})
	plainID := plain.makeBackup(t)
	flip := func(t *testing.T, s site, key string) {
		content := s.get(t, key)
		content[rand.IntN(len(content))] ^= 1 << rand.IntN(8)
		s.put(t, key, content)
	}
	for _, tt := range []struct {
		name   string
		of     site
		id     string
		damage func(t *testing.T, s site)
		status evidence.Status
		says   []string
	}{
		{"missing chunk", whole, id, func(t *testing.T, s site) { s.remove(t, s.chunk(t, id, "Article")) }, evidence.DataFailed, []string{"chunk-missing", "collection Article", "node node1", "shard "}},
		{"corrupted chunk, compressed", whole, id, func(t *testing.T, s site) { flip(t, s, s.chunk(t, id, "Product")) }, evidence.DataFailed, []string{"collection Product", "chunk-"}},
		{"emptied chunk, not compressed", plain, plainID, func(t *testing.T, s site) { s.put(t, s.chunk(t, plainID, "Article"), nil) }, evidence.DataFailed, []string{"chunk-empty", "collection Article"}},
		{"truncated backup.json", whole, id, func(t *testing.T, s site) {
			key := s.bucket.Key(id, "node1", "backup.json")
			s.put(t, key, s.get(t, key)[:100])
		}, evidence.DataFailed, []string{"node-part", "node1"}},
		{"truncated backup_config.json", whole, id, func(t *testing.T, s site) {
			key := s.bucket.Key(id, "backup_config.json")
			s.put(t, key, s.get(t, key)[:100])
		}, evidence.DataFailed, []string{"backup_config.json", "malformed"}},
		{"FAILED backup", whole, id, func(t *testing.T, s site) {
			key := s.bucket.Key(id, "backup_config.json")
			s.put(t, key, bytes.ReplaceAll(s.get(t, key), []byte(`"status":"SUCCESS"`), []byte(`"status":"FAILED"`)))
		}, evidence.DataFailed, []string{id, "FAILED"}},
		{"backup still running", whole, id, func(t *testing.T, s site) {
			key := s.bucket.Key(id, "backup_config.json")
			s.put(t, key, bytes.ReplaceAll(s.get(t, key), []byte(`"status":"SUCCESS"`), []byte(`"status":"STARTED"`)))
		}, evidence.NotCarriedOut, []string{id, "still under way"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := tt.of.clone(t, tt.id)
			tt.damage(t, s)
			s.do(t, "run").wants(t, tt.status, tt.says...)
			if r := s.record(t); r.Status != tt.status || len(r.Reasons) == 0 {
				t.Errorf("the record says %s, %+v", r.Status, r.Reasons)
			}
			s.do(t, "backup", "check", tt.id).wants(t, evidence.DataFailed)
			s.nothingLeft(t)
		})
	}

	// Damage that Weaviate restores with SUCCESS, without an archive check before.
	t.Run("corrupted chunk, not compressed", func(t *testing.T) {
		s := plain.clone(t, plainID)
		s.changeTitle(t, plainID)
		s.do(t, "run").wants(t, evidence.DataFailed, "properties.title", "Article 17 on")
		if r := s.record(t); r.Restore.Status != "SUCCESS" || r.Verification.Verdicts.Corrupt != 1 {
			t.Errorf("%+v %+v", r.Restore, r.Verification.Verdicts)
		}
	})
	t.Run("interlock", func(t *testing.T) {
		s := whole.clone(t, id)
		leftover := bytes.ReplaceAll(s.get(t, s.bucket.Key(id, "backup_config.json")), []byte(`"status":"SUCCESS"`), []byte(`"status":"CANCELLING"`))
		key := s.bucket.Key(id, "restore_config.json")
		s.put(t, key, leftover)
		s.do(t, "run").wants(t, evidence.Refused, "restore_config.json", "CANCELLING")
		if !bytes.Equal(s.get(t, key), leftover) {
			t.Error("somebody else's restore_config.json was changed")
		}
		s.nothingLeft(t)
	})
}

// changeTitle flips one bit of the title of an article, in whichever chunk of an uncompressed backup it lies.
func (s site) changeTitle(t testing.TB, id string) {
	t.Helper()
	title := []byte("Article 17 on ")
	for _, key := range keys(t, s.bucket, id) {
		content := s.get(t, key)
		if at := bytes.Index(content, append([]byte(`"title":"`), title...)); at >= 0 && strings.Contains(key, "/chunk-") {
			content[at+len(`"title":"`)] ^= 1
			s.put(t, key, content)
			return
		}
	}
	t.Fatal("the title is in no chunk")
}

// chunk is the key of the biggest chunk of a collection.
func (s site) chunk(t testing.TB, id, collection string) string {
	t.Helper()
	var best string
	size := -1
	for _, key := range keys(t, s.bucket, id) {
		if path.Base(path.Dir(key)) == collection && strings.HasPrefix(path.Base(key), "chunk-") {
			if n := len(s.get(t, key)); n > size {
				best, size = key, n
			}
		}
	}
	if best == "" {
		t.Fatalf("backup %s has no chunk of %s", id, collection)
	}
	return best
}

func TestExternalSandboxMustBeEmpty(t *testing.T) {
	s := newSite(t, nil)
	id := s.makeBackup(t)
	w := servertest.Weaviate(t, s.bucket, nil)
	external := fmt.Sprintf("\n  kind: external\n  external:\n    url: %s\n    grpc: %s\n    api_key: env:DRILL_TEST_KEY", w.Endpoints[0].URL, w.Endpoints[0].GRPC)
	s = newSite(t, map[string]string{"sandbox": external, "backup": "\n  id: " + id})
	s.do(t, "run").wants(t, evidence.Passed, "PASSED")
	s.do(t, "verify", "--backup-id", id).wants(t, evidence.Passed, "Article")
	s.verifyWithOwnChecks(t, external, id)
	s.verifyNodes(t, external, id, w)
	s.verifyWithFingerprints(t, external, id)
	// Now it has the collections of the first drill.
	s.do(t, "run").wants(t, evidence.Refused, "not empty", "Article")
	if err := servertest.Dial(t, w).Do(t.Context(), http.MethodDelete, "/schema/Product", nil, nil); err != nil {
		t.Fatal(err)
	}
	s.do(t, "verify", "--backup-id", id, "--level", "counts").wants(t, evidence.DataFailed, "Product")
}

func TestDiskFullForEvidence(t *testing.T) {
	small := servertest.SmallDisk(t)
	// Room for the journal, and not for the record.
	if err := os.WriteFile(filepath.Join(small, "ballast"), bytes.Repeat([]byte{1}, 44<<10), 0o600); err != nil {
		t.Fatal(err)
	}
	s := newSite(t, map[string]string{"evidence": "\n  dir: " + small})
	r := s.do(t, "run", "--output", "json")
	r.wants(t, evidence.NotCarriedOut, "no space left on device", "the record was kept in")
	_, kept, _ := strings.Cut(strings.TrimSpace(r.stderr), "the record was kept in ")
	kept, _, _ = strings.Cut(kept, " instead")
	t.Cleanup(func() { _ = os.RemoveAll(filepath.Dir(kept)) })
	if raw, err := os.ReadFile(kept); err != nil || !json.Valid(raw) {
		t.Errorf("the record is not in %s: %v", kept, err)
	}
	if _, err := evidence.Parse([]byte(r.stdout)); err != nil {
		t.Errorf("the record is lost: %v", err)
	}
	left, err := filepath.Glob(filepath.Join(small, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range left {
		if raw, err := os.ReadFile(f); err == nil && strings.HasSuffix(f, ".json") && !json.Valid(raw) {
			t.Errorf("%s is half written", f)
		}
	}
	s.nothingLeft(t)
}

func TestScopedCredentialsAreSeen(t *testing.T) {
	url, grpc, _ := source(t)
	w, _ := servertest.Source(t)
	c := servertest.Dial(t, w)
	do := func(method, path string, body, into any) {
		t.Helper()
		if err := c.Do(t.Context(), method, path, body, into); err != nil {
			t.Fatal(err)
		}
	}
	// May back up Article alone, and read everything.
	all := map[string]any{"collection": "*"}
	do(http.MethodPost, "/authz/roles", map[string]any{"name": "scoped", "permissions": []any{
		map[string]any{"action": "manage_backups", "backups": map[string]any{"collection": "Article"}},
		map[string]any{"action": "read_collections", "collections": all},
		map[string]any{"action": "read_data", "data": map[string]any{"collection": "*", "tenant": "*", "object": "*"}},
		map[string]any{"action": "read_tenants", "tenants": map[string]any{"collection": "*", "tenant": "*"}},
		map[string]any{"action": "read_nodes", "nodes": map[string]any{"verbosity": "verbose", "collection": "*"}},
		map[string]any{"action": "read_aliases", "aliases": map[string]any{"collection": "*", "alias": "*"}},
	}}, nil)
	var key struct{ APIKey string }
	do(http.MethodPost, "/users/db/scoped", nil, &key)
	do(http.MethodPost, "/authz/users/scoped/assign", map[string]any{"roles": []string{"scoped"}}, nil)
	s := newSite(t, map[string]string{"source": fmt.Sprintf("\n  url: %s\n  grpc: %s\n  api_key: file:scoped-key", url, grpc)})
	if err := os.WriteFile(filepath.Join(s.dir, "scoped-key"), []byte(key.APIKey), 0o600); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Second) // roles reach every part of the server a little later
	s.do(t, "run").wants(t, evidence.NotCarriedOut, "manage_backups")
}
