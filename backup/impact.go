package backup

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/weaviate-drill/weaviate-drill/internal/weaviate"
)

// Impact is what making a backup did to the Weaviate that it was made of.
type Impact struct {
	Queue  int64  `json:"queue"`           // vectors that waited to be indexed right before, over all shards
	Reads  Probes `json:"reads,omitzero"`  // of one object; none when no shard could be read
	Writes Probes `json:"writes,omitzero"` // of tracers, in shards of their own; none without tracers
}

// Probes are requests of one kind, made all the while.
type Probes struct {
	What   string  `json:"what"`   // was asked
	Before Latency `json:"before"` // the backup was asked for
	During Latency `json:"during"` // from then until its end was noticed
}

// Latency sums up probes. Times are in nanoseconds. A probe that failed counts among the errors alone, and lengthens the gap.
type Latency struct {
	N      int           `json:"n"`
	Errors int           `json:"errors"`
	Error  string        `json:"error,omitempty"` // of the first that failed
	Median time.Duration `json:"median"`
	P95    time.Duration `json:"p95"`
	P99    time.Duration `json:"p99"`
	Max    time.Duration `json:"max"`
	Gap    time.Duration `json:"gap"` // the longest time without an answer, the pause between two probes included
}

// Probe is one request as who waited for it saw it.
type Probe struct {
	Sent time.Time
	Took time.Duration
	Err  error
}

// stall is how long a source may give no answer before it is worth a word.
const stall = time.Second

// Stalled says whether the source stood still for longer than it does without a backup, and for long.
func (p Probes) Stalled() bool { return p.During.Gap > stall && p.During.Gap > 2*p.Before.Gap }

// Split sums up probes that were sent since began, in series of which each was made one probe after the other: those that ended before the backup was asked for, and those that were under way at some time from then until its end was noticed.
func Split(what string, series [][]Probe, began, posted, ended time.Time) Probes {
	before, during := make([][]Probe, len(series)), make([][]Probe, len(series))
	for i, list := range series {
		for _, p := range list {
			switch {
			case p.Sent.Before(began):
			case !p.Sent.Add(p.Took).After(posted):
				before[i] = append(before[i], p)
			case p.Sent.Before(ended):
				during[i] = append(during[i], p)
			}
		}
	}
	return Probes{What: what, Before: sumUp(before, began, posted), During: sumUp(during, posted, ended)}
}

func sumUp(series [][]Probe, from, to time.Time) (l Latency) {
	var took []time.Duration
	for _, list := range series {
		last := from
		for _, p := range list {
			if p.Err != nil {
				if l.Errors++; l.Error == "" {
					l.Error = p.Err.Error()
				}
				continue
			}
			answered := p.Sent.Add(p.Took)
			took, l.Gap, last = append(took, p.Took), max(l.Gap, answered.Sub(last)), answered
		}
		l.Gap = max(l.Gap, to.Sub(last))
	}
	if l.N = len(took); l.N > 0 {
		slices.Sort(took)
		quantile := func(percent int) time.Duration { return took[(l.N*percent+99)/100-1] }
		l.Median, l.P95, l.P99, l.Max = quantile(50), quantile(95), quantile(99), quantile(100)
	}
	return l
}

// CheckQueue returns how many vectors wait to be indexed, over all shards. It wraps ErrRefused when they are more than most (0: no bound): a backup first drains the queue of each shard, and lets nobody write to that
// shard meanwhile (Weaviate 1.38.5, adapters/repos/db/shard_backup.go, HaltForTransfer). With 60,000 vectors that was 48 s.
func CheckQueue(ctx context.Context, conn *weaviate.Conn, most int64) (queue int64, err error) {
	nodes, err := conn.Nodes(ctx)
	if err != nil {
		return 0, err
	}
	of := map[string]int64{}
	longest := ""
	for _, n := range nodes {
		for _, s := range n.Shards {
			queue += s.VectorQueueLength
			if of[s.Collection] += s.VectorQueueLength; of[s.Collection] > of[longest] {
				longest = s.Collection
			}
		}
	}
	if most > 0 && queue > most {
		return queue, fmt.Errorf("%w: %d vectors wait to be indexed on the source, %d of them of %s, and backup.max_queue allows %d: a backup would block writes until they are; wait, or raise the bound",
			ErrRefused, queue, of[longest], longest, most)
	}
	return queue, nil
}

const (
	readEvery   = 250 * time.Millisecond
	readTimeout = 30 * time.Second
)

// Reads are reads of one object, four a second, for as long as they run. They keep 48 bytes of each.
type Reads struct {
	What   string // is read; "" when no shard can be read
	probes []Probe
	stop   context.CancelFunc
	done   chan struct{}
}

// StartReads reads from the loaded shard that has the most objects, as /v1/nodes counts them, of a collection that is not left out, until ctx ends or Stop is called.
func StartReads(ctx context.Context, conn *weaviate.Conn, leftOut func(collection string) bool) (*Reads, error) {
	nodes, err := conn.Nodes(ctx)
	if err != nil {
		return nil, err
	}
	collections, err := conn.Collections(ctx)
	if err != nil {
		return nil, err
	}
	tenants := map[string]bool{}
	for _, c := range collections {
		tenants[c.Name] = c.MultiTenant
	}
	fullest := weaviate.Shard{ObjectCount: -1}
	for _, n := range nodes {
		for _, s := range n.Shards {
			if s.Loaded && s.ObjectCount > fullest.ObjectCount && !leftOut(s.Collection) {
				fullest = s
			}
		}
	}
	r := &Reads{done: make(chan struct{})}
	ctx, r.stop = context.WithCancel(ctx)
	if fullest.Collection == "" {
		close(r.done)
		return r, nil
	}
	tenant := ""
	r.What = "first object of " + fullest.Collection
	if tenants[fullest.Collection] {
		tenant = fullest.Name
		r.What += "/" + tenant
	}
	go func() {
		defer close(r.done)
		tick := time.NewTicker(readEvery)
		defer tick.Stop()
		for ctx.Err() == nil {
			one, cancel := context.WithTimeout(ctx, readTimeout)
			sent := time.Now()
			err := conn.Probe(one, fullest.Collection, tenant)
			cancel()
			if ctx.Err() != nil {
				return // cut short by who wants no more of them
			}
			r.probes = append(r.probes, Probe{sent, time.Since(sent), err})
			select {
			case <-ctx.Done():
			case <-tick.C:
			}
		}
	}()
	return r, nil
}

// Stop ends the reads and returns them. A second call returns the same.
func (r *Reads) Stop() []Probe {
	r.stop()
	<-r.done
	return r.probes
}
