package verify

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/weaviate-drill/weaviate-drill/internal/weaviate"
)

const (
	ruleAloneMissing = "the fingerprint has it, and it was not restored"
	ruleAloneExtra   = "restored, and not in the fingerprint"
	ruleAloneOther   = "restored otherwise than the fingerprint has it"
	ruleAloneBetween = "made or removed while the backup was made, between the fingerprints"
	onlyOne          = "there is only one fingerprint, of %s: what came back as it says is as it was then; what was written between it and the capture point is not proved to have come back, and what differs from it may have been written then"
)

// CompareFingerprint holds a restored Weaviate against fingerprints of its source, of Options.Before and Options.After at least one, when the source itself is gone. What only a source can tell is not in the result: which
// of its shards lie where. At level sample and full every object is read, and at level index the restored indexes are asked too, also what the source answered when its fingerprints were taken. Errors are as those of Compare.
func CompareFingerprint(ctx context.Context, restored *weaviate.Conn, o Options) (*Result, error) {
	if o.Before == nil && o.After == nil {
		return nil, errors.New("verify: there is no fingerprint to compare with")
	}
	if o.Level == LevelSample {
		o.Level = LevelFull // there is no second side that reading less would spare
	}
	o.Index.Neighbours = askedOfSource.Neighbours
	began := time.Now()
	c, err := newComparison(nil, restored, o, 1)
	if err != nil {
		return nil, err
	}
	c.result.Ranges = c.past.counts(c.Options)
	parts, err := c.structureAlone(ctx)
	if err == nil && c.Level.AtLeast(LevelCounts) {
		err = c.counts(ctx, parts)
	}
	if err == nil && c.Level.AtLeast(LevelSample) {
		err = c.compareAll(ctx, parts)
	}
	if err == nil {
		err = c.conclude(ctx, parts)
	}
	if err == nil && c.Level.AtLeast(LevelIndex) {
		err = c.lookAtIndexes(ctx, parts)
	}
	if err != nil {
		return nil, err
	}
	c.note("there is no source: shards and replicas were not compared")
	if c.past.single {
		c.note(onlyOne, c.past.after.Began.Format(time.RFC3339))
	}
	return c.arrange(began), nil
}

// structureAlone compares everything but the objects with the fingerprints, and returns the parts whose objects these know.
func (c *comparison) structureAlone(ctx context.Context) ([]*part, error) {
	meta, err := c.restored.Meta(ctx)
	if err != nil {
		return nil, &sideError{"restored", err}
	}
	c.versions = [2]string{c.past.after.ServerVersion, meta.Version}
	list, err := c.restored.Collections(ctx)
	if err != nil {
		return nil, &sideError{"restored", err}
	}
	restored := byName(list)
	if err := c.aliasesAlone(ctx, restored); err != nil {
		return nil, err
	}
	if err := c.accessAlone(ctx); err != nil {
		return nil, err
	}
	names := map[string]bool{}
	for name := range restored {
		names[name] = true
	}
	for _, f := range []*Fingerprint{c.past.before, c.past.after} {
		for _, known := range f.Collections {
			names[known.Name] = true
		}
	}
	own := tracers(restored)
	var parts []*part
	for _, name := range slices.Sorted(maps.Keys(names)) {
		before, after := c.past.collections(name)
		r, there := restored[name]
		switch {
		case own(name):
			c.note("collection %s holds tracer objects of a drill and is not compared", name)
			continue
		case slices.Contains(c.Excluded, name) && !there:
			c.note("collection %s was left out of the backup on purpose and is not compared", name)
			continue
		}
		c.presence("collection", name, before != nil, after != nil, there, slices.Contains(c.Included, name))
		if before == nil || after == nil {
			if there {
				c.unknown("%s: not in every fingerprint: its objects were not compared", name)
			}
			continue
		}
		c.byName[name] = &Collection{Name: name}
		if there {
			c.schemaAlone(before, after, r)
		}
		more, err := c.partsAlone(ctx, before, after, r, there)
		if err != nil {
			return nil, err
		}
		parts = append(parts, more...)
	}
	return parts, nil
}

// presence judges that a collection or a tenant is there or not. What the backup's catalogue names must be there, whatever the fingerprints say.
func (c *comparison) presence(kind, where string, before, after, restored, expected bool) {
	is := map[bool]string{true: "present", false: "(missing)"}
	r := ruling{Match, ""}
	switch {
	case before && after && !restored:
		r = c.past.unlessSingle(ruling{Lost, ruleAloneMissing})
	case !before && !after && restored && expected:
		r = ruling{Unverifiable, ruleAloneExtra + ", though it is in the backup"}
	case !before && !after && restored:
		r = c.past.unlessSingle(ruling{Unexpected, ruleAloneExtra})
	case before != after && !restored && expected:
		r = ruling{Lost, "in the backup, and not restored"}
	case before != after:
		r = ruling{Drift, ruleAloneBetween}
	}
	if r.verdict != Match {
		c.differ(kind, where, is[before || after], is[restored], r.verdict, r.rule)
	}
}

