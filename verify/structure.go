package verify

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/weaviate-drill/weaviate-drill/internal/weaviate"
)

// part is a collection, or one tenant of it: what a scan reads.
type part struct {
	collection, tenant     string
	rest                   bool
	onSource, onRestored   bool
	sourceCount            int64 // before the scan
	restoredCount          int64
	estimated              bool // both counts are those of the list of shards
	sourceSize             *weaviate.Size
	restoredSize           *weaviate.Size
	sourceSeen, resSeen    int64 // objects that the enumeration gave; under comparison.mu, as the next three
	sourceRead, resRead    int64 // of them, those that were judged
	verdicts               Verdicts
	incomplete             bool      // a range could not be read
	uneven                 bool      // its copies differ, which is said of them: what a server counts is then that of one, and what it lists of another
	damaged                int       // ranges that are listed as such
	past                   *pastPart // what fingerprints of the source hold of it; nil: nothing
	missing                string    // rule for a whole part that was not restored, when it is lost
	missingKind            string    // collection or tenant
	verdictWhenNothingSeen Verdict
}

func (p *part) where() string {
	if p.tenant == "" {
		return p.collection
	}
	return p.collection + "/" + p.tenant
}

// structure compares everything but the objects, and returns the parts whose objects can be read.
func (c *comparison) structure(ctx context.Context) ([]*part, error) {
	source, err := c.source.Collections(ctx)
	if err != nil {
		return nil, &sideError{"source", err}
	}
	restored, err := c.restored.Collections(ctx)
	if err != nil {
		return nil, &sideError{"restored", err}
	}
	for i, side := range []*weaviate.Conn{c.source, c.restored} {
		meta, err := side.Meta(ctx)
		if err != nil {
			return nil, &sideError{[]string{"source", "restored"}[i], err}
		}
		c.versions[i] = meta.Version
	}
	left, right := byName(source), byName(restored)
	if err := c.aliases(ctx, right); err != nil {
		return nil, err
	}
	if err := c.access(ctx); err != nil {
		return nil, err
	}
	names := map[string]bool{}
	for _, list := range [][]string{slices.Collect(maps.Keys(left)), slices.Collect(maps.Keys(right)), c.Included} {
		for _, name := range list {
			names[name] = true
		}
	}
	own := tracers(left, right)
	var parts []*part
	for _, name := range slices.Sorted(maps.Keys(names)) {
		a, onSource := left[name]
		b, onRestored := right[name]
		expected := slices.Contains(c.Included, name)
		switch excluded := slices.Contains(c.Excluded, name); {
		case own(name):
			c.note("collection %s holds tracer objects of a drill and is not compared", name)
			continue
		case excluded && onRestored:
			c.differ("collection", name, "(not looked at)", "present", Unexpected, "on the restored side, though it was left out on purpose")
			continue
		case excluded:
			c.note("collection %s was left out on purpose and is not compared", name)
			continue
		case onSource && onRestored && c.Included != nil && !expected:
			c.differ("collection", name, "present", "present", Unexpected, "on the restored side, and not in the backup")
			continue
		case onSource && onRestored:
			c.compareSchema(a, b)
		case onSource:
			// Its objects are still judged: when every one was written after the capture point, the collection itself is drift.
		case onRestored && expected:
			c.differ("collection", name, "(missing)", "present", Unverifiable,
				"in the backup and restored, and not seen on the source: deleted there after the capture point, or the credentials may not see it")
			continue
		case onRestored && c.Included == nil:
			c.differ("collection", name, "(missing)", "present", Unverifiable, "restored, and not seen on the source; the backup's catalogue was not given, so nothing tells why")
			continue
		case onRestored:
			c.differ("collection", name, "(missing)", "present", Unexpected, "on the restored side, and neither on the source nor in the backup")
			continue
		default:
			c.differ("collection", name, "(missing)", "(missing)", Lost, "in the backup, and on neither side")
			continue
		}
		c.byName[name] = &Collection{Name: name}
		more, err := c.partsOf(ctx, a, b, onRestored, expected)
		if err != nil {
			return nil, err
		}
		parts = append(parts, more...)
	}
	parts, err = c.remember(ctx, parts)
	if err != nil || !c.Level.AtLeast(LevelCounts) {
		return parts, err
	}
	return parts, c.counts(ctx, parts)
}

func byName(list []weaviate.Collection) map[string]weaviate.Collection {
	out := make(map[string]weaviate.Collection, len(list))
	for _, c := range list {
		out[c.Name] = c
	}
	return out
}

