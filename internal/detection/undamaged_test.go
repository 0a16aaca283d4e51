package detection

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/weaviate-drill/weaviate-drill/backup"
	"github.com/weaviate-drill/weaviate-drill/internal/servertest"
	"github.com/weaviate-drill/weaviate-drill/internal/weaviate"
	"github.com/weaviate-drill/weaviate-drill/verify"
)

var rounds = flag.Int("rounds", 5, "backups that TestUndamaged makes, restores and compares")

// TestUndamaged backs up a source that is written to all the time, and requires that each backup passes: whatever was written, updated and deleted before, while and after it was made is explained.
func TestUndamaged(t *testing.T) {
	b := servertest.Bucket(t, "backups")
	w := &world{bucket: b, vectors: map[string][]float32{}}
	w.conn = servertest.Dial(t, servertest.Weaviate(t, b, nil))
	w.define(t)
	w.write(t, 0, 1)
	load := startLoad(t, w.conn)
	var all, deleted verify.Verdicts
	for i := range *rounds {
		t.Run(fmt.Sprint(i+1), func(t *testing.T) {
			fresh := make(chan *weaviate.Conn, 1) // it comes up while the backup is made
			go func() {
				defer close(fresh)
				fresh <- servertest.Dial(t, servertest.Weaviate(t, b, nil))
			}()
			fingerprint := func() *verify.Fingerprint {
				f, err := verify.TakeFingerprint(t.Context(), w.conn, verify.FingerprintOptions{})
				check(t, err)
				return f
			}
			began := load.done.counts()
			before := fingerprint()
			id := fmt.Sprint("round", i+1)
			w.backUp(t, weaviate.BackupRequest{ID: id, CompressionLevel: "ZstdBestSpeed"})
			after := fingerprint()
			for kind, n := range load.done.counts() {
				if n == began[kind] {
					t.Errorf("no %s while the backup was made", kinds[kind])
				}
			}
			restored, up := <-fresh
			if !up {
				t.Fatal("no Weaviate to restore into")
			}
			if said := restoreInto(t, restored, id); said != "SUCCESS" {
				t.Fatal(said)
			}
			c, err := backup.ReadCatalogue(t.Context(), b, id)
			check(t, err)
			r, err := verify.Compare(t.Context(), w.conn, restored, verify.Options{
				CapturePoint: c.Backup().StartedAt, BackupEnd: c.End(), Included: c.Backup().Collections(), Before: before, After: after,
			})
			check(t, err)
			if r.Outcome() != verify.Passed {
				for _, x := range r.Differences {
					if x.Verdict != verify.Drift {
						t.Logf("%+v", x)
					}
				}
				t.Errorf("an undamaged backup is %s: %s", r.Outcome(), r.Summary())
			}
			if r.Verdicts.Drift == 0 || r.Verdicts.Match == 0 {
				t.Errorf("nothing was written, or nothing compared: %+v", r.Verdicts)
			}
			all.Match, all.Drift = all.Match+r.Verdicts.Match, all.Drift+r.Verdicts.Drift
			for _, x := range r.Differences {
				if x.SourceTime.IsZero() {
					deleted.Drift++ // restored, and deleted since
				}
			}
		})
	}
	load.stop()
	t.Logf("%d rounds: %d objects equal, %d explained by later writes, %d of these by deletions; %v %v", *rounds, all.Match, all.Drift, deleted.Drift, kinds, load.done.counts())
	if deleted.Drift == 0 {
		t.Error("no deletion was to be explained: the test does not test what it should")
	}
}

// What writers do.
var kinds = [...]string{"insert", "update", "deletion"}

type tallies [len(kinds)]atomic.Int64

func (c *tallies) counts() (n [len(kinds)]int64) {
	for i := range c {
		n[i] = c[i].Load()
	}
	return n
}

// load are writers, one for each collection and tenant, so that none deletes what another updates.
type load struct {
	done tallies
	stop func()
}

func startLoad(t *testing.T, c *weaviate.Conn) *load {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	l := &load{stop: sync.OnceFunc(func() { cancel(); all.Wait() })}
	t.Cleanup(l.stop)
	for _, p := range []struct {
		collection, tenant string
		first, step        int // numbers of the objects that are there
	}{{"Article", "", 0, 1}, {"Note", tenants[0], 0, 2}, {"Note", tenants[1], 1, 2}} {
		var ids []uuid.UUID
		for i := p.first; i < notes; i += p.step {
			ids = append(ids, id(p.collection, i))
		}
		all.Go(func() {
			if err := l.write(ctx, c, p.collection, p.tenant, ids); err != nil && !errors.Is(err, context.Canceled) {
				t.Errorf("write to %s: %v", p.collection, err)
			}
		})
	}
	return l
}

// write inserts, updates and deletes objects, one in some milliseconds.
func (l *load) write(ctx context.Context, c *weaviate.Conn, collection, tenant string, ids []uuid.UUID) error {
	r := rand.New(rand.NewPCG(uint64(len(ids)), uint64(len(tenant))))
	for ctx.Err() == nil {
		kind, i := r.IntN(len(kinds)), r.IntN(len(ids))
		method, path := http.MethodPut, "/objects/"+collection+"/"+ids[i].String()
		vector := make([]float32, dimensions)
		for k := range vector {
			vector[k] = float32(r.NormFloat64())
		}
		body := object{"class": collection, "id": ids[i], "vector": vector, "properties": object{"title": fmt.Sprint("written by a writer, ", r.Uint32())}}
		if collection == "Note" {
			body["tenant"], body["properties"] = tenant, object{"text": fmt.Sprint("written by a writer, ", r.Uint32())}
			path += "?tenant=" + tenant
		}
		switch kind {
		case 0:
			ids = append(ids, uuid.New())
			body["id"], method, path = ids[len(ids)-1], http.MethodPost, "/objects"
		case 2:
			method, body = http.MethodDelete, nil
			ids[i] = ids[len(ids)-1]
			ids = ids[:len(ids)-1]
		}
		var sent any
		if body != nil {
			sent = body
		}
		if err := c.Do(ctx, method, path, sent, nil); err != nil {
			return err
		}
		l.done[kind].Add(1)
		select {
		case <-ctx.Done():
		case <-time.After(5 * time.Millisecond):
		}
	}
	return ctx.Err()
}
