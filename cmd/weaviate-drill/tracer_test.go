package main

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weaviate-drill/weaviate-drill/internal/servertest"
	"github.com/weaviate-drill/weaviate-drill/internal/weaviate"
	"github.com/weaviate-drill/weaviate-drill/rto/evidence"
)

const tracerCollection = "WeaviateDrillTracer"

// onSource says whether the shared source has a collection.
func onSource(t testing.TB, conn *weaviate.Conn, collection string) bool {
	t.Helper()
	list, err := conn.Collections(context.WithoutCancel(t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	return slices.ContainsFunc(list, func(c weaviate.Collection) bool { return c.Name == collection })
}

// A drill with tracers measures the capture point, leaves nothing on the source, and its backup is one like any other afterwards.
func TestTracers(t *testing.T) {
	s := newSite(t, map[string]string{"backup": "\n  include: [Article]\n  baseline: 2500ms", "tracer": "\n  enabled: true", "verify": "\n  clock_skew: 500ms"})
	w, _ := servertest.Source(t)
	conn := servertest.Dial(t, w)
	s.do(t, "run").wants(t, evidence.Passed, "Capture point, as tracer objects tell", "Impact on the source", "0 vectors waited to be indexed.")
	if onSource(t, conn, tracerCollection) {
		t.Error("the tracer collection is left on the source")
	}
	r := s.record(t)
	tr, i := r.Tracer, r.Backup.Impact
	if tr == nil || tr.Failure() != "" || tr.Unknown() != "" || len(tr.Shards) != 1 || tr.Writes < 50 || tr.Failed > 0 || !slices.Contains(r.Backup.Collections, tracerCollection) {
		t.Fatalf("%+v, backup of %v", tr, r.Backup.Collections)
	}
	// Known of Weaviate 1.38.5: a backup has every write that was acknowledged before it began, and few that came after.
	shard := tr.Shards[0]
	if early := r.Backup.CapturePoint.Sub(shard.Newest); early > 200*time.Millisecond || early < -2*time.Second || shard.Captured >= shard.Writes || shard.Captured < 15 || !shard.Missing.After(shard.Newest) || shard.RPO < time.Second {
		t.Errorf("the backup began at %s: %+v", r.Backup.CapturePoint, shard)
	}
	if !r.Assessment.RPO.Known || r.Assessment.RPO.Duration < shard.RPO {
		t.Errorf("an RPO of %+v, and of %s by tracers", r.Assessment.RPO, shard.RPO)
	}
	if i == nil || i.Reads.What != "first object of Article" || i.Reads.Before.N < 5 || i.Reads.During.N < 5 || i.Writes.Before.N < 10 || i.Writes.During.N < 10 || i.Reads.During.Errors+i.Writes.During.Errors > 0 {
		t.Errorf("%+v", i)
	}
	for _, c := range r.Verification.Collections {
		if c.Name == tracerCollection {
			t.Errorf("the tracers were compared: %+v", c)
		}
	}

	// A backup that builds on it has tracers of its own.
	next := newSite(t, map[string]string{"backup": "\n  include: [Article]\n  incremental_base: " + r.Backup.ID, "tracer": "\n  enabled: true"})
	next.do(t, "run", "--dry-run").wants(t, evidence.Passed, "write 10 tracers a second to each node around it, to collection "+tracerCollection, "delete_collections")
	next.do(t, "run").wants(t, evidence.Passed)
	if r := next.record(t); r.Tracer == nil || r.Tracer.Failure()+r.Tracer.Unknown() != "" || len(r.Backup.Chain) != 1 {
		t.Errorf("%+v, chain %v", r.Tracer, r.Backup.Chain)
	}
	// What an older backup brings along is nobody's concern.
	again := newSite(t, map[string]string{"backup": "\n  include: [Article]\n  id: " + r.Backup.ID, "tracer": "\n  enabled: true"})
	again.do(t, "run").wants(t, evidence.Passed, tracerCollection+" holds tracer objects of a drill and is not compared")
	if second := again.record(t); second.Tracer != nil || second.Backup.Impact != nil {
		t.Errorf("%+v, %+v", second.Tracer, second.Backup.Impact)
	}
}

// A drill that is killed leaves its tracer collection, and gc removes it: that one and no other.
func TestTracersKilled(t *testing.T) {
	s := newSite(t, map[string]string{"backup": "\n  baseline: 1m", "tracer": "\n  enabled: true"})
	w, _ := servertest.Source(t)
	conn := servertest.Dial(t, w)
	c := program(t.Context(), s.dir, "run")
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(30 * time.Second); !onSource(t, conn, tracerCollection); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("no tracer collection")
		}
	}
	other := newSite(t, map[string]string{"tracer": "\n  enabled: true"})
	other.do(t, "run").wants(t, evidence.Refused, "the source has the tracer collection "+tracerCollection+" of drill drill-")
	if !onSource(t, conn, tracerCollection) {
		t.Error("a second drill removed the tracer collection of one that runs")
	}
	if err := c.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = c.Wait()
	other.do(t, "gc").wants(t, evidence.Passed) // another's evidence: it knows of nothing
	if !onSource(t, conn, tracerCollection) {
		t.Fatal("nothing is left, so this proves nothing")
	}
	s.do(t, "gc").wants(t, evidence.Passed, "removed the tracer collection "+tracerCollection+" of drill drill-", "tidied up after drill")
	if onSource(t, conn, tracerCollection) {
		t.Error("the tracer collection is left")
	}
	if r := s.do(t, "gc"); strings.Contains(r.stdout, "tidied up") {
		t.Errorf("again: %s", r.stdout)
	}
}

