package verify

import (
	"context"
	"slices"

	"github.com/weaviate-drill/weaviate-drill/internal/weaviate"
)

// lookAtCopies asks each node that holds a copy of these parts what x asked of whichever copy it reached: a node answers a search from the copies that it holds itself (see compareCopies), so an index that was
// lost on one node is seen through that node only. What the nodes answer is held against the objects that they list themselves.
func (x *indexer) lookAtCopies(ctx context.Context, collection weaviate.Collection, parts []*part, holders replicas) error {
	for _, n := range x.Nodes {
		var mine []*part
		for _, p := range parts {
			if at, _ := holders.of(p); len(at) > 1 && slices.Contains(at, n.Name) {
				mine = append(mine, p)
			}
		}
		if len(mine) == 0 || n.Conn.Endpoint.URL == x.restored.Endpoint.URL {
			continue
		}
		own := newIndexer(n.Conn, x.source, x.Options, x.wait)
		own.past = x.past
		if err := own.look(ctx, collection, mine); err != nil {
			return err
		}
		x.adopt(n.Name, own.conclude())
	}
	return nil
}

// adopt adds what one node answered. Its recall is judged already, and only what is wrong with it is kept.
func (x *indexer) adopt(node string, own *Index) {
	through := "through " + node + ": "
	for _, c := range own.Collections {
		x.in(c.Name, func(all *IndexedCollection) {
			all.ByID.sum(c.ByID)
			for _, v := range c.Vectors {
				all.vector(v.Name, v.Metric).Itself.sum(v.Itself)
			}
			for _, p := range c.Properties {
				all.property(p.Name).Result.sum(p.Result)
			}
			for _, e := range c.Entries {
				sum := all.entries(e.Property, e.Kind)
				sum.Entries.sum(e.Entries)
				sum.Neither, sum.MaxLost = sum.Neither+e.Neither, max(sum.MaxLost, e.MaxLost)
			}
		})
	}
	for _, f := range own.Failures {
		f.Question = through + f.Question
		x.fail(f)
	}
	x.index.Failed += own.Failed - int64(len(own.Failures)) // those that are not listed
	for _, note := range own.Notes {
		x.note("%s", through+note)
	}
	for _, unknown := range own.Unknown {
		x.unknown("%s", through+unknown)
	}
}

func (a *Asked) sum(b Asked) {
	a.Asked += b.Asked
	a.Failed += b.Failed
}
