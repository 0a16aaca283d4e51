package verify

import (
	"cmp"
	"context"
	"iter"
	"slices"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"
)

// item is a piece of work: the objects of a part that lie in one of its ranges. Its number is its place among all items of a comparison, by which every process knows it.
type item struct {
	part     *part
	from, to uuid.UUID
	ranges   int64 // of the part
	number   int
}

// expects is about how many objects the source has in it.
func (i item) expects() int64 { return i.part.sourceCount / i.ranges }

// items lists the work on all parts that are on the source or that fingerprints know. It follows from the parts and their counts alone.
func items(parts []*part) iter.Seq[item] {
	return func(yield func(item) bool) {
		n := 0
		for _, p := range parts {
			if !p.onSource && p.past == nil {
				continue
			}
			ranges := cutInto(p.prefix())
			for _, r := range ranges {
				if !yield(item{p, r[0], r[1], int64(len(ranges)), n}) {
					return
				}
				n++
			}
		}
	}
}

// A tenant of a few objects costs a round trip and hardly anything else. So such ones are done many at once, in the place of one range.
const (
	tiny       = 64 // objects
	atOnce     = 8
	perHandful = 64 // in all
)

// handfuls puts items of tiny parts together.
func handfuls(all iter.Seq[item]) iter.Seq[[]item] {
	return func(yield func([]item) bool) {
		var small []item
		for i := range all {
			if i.ranges > 1 || max(i.part.sourceCount, i.part.restoredCount) > tiny {
				if !yield([]item{i}) {
					return
				}
				continue
			}
			if small = append(small, i); len(small) == perHandful {
				if !yield(small) {
					return
				}
				small = nil
			}
		}
		if len(small) > 0 {
			yield(small)
		}
	}
}

// each calls do for items, in parallel.
func (c *comparison) each(ctx context.Context, all iter.Seq[item], do func(ctx context.Context, i item) error) error {
	return each(ctx, c.Concurrency, all, do)
}

func each(ctx context.Context, concurrency int, all iter.Seq[item], do func(ctx context.Context, i item) error) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(concurrency)
	for some := range handfuls(all) {
		if ctx.Err() != nil {
			break
		}
		group.Go(func() error {
			group, ctx := errgroup.WithContext(ctx)
			group.SetLimit(atOnce)
			for _, i := range some {
				group.Go(func() error { return do(ctx, i) })
			}
			return group.Wait()
		})
	}
	return group.Wait()
}

// outcome is what the comparison of some objects of a part came to.
type outcome struct {
	SourceSeen     int64                 `json:"sourceSeen,omitempty"` // objects that the enumeration gave
	RestoredSeen   int64                 `json:"restoredSeen,omitempty"`
	SourceRead     int64                 `json:"sourceRead,omitempty"` // of them, those that were judged
	RestoredRead   int64                 `json:"restoredRead,omitempty"`
	Verdicts       Verdicts              `json:"verdicts,omitzero"`
	Vectors        int64                 `json:"vectors,omitempty"`
	Bytes          int64                 `json:"bytes,omitempty"`
	Oldest         int64                 `json:"oldest,omitempty"` // write on the source that is not on the restored side, ms
	NewestSource   int64                 `json:"newestSource,omitempty"`
	NewestRestored int64                 `json:"newestRestored,omitempty"`
	Bad            []Difference          `json:"bad,omitempty"`
	Drift          []Difference          `json:"drift,omitempty"`
	Rules          map[string]int64      `json:"rules,omitempty"`
	Ranges         RangeCounts           `json:"ranges,omitzero"`
	Damage         []StructureDifference `json:"damage,omitempty"` // ranges that are not as fingerprints have them
	Unread         *unread               `json:"unread,omitempty"` // why not all objects were seen
}

// take adds the outcome of one piece of work to the whole. Of its differences it leaves those that may be among the listed.
func (c *comparison) take(p *part, o *outcome) {
	c.mu.Lock()
	p.sourceSeen += o.SourceSeen
	p.resSeen += o.RestoredSeen
	p.sourceRead += o.SourceRead
	p.resRead += o.RestoredRead
	p.verdicts.sum(o.Verdicts)
	c.result.VectorsCompared += o.Vectors
	c.result.BytesRead += o.Bytes
	if o.Oldest > 0 && (c.oldest == 0 || o.Oldest < c.oldest) {
		c.oldest = o.Oldest
	}
	c.newest[0], c.newest[1] = max(c.newest[0], o.NewestSource), max(c.newest[1], o.NewestRestored)
	o.Bad, o.Drift = c.bad.add(o.Bad, c.MaxDifferences), c.drift.add(o.Drift, c.MaxDifferences)
	c.remembered(p, o)
	c.mu.Unlock()
	if o.Unread != nil {
		c.unreadable(p, o.Unread)
	}
}

// advance tells the progress.
func (c *comparison) advance(objects int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.done += objects
	if c.Progress != nil && objects > 0 {
		c.Progress(c.done, max(c.done, c.total))
	}
}

// first are the first n of many differences by place, whatever the order in which they are found.
type first struct {
	list []Difference // they are among these
	last *Difference  // nil: fewer than n were seen; else none behind it can be among them
}

// add returns those of more that are kept for now.
func (f *first) add(more []Difference, n int) []Difference {
	var kept []Difference
	for _, d := range more {
		if f.last == nil || byPlace(d, *f.last) < 0 {
			kept = append(kept, d)
		}
	}
	if f.list = append(f.list, kept...); len(f.list) >= 2*n {
		f.settle(n)
	}
	return kept
}

// settle returns the first n, in order.
func (f *first) settle(n int) []Difference {
	slices.SortFunc(f.list, byPlace)
	if len(f.list) >= n {
		f.list = slices.Clip(f.list[:n])
		f.last = &f.list[n-1]
	}
	return f.list
}

func byPlace(a, b Difference) int {
	return cmp.Or(cmp.Compare(a.Collection, b.Collection), cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.ID, b.ID))
}
