package verify

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"github.com/weaviate-drill/weaviate-drill/internal/weaviate"
)

// IndexOptions say how much is asked of the indexes. The zero value is the default.
type IndexOptions struct {
	Sample       int           `json:"sample"`       // objects of each collection that are asked for by their ids and searched for by their own vectors; one that has no more is asked for whole; 0: 1000
	Probes       int           `json:"probes"`       // vectors of each collection, and of each name, whose neighbours are held against exact search; 0: 50
	Neighbours   int           `json:"neighbours"`   // asked for with each of them; 0: 10
	Values       int           `json:"values"`       // of each property of a collection (of each probed tenant one) that filters and keyword searches ask for; 0: 3
	RecallMargin float64       `json:"recallMargin"` // by which recall on the restored side may be lower than on the source, besides what chance explains; 0: 0.02
	Timeout      time.Duration `json:"-"`            // for the indexes to be complete; 0: 30 min
}

func (o IndexOptions) withDefaults() (IndexOptions, error) {
	if o.Sample < 0 || o.Probes < 0 || o.Neighbours < 0 || o.Values < 0 || o.Timeout < 0 || !(o.RecallMargin >= 0 && o.RecallMargin < 1) {
		return o, errors.New("verify: a number in the options of the level index is out of range")
	}
	o.Sample, o.Probes, o.Neighbours, o.Values = cmp.Or(o.Sample, 1000), cmp.Or(o.Probes, 50), cmp.Or(o.Neighbours, 10), cmp.Or(o.Values, 3)
	// Two in a hundred neighbours: issue 9892, a restore that was not indexed to its end, lost about that; an index that was restored from its files answers as the source's does.
	o.RecallMargin = cmp.Or(o.RecallMargin, 0.02)
	o.Timeout = cmp.Or(o.Timeout, 30*time.Minute)
	return o, nil
}

const (
	// probedTenants bounds the tenants of a collection whose neighbours and properties are probed: each is read once more for that.
	probedTenants = 10
	// foundMost bounds the ids that a filter or keyword search is asked for. Its count is exact beyond that.
	foundMost = 20
)

// Probe is one question to an index of one collection or tenant, drawn from an object of it, with the answer that it got. Exactly one of Near, Where and Keyword is set.
type Probe struct {
	Collection string              `json:"collection"`
	Tenant     string              `json:"tenant,omitempty"`
	Object     uuid.UUID           `json:"object"`            // that the question was drawn from: it belongs in the answer
	Near       *Near               `json:"near,omitempty"`    // a search for the nearest
	Where      *weaviate.Condition `json:"where,omitempty"`   // a filter
	Keyword    *Keyword            `json:"keyword,omitempty"` // a search by BM25
	// Tokenization is how the server splits the text that Where or Keyword looks in.
	Tokenization string `json:"tokenization,omitempty"`
	Limit        int    `json:"limit"` // objects asked for at the most
	Answer       Answer `json:"answer"`

	written int64         // when the object was, ms
	stored  *storedAnswer // of a fingerprint; nil: the answer was asked for just now
}

// Near is a search by a vector.
type Near struct {
	Vector string `json:"vector"` // name; empty: the unnamed one
	Metric string `json:"metric"` // cosine, dot, l2-squared, manhattan or hamming
	Multi  bool   `json:"multi,omitempty"`
	Bytes  []byte `json:"bytes"` // as weaviate.Vector has them
}

// Keyword is a search for one token in one property.
type Keyword struct {
	Property string `json:"property"`
	Token    string `json:"token"`
}

// Answer is what a side answered to a probe.
type Answer struct {
	At    time.Time            `json:"at"`
	Count int64                `json:"count,omitempty"` // of a filter: how many objects the index has
	Found []weaviate.Neighbour `json:"found,omitempty"` // the nearest first; of a filter or keyword search the probe's own object is added when the first did not hold it and it is found among the rest
	Error string               `json:"error,omitempty"` // why there is no answer
}

func (a *Answer) has(id uuid.UUID) bool {
	return slices.ContainsFunc(a.Found, func(n weaviate.Neighbour) bool { return n.ID == id })
}

// counted says whether the server counts what the probe asks for. Its aggregations leave out filters by place.
func (p *Probe) counted() bool { return p.Where != nil && p.Where.Operator != weaviate.Within }

