package verify

import (
	"context"
	"encoding/binary"
	"hash/fnv"
	"io"
	"math/rand/v2"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"github.com/weaviate-drill/weaviate-drill/internal/weaviate"
)

// A probe reads a few neighbours in UUID order: for random UUIDs they are as independent as single draws, and one call brings them all.
const perProbe = 5

const sampleMethod = "from random points in UUID space the next 5 objects each, on the source, and for one point in ten on the restored side; tenants in proportion to their objects. " +
	"Between neighbours both sides were compared in full, so objects that only the restored side has are seen too. Uniform only where ids are random (UUID version 4)"

// compareSample judges a random subset of each collection. The same seed and the same data give the same subset.
func (c *comparison) compareSample(ctx context.Context, parts []*part) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(c.Concurrency)
	var total int64
	for name, entry := range c.byName {
		var mine []*part
		for _, p := range parts {
			if p.collection == name && p.onSource && p.onRestored && !p.incomplete {
				mine = append(mine, p)
			}
		}
		total += min(entry.SourceCount, int64(c.Sample))
		if len(mine) > 0 {
			group.Go(func() error { return c.sampleCollection(ctx, mine) })
		}
	}
	c.mu.Lock()
	c.total = total
	c.mu.Unlock()
	err := group.Wait()
	s := &Sampling{Requested: c.Sample, Seed: c.Seed, Method: sampleMethod}
	for _, p := range parts {
		s.Drawn += p.verdicts.Total()
	}
	c.result.Sampling = s
	return err
}

// sampleCollection compares parts, of one collection, in turn.
func (c *comparison) sampleCollection(ctx context.Context, parts []*part) error {
	h := fnv.New64a()
	_, _ = h.Write([]byte(parts[0].collection))
	random := rand.New(rand.NewPCG(c.Seed, h.Sum64()))
	var objects int64
	for _, p := range parts {
		objects += p.sourceCount
	}
	share := make([]int64, len(parts))
	if objects > 0 {
		for range c.Sample {
			at := random.Int64N(objects)
			for i, p := range parts {
				if at -= p.sourceCount; at < 0 {
					share[i]++
					break
				}
			}
		}
	}
	for i, p := range parts {
		if share[i] == 0 && p.restoredCount == 0 {
			continue
		}
		if share[i] >= p.sourceCount {
			ranges := Ranges(max(p.sourceCount, p.restoredCount))
			for _, r := range ranges {
				if err := c.compareRange(ctx, p, r[0], r[1], int64(len(ranges)), nil); err != nil {
					return err
				}
			}
			continue
		}
		if err := c.samplePart(ctx, p, share[i], random); err != nil {
			return err
		}
	}
	return nil
}

func (c *comparison) samplePart(ctx context.Context, p *part, n int64, random *rand.Rand) error {
	judged := make(map[uuid.UUID]bool, n)
	// Draws that meet what was drawn before bring nothing new; when most do, enough is enough.
	for draw := int64(0); int64(len(judged)) < n && draw < n+10; draw++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		var from uuid.UUID
		binary.BigEndian.PutUint64(from[:8], random.Uint64())
		binary.BigEndian.PutUint64(from[8:], random.Uint64())
		conn, side, size := c.source, "source", p.sourceSize
		if draw%10 == 9 {
			conn, side, size = c.restored, "restored", p.restoredSize
		}
		to, err := c.probeEnd(ctx, conn, p, from, int(min(perProbe, n-int64(len(judged)))), size)
		if err != nil {
			if fatal(err) {
				return &sideError{side, err}
			}
			c.unreadable(p, &sideError{side, err})
			return nil
		}
		if to == from {
			continue // nothing above this point
		}
		if err := c.compareRange(ctx, p, from, to, max(1, max(p.sourceCount, p.restoredCount)/perProbe), judged); err != nil {
			return err
		}
	}
	if int64(len(judged)) < (n+1)/2 {
		c.unknown("%s: only %d of the %d objects of the sample could be drawn, because the ids are not spread over UUID space: compare at level full", p.where(), len(judged), n)
	}
	return nil
}

// probeEnd is the point right above the k-th object at or after from, or from itself when there is none.
func (c *comparison) probeEnd(ctx context.Context, conn *weaviate.Conn, p *part, from uuid.UUID, k int, size *weaviate.Size) (uuid.UUID, error) {
	scan := conn.Scan(weaviate.Range{Collection: p.collection, Tenant: p.tenant, From: from, REST: p.rest, Size: size, Most: k})
	if conn == c.source {
		scan.Wait = c.throttle
	}
	page, err := scan.Next(ctx)
	if err == io.EOF { //nolint:errorlint // as in merge: a broken connection wraps io.EOF
		return from, nil
	}
	if err != nil {
		return from, err
	}
	return weaviate.Next(page[min(k, len(page))-1].ID), nil
}

// firstPages ends a scan after so many pages.
type firstPages struct {
	pages
	left int
}

func (f *firstPages) Next(ctx context.Context) ([]weaviate.Object, error) {
	if f.left == 0 {
		return nil, io.EOF
	}
	f.left--
	return f.pages.Next(ctx)
}
