package verify

import (
	"context"
	"iter"

	"github.com/weaviate-drill/weaviate-drill/internal/weaviate"
)

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
