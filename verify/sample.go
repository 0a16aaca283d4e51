package verify

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strconv"
	"sync"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"github.com/weaviate-drill/weaviate-drill/internal/weaviate"
)

// dense is how many times the sample a collection is at most to be compared as a whole: a single object costs about as much time as 30 in pages (256 dimensions, on 1.38.5; fewer when they are bigger), and the
// ids and times of all are read in either case.
const dense = 8

const sampleMethod = "the ids and times of all objects were read on both sides, and whatever they alone show was judged; of the objects whose id and times are on both sides, the content was compared of those " +
	"for which SHA-256 of seed, collection, tenant and id begins with the lowest number, which is uniform whatever the ids look like, and besides of one object of each tenant that has none among them, " +
	"as long as these are no more than the sample; shards of one tenant or of a collection without tenants cannot be told apart from outside; a collection of at most eight times the sample was compared as a whole"

// compareSample reads the ids and times of all objects, and judges what these show; then it judges the content of a random sample of each collection. So an object that is lost or too many is
// always seen, however few are drawn. The same seed and the same data give the same sample.
func (c *comparison) compareSample(ctx context.Context, parts []*part) error {
	s := &Sampling{Requested: c.Sample, MaxBad: c.MaxBad, Confidence: c.Confidence, Seed: c.Seed, Method: sampleMethod}
	of := map[string][]*part{}
	for _, p := range parts {
		if p.onSource && p.onRestored && !p.incomplete {
			of[p.collection] = append(of[p.collection], p)
		}
	}
	c.total = 0
	count := func(parts []*part) (objects int64) {
		for _, p := range parts {
			objects += p.sourceCount
		}
		return objects
	}
	for _, mine := range of {
		n := count(mine)
		c.total += n
		if n > dense*int64(c.Sample) {
			c.total += int64(c.Sample)
		}
	}
	for _, p := range parts { // in the order of the names, one collection after the other, so that only one sample is held
		mine := of[p.collection]
		if len(mine) == 0 {
			continue
		}
		delete(of, p.collection)
		var b Bound
		var err error
		if count(mine) <= dense*int64(c.Sample) {
			b, err = c.compareWhole(ctx, mine)
		} else {
			b, err = c.sampleCollection(ctx, mine)
		}
		if err != nil {
			return err
		}
		b.Collection = p.collection
		for _, p := range mine {
			b.known = b.known && !p.incomplete
		}
		s.add(b)
	}
	s.conclude()
	c.result.Sampling = s
	return c.compareAll(ctx, alone(parts))
}

// compareWhole compares a collection of which the sample would be a large part.
func (c *comparison) compareWhole(ctx context.Context, parts []*part) (Bound, error) {
	if err := c.compareAll(ctx, parts); err != nil {
		return Bound{}, err
	}
	b := Bound{known: true}
	for _, p := range parts {
		b.Drawn += p.verdicts.Match + p.verdicts.Bad()
		b.Bad += p.verdicts.Bad()
	}
	b.Population = b.Drawn
	b.reach(c.Confidence)
	return b, nil
}

func (c *comparison) sampleCollection(ctx context.Context, parts []*part) (Bound, error) {
	d, err := c.draw(ctx, parts)
	if err != nil {
		return Bound{}, err
	}
	drawn, extra := d.take()
	b := Bound{Population: d.population, known: true}
	counted, err := c.compareThese(ctx, drawn)
	if err != nil {
		return b, err
	}
	b.Drawn, b.Bad = counted.Match+counted.Bad(), counted.Bad()
	counted, err = c.compareThese(ctx, extra)
	b.Extra = counted.Match + counted.Bad()
	b.reach(c.Confidence)
	return b, err
}

// draw walks through the ids and times of both sides. It judges what they show, and draws from the other objects.
func (c *comparison) draw(ctx context.Context, parts []*part) (*draw, error) {
	d := &draw{n: c.Sample, first: map[*part]candidate{}}
	return d, c.each(ctx, items(parts), func(ctx context.Context, i item) error {
		rank := i.part.ranks(c.Seed)
		o, err := c.compareRange(ctx, i.part, weaviate.Range{From: i.from, To: i.to, IDs: true}, i.ranges, func(t *tally, a, b *weaviate.Object) {
			t.see(a, b)
			if a == nil || b == nil || a.Created != b.Created || a.Updated != b.Updated {
				t.judge(a, b) // that it differs is plain, and the rules ask for nothing but the times
				return
			}
			d.add(candidate{rank(a.ID), a.ID, i.part})
		})
		if err == nil {
			c.take(i.part, o)
		}
		return err
	})
}

// compareThese compares the content of single objects.
func (c *comparison) compareThese(ctx context.Context, list []candidate) (Verdicts, error) {
	slices.SortFunc(list, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(a.part.tenant, b.part.tenant), bytes.Compare(a.id[:], b.id[:]))
	})
	var mu sync.Mutex
	var all Verdicts
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(c.Concurrency)
	for some := range slices.Chunk(list, 64) {
		if ctx.Err() != nil {
			break
		}
		group.Go(func() error {
			var counted Verdicts
			for _, o := range some {
				one := weaviate.Range{From: o.id, To: weaviate.Next(o.id), Most: 1}
				found, err := c.compareRange(ctx, o.part, one, max(1, o.part.sourceCount), func(t *tally, a, b *weaviate.Object) {
					t.done++
					counted.add(t.judge(a, b))
				})
				if err != nil {
					return err
				}
				c.take(o.part, found)
			}
			mu.Lock()
			defer mu.Unlock()
			all.sum(counted)
			return nil
		})
	}
	return all, group.Wait()
}

