package verify

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"github.com/weaviate-drill/weaviate-drill/internal/weaviate"
)

// lookAtIndexes does what level index adds to a comparison of all objects. It waits until the indexes are complete, and then, one collection after the other, so that the questions of only one are held: it reads
// the ids of the restored objects and draws from them, asks for those that were drawn by their ids and their vectors, asks both sides the probes, and reads the restored objects of the probed tenants once more.
func (c *comparison) lookAtIndexes(ctx context.Context, parts []*part) error {
	began := time.Now()
	x := newIndexer(c.restored, c.source, c.Options, c.throttle)
	x.past = c.past
	err := WaitIndexed(ctx, c.restored, c.Index.Timeout, nil)
	switch {
	case errors.Is(err, ErrNotIndexed):
		x.unknown("the indexes of the restored side were not looked at: %v", err)
	case err != nil:
		return err
	default:
		collections, err := c.restored.Collections(ctx)
		if err != nil {
			return &sideError{"restored", err}
		}
		holders, err := replicasOf(ctx, c.restored)
		if err != nil {
			return &sideError{"restored", err}
		}
		for _, collection := range collections {
			var mine []*part
			for _, p := range parts {
				if p.collection == collection.Name && p.onRestored && !p.incomplete && p.restoredCount > 0 {
					mine = append(mine, p)
				}
			}
			if len(mine) == 0 {
				continue
			}
			c.Log.Info("looking at the indexes", "collection", collection.Name)
			if err := x.look(ctx, collection, mine); err != nil {
				return err
			}
			if err := x.lookAtCopies(ctx, collection, mine, holders); err != nil {
				return err
			}
		}
	}
	c.result.Index = x.conclude()
	c.result.Index.Duration = time.Since(began)
	return nil
}

// look does one collection.
func (x *indexer) look(ctx context.Context, collection weaviate.Collection, parts []*part) error {
	if collection.MultiTenant {
		x.in(collection.Name, func(c *IndexedCollection) { c.Tenants = len(parts) })
	}
	var population int64
	for _, p := range parts {
		population += p.restoredCount
	}
	if len(parts) > x.Index.Sample { // of more tenants than the sample can touch, so many are drawn first
		parts = slices.Clone(parts)
		slices.SortFunc(parts, func(a, b *part) int { return cmp.Compare(a.ranks(x.Seed)(uuid.Nil), b.ranks(x.Seed)(uuid.Nil)) })
		parts, population = parts[:x.Index.Sample], 0
	}
	drawn, err := drawObjects(ctx, x.restored, parts, x.Index.Sample, x.Options, nil)
	if err != nil {
		return x.unread(&part{collection: collection.Name}, err)
	}
	if err := x.walk(ctx, collection, drawn, population); err != nil {
		return err
	}
	if collection.HidesExpired {
		x.index.Skipped = append(x.index.Skipped, collection.Name+": its searches hide objects that have expired and are still there, so they cannot be held against the objects")
		return nil
	}
	probes, skipped, err := probesOf(ctx, x.restored, collection, drawn, x.Index, nil)
	if err != nil {
		return x.unread(&part{collection: collection.Name}, err)
	}
	x.index.Skipped = append(x.index.Skipped, skipped...)
	if x.source == nil {
		if probes, err = x.remembered(ctx, collection, parts, probes); err != nil {
			return err
		}
	} else if err := AskProbes(ctx, x.source, probes, x.Concurrency, x.wait); err != nil {
		return &sideError{"source", err}
	}
	return x.judge(ctx, probes)
}

// walk asks the restored side for each of these objects by its id, searches for it by each of its vectors, and asks for its entries in the inverted indexes. population is how many objects they were drawn from; 0: from
// some of the tenants only.
func (x *indexer) walk(ctx context.Context, collection weaviate.Collection, drawn []candidate, population int64) error {
	if len(drawn) == 0 {
		return nil
	}
	schema, err := readIndexSchema(collection)
	if err != nil {
		return x.unread(&part{collection: collection.Name}, err)
	}
	e := &entries{
		indexer: x, schema: schema, last: drawn[min(len(drawn), x.Index.Sample)-1].rank, population: population, whole: int64(len(drawn)) == population, tallies: map[tallied]*entryTally{},
	}
	if collection.HidesExpired {
		schema.vectors, e = nil, nil
	}
	of := map[*part][]uuid.UUID{}
	for _, d := range drawn {
		of[d.part] = append(of[d.part], d.id)
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(x.Concurrency)
	for p, ids := range of {
		slices.SortFunc(ids, func(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) })
		inPages := int64(len(ids))*dense >= p.restoredCount
		for some := range slices.Chunk(ids, 64) {
			group.Go(func() error { return x.walkSome(ctx, p, some, inPages, schema.vectors, e) })
		}
	}
	err = group.Wait()
	if err == nil && e != nil {
		e.conclude(collection.Name)
	}
	return err
}

func (x *indexer) walkSome(ctx context.Context, p *part, ids []uuid.UUID, inPages bool, indexes map[string]vectorIndex, e *entries) error {
	var all []*entered
	err := x.eachOf(ctx, p, ids, inPages, func(o *weaviate.Object) error {
		if e != nil {
			all = append(all, e.of(p, o))
		}
		return x.walkOne(ctx, p, o, indexes)
	})
	if err != nil || e == nil {
		return err
	}
	return e.ask(ctx, p, all)
}

