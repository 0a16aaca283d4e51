package tracer_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weaviate-drill/weaviate-drill/internal/secret"
	"github.com/weaviate-drill/weaviate-drill/internal/servertest"
	"github.com/weaviate-drill/weaviate-drill/internal/weaviate"
	"github.com/weaviate-drill/weaviate-drill/verify/tracer"
)

func TestMain(m *testing.M) { os.Exit(servertest.Run(m)) }

const collection = "WeaviateDrillTracer"

func options(rate int) tracer.Options {
	return tracer.Options{Collection: collection, DrillID: "drill-20261124-222655-k3f9x2", Rate: rate, Limit: time.Minute}
}

// written makes tracers on a fresh collection, which goes with the test, and writes them for a while.
func written(t *testing.T, conn *weaviate.Conn, rate int, during time.Duration) *tracer.Tracer {
	t.Helper()
	tr, err := tracer.Create(t.Context(), conn, options(rate))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { remove(t, conn) })
	tr.Start(t.Context())
	time.Sleep(during)
	tr.Stop()
	return tr
}

func remove(t *testing.T, conn *weaviate.Conn) {
	t.Helper()
	if _, err := tracer.Remove(context.WithoutCancel(t.Context()), conn, collection, options(1).DrillID); err != nil {
		t.Error(err)
	}
}