// partsOf lists what can be scanned of a collection that is on the source.
func (c *comparison) partsOf(ctx context.Context, a, b weaviate.Collection, onRestored, expected bool) ([]*part, error) {
	template := part{
		collection: a.Name, rest: a.NeedsREST() || b.NeedsREST(), onSource: true, onRestored: onRestored,
		sourceSize: new(weaviate.Size), restoredSize: new(weaviate.Size),
	}
	if !onRestored {
		template.missingKind, template.verdictWhenNothingSeen, template.missing = "collection", Lost, "on the source, and not restored"
		if expected {
			template.missing = "in the backup, and not restored"
		} else if c.Included != nil {
			template.missing = "on the source, and not in the backup"
		}
		absent := template
		c.absent[a.Name] = &absent
	}
	if !a.MultiTenant || onRestored && !b.MultiTenant {
		if a.MultiTenant {
			return nil, nil // the schema's difference says it: without tenants there is nothing to hold against those of the source
		}
		return []*part{&template}, nil
	}
	source, err := c.source.Tenants(ctx, a.Name)
	if err != nil {
		return nil, &sideError{"source", err}
	}
	restored := map[string]weaviate.Tenant{}
	if onRestored {
		list, err := c.restored.Tenants(ctx, a.Name)
		if err != nil {
			return nil, &sideError{"restored", err}
		}
		for _, t := range list {
			restored[t.Name] = t
		}
	}
	c.byName[a.Name].Tenants = len(source)
	var parts []*part
	var cold, offloaded, activate []string
	for _, t := range source {
		r, there := restored[t.Name]
		delete(restored, t.Name)
		p := template
		p.tenant, p.onRestored = t.Name, there
		if there && state(t) != state(r) {
			verdict, rule := c.judgeActivity(a.Name, r)
			c.differ("tenant", p.where(), state(t), state(r), verdict, rule)
		}
		switch state(t) {
		case "HOT":
		case "COLD":
			if onRestored && !there {
				c.differ("tenant", p.where(), "COLD", "(missing)", Lost, "on the source, inactive, and not restored")
			}
			p.onSource = false
			if p.past = c.past.of(&p); !there || p.past == nil || !c.Level.AtLeast(LevelCounts) {
				cold = append(cold, t.Name)
				continue
			}
			// It is held against the fingerprints.
		default:
			offloaded = append(offloaded, t.Name)
			continue
		}
		if there && !r.Active() {
			activate = append(activate, t.Name)
		}
		if onRestored && !there {
			p.missingKind, p.missing, p.verdictWhenNothingSeen = "tenant", "on the source, and not restored", Unverifiable
			if _, inBackup, _ := c.captured(a.Name, t.Name); inBackup {
				p.missing, p.verdictWhenNothingSeen = "in the backup, and not restored", Lost
			}
		}
		parts = append(parts, &p)
	}
	if onRestored {
		for _, name := range slices.Sorted(maps.Keys(restored)) {
			verdict, rule := c.judgeStranger(a.Name, name)
			c.differ("tenant", a.Name+"/"+name, "(missing)", state(restored[name]), verdict, rule)
		}
	}
	if len(cold) > 0 && c.Level.AtLeast(LevelCounts) {
		c.unknown("%s: %s inactive (COLD) on the source, where the tool activates nothing: their objects were not compared", a.Name, some(cold))
	}
	if len(offloaded) > 0 {
		c.note("%s: %s offloaded or frozen on the source: their objects are not in a backup", a.Name, some(offloaded))
	}
	if len(activate) > 0 && c.Level.AtLeast(LevelCounts) {
		if err := c.restored.ActivateTenants(ctx, a.Name, activate); err != nil {
			return nil, &sideError{"restored", err}
		}
	}
	return parts, nil
}

// some names a few of many tenants.
func some(names []string) string {
	const most = 5
	if len(names) == 1 {
		return "tenant " + names[0] + " is"
	}
	if len(names) <= most {
		return fmt.Sprintf("tenants %s are", strings.Join(names, ", "))
	}
	return fmt.Sprintf("%d tenants (%s, ...) are", len(names), strings.Join(names[:most], ", "))
}

// state is a tenant's activity by its older name; newer servers use ACTIVE, INACTIVE and OFFLOADED for the same.
func state(t weaviate.Tenant) string {
	switch t.Activity {
	case "", "ACTIVE":
		return "HOT"
	case "INACTIVE":
		return "COLD"
	case "OFFLOADED":
		return "FROZEN"
	}
	return t.Activity
}

