package verify

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/weaviate-drill/weaviate-drill/internal/weaviate"
)

// Ranges are cut so that each holds at most about perRange objects, and half as many at least: few enough that workers end together, many enough that the few objects read in vain at the end of each do not
// count. Their number is a power of two, so that ranges of one number lie within those of a smaller one: see Fingerprint.
const (
	perRange  = 8192
	maxRanges = 4096
)

// Ranges cuts UUID space into equal parts for a scan of so many objects.
func Ranges(objects int64) [][2]uuid.UUID { return cutInto(rangeBits(objects, perRange)) }

// rangeBits is how many leading bits of an id number its range when each is to hold about so many objects at most.
func rangeBits(objects, each int64) int {
	ranges := min(maxRanges, max(1, (objects+each-1)/each))
	return bits.Len64(uint64(ranges - 1))
}

// cutInto cuts UUID space into the ranges that so many leading bits number.
func cutInto(prefix int) [][2]uuid.UUID {
	out := make([][2]uuid.UUID, 1<<prefix)
	for i := 1; i < len(out); i++ {
		binary.BigEndian.PutUint64(out[i][0][:], uint64(i)<<(64-prefix))
		out[i-1][1] = out[i][0]
	}
	return out
}

// counts asks for the exact counts of all parts, or takes those of many tenants on trust until settle. Parts that cannot be counted are marked, and never a pass.
func (c *comparison) counts(ctx context.Context, parts []*part) error {
	left, err := c.estimate(ctx, parts)
	if err != nil {
		return err
	}
	if err := c.countAll(ctx, left); err != nil {
		return err
	}
	for _, p := range parts {
		c.total += p.sourceCount
		if !p.onSource && p.past != nil {
			c.total += p.restoredCount
		}
		if !p.estimated {
			c.enter(p)
		}
	}
	return nil
}

// compareAll judges every object of every part.
func (c *comparison) compareAll(ctx context.Context, parts []*part) error {
	if c.work != nil {
		return c.compareKept(ctx, parts)
	}
	return c.each(ctx, items(parts), func(ctx context.Context, i item) error {
		o, err := c.judgeItem(ctx, i)
		if err == nil {
			c.take(i.part, o)
		}
		return err
	})
}

// judgeItem judges every object of an item.
func (c *comparison) judgeItem(ctx context.Context, i item) (*outcome, error) {
	return c.compareRange(ctx, i.part, weaviate.Range{From: i.from, To: i.to}, i.ranges, func(t *tally, a, b *weaviate.Object) {
		t.see(a, b)
		if i.part.onSource {
			t.judge(a, b)
		} else {
			t.judgeAlone(b)
		}
	})
}

// compareRange hands the objects of a part that lie in r, which holds about one in so many of them, to each. That a server which is there cannot give its objects is part of the outcome.
func (c *comparison) compareRange(ctx context.Context, p *part, r weaviate.Range, oneIn int64, each func(t *tally, a, b *weaviate.Object)) (*outcome, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	t := tally{comparison: c, part: p}
	side := func(conn *weaviate.Conn, count int64, size *weaviate.Size) *weaviate.Scanner {
		r.Collection, r.Tenant, r.REST, r.Expect = p.collection, p.tenant, p.rest, count/oneIn
		if !r.IDs {
			r.Size = size
		}
		return conn.Scan(r)
	}
	var source, restored pages = none{}, none{}
	bytesRead := func() int64 { return 0 }
	if p.onSource {
		s := side(c.source, p.sourceCount, p.sourceSize)
		s.Wait = c.throttle
		source, bytesRead = s, func() int64 { return s.Bytes }
	}
	if p.onRestored {
		s, ofSource := side(c.restored, p.restoredCount, p.restoredSize), bytesRead
		restored, bytesRead = s, func() int64 { return ofSource() + s.Bytes }
	}
	if !r.IDs && r.Most == 0 {
		t.watch = p.past.over(&t, r.From, r.To)
	}
	err := merge(ctx, source, restored, func(a, b *weaviate.Object) { each(&t, a, b) })
	t.watch.end(err == nil)
	t.Bytes = bytesRead()
	t.tell()
	var failed *sideError
	if errors.As(err, &failed) && !fatal(err) {
		t.Unread, err = &unread{failed.side, failed.err.Error(), errors.Is(failed.err, weaviate.ErrForbidden)}, nil
	}
	return &t.outcome, err
}

// unread says why the objects of a side could not be read.
type unread struct {
	Side      string `json:"side"` // source or restored
	Error     string `json:"error"`
	Forbidden bool   `json:"forbidden,omitempty"`
}

// unreadable notes, once for each part, that a server that is there cannot give its objects.
func (c *comparison) unreadable(p *part, u *unread) {
	c.mu.Lock()
	said := p.incomplete
	p.incomplete, c.partial = true, true
	c.mu.Unlock()
	switch {
	case said:
	case u.Side == "restored" && !u.Forbidden:
		c.differ("collection", p.where(), "readable", u.Error, Corrupt, "the restored objects cannot be read")
	default:
		c.unknown("%s: objects could not be read: read the %s: %s", p.where(), u.Side, u.Error)
	}
}

// throttle keeps the reading of the source below MaxRate.
func (c *comparison) throttle(ctx context.Context, objects int) error {
	return throttle(ctx, c.limiter, objects)
}

// tally gathers the verdicts of one range, so that workers seldom meet at the lock.
type tally struct {
	*comparison
	part  *part
	watch *watch // nil: no fingerprints know the part
	outcome
	done      int64 // since the progress was told
	sinceTold int
}

