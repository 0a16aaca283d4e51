package verify

import (
	"context"
	"fmt"
	"io"

	"github.com/weaviate-drill/weaviate-drill/internal/weaviate"
)

const ruleMiscounted = "the restored side counts other objects than it can enumerate, though nothing writes to it: its storage is damaged"

// conclude sums up the parts and holds what was read against the exact counts.
func (c *comparison) conclude(ctx context.Context, parts []*part) error {
	if err := c.settle(ctx, parts); err != nil {
		return err
	}
	for _, p := range parts {
		entry := c.byName[p.collection]
		entry.SourceRead += p.sourceRead
		entry.RestoredRead += p.resRead
		entry.Verdicts.sum(p.verdicts)
	}
	for _, p := range parts {
		if !p.onSource {
			c.concludeAlone(p)
			continue
		}
		if absent := c.absent[p.collection]; absent != nil {
			if !c.Level.AtLeast(LevelFull) && absent.verdicts.Lost == 0 {
				probed, err := c.probe(ctx, p)
				if err != nil {
					return err
				}
				p.verdicts = probed
			}
			absent.verdicts.sum(p.verdicts)
			continue
		}
		if err := c.concludePart(ctx, p); err != nil {
			return err
		}
	}
	for name, absent := range c.absent {
		c.missingAsWhole(absent, name, c.byName[name].SourceCount)
	}
	return nil
}

// missingAsWhole says what became of a collection or tenant that was not restored. One whose every object was written after the capture point came into being after it.
func (c *comparison) missingAsWhole(p *part, where string, count int64) {
	source := fmt.Sprint(count, " objects")
	if !c.Level.AtLeast(LevelCounts) {
		source = "present"
	}
	switch {
	case p.verdicts.Lost > 0:
		c.differ(p.missingKind, where, source, "(missing)", Lost, p.missing)
	case p.verdicts.Drift > 0:
		c.differ(p.missingKind, where, source, "(missing)", Drift, p.missing+"; every object of it was written after the capture point")
	default:
		c.differ(p.missingKind, where, source, "(missing)", p.verdictWhenNothingSeen, p.missing+"; no object of it tells when it was made")
	}
}

func (c *comparison) concludePart(ctx context.Context, p *part) error {
	where := p.where()
	if p.missing != "" { // a tenant
		if !c.Level.AtLeast(LevelFull) {
			probed, err := c.probe(ctx, p)
			if err != nil {
				return err
			}
			p.verdicts = probed
		}
		c.missingAsWhole(p, where, p.sourceCount)
		return nil
	}
	if p.incomplete || p.uneven || !p.onRestored {
		return nil
	}
	switch {
	case !c.Level.AtLeast(LevelCounts):
		return nil
	case !c.Level.AtLeast(LevelSample):
		return c.concludeCounts(ctx, p)
	}
	if p.resSeen != p.restoredCount {
		c.differ("count", where, fmt.Sprint(p.sourceCount), fmt.Sprintf("counted %d, read %d", p.restoredCount, p.resSeen), Corrupt,
			ruleMiscounted)
	}
	if p.sourceSeen == p.sourceCount || p.verdicts.Drift+p.verdicts.Unverifiable > 0 {
		return nil
	}
	after, err := c.source.Count(ctx, p.collection, p.tenant)
	if err != nil {
		if fatal(err) {
			return &sideError{"source", err}
		}
		c.unknown("%s: the source's objects cannot be counted again: %v", where, err)
		return nil
	}
	if after == p.sourceCount {
		c.differ("count", where, fmt.Sprintf("counted %d, read %d", p.sourceCount, p.sourceSeen), fmt.Sprint(p.restoredCount), Unverifiable,
			"the source counts other objects than it can enumerate, and no write was seen that explains it: the source itself may be damaged")
	}
	return nil
}

// concludeCounts judges two counts when no objects were read. Counts carry no time, so a difference is only certain when the oldest of a few source objects is older than the
// capture point while nothing at all came back.
func (c *comparison) concludeCounts(ctx context.Context, p *part) error {
	if r := p.past.count(p.restoredCount); r.verdict != Unverifiable {
		if p.sourceCount != p.restoredCount || r.verdict != Drift {
			c.differ("count", p.where(), fmt.Sprint(p.sourceCount), fmt.Sprint(p.restoredCount), r.verdict, r.rule)
		}
		return nil
	}
	if p.sourceCount == p.restoredCount {
		return nil
	}
	source, restored := fmt.Sprint(p.sourceCount), fmt.Sprint(p.restoredCount)
	if c.rules.capture == 0 {
		verdict := Lost
		if p.restoredCount > p.sourceCount {
			verdict = Unexpected
		}
		c.differ("count", p.where(), source, restored, verdict, "the counts differ, and without a capture point no later write can explain it")
		return nil
	}
	if p.restoredCount == 0 {
		probed, err := c.probe(ctx, p)
		if err != nil {
			return err
		}
		if probed.Lost > 0 {
			c.differ("count", p.where(), source, restored, Lost, "nothing was restored, and the source holds objects that are older than the capture point")
			return nil
		}
	}
	c.differ("count", p.where(), source, restored, Unverifiable,
		"the counts differ; whether writes after the capture point explain it can only be told from the objects: compare at level full")
	return nil
}

// probe judges the first objects of a part of which nothing was restored.
func (c *comparison) probe(ctx context.Context, p *part) (Verdicts, error) {
	var v Verdicts
	scan := c.source.Scan(weaviate.Range{Collection: p.collection, Tenant: p.tenant, REST: p.rest, Size: p.sourceSize})
	scan.Wait = c.throttle
	err := merge(ctx, &firstPages{scan, 4}, none{}, func(a, b *weaviate.Object) {
		verdict, _ := c.rules.judge(a, b, false)
		v.add(verdict)
	})
	if err != nil && !fatal(err) {
		c.unknown("%s: the source's objects could not be read: %v", p.where(), err)
		return v, nil
	}
	return v, err
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
