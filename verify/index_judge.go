package verify

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"github.com/weaviate-drill/weaviate-drill/internal/weaviate"
)

// question is a probe with what judging its answers takes.
type question struct {
	Probe                       // with the source's answer
	restored Answer             // the other side's
	found    map[uuid.UUID]bool // in it
	query    [][]float32        // of a vector, its rows
	holds    matcher            // of a filter or keyword search
}

// truth is what the objects themselves say of one question. That of a range is merged into that of the whole.
type truth struct {
	sure, possible int64                 // objects that belong in the answer, and those that may
	right          map[uuid.UUID]float32 // of what was found: what belongs there, with its distance; for a vector everything that exists
	nearest        nearest
	own            bool  // the object that the question was drawn from belongs in the answer, as far as it is as it was
	written        int64 // when that one was, ms
}

// judge asks the restored side the probes, reads the objects of their tenants once, and holds the answers against them.
func (x *indexer) judge(ctx context.Context, probes []Probe) error {
	type place struct{ collection, tenant string }
	var order []place
	of := map[place][]Probe{}
	for _, p := range probes {
		at := place{p.Collection, p.Tenant}
		if of[at] == nil {
			order = append(order, at)
			x.in(p.Collection, func(c *IndexedCollection) {
				if p.Tenant != "" {
					c.TenantsProbed++
				}
			})
		}
		of[at] = append(of[at], p)
	}
	for _, at := range order {
		if err := x.judgePart(ctx, &part{collection: at.collection, tenant: at.tenant}, of[at]); err != nil {
			return err
		}
	}
	return nil
}