// flushEvery bounds how long the progress stands still.
const flushEvery = 4096

// see counts what the sides hold.
func (t *tally) see(a, b *weaviate.Object) {
	if a != nil {
		t.SourceSeen++
	}
	if a != nil || !t.part.onSource {
		t.done++
	}
	if b != nil {
		t.RestoredSeen++
	}
	if t.sinceTold++; t.sinceTold >= flushEvery {
		t.tell()
	}
}

// judge gives the verdict on one object.
func (t *tally) judge(a, b *weaviate.Object) Verdict {
	equal := a != nil && b != nil && a.Equal(b)
	verdict, rule := t.rules.judge(a, b, equal)
	if a != nil {
		t.SourceRead++
		t.NewestSource = max(t.NewestSource, a.Updated)
		if !equal && (t.Oldest == 0 || a.Updated < t.Oldest) {
			t.Oldest = a.Updated
		}
	}
	if b != nil {
		t.RestoredRead++
		t.NewestRestored = max(t.NewestRestored, b.Updated)
	}
	if a != nil && b != nil {
		t.Vectors += int64(len(a.Vectors))
	}
	r := ruling{verdict, rule}
	if t.watch != nil && t.watch.see(a, b, r) {
		return verdict
	}
	t.book(r, 1)
	if verdict != Match && len(*t.listFor(verdict)) < t.MaxDifferences {
		t.list(describe(t.part, a, b, verdict, rule))
	}
	return verdict
}

// book counts objects of one verdict.
func (t *tally) book(r ruling, objects int64) {
	*t.Verdicts.of(r.verdict) += objects
	if t.Rules == nil {
		t.Rules = map[string]int64{}
	}
	t.Rules[r.rule] += objects
}

// list keeps an object that did not match, as long as there is room.
func (t *tally) list(d Difference) {
	if to := t.listFor(d.Verdict); d.Verdict != Match && len(*to) < t.MaxDifferences {
		*to = append(*to, d)
	}
}

func (t *tally) listFor(v Verdict) *[]Difference {
	if v == Drift {
		return &t.Drift
	}
	return &t.Bad
}

func (t *tally) tell() {
	t.advance(t.done)
	t.done, t.sinceTold = 0, 0
}

// describe tells what differs in one object.
func describe(p *part, a, b *weaviate.Object, verdict Verdict, rule string) Difference {
	d := Difference{Collection: p.collection, Tenant: p.tenant, Verdict: verdict, Rule: rule}
	if a != nil {
		d.ID, d.SourceTime = a.ID.String(), time.UnixMilli(a.Updated).UTC()
	}
	if b != nil {
		d.ID, d.RestoreTime = b.ID.String(), time.UnixMilli(b.Updated).UTC()
	}
	if a == nil || b == nil {
		return d
	}
	differ := func(field, source, restored string) {
		if len(d.Fields) == 0 {
			d.Detail = fmt.Sprintf("%s: source %s, restored %s", field, cut(source), cut(restored))
		}
		d.Fields = append(d.Fields, field)
	}
	if properties, err := weaviate.DiffProperties(a.Properties, b.Properties); err != nil {
		differ("properties", err.Error(), err.Error())
	} else {
		for _, x := range properties {
			differ("properties."+x.Name, x.A, x.B)
		}
	}
	diffVectors(a.Vectors, b.Vectors, differ)
	if a.Created != b.Created {
		differ("creationTime", stamp(a.Created), stamp(b.Created))
	}
	if a.Updated != b.Updated {
		differ("lastUpdateTime", stamp(a.Updated), stamp(b.Updated))
	}
	return d
}

func stamp(ms int64) string { return time.UnixMilli(ms).UTC().Format("2006-01-02T15:04:05.000Z") }

func diffVectors(a, b []weaviate.Vector, differ func(field, source, restored string)) {
	find := func(list []weaviate.Vector, name string) *weaviate.Vector {
		for i := range list {
			if list[i].Name == name {
				return &list[i]
			}
		}
		return nil
	}
	var names []string
	for _, v := range slices.Concat(a, b) {
		if !slices.Contains(names, v.Name) {
			names = append(names, v.Name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		field := "vectors." + name
		if name == "" {
			field = "vector"
		}
		x, y := find(a, name), find(b, name)
		switch {
		case x == nil:
			differ(field, "(missing)", y.Shape())
		case y == nil:
			differ(field, x.Shape(), "(missing)")
		case x.Multi != y.Multi || len(x.Bytes) != len(y.Bytes):
			differ(field, x.Shape(), y.Shape())
		case !bytes.Equal(x.Bytes, y.Bytes):
			differ(field, element(x, y), element(y, x))
		}
	}
}

// element renders the first element in which v is unlike other, which has the same shape.
func element(v, other *weaviate.Vector) string {
	p, q := v.Bytes, other.Bytes
	if v.Multi && len(p) >= 2 {
		if p[0] != q[0] || p[1] != q[1] {
			return v.Shape()
		}
		p, q = p[2:], q[2:]
	}
	for i := 0; i+4 <= len(p); i += 4 {
		if !bytes.Equal(p[i:i+4], q[i:i+4]) {
			f := math.Float32frombits(binary.LittleEndian.Uint32(p[i:]))
			return fmt.Sprintf("[%d] = %s", i/4, strconv.FormatFloat(float64(f), 'g', -1, 32))
		}
	}
	return v.Shape()
}
