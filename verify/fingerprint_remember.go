package verify

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/weaviate-drill/weaviate-drill/internal/weaviate"
)

const (
	rulePastStructure = "both fingerprints, from before and after the backup, have it as it was restored: changed on the source since"
	rulePastGone      = "both fingerprints, from before and after the backup, have it: removed from the source since"
	rulePastNever     = "on the restored side, and neither on the source nor in the fingerprints from before and after the backup"
	rulePastSchema    = "both fingerprints, from before and after the backup, have it otherwise than it was restored"
	rulePastCount     = "the count of both fingerprints, between which nothing was written: changed on the source since"
	rulePastMiscount  = "nothing was written between the fingerprints from before and after the backup, and they count %d"
)

// remember gives the parts what fingerprints hold of them. With both fingerprints it also judges what differs outside the objects, and adds the parts that were removed from the source since.
func (c *comparison) remember(ctx context.Context, parts []*part) ([]*part, error) {
	if c.past == nil {
		return parts, nil
	}
	c.result.Ranges = c.past.counts(c.Options)
	if c.past.single {
		return parts, nil
	}
	for _, p := range parts {
		p.past = c.past.of(p)
	}
	list, err := c.restored.Collections(ctx)
	if err != nil {
		return nil, &sideError{"restored", err}
	}
	restored := byName(list)
	c.rememberSchemas(list)
	var removed []*part
	for i := range c.result.Structure {
		d := &c.result.Structure[i]
		switch d.Kind {
		case "alias":
			if was, sure := c.past.alias(d.Where); sure && was == d.Restored {
				d.Verdict, d.Rule = Drift, rulePastStructure
			}
		case "tenant":
			removed = append(removed, c.rememberTenant(d, restored)...)
		case "collection":
			if before, after := c.past.collections(d.Where); d.Source == "(missing)" && d.Restored == "present" && before != nil && after != nil {
				d.Verdict, d.Rule = Drift, rulePastGone
				c.byName[d.Where] = &Collection{Name: d.Where}
				for _, p := range after.Parts {
					removed = append(removed, c.removed(restored[d.Where], p.Tenant)...)
				}
			}
		}
	}
	if !c.Level.AtLeast(LevelCounts) || len(removed) == 0 {
		return parts, nil
	}
	if err := c.wake(ctx, removed); err != nil {
		return nil, &sideError{"restored", err}
	}
	return append(parts, removed...), nil
}

// removed is a part that is on the restored side only.
func (c *comparison) removed(of weaviate.Collection, tenant string) []*part {
	p := &part{collection: of.Name, tenant: tenant, rest: of.NeedsREST(), onRestored: true, sourceSize: new(weaviate.Size), restoredSize: new(weaviate.Size)}
	if p.past = c.past.of(p); p.past == nil {
		c.unknown("%s: removed from the source since, and the fingerprints do not know its objects: they were not compared", p.where())
		return nil
	}
	return []*part{p}
}

// wake activates tenants of the restored side.
func (c *comparison) wake(ctx context.Context, parts []*part) error {
	for some := range batches(parts, len(parts)) {
		if some[0].tenant == "" {
			continue
		}
		list, err := c.restored.Tenants(ctx, some[0].collection)
		if err != nil {
			return err
		}
		var asleep []string
		for _, t := range list {
			if !t.Active() && slices.ContainsFunc(some, func(p *part) bool { return p.tenant == t.Name }) {
				asleep = append(asleep, t.Name)
			}
		}
		if err := c.restored.ActivateTenants(ctx, some[0].collection, asleep); err != nil {
			return err
		}
	}
	return nil
}

func (c *comparison) rememberTenant(d *StructureDifference, restored map[string]weaviate.Collection) []*part {
	name, tenant, _ := strings.Cut(d.Where, "/")
	left, right := c.past.collections(name)
	before, after := left.part(tenant), right.part(tenant)
	switch {
	case before == nil && after == nil:
		if d.Source == "(missing)" {
			d.Verdict, d.Rule = Unexpected, rulePastNever
		} else if d.Restored == "(missing)" {
			d.Verdict, d.Rule = Drift, rulePastStructure
		}
	case before == nil || after == nil:
	case d.Source == "(missing)":
		d.Verdict, d.Rule = Drift, rulePastGone
		return c.removed(restored[name], tenant)
	case before.Activity == d.Restored && after.Activity == d.Restored:
		d.Verdict, d.Rule = Drift, rulePastStructure
	}
	return nil
}