// eachOf gives the objects as the enumeration gives them over REST, since they are held against what REST gives by id: one by one, or in pages with whatever lies between them.
func (x *indexer) eachOf(ctx context.Context, p *part, ids []uuid.UUID, inPages bool, do func(*weaviate.Object) error) error {
	if inPages {
		scan := x.restored.Scan(weaviate.Range{Collection: p.collection, Tenant: p.tenant, From: ids[0], To: weaviate.Next(ids[len(ids)-1]), REST: true})
		next := 0
		var failed error
		err := eachObject(ctx, scan, func(o *weaviate.Object) {
			if failed == nil && next < len(ids) && o.ID == ids[next] {
				next++
				failed = do(o)
			}
		})
		if failed != nil {
			return failed
		}
		if err == nil && next < len(ids) {
			x.unknown("%s: the enumeration gave %s, and did not when it was asked once more", p.where(), ids[next])
		}
		return x.unread(p, err)
	}
	for _, id := range ids {
		o, err := readOne(ctx, x.restored, p, id, true)
		if err != nil {
			return x.unread(p, err)
		}
		if o == nil {
			x.unknown("%s: the enumeration gave %s, and did not when it was asked once more", p.where(), id)
			continue
		}
		if err := do(o); err != nil {
			return err
		}
	}
	return nil
}

func (x *indexer) walkOne(ctx context.Context, p *part, o *weaviate.Object, indexes map[string]vectorIndex) error {
	got, err := x.restored.Object(ctx, p.collection, p.tenant, o.ID)
	f := IndexFailure{
		Kind: "id", Collection: p.collection, Tenant: p.tenant, ID: o.ID.String(), Question: "object " + o.ID.String() + " by its id", Source: "not asked", Want: "as the enumeration gives it", Verdict: Corrupt,
	}
	switch {
	case errors.Is(err, weaviate.ErrNotFound):
		f.Restored, f.Rule = "not found", "the enumeration gives the object and its id does not: the index of ids is damaged"
	case err != nil && fatal(err):
		return &sideError{"restored", err}
	case err != nil:
		f.Restored, f.Rule = cut(err.Error()), "the enumeration gives the object, and it cannot be read by its id"
	case !got.Equal(o):
		f.Restored, f.Rule = "another", "the enumeration gives the object with other content than its id does"
	}
	if f.Rule != "" {
		x.fail(f)
	}
	x.in(p.collection, func(c *IndexedCollection) { c.ByID.add(f.Rule != "") })
	for _, v := range o.Vectors {
		if index, there := indexes[v.Name]; there && index.answersItself(v) {
			if err := x.itself(ctx, p, o, v, index); err != nil {
				return err
			}
		}
	}
	return nil
}

// Of an approximate index the few nearest may lack an object that its graph reaches well enough; the more are asked for, the harder it looks.
const (
	near = 10
	far  = 100
)

// itself searches for an object by its own vector. What the restored index does not reach and that of the source does is lost from the index. When neither does, the backup brought back what was there.
func (x *indexer) itself(ctx context.Context, p *part, o *weaviate.Object, v weaviate.Vector, index vectorIndex) error {
	f := IndexFailure{
		Kind: "itself", Collection: p.collection, Tenant: p.tenant, ID: o.ID.String(), Vector: v.Name, Question: fmt.Sprintf("%s by its own vector %q", o.ID, v.Name), Source: "found",
		Restored: fmt.Sprintf("not among the %d nearest", far), Want: "found", Verdict: Corrupt,
	}
	var neither, untold int64
	reached, err := reaches(ctx, x.restored, p, o, v, index)
	switch {
	case err != nil && fatal(err):
		return &sideError{"restored", err}
	case err != nil:
		f.Restored, f.Source, f.Rule = cut(err.Error()), "not asked", "the restored side refuses to search for a vector that is stored"
	case !reached:
		there, known, err := x.reachedOnSource(ctx, p, o, v, index)
		switch {
		case err != nil:
			return err
		case !known:
			untold = 1
		case !there:
			neither = 1
		default:
			f.Rule = "the vector index does not reach an object that is stored, and that of the source does"
		}
	}
	if f.Rule != "" {
		x.fail(f)
	}
	x.in(p.collection, func(c *IndexedCollection) {
		entry := c.vector(v.Name, index.metric())
		entry.Itself.add(f.Rule != "")
		entry.Neither += neither
		entry.Untold += untold
	})
	return nil
}

// reachedOnSource asks the source the same; known is false when it cannot tell because it is gone, refuses, or no longer has the object with this vector.
func (x *indexer) reachedOnSource(ctx context.Context, p *part, o *weaviate.Object, v weaviate.Vector, index vectorIndex) (reached, known bool, err error) {
	if x.source == nil {
		return false, false, nil
	}
	source, err := x.onSource(ctx, p, o.ID)
	if err != nil || source == nil || !bytes.Equal(vectorNamed(source, v.Name), v.Bytes) {
		return false, false, err
	}
	reached, err = reaches(ctx, x.source, p, o, v, index)
	if err != nil && fatal(err) {
		return false, false, &sideError{"source", err}
	}
	return reached, err == nil, nil
}

// reaches says whether a search for the own vector of an object finds it, or what is as near.
func reaches(ctx context.Context, conn *weaviate.Conn, p *part, o *weaviate.Object, v weaviate.Vector, index vectorIndex) (bool, error) {
	atMost := index.distanceToItself(v)
	for _, limit := range []int{near, far} {
		found, err := conn.NearVector(ctx, p.collection, p.tenant, v, limit)
		if err != nil {
			return false, err
		}
		if slices.ContainsFunc(found, func(n weaviate.Neighbour) bool { return n.ID == o.ID || float64(n.Distance) <= atMost }) {
			return true, nil
		}
	}
	return false, nil
}

// metric is the distance that the index measures by.
func (i vectorIndex) metric() string {
	if i.Distance == "" {
		return "cosine"
	}
	return i.Distance
}
