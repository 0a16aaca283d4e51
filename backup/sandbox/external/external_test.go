package external_test

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/weaviate-drill/weaviate-drill/backup/sandbox"
	"github.com/weaviate-drill/weaviate-drill/backup/sandbox/external"
	"github.com/weaviate-drill/weaviate-drill/backup/sandbox/sandboxtest"
	"github.com/weaviate-drill/weaviate-drill/internal/secret"
	"github.com/weaviate-drill/weaviate-drill/internal/servertest"
	"github.com/weaviate-drill/weaviate-drill/internal/weaviate"
)

func TestMain(m *testing.M) { os.Exit(servertest.Run(m)) }

func TestUp(t *testing.T) {
	w, b := servertest.Source(t)
	source := servertest.Dial(t, w)
	sandboxtest.Backup(t, source, "proof")
	const limited = "key-of-a-user-who-may-not-see-every-collection"
	target := servertest.Weaviate(t, b, map[string]string{
		"AUTHENTICATION_APIKEY_ALLOWED_KEYS": servertest.APIKey + "," + limited, "AUTHENTICATION_APIKEY_USERS": "operator,limited",
	})
	e := target.Endpoints[0]
	c := servertest.Dial(t, target)
	allow(t, c, "limited")
	spec := sandboxtest.Spec(t, b, "node1")

	refused := func(name string, e weaviate.Endpoint, change func(*sandbox.Spec), cause error, words ...string) {
		t.Helper()
		spec := spec
		change(&spec)
		_, err := external.New(e, nil).Up(t.Context(), spec)
		if err == nil || cause != nil && !errors.Is(err, cause) {
			t.Errorf("%s: %v", name, err)
			return
		}
		for _, word := range words {
			if !strings.Contains(err.Error(), word) {
				t.Errorf("%s: the error lacks %q: %v", name, word, err)
			}
		}
		if strings.Contains(err.Error(), e.APIKey.Reveal()) {
			t.Errorf("%s: the API key is in the error", name)
		}
	}
	same := func(*sandbox.Spec) {}
	refused("the source", w.Endpoints[0], same, sandbox.ErrNotEmpty, sandboxtest.Collection)
	refused("another version", e, func(s *sandbox.Spec) { s.Version = "1.30.0" }, sandbox.ErrVersion, "1.30.0", servertest.WeaviateVersion)
	refused("other nodes", e, func(s *sandbox.Spec) { s.Nodes = []string{"weaviate-0", "weaviate-1"} }, nil, "node1", "weaviate-0, weaviate-1")
	stranger := e
	stranger.APIKey = secret.New("another-key-altogether")
	refused("another key", stranger, same, weaviate.ErrUnauthorized)
	blind := e
	blind.APIKey = secret.New(limited)
	refused("a key that sees a part", blind, same, nil, "limited", "read_collections")

	i, err := external.New(e, map[string]weaviate.Endpoint{"node1": e}).Up(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	if nodes, err := i.(sandbox.Spread).Endpoints(t.Context()); err != nil || len(nodes) != 1 || nodes["node1"].URL != e.URL {
		t.Errorf("nodes %v, %v", nodes, err)
	}
	sandboxtest.Restore(t, c, "proof")
	var log bytes.Buffer
	if err := i.Logs(t.Context(), &log); err != nil || !strings.Contains(log.String(), e.URL) {
		t.Errorf("log: %q, %v", log.String(), err)
	}
	if strings.Contains(log.String()+i.Describe(), servertest.APIKey) {
		t.Error("the API key is shown")
	}
	for range 2 {
		if err := i.Down(context.Background()); err != nil {
			t.Error(err)
		}
	}
	if n, err := c.Count(t.Context(), sandboxtest.Collection, ""); err != nil || n != sandboxtest.Objects {
		t.Errorf("after Down: %d objects, %v", n, err)
	}
	refused("the same again", e, same, sandbox.ErrNotEmpty, sandboxtest.Collection)
}

// allow gives a user the right to everything in one collection only.
func allow(t *testing.T, c *weaviate.Conn, user string) {
	t.Helper()
	role := map[string]any{"name": "partial", "permissions": []any{
		map[string]any{"action": "read_collections", "collections": map[string]any{"collection": "Other"}},
		map[string]any{"action": "read_nodes", "nodes": map[string]any{"verbosity": "verbose", "collection": "*"}},
		map[string]any{"action": "manage_backups", "backups": map[string]any{"collection": "*"}},
	}}
	if err := c.Do(t.Context(), http.MethodPost, "/authz/roles", role, nil); err != nil {
		t.Fatal(err)
	}
	if err := c.Do(t.Context(), http.MethodPost, "/authz/users/"+user+"/assign", map[string]any{"roles": []string{"partial"}, "userType": "db"}, nil); err != nil {
		t.Fatal(err)
	}
}

func TestWithoutTheModule(t *testing.T) {
	w := servertest.Weaviate(t, servertest.Bucket(t, ""), map[string]string{"ENABLE_MODULES": "backup-filesystem", "BACKUP_FILESYSTEM_PATH": t.TempDir()})
	_, err := external.New(w.Endpoints[0], nil).Up(t.Context(), sandboxtest.Spec(t, servertest.Bucket(t, ""), "node1"))
	if err == nil || !strings.Contains(err.Error(), "backup-s3") {
		t.Error(err)
	}
}

func TestWithoutAuthentication(t *testing.T) {
	b := servertest.Bucket(t, "")
	w := servertest.Weaviate(t, b, map[string]string{
		"AUTHENTICATION_ANONYMOUS_ACCESS_ENABLED": "true", "AUTHENTICATION_APIKEY_ENABLED": "false", "AUTHORIZATION_RBAC_ENABLED": "false",
	})
	e := w.Endpoints[0]
	e.APIKey = secret.Value{}
	if _, err := external.New(e, nil).Up(t.Context(), sandboxtest.Spec(t, b, "node1")); err != nil {
		t.Error(err)
	}
}