// rememberSchemas holds the restored schemas against those of the fingerprints, where these agree.
func (c *comparison) rememberSchemas(restored []weaviate.Collection) {
	for _, r := range restored {
		before, after := c.past.collections(r.Name)
		if before == nil || after == nil || !bytes.Equal(before.Definition, after.Definition) {
			continue
		}
		wrong, err := c.againstDefinition(after.Definition, c.past.after.ServerVersion, r)
		if err != nil {
			c.unknown("%v", err)
			continue
		}
		for i := range c.result.Structure {
			d := &c.result.Structure[i]
			if d.Kind != "schema" || !strings.HasPrefix(d.Where, r.Name+".") {
				continue
			}
			same := func(w StructureDifference) bool { return w.Where == d.Where }
			if !slices.ContainsFunc(wrong, same) {
				d.Verdict, d.Rule = Drift, rulePastStructure
			}
			wrong = slices.DeleteFunc(wrong, same)
		}
		for _, w := range wrong {
			w.Rule = rulePastSchema
			c.result.Structure = append(c.result.Structure, w)
		}
	}
}

// againstDefinition lists in what a restored schema differs from that of a fingerprint.
func (c *comparison) againstDefinition(definitionThen []byte, version string, restored weaviate.Collection) ([]StructureDifference, error) {
	now, err := definition(restored)
	if err != nil {
		return nil, err
	}
	apart := comparison{Options: c.Options, versions: [2]string{version, c.versions[1]}, result: &Result{}}
	apart.compareSchema(weaviate.Collection{Name: restored.Name, Schema: definitionThen}, weaviate.Collection{Name: restored.Name, Schema: now})
	return apart.result.Structure, nil
}

// alias is what an alias pointed to in both fingerprints, if that is sure.
func (p *past) alias(name string) (collection string, sure bool) {
	before := cmp.Or(p.before.Aliases[name], "(missing)")
	after := cmp.Or(p.after.Aliases[name], "(missing)")
	return after, p.before.Aliases != nil && p.after.Aliases != nil && before == after
}

// count judges the count of a part by itself: Unverifiable where something was written between the fingerprints, or there are not two.
func (p *pastPart) count(restored int64) ruling {
	if p == nil || p.single || !slices.Equal(p.totals[0], p.totals[1]) {
		return ruling{Unverifiable, ""}
	}
	was := p.both[1].Count
	switch {
	case restored == was:
		return ruling{Drift, rulePastCount}
	case restored < was:
		return ruling{Lost, fmt.Sprintf(rulePastMiscount, was)}
	}
	return ruling{Unexpected, fmt.Sprintf(rulePastMiscount, was)}
}

// prefix is how many leading bits of an id number the ranges in which a part is read: no more than those of the fingerprints, so that each range of theirs is within one.
func (p *part) prefix() int {
	n := rangeBits(max(p.sourceCount, p.restoredCount), perRange)
	if p.past != nil {
		n = min(n, p.past.prefix)
	}
	return n
}

// alone lists the parts that are held against fingerprints, and not against a source.
func alone(parts []*part) (list []*part) {
	for _, p := range parts {
		if !p.onSource && p.past != nil {
			list = append(list, p)
		}
	}
	return list
}

// judgeAlone gives the verdict on one object of such a part.
func (t *tally) judgeAlone(b *weaviate.Object) {
	t.RestoredRead++
	t.NewestRestored = max(t.NewestRestored, b.Updated)
	t.Vectors += int64(len(b.Vectors))
	t.watch.alone(b)
}

// concludeAlone holds what was read of such a part against the counts.
func (c *comparison) concludeAlone(p *part) {
	if p.past == nil || p.incomplete {
		return
	}
	was := fmt.Sprint(p.past.both[1].Count)
	if c.Level.AtLeast(LevelSample) {
		if p.resSeen != p.restoredCount {
			c.differ("count", p.where(), was, fmt.Sprintf("counted %d, read %d", p.restoredCount, p.resSeen), Corrupt, ruleMiscounted)
		}
		return
	}
	if p.past.both[1].Count == p.restoredCount {
		return
	}
	r := p.past.count(p.restoredCount)
	if r.verdict == Unverifiable {
		r.rule = "the counts differ; whether writes between the fingerprint and the capture point explain it can only be told from the objects: compare at level full"
	}
	c.differ("count", p.where(), was, fmt.Sprint(p.restoredCount), r.verdict, r.rule)
}

// remembered adds what an outcome says of ranges and rules to the whole. The lock is held.
func (c *comparison) remembered(p *part, o *outcome) {
	for rule, n := range o.Rules {
		if c.result.Rules == nil {
			c.result.Rules = map[string]int64{}
		}
		c.result.Rules[rule] += n
	}
	if c.result.Ranges == nil {
		return
	}
	c.result.Ranges.sum(o.Ranges)
	const most = 20 // ranges of a part that are listed
	o.Damage = o.Damage[:min(len(o.Damage), most-p.damaged)]
	p.damaged += len(o.Damage)
	c.result.Structure = append(c.result.Structure, o.Damage...)
}
