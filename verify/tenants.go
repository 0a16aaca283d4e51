package verify

import (
	"context"
	"errors"
	"iter"

	"golang.org/x/sync/errgroup"

	"github.com/weaviate-drill/weaviate-drill/internal/weaviate"
)

// With many tenants, counting each costs more time than reading a few objects of each. So for a comparison of all objects their counts are taken from the list of shards, one request for all, and only where the
// objects that were read are not as many is the server asked to count. The list knows what is flushed to segments: on the restored side that is everything, and on a source that is not written to as well.
const manyTenants = weaviate.CountBatch

// estimate takes the counts of tenants from the lists of shards, where they are enough of them, and returns the parts that are still to be counted.
func (c *comparison) estimate(ctx context.Context, parts []*part) ([]*part, error) {
	tenants := 0
	for _, p := range parts {
		if p.tenant != "" {
			tenants++
		}
	}
	if !c.Level.AtLeast(LevelFull) || tenants <= manyTenants {
		return parts, nil
	}
	source, err := shardCounts(ctx, c.source)
	if err != nil {
		return nil, &sideError{"source", err}
	}
	restored, err := shardCounts(ctx, c.restored)
	if err != nil {
		return nil, &sideError{"restored", err}
	}
	var left []*part
	for _, p := range parts {
		there := [2]bool{}
		p.sourceCount, there[0] = source[[2]string{p.collection, p.tenant}]
		p.restoredCount, there[1] = restored[[2]string{p.collection, p.tenant}]
		if p.tenant == "" || !there[0] || p.onRestored && !there[1] {
			left = append(left, p)
			continue
		}
		p.estimated = true
	}
	return left, nil
}

// shardCounts are the counts of shards that are loaded, by collection and name. None are known where the credentials may not list them.
func shardCounts(ctx context.Context, conn *weaviate.Conn) (map[[2]string]int64, error) {
	nodes, err := conn.Nodes(ctx)
	if errors.Is(err, weaviate.ErrForbidden) {
		return nil, nil
	}
	counts := map[[2]string]int64{}
	for _, n := range nodes {
		for _, s := range n.Shards {
			if s.Loaded {
				key := [2]string{s.Collection, s.Name}
				counts[key] = max(counts[key], s.ObjectCount)
			}
		}
	}
	return counts, err
}

// settle counts the parts whose estimate is not what was read, when all objects have been.
func (c *comparison) settle(ctx context.Context, parts []*part) error {
	var doubtful []*part
	for _, p := range parts {
		if p.estimated && (p.incomplete || p.sourceSeen != p.sourceCount || p.onRestored && p.resSeen != p.restoredCount) {
			doubtful = append(doubtful, p)
		}
	}
	if err := c.countAll(ctx, doubtful); err != nil {
		return err
	}
	group, seeing := errgroup.WithContext(ctx)
	group.SetLimit(c.Concurrency * atOnce)
	for _, p := range doubtful {
		if p.sourceSeen == p.sourceCount || !p.onSource || p.incomplete || p.verdicts.Drift+p.verdicts.Unverifiable > 0 {
			continue
		}
		group.Go(func() error { return c.seeAgain(seeing, p) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	for _, p := range parts {
		if p.estimated {
			c.enter(p)
		}
	}
	return nil
}

// seeAgain reads the ids of a part of the source once more, between the count of settle and that of concludePart: it was written to since it was read, or is damaged.
func (c *comparison) seeAgain(ctx context.Context, p *part) error {
	scan := c.source.Scan(weaviate.Range{Collection: p.collection, Tenant: p.tenant, IDs: true})
	scan.Wait = c.throttle
	p.sourceSeen = 0
	err := eachObject(ctx, scan, func(*weaviate.Object) { p.sourceSeen++ })
	if err != nil && fatal(err) {
		return &sideError{"source", err}
	}
	if err != nil {
		c.unreadable(p, &unread{"source", err.Error(), false})
	}
	return nil
}

// enter adds the counts of a part to those of its collection.
func (c *comparison) enter(p *part) {
	entry := c.byName[p.collection]
	entry.SourceCount += p.sourceCount
	entry.RestoredCount += p.restoredCount
	c.partial = c.partial || p.incomplete
}

// countAll counts parts, those of a collection many at once.
func (c *comparison) countAll(ctx context.Context, parts []*part) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(c.Concurrency)
	for some := range batches(parts, weaviate.CountBatch) {
		group.Go(func() error { return c.countThese(ctx, some) })
	}
	return group.Wait()
}

// batches puts parts together that follow each other and are of one collection, so many at most.
func batches(parts []*part, most int) iter.Seq[[]*part] {
	return func(yield func([]*part) bool) {
		for len(parts) > 0 {
			n := 1
			for n < min(most, len(parts)) && parts[n].collection == parts[0].collection {
				n++
			}
			if !yield(parts[:n]) {
				return
			}
			parts = parts[n:]
		}
	}
}

// countThese counts parts of one collection.
func (c *comparison) countThese(ctx context.Context, parts []*part) error {
	var here, there []*part
	for _, p := range parts {
		if p.onSource {
			here = append(here, p)
		}
	}
	err := countOn(ctx, c.source, here, func(p *part, n int64, err error) {
		if p.sourceCount = n; err != nil {
			c.unknown("%s: the source's objects cannot be counted: %v", p.where(), err)
			p.onSource, p.incomplete = false, true
		}
	})
	if err != nil {
		return &sideError{"source", err}
	}
	for _, p := range parts {
		if p.onRestored && (p.onSource || p.past != nil) {
			there = append(there, p)
		}
	}
	err = countOn(ctx, c.restored, there, func(p *part, n int64, err error) {
		if p.restoredCount = n; err != nil {
			c.unknown("%s: the restored objects cannot be counted: %v", p.where(), err)
			p.incomplete = true
		}
	})
	if err != nil {
		return &sideError{"restored", err}
	}
	return nil
}

// countOn counts parts of one collection on one side: all tenants at once, and those that this does not count one by one. It returns an error that ends the comparison, and gives the others to found.
func countOn(ctx context.Context, conn *weaviate.Conn, parts []*part, found func(p *part, n int64, err error)) error {
	var counts map[string]int64
	if len(parts) > 1 {
		tenants := make([]string, len(parts))
		for i, p := range parts {
			tenants[i] = p.tenant
		}
		var err error
		if counts, err = conn.CountTenants(ctx, parts[0].collection, tenants); err != nil {
			return err
		}
	}
	for _, p := range parts {
		n, known := counts[p.tenant]
		var err error
		if !known {
			if n, err = conn.Count(ctx, p.collection, p.tenant); err != nil && fatal(err) {
				return err
			}
		}
		found(p, n, err)
	}
	return nil
}