func (p *Probe) where() string { return (&part{collection: p.Collection, tenant: p.Tenant}).where() }

// String is the question for a person.
func (p *Probe) String() string {
	switch {
	case p.Near != nil:
		return fmt.Sprintf("the %d nearest to vector %q of %s", p.Limit, p.Near.Vector, p.Object)
	case p.Where != nil:
		return "filter " + p.Where.String()
	default:
		return fmt.Sprintf("keyword %q in %s", p.Keyword.Token, p.Keyword.Property)
	}
}

// AskProbes asks each probe of a Weaviate and sets its answer. An error means that nothing more can be asked; a single question that is refused has that as its answer. wait, when not nil, is called with the
// number of objects about to be asked for.
func AskProbes(ctx context.Context, conn *weaviate.Conn, probes []Probe, concurrency int, wait func(ctx context.Context, objects int) error) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(max(1, concurrency))
	for i := range probes {
		group.Go(func() error {
			p := &probes[i]
			if wait != nil {
				if err := wait(ctx, p.Limit); err != nil {
					return err
				}
			}
			answer := Answer{At: time.Now().UTC()}
			err := answer.ask(ctx, conn, p)
			if err != nil {
				if fatal(err) {
					return err
				}
				answer.Error = cut(err.Error())
			}
			p.Answer = answer
			return nil
		})
	}
	return group.Wait()
}

func (a *Answer) ask(ctx context.Context, conn *weaviate.Conn, p *Probe) (err error) {
	own := weaviate.HasID(p.Object)
	var among []weaviate.Neighbour
	switch {
	case p.Near != nil:
		a.Found, err = conn.NearVector(ctx, p.Collection, p.Tenant, weaviate.Vector{Name: p.Near.Vector, Multi: p.Near.Multi, Bytes: p.Near.Bytes}, p.Limit)
		return err
	case p.Where != nil:
		if p.counted() {
			if a.Count, err = conn.CountWhere(ctx, p.Collection, p.Tenant, *p.Where); err != nil {
				return err
			}
		}
		if a.Found, err = conn.Find(ctx, p.Collection, p.Tenant, p.Limit, *p.Where); err == nil && len(a.Found) == p.Limit && !a.has(p.Object) {
			among, err = conn.Find(ctx, p.Collection, p.Tenant, 1, *p.Where, own)
		}
	default:
		k := p.Keyword
		if a.Found, err = conn.Keyword(ctx, p.Collection, p.Tenant, k.Property, k.Token, p.Limit); err == nil && len(a.Found) == p.Limit && !a.has(p.Object) {
			among, err = conn.Keyword(ctx, p.Collection, p.Tenant, k.Property, k.Token, 1, own)
		}
	}
	a.Found = append(a.Found, among...)
	return err
}