// aliases compares them. What became of an alias whose collection was not restored is said with the collection.
func (c *comparison) aliases(ctx context.Context, collections map[string]weaviate.Collection) error {
	source, err := c.source.Aliases(ctx)
	if errors.Is(err, weaviate.ErrNotFound) {
		return nil // a server from before aliases (1.32)
	}
	if errors.Is(err, weaviate.ErrForbidden) {
		c.unknown("aliases were not compared: %v", err)
		return nil
	}
	if err != nil {
		return &sideError{"source", err}
	}
	restored, err := c.restored.Aliases(ctx)
	if err != nil {
		return &sideError{"restored", err}
	}
	for _, alias := range slices.Sorted(maps.Keys(source)) {
		to, there := restored[alias]
		_, possible := collections[source[alias]]
		switch {
		case !there && !possible:
		case !there:
			c.differ("alias", alias, source[alias], "(missing)", Lost, "on the source, and not restored; an alias carries no time, so one made after the capture point looks the same")
		case to != source[alias]:
			c.differ("alias", alias, source[alias], to, Corrupt, "points to another collection than on the source; an alias carries no time, so one moved after the capture point looks the same")
		}
	}
	for _, alias := range slices.Sorted(maps.Keys(restored)) {
		if _, there := source[alias]; !there {
			c.differ("alias", alias, "(missing)", restored[alias], Unexpected, "restored, and not on the source; an alias carries no time, so one removed after the capture point looks the same")
		}
	}
	return nil
}

// shards compares where the data lies: each shard that a source node holds must be on the restored node too, loaded, and not empty while another replica of it is not. It is asked after the objects
// were read, when every shard that can load has. The counts of /v1/nodes are not held against each other: they see flushed segments only and lag by about 70 s on a source that is written to, and a shard
// without a loaded index says 0. After a restore everything is in segments, so on that side 0 means empty. That one replica is empty is not seen by any reading at consistency ONE that another
// replica answers, hence this look. When all replicas of a shard are empty, the counts and the objects have said so.
func (c *comparison) shards(ctx context.Context) error {
	source, err := c.source.Nodes(ctx)
	if errors.Is(err, weaviate.ErrForbidden) {
		c.unknown("shards were not compared: %v", err)
		return nil
	}
	if err != nil {
		return &sideError{"source", err}
	}
	restored, err := c.restored.Nodes(ctx)
	if err == nil {
		if err = openTenants(ctx, c.restored, restored); err == nil {
			restored, err = c.restored.Nodes(ctx)
		}
	}
	if err != nil {
		return &sideError{"restored", err}
	}
	type place struct{ node, collection, shard string }
	there := map[place]weaviate.Shard{}
	fullest := map[[2]string]int64{} // objects of a shard's fullest replica; no entry: on no node
	nodes := map[string]bool{}
	for _, n := range restored {
		nodes[n.Name] = true
		for _, s := range n.Shards {
			there[place{n.Name, s.Collection, s.Name}] = s
			key := [2]string{s.Collection, s.Name}
			fullest[key] = max(fullest[key], s.ObjectCount)
		}
	}
	seen := map[string]bool{}
	for _, n := range source {
		name := cmp.Or(c.NodeMapping[n.Name], n.Name)
		if !nodes[name] && len(source) == 1 && len(restored) == 1 {
			name = restored[0].Name
		}
		if !nodes[name] {
			c.unknown("node %s of the source has no counterpart on the restored side, so its shards were not compared", n.Name)
			continue
		}
		for _, s := range n.Shards {
			seen[s.Collection] = true
			entry := c.byName[s.Collection]
			if entry == nil || entry.RestoredCount == 0 && entry.RestoredRead == 0 {
				continue // not restored at all, or empty: said elsewhere
			}
			where := name + "/" + s.Collection + "/" + s.Name
			r, ok := there[place{name, s.Collection, s.Name}]
			_, anywhere := fullest[[2]string{s.Collection, s.Name}]
			switch {
			case !ok && entry.Tenants > 0 && !anywhere:
				// A tenant is one shard, and that the whole tenant is missing has been said.
			case !ok:
				c.differ("shard", where, "present", "(missing)", Lost, "the node holds this shard on the source")
			case !r.Loaded && s.Loaded:
				c.differ("shard", where, "loaded", "not loaded", Unverifiable, "what lies in a shard that is not loaded cannot be read; wait until every shard is")
			case r.ObjectCount == 0 && fullest[[2]string{s.Collection, s.Name}] > 0:
				c.differ("shard", where, fmt.Sprint(s.ObjectCount, " objects"), "empty", Lost, "another replica of this shard is not empty")
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.byName)) {
		if c.byName[name].SourceCount > 0 && !seen[name] {
			c.unknown("%s: the source lists no shard of it, so its shards were not compared: the credentials may lack read_nodes (verbose)", name)
		}
	}
	return nil
}
