package weaviate_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/weaviate-drill/weaviate-drill/internal/secret"
	"github.com/weaviate-drill/weaviate-drill/internal/servertest"
	"github.com/weaviate-drill/weaviate-drill/internal/weaviate"
)

// needs is one of each kind of permission, on a collection.
func needs(collection string) []weaviate.Permission {
	return []weaviate.Permission{
		{Action: "manage_backups", Backups: &weaviate.Scope{Collection: collection}},
		{Action: "read_collections", Collections: &weaviate.Scope{Collection: collection}},
		{Action: "read_data", Data: &weaviate.Scope{Collection: collection, Tenant: "*", Object: "*"}},
		{Action: "read_tenants", Tenants: &weaviate.Scope{Collection: collection, Tenant: "*"}},
		{Action: "read_aliases", Aliases: &weaviate.Scope{Collection: collection, Alias: "*"}},
		{Action: "read_nodes", Nodes: &weaviate.Scope{Verbosity: "verbose", Collection: collection}},
	}
}

// user makes a user of the shared source with a role of these permissions; none: without a role.
func user(t *testing.T, name string, permissions ...weaviate.Permission) weaviate.Endpoint {
	t.Helper()
	w, _ := servertest.Source(t)
	root := servertest.Dial(t, w)
	var key struct{ APIKey string }
	if err := root.Do(t.Context(), http.MethodPost, "/users/db/"+name, nil, &key); err != nil {
		t.Fatal(err)
	}
	if len(permissions) > 0 {
		if err := root.Do(t.Context(), http.MethodPost, "/authz/roles", map[string]any{"name": name, "permissions": permissions}, nil); err != nil {
			t.Fatal(err)
		}
		if err := root.Do(t.Context(), http.MethodPost, "/authz/users/"+name+"/assign", map[string]any{"roles": []string{name}}, nil); err != nil {
			t.Fatal(err)
		}
	}
	e := w.Endpoints[0]
	e.APIKey = secret.New(key.APIKey)
	return e
}

func accessOf(t *testing.T, e weaviate.Endpoint) weaviate.Access {
	t.Helper()
	c, err := weaviate.Dial(t.Context(), e)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	a, err := c.Access(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestAccess(t *testing.T) {
	w, b := servertest.Source(t)
	whole, some := needs("*"), needs("Art*")
	root := accessOf(t, w.Endpoints[0])
	reader, scoped, nobody := user(t, "reader", whole...), user(t, "scoped", some...), user(t, "nobody")
	time.Sleep(time.Second) // roles reach every part of the server a little later
	for i := range whole {
		need := whole[i].Action
		if !root.Controlled || !root.Allows(whole[i]) {
			t.Errorf("root lacks %s", need)
		}
		if a := accessOf(t, reader); a.User != "reader" || !a.Allows(whole[i]) || !a.Allows(some[i]) {
			t.Errorf("the reader lacks %s: %+v", need, a)
		}
		if a := accessOf(t, scoped); a.Allows(whole[i]) || !a.Allows(some[i]) || !a.Allows(needs("Article*")[i]) || !a.Allows(needs("Article")[i]) || a.Allows(needs("Product")[i]) || a.Allows(needs("A*")[i]) {
			t.Errorf("the scope of %s is not seen: %+v", need, a)
		}
		if a := accessOf(t, nobody); !a.Controlled || a.Allows(some[i]) {
			t.Errorf("who has no role is allowed %s", need)
		}
	}
	if a := accessOf(t, reader); a.Allows(weaviate.Permission{Action: "read_roles"}) || a.Allows(weaviate.Permission{Action: "read_nodes", Nodes: &weaviate.Scope{Verbosity: "minimal"}}) {
		t.Errorf("what was not given is allowed: %+v", a)
	}
	// The rights that a drill asks for are enough to see the nodes with their shards.
	c, err := weaviate.Dial(t.Context(), reader)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if nodes, err := c.Nodes(t.Context()); err != nil || len(nodes) != 1 {
		t.Errorf("%v, %v", nodes, err)
	}
	if open, err := c.Anonymous(t.Context()); open || err != nil {
		t.Errorf("anonymous access: %v, %v", open, err)
	}

	open := servertest.Weaviate(t, b, map[string]string{"AUTHORIZATION_RBAC_ENABLED": "false", "AUTHENTICATION_DB_USERS_ENABLED": "false", "AUTHENTICATION_ANONYMOUS_ACCESS_ENABLED": "true"})
	e := open.Endpoints[0]
	if a := accessOf(t, e); a.Controlled || a.User != "operator" || !a.Allows(whole[0]) {
		t.Errorf("without roles: %+v", a)
	}
	e.APIKey = secret.Value{}
	if a := accessOf(t, e); a.Controlled || a.User != "" {
		t.Errorf("without credentials: %+v", a)
	}
	if open, err := servertest.Dial(t, open).Anonymous(t.Context()); !open || err != nil {
		t.Errorf("anonymous access: %v, %v", open, err)
	}
}

// A server that swallows requests holds nobody up longer than their patience.
func TestDialEndsWithItsContext(t *testing.T) {
	silent := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	defer silent.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		_, err := weaviate.Dial(ctx, weaviate.Endpoint{URL: silent.URL, GRPC: silent.Listener.Addr().String()})
		ended <- err
	}()
	select {
	case err := <-ended:
		if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, weaviate.ErrUnreachable) {
			t.Error(err)
		}
	case <-time.After(20 * time.Second):
		silent.CloseClientConnections()
		t.Error("it still waits")
	}
}