// candidate is an object that may be drawn. The lowest ranks are.
type candidate struct {
	rank uint64
	id   uuid.UUID
	part *part
}

func byRank(a, b candidate) int {
	return cmp.Or(cmp.Compare(a.rank, b.rank), cmp.Compare(a.part.tenant, b.part.tenant), bytes.Compare(a.id[:], b.id[:]))
}

// ranks gives each object of a part a number that tells nothing of its id: the objects of the lowest numbers are a uniform sample without replacement. It is used by one goroutine.
func (p *part) ranks(seed uint64) func(uuid.UUID) uint64 {
	// No name of a collection or tenant holds a zero byte.
	key := append(binary.BigEndian.AppendUint64(nil, seed), p.collection+"\x00"+p.tenant+"\x00"...)
	key = slices.Grow(key, len(uuid.UUID{}))
	return func(id uuid.UUID) uint64 {
		sum := sha256.Sum256(append(key, id[:]...))
		return binary.BigEndian.Uint64(sum[:])
	}
}

// draw is the sample of one collection as it comes about. It holds at most twice n objects, and one of each tenant.
type draw struct {
	n int

	mu         sync.Mutex
	population int64
	lowest     []candidate // the n of the lowest rank are among them
	full       bool        // they have been cut to n, the last of which has this rank: none above it can be among the n
	highest    uint64
	first      map[*part]candidate
}

func (d *draw) add(o candidate) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.population++
	if f, there := d.first[o.part]; !there || byRank(o, f) < 0 {
		d.first[o.part] = o
	}
	if d.full && o.rank > d.highest {
		return
	}
	if d.lowest = append(d.lowest, o); len(d.lowest) == 2*d.n {
		d.settle()
	}
}

func (d *draw) settle() {
	slices.SortFunc(d.lowest, byRank)
	if len(d.lowest) >= d.n {
		d.lowest = d.lowest[:d.n]
		d.full, d.highest = true, d.lowest[d.n-1].rank
	}
}

// take gives the sample, and one object of each tenant that has none in it, the lowest ranks first and no more than n.
func (d *draw) take() (drawn, extra []candidate) {
	d.settle()
	for _, o := range d.lowest {
		delete(d.first, o.part)
	}
	for _, o := range d.first {
		extra = append(extra, o)
	}
	slices.SortFunc(extra, byRank)
	return d.lowest, extra[:min(len(extra), d.n)]
}

// reach computes what the drawn objects say of all.
func (b *Bound) reach(confidence float64) {
	if b.known = b.known && b.Drawn > 0; b.known {
		b.MaxBad = UpperBound(b.Population, b.Drawn, b.Bad, confidence)
	}
}

func (s *Sampling) add(b Bound) {
	s.Drawn += b.Drawn + b.Extra
	if b.known {
		s.Bounds = append(s.Bounds, b)
	}
}

// conclude puts into words what the sample proves and what not.
func (s *Sampling) conclude() {
	var drawn, bad, whole int64
	var sampled []string
	var worst float64
	for _, b := range s.Bounds {
		if b.Drawn >= b.Population {
			whole += b.Drawn
			continue
		}
		drawn, bad, worst = drawn+b.Drawn, bad+b.Bad, max(worst, b.MaxBad)
		sampled = append(sampled, b.Collection)
	}
	if len(sampled) == 0 {
		s.Conclusion = "no sample was needed: what could be read was compared as a whole"
		if whole == 0 {
			s.Conclusion = "no object could be compared, so nothing can be concluded"
		}
		return
	}
	of := "the objects of " + sampled[0]
	if len(sampled) > 1 {
		of = fmt.Sprintf("the objects of each of %d collections, taken for itself,", len(sampled))
	}
	s.Conclusion = fmt.Sprintf("%d of %d drawn objects differ: with %s confidence at most %s of %s that came back are bad", bad, drawn, percent(s.Confidence), percent(roundUp(worst)), of)
	if s.MaxBad > 0 && worst > s.MaxBad*(1+1e-9) {
		s.Conclusion += fmt.Sprintf(", more than the %s asked for", percent(s.MaxBad))
	}
	if whole > 0 {
		s.Conclusion += fmt.Sprintf("; all %d objects of the smaller collections were compared", whole)
	}
	s.Conclusion += "; the ids and times of all objects were compared, but single objects with damaged content can be missed"
}

func percent(share float64) string { return strconv.FormatFloat(100*share, 'g', 6, 64) + " %" }

// roundUp keeps two digits of a share, and never makes it look smaller than it is.
func roundUp(share float64) float64 {
	if share <= 0 {
		return 0
	}
	unit := math.Pow(10, 1-math.Floor(math.Log10(share)))
	return min(1, math.Ceil(share*unit)/unit)
}
