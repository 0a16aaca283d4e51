package backup_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/weaviate-drill/weaviate-drill/backup"
	"github.com/weaviate-drill/weaviate-drill/internal/servertest"
	"github.com/weaviate-drill/weaviate-drill/internal/weaviate"
)

func TestSplit(t *testing.T) {
	began := time.Date(2026, 11, 24, 22, 26, 55, 0, time.UTC)
	at := func(ms int) time.Time { return began.Add(time.Duration(ms) * time.Millisecond) }
	probe := func(sent, took int) backup.Probe {
		return backup.Probe{Sent: at(sent), Took: time.Duration(took) * time.Millisecond}
	}
	failed := probe(1500, 10)
	failed.Err = errors.New("refused")
	one := []backup.Probe{probe(-900, 800), probe(0, 10), probe(250, 20), probe(500, 30), probe(950, 400), failed, probe(1900, 20), probe(2990, 50), probe(3100, 1)}
	p := backup.Split("reads", [][]backup.Probe{one}, began, at(1000), at(3000))
	const ms = time.Millisecond
	if want := (backup.Latency{N: 3, Median: 20 * ms, P95: 30 * ms, P99: 30 * ms, Max: 30 * ms, Gap: 470 * ms}); p.Before != want {
		t.Errorf("before: %+v", p.Before)
	}
	if want := (backup.Latency{N: 3, Errors: 1, Error: "refused", Median: 50 * ms, P95: 400 * ms, P99: 400 * ms, Max: 400 * ms, Gap: 1120 * ms}); p.During != want {
		t.Errorf("during, with the one that was under way when it began: %+v", p.During)
	}
	if !p.Stalled() {
		t.Errorf("a gap of 1.12 s after one of 0.47 s: %+v", p)
	}
	if calm := backup.Split("reads", [][]backup.Probe{one}, began, at(250), at(900)); calm.Stalled() {
		t.Errorf("no gap: %+v", calm)
	}
	// A series that stands still shows, whatever the other does.
	busy := make([]backup.Probe, 300)
	for i := range busy {
		busy[i] = probe(10*i, 1)
	}
	if p := backup.Split("writes", [][]backup.Probe{busy, one}, began, at(1000), at(3000)); p.During.Gap != 1120*ms || p.During.N != 203 || p.During.Median != ms || p.During.P99 != 20*ms {
		t.Errorf("two series: %+v", p.During)
	}
	if p := backup.Split("reads", nil, began, at(1000), at(3000)); p.Before.N != 0 || p.During.Gap != 0 {
		t.Errorf("nothing: %+v", p)
	}
}

// A queue that is held up: its server never looks into it.
func TestCheckQueue(t *testing.T) {
	b := servertest.Bucket(t, "backups")
	c := servertest.Dial(t, servertest.Weaviate(t, b, map[string]string{"ASYNC_INDEXING": "true", "QUEUE_SCHEDULER_INTERVAL": "1h"}))
	for _, class := range []string{"Small", "Big"} {
		if err := c.Do(t.Context(), http.MethodPost, "/schema", map[string]any{"class": class, "vectorizer": "none"}, nil); err != nil {
			t.Fatal(err)
		}
	}
	addObjects(t, c, "Small", "", 0, 10)
	addObjects(t, c, "Big", "", 0, 40)
	var queue int64
	var err error
	eventually(t, "50 vectors are queued", func() bool {
		queue, err = backup.CheckQueue(t.Context(), c, 49)
		return queue >= 50
	})
	is(t, err, backup.ErrRefused, "50 vectors wait to be indexed on the source, 40 of them of Big, and backup.max_queue allows 49")
	for _, most := range []int64{50, 0} {
		if queue, err := backup.CheckQueue(t.Context(), c, most); queue != 50 || err != nil {
			t.Errorf("bound %d: %d, %v", most, queue, err)
		}
	}
}

func TestReads(t *testing.T) {
	realBackup(t, "zstd") // which fills the source
	w, _ := servertest.Source(t)
	e := w.Endpoints[0]
	stall := servertest.NewStall(t, e.GRPC)
	e.GRPC = stall.Address
	c, err := weaviate.Dial(t.Context(), e)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	began := time.Now()
	reads, err := backup.StartReads(t.Context(), c, func(string) bool { return false })
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(900 * time.Millisecond)
	posted := time.Now()
	stall.Hold()
	time.Sleep(1300 * time.Millisecond)
	stall.Release()
	time.Sleep(600 * time.Millisecond)
	p := backup.Split(reads.What, [][]backup.Probe{reads.Stop()}, began, posted, time.Now())
	if !strings.HasPrefix(p.What, "first object of Sample") || p.Before.N < 3 || p.Before.Max > time.Second || p.Before.Errors+p.During.Errors > 0 {
		t.Errorf("before: %+v", p)
	}
	if p.During.Max < time.Second || p.During.Gap < p.During.Max || p.During.N < 2 {
		t.Errorf("a stall of 1.3 s: %+v", p)
	}
	if n := len(reads.Stop()); n != p.Before.N+p.During.N {
		t.Errorf("%d reads after it was stopped, %+v", n, p)
	}

	// What is stopped while it waits is no read that failed.
	stall.Hold()
	ctx, cancel := context.WithCancel(t.Context())
	reads, err = backup.StartReads(ctx, c, func(string) bool { return false })
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(100 * time.Millisecond)
	cancel()
	if list := reads.Stop(); len(list) > 0 {
		t.Errorf("%+v", list)
	}
	stall.Release()

	reads, err = backup.StartReads(t.Context(), c, func(string) bool { return true })
	if err != nil || reads.What != "" || len(reads.Stop()) > 0 {
		t.Errorf("nothing to read: %q, %v", reads.What, err)
	}
}