// drawObjects draws n ids of all parts together, uniformly, and besides one of each part that has none among them, as long as these are no more than n. The lowest ranks come first.
func drawObjects(ctx context.Context, conn *weaviate.Conn, parts []*part, n int, o Options, wait func(context.Context, int) error) ([]candidate, error) {
	d := &draw{n: n, first: map[*part]candidate{}}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(o.Concurrency)
	for _, p := range parts {
		ranges := Ranges(p.restoredCount)
		for _, r := range ranges {
			group.Go(func() error {
				rank := p.ranks(o.Seed)
				scan := conn.Scan(weaviate.Range{Collection: p.collection, Tenant: p.tenant, From: r[0], To: r[1], IDs: true, Expect: p.restoredCount / int64(len(ranges))})
				scan.Wait = wait
				return eachObject(ctx, scan, func(object *weaviate.Object) { d.add(candidate{rank(object.ID), object.ID, p}) })
			})
		}
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	drawn, extra := d.take()
	return append(drawn, extra...), nil
}

func eachObject(ctx context.Context, from pages, do func(*weaviate.Object)) error {
	for {
		page, err := from.Next(ctx)
		if err == io.EOF { //nolint:errorlint // a broken connection wraps io.EOF, and is no end of the data
			return nil
		}
		if err != nil {
			return err
		}
		for i := range page {
			do(&page[i])
		}
	}
}

// readOne reads one object where the enumeration has it, and answers nil when it has none.
func readOne(ctx context.Context, conn *weaviate.Conn, p *part, id uuid.UUID, rest bool) (found *weaviate.Object, err error) {
	scan := conn.Scan(weaviate.Range{Collection: p.collection, Tenant: p.tenant, From: id, To: weaviate.Next(id), Most: 1, REST: rest})
	err = eachObject(ctx, scan, func(object *weaviate.Object) { found = object })
	return found, err
}

// probesOf makes the questions of a collection from the objects that were drawn.
func probesOf(ctx context.Context, conn *weaviate.Conn, collection weaviate.Collection, drawn []candidate, o IndexOptions, wait func(context.Context, int) error) (probes []Probe, skipped []string, err error) {
	schema, err := readIndexSchema(collection)
	if err != nil {
		return nil, nil, err
	}
	order, tenants := inTurns(drawn)
	values := o.Values
	if tenants > 1 {
		values = 1
	}
	searches := map[string]int{}        // by the name of the vector
	asked := map[*part]map[string]int{} // by kind
	for _, d := range order[:min(len(order), max(o.Probes, 10*tenants))] {
		if wait != nil {
			if err := wait(ctx, 1); err != nil {
				return nil, nil, err
			}
		}
		object, err := readOne(ctx, conn, d.part, d.id, false)
		if err != nil {
			return nil, nil, err
		}
		if object == nil { // deleted since
			continue
		}
		probe := Probe{Collection: d.part.collection, Tenant: d.part.tenant, Object: object.ID, written: object.Updated}
		for _, v := range object.Vectors {
			index := schema.vectors[v.Name]
			if searches[v.Name] == o.Probes || !index.answersItself(v) {
				continue
			}
			searches[v.Name]++
			near := probe
			near.Near, near.Limit = &Near{v.Name, index.metric(), v.Multi, v.Bytes}, o.Neighbours
			probes = append(probes, near)
		}
		if asked[d.part] == nil {
			asked[d.part] = map[string]int{}
		}
		for _, question := range schema.questions(object, probe) {
			kind := question.kind()
			if asked[d.part][kind] < values && !slices.ContainsFunc(probes, func(q Probe) bool { return q.same(&question) }) {
				asked[d.part][kind]++
				probes = append(probes, question)
			}
		}
	}
	skipped = schema.skipped
	for _, p := range schema.properties {
		if !slices.ContainsFunc(probes, func(q Probe) bool { return q.asksFor(p.Name) }) {
			skipped = append(skipped, fmt.Sprintf("%s.%s: none of the objects that were drawn has a value that can be asked for", collection.Name, p.Name))
		}
	}
	return probes, skipped, nil
}

// inTurns takes one object of each tenant in turn, so that every one of them is asked for. Of more tenants than are probed those are left whose objects come first.
func inTurns(drawn []candidate) (order []candidate, tenants int) {
	turn := map[*part]int{} // of the next object
	turns := map[candidate]int{}
	for _, d := range drawn {
		if _, there := turn[d.part]; !there && len(turn) == probedTenants {
			continue
		}
		turns[d] = turn[d.part]
		turn[d.part]++
		order = append(order, d)
	}
	slices.SortStableFunc(order, func(a, b candidate) int { return cmp.Compare(turns[a], turns[b]) })
	return order, len(turn)
}

// asksFor says whether a probe asks for values of a property, and not only whether it has some.
func (p *Probe) asksFor(property string) bool {
	return p.Keyword != nil && p.Keyword.Property == property || p.Where != nil && p.Where.Property == property && p.Where.Operator != weaviate.IsNull
}

// asks tells questions apart: what of which vector or property.
func (p *Probe) asks() (what, of string) {
	switch {
	case p.Near != nil:
		return "near", p.Near.Vector
	case p.Keyword != nil:
		return "keyword", p.Keyword.Property
	default:
		return string(p.Where.Operator), p.Where.Property
	}
}

// kind is that of which so many are asked: by index, that is by property and operator.
func (p *Probe) kind() string {
	what, of := p.asks()
	return of + " " + what
}

// same says whether two probes ask the same of the same inverted index.
func (p *Probe) same(q *Probe) bool {
	equal := func(a, b *weaviate.Condition) bool { return a != nil && b != nil && *a == *b }
	return p.Tenant == q.Tenant && (equal(p.Where, q.Where) || p.Keyword != nil && q.Keyword != nil && *p.Keyword == *q.Keyword)
}