func judged(t *testing.T, tr *tracer.Tracer, restored *weaviate.Conn, b tracer.Backup) *tracer.Result {
	t.Helper()
	r, err := tr.Judge(t.Context(), restored, b)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// drop deletes tracers of a shard, chosen by their sequence number and that of the last one.
func drop(t *testing.T, conn *weaviate.Conn, shard string, which func(sequence, last int) bool) (dropped int) {
	t.Helper()
	var answer struct {
		Objects []struct {
			ID         string
			Properties struct{ Sequence float64 }
		}
	}
	if err := conn.Do(t.Context(), http.MethodGet, fmt.Sprintf("/objects?class=%s&tenant=%s&limit=1000", collection, shard), nil, &answer); err != nil {
		t.Fatal(err)
	}
	for _, o := range answer.Objects {
		if which(int(o.Properties.Sequence), len(answer.Objects)-1) {
			if err := conn.Do(t.Context(), http.MethodDelete, fmt.Sprintf("/objects/%s/%s?tenant=%s", collection, o.ID, shard), nil, nil); err != nil {
				t.Fatal(err)
			}
			dropped++
		}
	}
	return dropped
}

// The server that was written to stands for the restored one, and is damaged as a restore could be.
func TestJudge(t *testing.T) {
	w, _ := servertest.Source(t)
	conn := servertest.Dial(t, w)
	tr := written(t, conn, 50, 1500*time.Millisecond)
	end := time.Now()
	b := tracer.Backup{StartedAt: end.Add(-500 * time.Millisecond), ClockSkew: 100 * time.Millisecond, Decided: end.Add(10 * time.Second)}

	whole := judged(t, tr, conn, b)
	s := whole.Shards[0]
	if whole.Failure() != "" || whole.Unknown() != "" || len(whole.Shards) != 1 || whole.Writes < 30 || s.Captured != whole.Writes || whole.Failed != 0 {
		t.Fatalf("%q, %q, %+v", whole.Failure(), whole.Unknown(), whole)
	}
	if s.Newest != whole.CapturePoint || whole.Skew != 0 || !s.Missing.IsZero() || end.Sub(s.Newest).Abs() > time.Second || s.RPO != b.Decided.Sub(s.Newest) || !slices.Equal(s.Nodes, []string{"node1"}) {
		t.Errorf("%+v", whole)
	}
	if whole.Ahead[0] > whole.Ahead[1] || whole.Ahead[1]-whole.Ahead[0] > time.Second || whole.Ahead[0].Abs() > time.Second {
		t.Errorf("the clocks of one machine are %v apart", whole.Ahead)
	}

	cut := drop(t, conn, s.Name, func(n, last int) bool { return n > last-5 })
	short := judged(t, tr, conn, b)
	if short.Failure() != "" || short.Shards[0].Captured != s.Captured-cut || !short.CapturePoint.Before(whole.CapturePoint) || short.Shards[0].RPO <= s.RPO || !short.Shards[0].Missing.After(short.CapturePoint) {
		t.Errorf("%d newest writes cut: %q, %+v", cut, short.Failure(), short)
	}

	drop(t, conn, s.Name, func(n, _ int) bool { return n == 7 })
	hole := judged(t, tr, conn, b)
	if hole.Shards[0].Holes != 1 || hole.Shards[0].Lost != 0 || !strings.Contains(hole.Failure(), "1 acknowledged tracer writes of shard tracer-0 of "+collection+" (node1)") {
		t.Errorf("a hole: %q, %+v", hole.Failure(), hole)
	}

	drop(t, conn, s.Name, func(n, _ int) bool { return n >= 7 })
	lost := judged(t, tr, conn, b)
	if lost.Shards[0].Holes != 0 || lost.Shards[0].Lost == 0 || lost.Shards[0].Lost >= whole.Writes-7 || !strings.Contains(lost.Failure(), "acknowledged before the backup began") {
		t.Errorf("an early cut: %q, %+v", lost.Failure(), lost)
	}
	if r := judged(t, tr, conn, tracer.Backup{StartedAt: lost.Shards[0].FirstBad, ClockSkew: b.ClockSkew}); r.Failure() != "" || r.Shards[0].RPO != 0 {
		t.Errorf("the same, when the backup began then: %q", r.Failure())
	}

	if err := conn.Do(t.Context(), http.MethodPost, "/objects", map[string]any{"class": collection, "tenant": s.Name, "id": "ffffffff-0000-4000-8000-000000000001"}, nil); err != nil {
		t.Fatal(err)
	}
	if r := judged(t, tr, conn, tracer.Backup{}); !strings.Contains(r.Failure(), "1 objects of shard tracer-0") {
		t.Errorf("an object of nobody's: %q", r.Failure())
	}

	remove(t, conn)
	gone := judged(t, tr, conn, b)
	if gone.Shards[0].Lost == 0 || gone.Failure() == "" || gone.Unknown() == "" || !gone.CapturePoint.IsZero() {
		t.Errorf("the whole collection is gone: %q, %q, %+v", gone.Failure(), gone.Unknown(), gone)
	}
	if raw, err := json.Marshal(gone); err != nil || strings.Contains(string(raw), "0001-01-01") {
		t.Errorf("%s, %v", raw, err)
	}
}

// A write that nobody acknowledged proves nothing, whether it came back or not.
func TestUnacknowledged(t *testing.T) {
	w, _ := servertest.Source(t)
	conn := servertest.Dial(t, w)
	tr, err := tracer.Create(t.Context(), conn, options(50))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { remove(t, conn) })
	tr.Start(t.Context())
	time.Sleep(300 * time.Millisecond)
	if err := conn.Do(t.Context(), http.MethodDelete, "/schema/"+collection+"/tenants", []string{"tracer-0"}, nil); err != nil { // what is written from now on is refused
		t.Fatal(err)
	}
	time.Sleep(300 * time.Millisecond)
	tr.Stop()
	r := judged(t, tr, conn, tracer.Backup{})
	if r.Failed < 3 || r.Writes < 3 || r.Error == "" || r.Failure() != "" {
		t.Errorf("%q, %+v", r.Failure(), r)
	}
	samples, failed := tr.Samples()[0], 0
	for _, s := range samples {
		if s.Err != nil {
			failed++
		}
	}
	if failed != r.Failed || len(samples) != r.Failed+r.Writes {
		t.Errorf("%d of %d samples failed: %+v", failed, len(samples), r)
	}
}

// The limit ends the writing, and so bounds what is kept of it.
func TestLimit(t *testing.T) {
	w, _ := servertest.Source(t)
	conn := servertest.Dial(t, w)
	o := options(50)
	o.Limit = 400 * time.Millisecond
	tr, err := tracer.Create(t.Context(), conn, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { remove(t, conn) })
	began := time.Now()
	tr.Start(t.Context())
	time.Sleep(time.Second)
	tr.Stop()
	if n := len(tr.Samples()[0]); n < 5 || n > 22 {
		t.Errorf("%d writes in 400 ms at 50 a second", n)
	}
	if took := tr.Ended().Sub(began); took < o.Limit || took > o.Limit+100*time.Millisecond {
		t.Errorf("ended after %s", took)
	}
}