// A collection of the user's that has the name is left alone, and so is the drill.
func TestTracersTaken(t *testing.T) {
	s := newSite(t, map[string]string{"tracer": "\n  enabled: true\n  collection: Taken"})
	w, _ := servertest.Source(t)
	conn := servertest.Dial(t, w)
	if err := conn.Do(t.Context(), http.MethodPost, "/schema", map[string]any{"class": "Taken", "vectorizer": "none"}, nil); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = conn.Do(context.WithoutCancel(t.Context()), http.MethodDelete, "/schema/Taken", nil, nil)
	})
	s.do(t, "run").wants(t, evidence.Refused, "the source has a collection Taken that weaviate-drill did not make")
	if !onSource(t, conn, "Taken") {
		t.Error("it was removed")
	}
	if n := one(t, s.examined(t, evidence.Refused), "source", "the name Taken is free for tracers"); n.Result != "fail" {
		t.Errorf("%+v", n)
	}
}

// A backup that would block writes is not begun.
func TestLongQueue(t *testing.T) {
	b := servertest.Bucket(t, "backups")
	w := servertest.Weaviate(t, b, map[string]string{"ASYNC_INDEXING": "true", "QUEUE_SCHEDULER_INTERVAL": "1h"})
	conn := servertest.Dial(t, w)
	var objects []map[string]any
	for i := range 20 {
		objects = append(objects, map[string]any{"class": "Queued", "vector": []float32{float32(i), 1}})
	}
	if err := conn.Do(t.Context(), http.MethodPost, "/batch/objects", map[string]any{"objects": objects}, nil); err != nil {
		t.Fatal(err)
	}
	for queued := false; !queued; time.Sleep(50 * time.Millisecond) {
		nodes, err := conn.Nodes(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		queued = len(nodes[0].Shards) > 0 && nodes[0].Shards[0].VectorQueueLength == 20
	}
	s := siteIn(t, b, w.Endpoints[0].URL, w.Endpoints[0].GRPC, map[string]string{"backup": "\n  max_queue: 19", "tracer": "\n  enabled: true"})
	const says = "20 vectors wait to be indexed on the source, 20 of them of Queued, and backup.max_queue allows 19"
	s.do(t, "run").wants(t, evidence.Refused, says)
	s.do(t, "backup", "create").wants(t, evidence.Refused, says)
	if left := keys(t, b, ""); len(left) > 0 || onSource(t, conn, tracerCollection) {
		t.Errorf("something was begun: %v", left)
	}
}
