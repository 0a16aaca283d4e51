package tracer

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/weaviate-drill/weaviate-drill/internal/weaviate"
)

// Result is what the tracers tell of a backup. Its times are by the source's clock, unless it says otherwise.
type Result struct {
	Collection string    `json:"collection"`
	Rate       int       `json:"rate"`            // writes a second to each shard
	Began      time.Time `json:"began"`           // the writing, by the tool's clock
	Ended      time.Time `json:"ended"`           // likewise
	Writes     int       `json:"writes"`          // acknowledged
	Failed     int       `json:"failed"`          // not acknowledged: that they are missing means nothing
	Error      string    `json:"error,omitempty"` // of the first of those
	// ClockSkew is the margin within which a write counts as under way when the backup began, in nanoseconds.
	ClockSkew time.Duration `json:"clockSkew"`
	// Ahead is how far the source's clock is before the tool's: between these two, in nanoseconds, as every write's time lies between its sending and its acknowledgement.
	Ahead [2]time.Duration `json:"ahead"`
	// CapturePoint is the time of the newest write that came back, in the shard where that is the oldest. Zero: of some shard nothing came back.
	CapturePoint time.Time `json:"capturePoint,omitzero"`
	// Skew is how much newer it is in the shard where it is the newest, in nanoseconds.
	Skew   time.Duration `json:"skew"`
	Shards []Shard       `json:"shards"`
}

// Shard is what the tracers of one shard tell.
type Shard struct {
	Name     string    `json:"name"`
	Nodes    []string  `json:"nodes"` // that hold a copy
	Writes   int       `json:"writes"`
	Captured int       `json:"captured"`         // writes that came back
	Newest   time.Time `json:"newest,omitzero"`  // of them
	Missing  time.Time `json:"missing,omitzero"` // the oldest acknowledged write after it, which did not come back; zero: none was made
	// RPO is the time from the newest write that came back to the decision to restore, in nanoseconds.
	RPO      time.Duration `json:"rpo,omitempty"`
	Holes    int           `json:"holes"`             // acknowledged writes that did not come back, though a later one did
	Lost     int           `json:"lost"`              // newer than all that came back, and acknowledged before the backup began by more than the margin
	FirstBad time.Time     `json:"firstBad,omitzero"` // the oldest of either
	Extra    int           `json:"extra"`             // objects that came back and were never written
	// Unreadable says why its objects cannot be read on the restored side.
	Unreadable string `json:"unreadable,omitempty"`
}

// Failure says in one line what is wrong with what came back, "" when nothing is: a hole, a write lost that was acknowledged before the backup began, an object that nobody wrote.
func (r *Result) Failure() string {
	var says []string
	for _, s := range r.Shards {
		where := fmt.Sprintf("of shard %s of %s (%s)", s.Name, r.Collection, strings.Join(s.Nodes, ", "))
		switch {
		case s.Unreadable != "":
			says = append(says, fmt.Sprintf("the tracers %s cannot be read after the restore: %s", where, s.Unreadable))
		case s.Holes > 0:
			says = append(says, fmt.Sprintf("%d acknowledged tracer writes %s did not come back though later ones did, the first of them at %s", s.Holes, where, stamp(s.FirstBad)))
		case s.Lost > 0:
			says = append(says, fmt.Sprintf("%d tracer writes %s did not come back though they were acknowledged before the backup began, the first of them at %s", s.Lost, where, stamp(s.FirstBad)))
		case s.Extra > 0:
			says = append(says, fmt.Sprintf("%d objects %s came back that the drill never wrote", s.Extra, where))
		}
	}
	return strings.Join(says, "; ")
}

func stamp(t time.Time) string { return t.Format("2006-01-02T15:04:05.000Z") }

// Unknown says in one line what could not be measured, "" when all was.
func (r *Result) Unknown() string {
	for _, s := range r.Shards {
		if s.Newest.IsZero() {
			return fmt.Sprintf("no tracer of shard %s of %s came back, so when it was captured is not known", s.Name, r.Collection)
		}
	}
	return ""
}

// Backup is what a judgement needs to know of the backup.
type Backup struct {
	StartedAt time.Time     // startedAt of backup_config.json: every write acknowledged before it comes back
	ClockSkew time.Duration // how far the clocks of the source's nodes may differ
	Decided   time.Time     // to restore; zero: not known
}

