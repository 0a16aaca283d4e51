package verify

import (
	"bytes"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/weaviate-drill/weaviate-drill/internal/weaviate"
)

// watch holds what comes back of an item's ranges against the fingerprints. Objects come in the order of their ids.
type watch struct {
	*pastPart
	tally      *tally
	open, last int // ranges; those below open are settled
	digester   digester

	// Of the open range:
	restored totals
	members  []uint32         // of what came back, where the fingerprints list theirs
	held     map[ruling]int64 // verdicts that wait for the end of the range
	list     []Difference     // with their objects, as far as they may be listed
	between  totals           // of what came back: what was written after the first fingerprint was begun, and is in none because it was overwritten or deleted before the second
	replaced int64            // objects of both fingerprints that are known not to have come back, by the name of an object
}

// ruling is a verdict with its reason.
type ruling struct {
	verdict Verdict
	rule    string
}

// over begins to watch the ranges from an id on, up to another one; nil when the fingerprints know nothing of the part.
func (p *pastPart) over(t *tally, from, to uuid.UUID) *watch {
	if p == nil {
		return nil
	}
	return &watch{pastPart: p, tally: t, open: rangeOf(from, p.prefix), last: rangeOf(weaviate.Before(to), p.prefix), held: map[ruling]int64{}} // Before gives the last id when there is no upper end
}

// reach settles all ranges below that of an object.
func (w *watch) reach(id uuid.UUID) {
	for i := rangeOf(id, w.prefix); w.open < i; {
		w.settle()
	}
}

// end settles what is left when everything was read. When not, the open range keeps the verdicts of its objects.
func (w *watch) end(read bool) {
	switch {
	case w == nil:
	case read:
		for w.open <= w.last {
			w.settle()
		}
	default:
		w.book(func(r ruling) ruling { return r })
	}
}

// came takes in an object that came back, and says which fingerprints have it as it is, if that is known: where they do not list all objects, they sample some.
func (w *watch) came(o *weaviate.Object) (before, after, known bool) {
	d := w.digester.digest(o)
	w.restored.add(d)
	if w.listed {
		w.members = append(w.members, member(d))
		before, after, known = w.both[0].has(o.ID, d), w.both[1].has(o.ID, d), true
	} else {
		i, sampled := slices.BinarySearchFunc(w.samples, o.ID, func(s FingerprintSample, id uuid.UUID) int { return bytes.Compare(s.ID[:], id[:]) })
		before, known = sampled && w.samples[i].Digest == d, sampled
		after = before
	}
	if !before && !after && o.Updated >= w.written && !w.late(o) {
		w.between.add(d)
	}
	return before, after, known
}

// late says whether an object was written after the capture point, so that it cannot come from the backup.
func (w *watch) late(o *weaviate.Object) bool {
	r := w.tally.rules
	return r.capture > 0 && o.Updated > r.latest()
}

// see takes in an object of a part that is on the source too, with what the time rules say of it, and reports whether its verdict waits for the end of its range.
func (w *watch) see(a, b *weaviate.Object, r ruling) (waits bool) {
	before, after, known := false, false, w.listed
	if b != nil {
		w.reach(b.ID)
		before, after, known = w.came(b)
	} else {
		w.reach(a.ID)
	}
	if r.verdict == Match {
		return false
	}
	if known {
		r = w.reconsider(a, b, before, after, r)
	}
	w.hold(a, b, r)
	return true
}

// reconsider gives the verdict that the fingerprints know better than the time rules.
func (w *watch) reconsider(a, b *weaviate.Object, before, after bool, r ruling) ruling {
	if a != nil && (b == nil || !before && !after) {
		if d := w.digester.digest(a); w.both[0].has(a.ID, d) && w.both[1].has(a.ID, d) {
			w.replaced++
			if b == nil {
				return ruling{Lost, rulePastLost}
			}
			return ruling{Corrupt, rulePastNeither}
		}
	}
	switch {
	case b == nil:
		return r
	case after:
		return ruling{Drift, rulePastAfter}
	case before && a == nil:
		return ruling{Drift, rulePastBefore}
	case before:
		return r
	case b.Updated < w.written:
		if a == nil {
			return ruling{Unexpected, rulePastNeither}
		}
		return ruling{Corrupt, rulePastNeither}
	case r.verdict == Unverifiable:
		return ruling{Drift, rulePastWritten}
	}
	return r
}

// alone takes in an object of a part that is read on the restored side only, because the source is gone, or cannot be read there.
func (w *watch) alone(b *weaviate.Object) {
	w.reach(b.ID)
	before, after, known := w.came(b)
	r := ruling{Unverifiable, ruleAloneUnclear}
	switch {
	case after:
		r = ruling{Match, ruleAloneListed}
	case before:
		r = ruling{Drift, ruleAloneBefore}
	case w.late(b):
		r = ruling{Unexpected, ruleAloneLater}
	case b.Updated >= w.written:
		r = w.unlessSingle(ruling{Drift, ruleAloneWritten})
	case known:
		r = w.unlessSingle(ruling{Corrupt, ruleAloneNeither})
		w.replaced++
	}
	w.hold(nil, b, r)
}

// unlessSingle takes the certainty from what only one fingerprint says.
func (p *past) unlessSingle(r ruling) ruling {
	if p.single {
		return ruling{Unverifiable, r.rule + ruleAloneOnly}
	}
	return r
}