// schemaAlone accepts a schema that is as one of the fingerprints has it.
func (c *comparison) schemaAlone(before, after *FingerprintCollection, restored weaviate.Collection) {
	var wrong []StructureDifference
	for _, f := range []*FingerprintCollection{before, after} {
		var err error
		if wrong, err = c.againstDefinition(f.Definition, c.past.after.ServerVersion, restored); err != nil {
			c.unknown("%v", err)
			return
		}
		if len(wrong) == 0 {
			return
		}
	}
	for _, w := range wrong {
		r := c.past.unlessSingle(ruling{w.Verdict, ruleAloneOther})
		c.differ("schema", w.Where, w.Source, w.Restored, r.verdict, r.rule)
	}
}

// partsAlone lists the parts of a collection that both fingerprints have.
func (c *comparison) partsAlone(ctx context.Context, before, after *FingerprintCollection, r weaviate.Collection, there bool) ([]*part, error) {
	tenants := map[string]string{}
	if there && r.MultiTenant {
		list, err := c.restored.Tenants(ctx, r.Name)
		if err != nil {
			return nil, &sideError{"restored", err}
		}
		for _, t := range list {
			tenants[t.Name] = state(t)
		}
	}
	names := maps.Clone(tenants)
	for _, p := range slices.Concat(before.Parts, after.Parts) {
		names[p.Tenant] = ""
	}
	entry := c.byName[after.Name]
	sizes := [2]*weaviate.Size{new(weaviate.Size), new(weaviate.Size)}
	var parts []*part
	for _, name := range slices.Sorted(maps.Keys(names)) {
		was, is := before.part(name), after.part(name)
		activity, onRestored := tenants[name]
		p := &part{collection: after.Name, tenant: name, rest: after.REST, onRestored: onRestored || name == "" && there, sourceSize: sizes[0], restoredSize: sizes[1]}
		if there {
			p.rest = r.NeedsREST()
		}
		if name != "" {
			entry.Tenants++
			if there {
				c.presence("tenant", p.where(), was != nil, is != nil, onRestored, false)
			}
		}
		if was == nil || is == nil {
			continue
		}
		entry.SourceCount += is.Count
		if onRestored && activity != was.Activity && activity != is.Activity {
			c.differ("tenant", p.where(), is.Activity, activity, Unverifiable, ruleAloneOther+"; looking into a tenant that was inactive activates it")
		}
		if p.past = c.past.of(p); p.past == nil {
			if is.Activity == "FROZEN" {
				c.note("%s: offloaded or frozen on the source: its objects are not in a backup", p.where())
			} else {
				c.unknown("%s: the fingerprints do not know its objects (%s): they were not compared", p.where(), cmp.Or(is.Unread, was.Unread, "they read it another way than it has to be read here"))
			}
			continue
		}
		parts = append(parts, p)
	}
	if !c.Level.AtLeast(LevelCounts) {
		return parts, nil
	}
	var asleep []*part
	for _, p := range parts {
		if p.tenant != "" && p.onRestored {
			asleep = append(asleep, p)
		}
	}
	if err := c.wake(ctx, asleep); err != nil {
		return nil, &sideError{"restored", err}
	}
	return parts, nil
}

func (c *comparison) aliasesAlone(ctx context.Context, collections map[string]weaviate.Collection) error {
	before, after := c.past.before.Aliases, c.past.after.Aliases
	if before == nil || after == nil {
		c.unknown("aliases were not compared: the fingerprints do not know them")
		return nil
	}
	restored, err := c.restored.Aliases(ctx)
	if err != nil && !errors.Is(err, weaviate.ErrNotFound) {
		return &sideError{"restored", err}
	}
	names := maps.Clone(before)
	maps.Copy(names, after)
	maps.Copy(names, restored)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		is := restored[name]
		if _, possible := collections[after[name]]; is == before[name] || is == after[name] || is == "" && !possible {
			continue
		}
		r := ruling{Corrupt, ruleAloneOther}
		switch {
		case is == "":
			r = ruling{Lost, ruleAloneMissing}
		case before[name] == "" && after[name] == "":
			r = ruling{Unexpected, ruleAloneExtra}
		}
		r = c.past.unlessSingle(r)
		c.differ("alias", name, cmp.Or(after[name], before[name], "(missing)"), cmp.Or(is, "(missing)"), r.verdict, r.rule)
	}
	return nil
}