// Judge looks for the tracers on the restored side. It is called after Stop. An error means that the restored side cannot be asked.
func (t *Tracer) Judge(ctx context.Context, restored *weaviate.Conn, b Backup) (*Result, error) {
	r := &Result{Collection: t.Collection, Rate: t.Rate, Began: t.began.UTC(), Ended: t.ended.UTC(), ClockSkew: b.ClockSkew, Ahead: t.ahead()}
	there := map[string]bool{}
	if c, err := find(ctx, restored, t.Collection); err != nil {
		return nil, fmt.Errorf("tracers on the restored side: %w", err)
	} else if c != nil {
		tenants, err := restored.Tenants(ctx, c.Name)
		if err != nil {
			return nil, fmt.Errorf("tracers on the restored side: %w", err)
		}
		for _, tenant := range tenants {
			there[tenant.Name] = true
		}
	}
	for _, s := range t.shards {
		var back map[int]int64
		var extra int
		var err error
		if there[s.name] {
			back, extra, err = t.read(ctx, restored, s)
		}
		if err != nil && (errors.Is(err, weaviate.ErrUnreachable) || ctx.Err() != nil) {
			return nil, fmt.Errorf("tracers on the restored side: %w", err)
		}
		judged := s.judge(back, b)
		judged.Extra = extra
		if err != nil {
			judged = Shard{Name: s.name, Nodes: s.nodes, Writes: judged.Writes, Unreadable: err.Error()}
		}
		r.Shards = append(r.Shards, judged)
		r.Writes += judged.Writes
		r.Failed += len(s.writes) - judged.Writes
		if s.failed != nil && r.Error == "" {
			r.Error = s.failed.Error()
		}
	}
	if r.Unknown() == "" {
		byTime := func(a, b Shard) int { return a.Newest.Compare(b.Newest) }
		r.CapturePoint = slices.MinFunc(r.Shards, byTime).Newest
		r.Skew = slices.MaxFunc(r.Shards, byTime).Newest.Sub(r.CapturePoint)
	}
	return r, nil
}

// read returns the sequence numbers that came back, each with the time of its write.
func (t *Tracer) read(ctx context.Context, restored *weaviate.Conn, s *shard) (back map[int]int64, extra int, err error) {
	back = map[int]int64{}
	scan := restored.Scan(weaviate.Range{Collection: t.Collection, Tenant: s.name, IDs: true, Expect: int64(len(s.writes))})
	for {
		page, err := scan.Next(ctx)
		if errors.Is(err, io.EOF) {
			return back, extra, nil
		}
		if err != nil {
			return nil, 0, err
		}
		for _, o := range page {
			sequence := binary.BigEndian.Uint64(o.ID[8:])
			if sequence >= uint64(len(s.writes)) || s.id(int(sequence)) != o.ID {
				extra++
				continue
			}
			back[int(sequence)] = o.Updated
		}
	}
}

// judge needs no clock to tell a hole: the writes of a shard were made one after the other, each when the one before was acknowledged or given up. Only for those that are newer than everything that came back
// does the time decide, and it decides against the backup only where no clock can explain it.
func (s *shard) judge(back map[int]int64, b Backup) Shard {
	j := Shard{Name: s.name, Nodes: s.nodes, Captured: len(back)}
	newest := -1
	for sequence := range back {
		newest = max(newest, sequence)
	}
	if newest >= 0 {
		j.Newest = time.UnixMilli(back[newest]).UTC()
		if !b.Decided.IsZero() {
			j.RPO = b.Decided.Sub(j.Newest)
		}
	}
	for sequence, w := range s.writes {
		if !w.acked {
			continue
		}
		j.Writes++
		if _, came := back[sequence]; came {
			continue
		}
		if sequence > newest && j.Missing.IsZero() {
			j.Missing = time.UnixMilli(w.server).UTC()
		}
		// The server wrote it after it was sent, so it was acknowledged at this time at the latest.
		acked := time.UnixMilli(w.server + 1).Add(w.took)
		switch {
		case sequence < newest:
			j.Holes++
		case acked.Before(b.StartedAt.Add(-b.ClockSkew)):
			j.Lost++
		default:
			continue
		}
		if j.FirstBad.IsZero() {
			j.FirstBad = time.UnixMilli(w.server).UTC()
		}
	}
	return j
}

// ahead bounds how far the source's clock is before the tool's. Where its nodes differ, both bounds are further apart than any one write says.
func (t *Tracer) ahead() (bounds [2]time.Duration) {
	first := true
	for _, s := range t.shards {
		for _, w := range s.writes {
			if !w.acked {
				continue
			}
			sent := t.began.Add(w.sent)
			least, most := time.UnixMilli(w.server).Sub(sent.Add(w.took)), time.UnixMilli(w.server+1).Sub(sent)
			if first {
				bounds, first = [2]time.Duration{least, most}, false
			}
			bounds = [2]time.Duration{max(bounds[0], least), min(bounds[1], most)}
		}
	}
	slices.Sort(bounds[:])
	return bounds
}