func (w *watch) hold(a, b *weaviate.Object, r ruling) {
	w.held[r]++
	if r.verdict != Match && len(w.list) < w.tally.MaxDifferences {
		w.list = append(w.list, describe(w.tally.part, a, b, r.verdict, r.rule))
	}
}

// settle gives the verdicts of the open range, and opens the next.
func (w *watch) settle() {
	before, after := w.totals[0][w.open], w.totals[1][w.open]
	if before.Count+after.Count+w.restored.Count > 0 {
		w.judge(before == after, after)
	}
	w.open++
	w.restored, w.between, w.members, w.list, w.replaced = totals{}, totals{}, w.members[:0], w.list[:0], 0
	clear(w.held)
}

func (w *watch) judge(quiet bool, after totals) {
	counts := &w.tally.Ranges
	if quiet {
		counts.Quiet++
	} else {
		counts.Busy++
	}
	if w.restored == after {
		counts.Equal++
	}
	want := after
	want.merge(w.between)
	if w.restored == after || quiet && w.restored == want {
		w.book(w.clean)
		return
	}
	unclear := quiet && !w.listed
	w.book(func(r ruling) ruling {
		if unclear && r.verdict == Drift {
			return ruling{Unverifiable, rulePastUnclear}
		}
		return r
	})
	bad := int64(0)
	for r, n := range w.held {
		if r.verdict == Lost || r.verdict == Corrupt || r.verdict == Unexpected {
			bad += n
		}
	}
	missing := w.missing()
	switch {
	case missing > 0:
		w.gone(missing)
		w.damage(Lost, after, fmt.Sprintf("%d objects: %s", missing, rulePastMissing))
	case unclear || quiet && bad == 0:
		verdict := Corrupt
		if w.restored.Count < after.Count {
			verdict = Lost
		} else if w.restored.Count > after.Count {
			verdict = Unexpected
		}
		w.damage(verdict, after, rulePastOtherwise)
	case bad > 0:
		counts.Damaged++
	}
}

// clean gives the verdicts of a range that came back as it should.
func (w *watch) clean(r ruling) ruling {
	switch {
	case w.tally.part.onSource:
		return ruling{Drift, rulePastEqual}
	case r.verdict == Match || r.rule == ruleAloneUnclear:
		return ruling{Match, ruleAloneEqual}
	}
	return r
}

// missing is how many objects that both fingerprints list did not come back, besides those that are named.
func (w *watch) missing() int64 {
	if !w.listed {
		return 0
	}
	slices.Sort(w.members)
	stable := inBoth(w.both[0].members(w.prefix, w.open), w.both[1].members(w.prefix, w.open))
	return int64(len(stable)-len(inBoth(stable, w.members))) - w.replaced
}

// gone counts objects that did not come back, where there is no source whose objects bear the verdict. It names those that both fingerprints sample.
func (w *watch) gone(objects int64) {
	if w.tally.part.onSource {
		return
	}
	r := w.unlessSingle(ruling{Lost, rulePastLost})
	w.tally.book(r, objects)
	for _, s := range w.samples {
		_, there := slices.BinarySearch(w.members, member(s.Digest))
		if rangeOf(s.ID, w.prefix) == w.open && !there && !slices.ContainsFunc(w.list, func(d Difference) bool { return d.ID == s.ID.String() }) {
			w.tally.list(Difference{
				Collection: w.tally.part.collection, Tenant: w.tally.part.tenant, ID: s.ID.String(), Verdict: r.verdict, Rule: r.rule, SourceTime: time.UnixMilli(s.Updated).UTC(),
			})
		}
	}
}

// damage notes that a range is not what it should be.
func (w *watch) damage(verdict Verdict, want totals, rule string) {
	w.tally.Ranges.Damaged++
	if !w.tally.part.onRestored {
		return // that the whole is missing is said elsewhere
	}
	r := w.unlessSingle(ruling{verdict, rule})
	w.tally.Damage = append(w.tally.Damage, StructureDifference{
		"range", fmt.Sprintf("%s ids %s", w.tally.part.where(), span(w.open, w.prefix)), fmt.Sprint(want.Count, " objects"), fmt.Sprint(w.restored.Count, " objects"), r.verdict, r.rule,
	})
}

// span names a range by the first digits of its ids.
func span(index, prefix int) string {
	from := uint64(index) << (64 - prefix)
	return fmt.Sprintf("%08x to %08x", from>>32, (from+1<<(64-prefix)-1)>>32)
}

// book books what is held, each with the verdict that the end of the range gives it.
func (w *watch) book(decide func(ruling) ruling) {
	for r, n := range w.held {
		w.tally.book(decide(r), n)
	}
	for _, d := range w.list {
		r := decide(ruling{d.Verdict, d.Rule})
		d.Verdict, d.Rule = r.verdict, r.rule
		w.tally.list(d)
	}
}

// inBoth gives what two sorted lists have in common.
func inBoth(a, b []uint32) (out []uint32) {
	for len(a) > 0 && len(b) > 0 {
		switch {
		case a[0] < b[0]:
			a = a[1:]
		case a[0] > b[0]:
			b = b[1:]
		default:
			out = append(out, a[0])
			a, b = a[1:], b[1:]
		}
	}
	return out
}