func (x *indexer) judgePart(ctx context.Context, p *part, probes []Probe) error {
	count, err := x.restored.Count(ctx, p.collection, p.tenant)
	if err != nil {
		return x.unread(p, err)
	}
	asked := slices.Clone(probes)
	if err := AskProbes(ctx, x.restored, asked, x.Concurrency, nil); err != nil {
		return &sideError{"restored", err}
	}
	var questions []*question
	for i := range probes {
		q := &question{Probe: probes[i], restored: asked[i].Answer, found: map[uuid.UUID]bool{}}
		for _, f := range q.restored.Found {
			q.found[f.ID] = true
		}
		understood := true
		if n := q.Near; n != nil {
			q.query = rowsOf(weaviate.Vector{Name: n.Vector, Multi: n.Multi, Bytes: n.Bytes}, n.Metric)
		} else {
			q.holds, understood = q.matcher()
		}
		if !understood {
			x.unknown("%s: %s: the question is not understood", p.where(), q)
			continue
		}
		questions = append(questions, q)
	}
	truths, err := x.read(ctx, p, count, questions)
	if err != nil {
		return x.unread(p, err)
	}
	for i, q := range questions {
		if q.Near != nil {
			err = x.judgeNear(ctx, p, q, truths[i])
		} else {
			err = x.judgeInverted(ctx, p, q, truths[i])
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// unread notes that a part cannot be read, which the comparison of objects has judged, and ends the work when nothing can.
func (x *indexer) unread(p *part, err error) error {
	if err == nil {
		return nil
	}
	if fatal(err) {
		return &sideError{"restored", err}
	}
	x.unknown("%s: its indexes were not looked at: %v", p.where(), err)
	return nil
}

// read shows each object of a part to each question.
func (x *indexer) read(ctx context.Context, p *part, count int64, questions []*question) ([]*truth, error) {
	fresh := func() []*truth {
		out := make([]*truth, len(questions))
		for i := range out {
			out[i] = &truth{right: map[uuid.UUID]float32{}}
		}
		return out
	}
	var mu sync.Mutex
	whole := fresh()
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(x.Concurrency)
	ranges, size := Ranges(count), new(weaviate.Size)
	for _, r := range ranges {
		group.Go(func() error {
			mine := fresh()
			scan := x.restored.Scan(weaviate.Range{Collection: p.collection, Tenant: p.tenant, From: r[0], To: r[1], Expect: count / int64(len(ranges)), Size: size})
			if err := eachObject(ctx, scan, func(o *weaviate.Object) { show(o, questions, mine) }); err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			for i := range whole {
				whole[i].merge(mine[i], questions[i].Limit)
			}
			return nil
		})
	}
	return whole, group.Wait()
}

func (t *truth) merge(other *truth, k int) {
	t.sure += other.sure
	t.possible += other.possible
	t.own, t.written = t.own || other.own, max(t.written, other.written)
	for id, distance := range other.right {
		t.right[id] = distance
	}
	for _, r := range other.nearest {
		t.nearest = t.nearest.with(r, k)
	}
}

// show holds one object against all questions. Its vectors, its values and their tokens are taken apart once.
func show(o *weaviate.Object, questions []*question, truths []*truth) {
	var all values
	rows := map[string][][]float32{}
	for i, q := range questions {
		t := truths[i]
		if n := q.Near; n != nil {
			at := slices.IndexFunc(o.Vectors, func(v weaviate.Vector) bool { return v.Name == n.Vector })
			if at < 0 {
				continue
			}
			if rows[n.Vector] == nil {
				rows[n.Vector] = rowsOf(o.Vectors[at], n.Metric)
			}
			if distance, ok := n.distance(q.query, rows[n.Vector]); ok {
				t.nearest = t.nearest.with(ranked{o.ID, distance, o.Updated}, q.Limit)
				if q.found[o.ID] {
					t.right[o.ID] = distance
				}
			}
			continue
		}
		if all == nil {
			all = valuesOf(o)
		}
		holds := q.holds.match(o, all.of(q.holds.property))
		if o.ID == q.Object {
			t.own, t.written = holds == yes, o.Updated
		}
		switch holds {
		case yes:
			t.sure++
		case maybe:
			t.possible++
		}
		if holds != no && q.found[o.ID] {
			t.right[o.ID] = 0
		}
	}
}

// judgeInverted holds the answer to a filter or keyword search against the objects: as many as hold the value, none that does not, and among them the one that the question was drawn from.
func (x *indexer) judgeInverted(ctx context.Context, p *part, q *question, t *truth) error {
	property := q.holds.property
	if property == "" {
		property = q.Where.Property
	}
	kind, what := "keyword", "keyword"
	if q.Where != nil {
		kind, what = "filter", string(q.Where.Operator)
		if q.Where.Property != property {
			what = "length"
		}
	}
	failure := IndexFailure{
		Kind: kind, Collection: q.Collection, Tenant: q.Tenant, ID: q.Object.String(), Question: q.String(), Source: q.inWords(&q.Answer), Restored: q.inWords(&q.restored), Verdict: Corrupt,
		Want: fmt.Sprint(t.sure, " objects"),
	}
	if t.possible > 0 {
		failure.Want = fmt.Sprintf("%d to %d objects", t.sure, t.sure+t.possible)
	}
	a := &q.restored
	room := int64(q.Limit)
	switch {
	case a.Error != "" && !q.answered():
		x.unknown("%s: %s: refused: %s", q.where(), q, a.Error)
		x.ruleRefused(q)
		return nil
	case a.Error != "":
		failure.Rule = "the restored side refuses the question"
	case q.counted() && (a.Count < t.sure || a.Count > t.sure+t.possible):
		failure.Rule = "its inverted index counts other objects than hold the value"
	case int64(len(a.Found)) < min(t.sure, room):
		failure.Rule = "its inverted index finds fewer objects than hold the value"
	case len(t.right) < len(q.found):
		failure.Rule = "its inverted index finds an object that does not hold the value"
	case t.own && !a.has(q.Object):
		failure.Rule = "its inverted index does not find an object that holds the value"
	}
	same := failure.Rule != "" && a.Error == "" && q.answered() && q.alike()
	if same { // its objects may have been written since, and then its answer is right
		var err error
		if same, err = x.untouched(ctx, p, q, t.written); err != nil {
			return err
		}
	}
	if same {
		x.note("%s: %s: both sides answer %s, and right is %s: %s, and that of the source was so too", q.where(), q, failure.Restored, failure.Want, failure.Rule)
	}
	failed := failure.Rule != "" && !same
	x.ruleInverted(q, t, failure.Rule, same)
	x.in(q.Collection, func(c *IndexedCollection) {
		p := c.property(property)
		p.Result.add(failed)
		if !slices.Contains(p.Kinds, what) {
			p.Kinds = append(p.Kinds, what)
		}
	})
	if failed {
		x.fail(failure)
	}
	return nil
}

// answered says whether the source gave an answer.
func (p *Probe) answered() bool { return !p.Answer.At.IsZero() && p.Answer.Error == "" }

// untouched says whether the object of a question was on the source, as it was restored, when that was asked.
func (x *indexer) untouched(ctx context.Context, p *part, q *question, written int64) (bool, error) {
	if x.source == nil {
		return q.stored != nil, nil // which is asked of no other object
	}
	object, err := x.onSource(ctx, p, q.Object)
	return object != nil && object.Updated == written, err
}

// before says whether a write was surely there when the source answered.
func (x *indexer) before(written int64, q *question) bool {
	return time.UnixMilli(written).Before(q.Answer.At.Add(-x.ClockSkew))
}

// alike says whether both sides gave the same answer.
func (q *question) alike() bool {
	if q.stored != nil {
		return q.restored.kept(&q.Probe).equal(q.stored.answer)
	}
	return q.restored.Count == q.Answer.Count && q.restored.sameIDs(&q.Answer)
}

func (a *Answer) sameIDs(b *Answer) bool {
	return len(a.Found) == len(b.Found) && !slices.ContainsFunc(a.Found, func(n weaviate.Neighbour) bool { return !b.has(n.ID) })
}

// inWords is an answer to a filter or keyword search for a person.
func (p *Probe) inWords(a *Answer) string {
	found := len(a.Found)
	var text string
	switch {
	case a.At.IsZero():
		return "not asked"
	case a.Error != "":
		return a.Error
	case p.counted() && int64(found) < min(a.Count, int64(p.Limit)):
		text = fmt.Sprintf("%d objects, of which only %d are found", a.Count, found)
	case p.counted():
		text = fmt.Sprint(a.Count, " objects")
	case found >= p.Limit:
		text = fmt.Sprint(p.Limit, " objects or more")
	default:
		text = fmt.Sprint(found, " objects")
	}
	if !a.has(p.Object) {
		text += ", and not " + p.Object.String()
	}
	return text
}

// judgeNear counts which of the true neighbours each side found.
func (x *indexer) judgeNear(ctx context.Context, p *part, q *question, t *truth) error {
	failure := IndexFailure{
		Kind: "neighbour", Collection: q.Collection, Tenant: q.Tenant, ID: q.Object.String(), Vector: q.Near.Vector, Question: q.String(), Verdict: Corrupt,
		Source: fmt.Sprintf("%d found", len(q.Answer.Found)), Restored: fmt.Sprintf("%d found", len(q.restored.Found)), Want: "objects that exist",
	}
	switch {
	case q.restored.Error != "" && !q.answered():
		x.unknown("%s: %s: refused: %s", q.where(), q, q.restored.Error)
		x.ruleRefused(q)
		return nil
	case q.restored.Error != "":
		failure.Restored, failure.Want, failure.Rule = q.restored.Error, "an answer", "the restored side refuses the question"
		x.ruleNear(q, failure.Rule, Recall{}, Recall{})
		x.fail(failure)
		return nil
	case len(t.right) < len(q.found):
		failure.Rule = "its vector index finds an object that the enumeration does not have, or not with this vector"
		x.fail(failure)
	}
	var furthest float32
	for i, f := range q.restored.Found {
		if distance := t.right[f.ID]; i == 0 || distance > furthest {
			furthest = distance
		}
	}
	hits, missed := t.nearest.missed(q.restored.Found, q.Limit, furthest)
	restored := Recall{int64(hits), int64(hits + len(missed))}
	var source Recall
	if q.answered() {
		furthest = 0
		if n := len(q.Answer.Found); n > 0 {
			furthest = q.Answer.Found[n-1].Distance
		}
		hits, missed := t.nearest.missed(q.Answer.Found, q.Limit, furthest)
		source = Recall{int64(hits), int64(hits)}
		for _, m := range missed {
			there, err := x.unchanged(ctx, p, q, m)
			if err != nil {
				return err
			}
			if there {
				source.Of++
			}
		}
	}
	fewer := x.ruleNear(q, failure.Rule, restored, source)
	x.in(q.Collection, func(c *IndexedCollection) {
		v := c.vector(q.Near.Vector, q.Near.Metric)
		v.Probes++
		v.fewer += fewer
		if q.stored != nil && q.answered() {
			v.own.Of++
			if q.Answer.reaches(q.Object) {
				v.own.Found++
			}
		}
		v.Restored.Found, v.Restored.Of = v.Restored.Found+restored.Found, v.Restored.Of+restored.Of
		v.Source.Found, v.Source.Of = v.Source.Found+source.Found, v.Source.Of+source.Of
	})
	return nil
}

// unchanged says whether the source has, or had when it answered, an object with the vector that was restored.
func (x *indexer) unchanged(ctx context.Context, p *part, q *question, m ranked) (bool, error) {
	if x.source == nil {
		return x.has(ctx, q, m)
	}
	source, err := x.onSource(ctx, p, m.id)
	if err != nil || source == nil {
		return false, err
	}
	if source.Updated == m.updated {
		return true, nil
	}
	restored, err := readOne(ctx, x.restored, p, m.id, false)
	if err != nil {
		return false, x.unread(p, err)
	}
	return restored != nil && bytes.Equal(vectorNamed(source, q.Near.Vector), vectorNamed(restored, q.Near.Vector)), nil
}

// onSource is an object as the source has it now, nil when it has none or does not give it.
func (x *indexer) onSource(ctx context.Context, p *part, id uuid.UUID) (*weaviate.Object, error) {
	if x.wait != nil {
		if err := x.wait(ctx, 1); err != nil {
			return nil, err
		}
	}
	object, err := readOne(ctx, x.source, p, id, false)
	if err != nil && fatal(err) {
		return nil, &sideError{"source", err}
	}
	return object, nil
}

func vectorNamed(o *weaviate.Object, name string) []byte {
	for _, v := range o.Vectors {
		if v.Name == name {
			return v.Bytes
		}
	}
	return nil
}