// Only ever a collection that the drill itself made is removed.
func TestTaken(t *testing.T) {
	w, _ := servertest.Source(t)
	conn := servertest.Dial(t, w)
	make := func(schema map[string]any) {
		t.Helper()
		if err := conn.Do(t.Context(), http.MethodPost, "/schema", schema, nil); err != nil {
			t.Fatal(err)
		}
	}
	make(map[string]any{"class": "Weaviatedrilltracer", "description": "of the user's", "vectorizer": "none"})
	t.Cleanup(func() {
		_ = conn.Do(context.WithoutCancel(t.Context()), http.MethodDelete, "/schema/Weaviatedrilltracer", nil, nil)
	})
	if _, err := tracer.Create(t.Context(), conn, options(1)); !errors.Is(err, tracer.ErrTaken) || !strings.Contains(err.Error(), "set tracer.collection to another name") {
		t.Errorf("%v", err)
	}
	if removed, err := tracer.Remove(t.Context(), conn, collection, options(1).DrillID); removed || err != nil {
		t.Errorf("removed %t, %v", removed, err)
	}
	if err := conn.Do(t.Context(), http.MethodDelete, "/schema/Weaviatedrilltracer", nil, nil); err != nil {
		t.Fatal(err)
	}

	if _, err := tracer.Create(t.Context(), conn, options(1)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { remove(t, conn) })
	other := options(1)
	other.DrillID = "drill-20261124-222656-aaaaaa"
	if _, err := tracer.Create(t.Context(), conn, other); !errors.Is(err, tracer.ErrTaken) || !strings.Contains(err.Error(), options(1).DrillID) {
		t.Errorf("%v", err)
	}
	if removed, err := tracer.Remove(t.Context(), conn, collection, other.DrillID); removed || err != nil {
		t.Errorf("another drill's: removed %t, %v", removed, err)
	}
	if removed, err := tracer.Remove(t.Context(), conn, collection, options(1).DrillID); !removed || err != nil {
		t.Errorf("its own: removed %t, %v", removed, err)
	}
	if id, err := tracer.Free(t.Context(), conn, collection); id != "" || err != nil {
		t.Errorf("%q, %v", id, err)
	}
}

// Each of three nodes has a shard, and to write to it takes no more rights than Permissions names.
func TestEveryNode(t *testing.T) {
	b := servertest.Bucket(t, "backups")
	w := servertest.Weaviate(t, b, nil, "node1", "node2", "node3")
	root := servertest.Dial(t, w)
	var key struct{ APIKey string }
	for _, step := range []struct {
		path string
		body any
		into any
	}{
		{"/users/db/tracer", nil, &key},
		{"/authz/roles", map[string]any{"name": "tracer", "permissions": append(tracer.Permissions(collection),
			weaviate.Permission{Action: "read_collections", Collections: &weaviate.Scope{Collection: "*"}},
			weaviate.Permission{Action: "read_nodes", Nodes: &weaviate.Scope{Verbosity: "verbose", Collection: "*"}},
			weaviate.Permission{Action: "read_data", Data: &weaviate.Scope{Collection: "*", Tenant: "*", Object: "*"}},
			weaviate.Permission{Action: "read_tenants", Tenants: &weaviate.Scope{Collection: "*", Tenant: "*"}})}, nil},
		{"/authz/users/tracer/assign", map[string]any{"roles": []string{"tracer"}}, nil},
	} {
		if err := root.Do(t.Context(), http.MethodPost, step.path, step.body, step.into); err != nil {
			t.Fatal(err)
		}
	}
	time.Sleep(time.Second) // roles reach every node a little later
	e := w.Endpoints[0]
	e.APIKey = secret.New(key.APIKey)
	conn, err := weaviate.Dial(t.Context(), e)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	tr := written(t, conn, 20, time.Second)
	r := judged(t, tr, conn, tracer.Backup{StartedAt: time.Now()})
	var nodes []string
	for _, s := range r.Shards {
		nodes = append(nodes, s.Nodes...)
		if s.Captured < 10 || s.Newest.IsZero() {
			t.Errorf("%+v", s)
		}
	}
	slices.Sort(nodes)
	if want := []string{"node1", "node2", "node3"}; !slices.Equal(nodes, want) || r.Failure() != "" || r.Failed > 0 {
		t.Errorf("shards on %v, %q, %+v", nodes, r.Failure(), r)
	}
	outside := options(1)
	outside.Collection = "Elsewhere"
	if _, err := tracer.Create(t.Context(), conn, outside); !errors.Is(err, weaviate.ErrForbidden) {
		t.Errorf("another collection: %v", err)
	}
}
