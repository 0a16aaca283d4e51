package verify

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/weaviate-drill/weaviate-drill/internal/weaviate"
)

// world is what a source holds, by id.
type world map[uuid.UUID]weaviate.Object

func (w world) list() []weaviate.Object {
	var out []weaviate.Object
	for _, o := range w {
		out = append(out, o)
	}
	slices.SortFunc(out, func(a, b weaviate.Object) int { return bytes.Compare(a.ID[:], b.ID[:]) })
	return out
}

func (w world) clone() world {
	out := world{}
	for id, o := range w {
		out[id] = o
	}
	return out
}

// taken is the fingerprint of a world.
func (w world) taken(prefix int, listed bool, at int64) *Fingerprint {
	p := FingerprintPart{Prefix: prefix, Count: int64(len(w))}
	ranges := make([]FingerprintRange, 1<<prefix)
	var d digester
	for _, o := range w.list() {
		at := rangeOf(o.ID, prefix)
		ranges[at].take(at, &o, d.digest(&o), listed)
	}
	for _, r := range ranges {
		if r.Count > 0 {
			r.sortMembers()
			p.Ranges = append(p.Ranges, r)
		}
	}
	began := time.UnixMilli(at)
	return &Fingerprint{Schema: FingerprintSchema, Began: began, Ended: began, Collections: []FingerprintCollection{{Name: "C", Parts: []FingerprintPart{p}}}}
}

// judged compares two worlds in memory as Compare does two servers; a nil source is one that is gone.
func judged(source, restored world, before, after *Fingerprint, capture int64) *outcome {
	o := Options{CapturePoint: time.UnixMilli(capture), ClockSkew: time.Millisecond, MaxDifferences: 1000, Before: before, After: after}
	c := &comparison{Options: o, rules: newRules(o.CapturePoint, o.ClockSkew), past: newPast(o)}
	p := &part{collection: "C", onSource: source != nil, onRestored: true}
	p.past = c.past.of(p)
	t := tally{comparison: c, part: p}
	t.watch = p.past.over(&t, uuid.UUID{}, uuid.UUID{})
	left, right := source.list(), restored.list()
	for len(left) > 0 || len(right) > 0 {
		var order int
		switch {
		case len(left) == 0:
			order = 1
		case len(right) == 0:
			order = -1
		default:
			order = bytes.Compare(left[0].ID[:], right[0].ID[:])
		}
		var a, b *weaviate.Object
		if order <= 0 {
			a, left = &left[0], left[1:]
		}
		if order >= 0 {
			b, right = &right[0], right[1:]
		}
		t.see(a, b)
		if source != nil {
			t.judge(a, b)
		} else {
			t.judgeAlone(b)
		}
	}
	t.watch.end(true)
	return &t.outcome
}

// bad says whether a drill of this outcome fails.
func (o *outcome) bad() bool {
	return o.Verdicts.Bad() > 0 || slices.ContainsFunc(o.Damage, func(d StructureDifference) bool { return d.Verdict != Unverifiable })
}

// story is a source that is written to before, while and after it is backed up: any order of writes, updates, re-imports and deletions.
type story struct {
	before, captured, after, now world
	times                        [3]int64 // at which the fingerprints were taken and, between them, the backup
}

func tell(t *rapid.T, writesAfterwards bool) story {
	clock := int64(10_000)
	state := world{}
	ids := make([]uuid.UUID, rapid.IntRange(4, 40).Draw(t, "objects"))
	for i := range ids {
		copy(ids[i][:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "id"))
	}
	write := func(id uuid.UUID, created int64) {
		state[id] = weaviate.Object{ID: id, Created: cmp.Or(created, clock), Updated: clock, Properties: fmt.Append(nil, clock)}
	}
	some := func(n int, what string) {
		for range rapid.IntRange(0, n).Draw(t, what) {
			clock += 10
			id := rapid.SampledFrom(ids).Draw(t, "id")
			switch old, there := state[id]; {
			case !there || rapid.IntRange(0, 2).Draw(t, "kind") == 0:
				write(id, 0)
			case rapid.Bool().Draw(t, "deletes"):
				delete(state, id)
			default:
				write(id, old.Created)
			}
		}
		clock += 10
	}
	for _, id := range ids[:len(ids)/2] {
		clock += 10
		write(id, 0)
	}
	var s story
	some(10, "earlier")
	s.before, s.times[0] = state.clone(), clock
	some(6, "before the capture")
	s.captured, s.times[1] = state.clone(), clock
	some(6, "after the capture")
	s.after, s.times[2] = state.clone(), clock
	if writesAfterwards {
		some(12, "later")
	}
	s.now = state.clone()
	return s
}

// An undamaged restore passes, whatever is written and deleted, with and without its source.
func TestFingerprintsExplainEveryWrite(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := tell(t, true)
		before, after := s.before.taken(rapid.IntRange(0, 4).Draw(t, "prefix"), true, s.times[0]), s.after.taken(rapid.IntRange(0, 4).Draw(t, "other prefix"), true, s.times[2])
		for what, source := range map[string]world{"live": s.now, "gone": nil} {
			o := judged(source, s.captured, before, after, s.times[1])
			if o.bad() || o.Verdicts.Unverifiable > 0 || len(o.Damage) > 0 {
				t.Fatalf("%s: an undamaged restore: %+v\n%+v\n%+v", what, o.Verdicts, o.Bad, o.Damage)
			}
			var total int64
			for _, n := range o.Rules {
				total += n
			}
			if total != o.Verdicts.Total() || source == nil && total != int64(len(s.captured)) {
				t.Fatalf("%s: %d rulings of %d verdicts on %d objects", what, total, o.Verdicts.Total(), len(s.captured))
			}
		}
		if o := judged(s.now, s.captured, s.before.taken(2, false, s.times[0]), s.after.taken(2, false, s.times[2]), s.times[1]); o.bad() {
			t.Fatalf("without lists an undamaged restore: %+v, %+v", o.Verdicts, o.Bad)
		}
		if o := judged(nil, s.captured, before, nil, s.times[1]); o.bad() {
			t.Fatalf("with one fingerprint an undamaged restore: %+v, %+v", o.Verdicts, o.Bad)
		}
	})
}

// What is damaged without a change of its times, as a flipped bit is, is noticed whatever the source did since, when it was not written between the fingerprints.
func TestFingerprintsNoticeDamage(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := tell(t, true)
		var stable []uuid.UUID
		for _, o := range s.before.list() {
			if p, there := s.after[o.ID]; there && p.Equal(&o) {
				stable = append(stable, o.ID)
			}
		}
		if len(stable) == 0 {
			t.Skip("nothing stayed as it was")
		}
		id := rapid.SampledFrom(stable).Draw(t, "victim")
		restored := s.captured.clone()
		o := restored[id]
		switch rapid.IntRange(0, 3).Draw(t, "damage") {
		case 0:
			delete(restored, id)
		case 1:
			o.Properties = append(slices.Clone(o.Properties), 'x')
			restored[id] = o
		case 2: // an older version
			o.Updated, o.Created = 5000, min(o.Created, 5000)
			restored[id] = o
		case 3: // risen from an earlier deletion
			o.ID[15] ^= 1
			o.Updated, o.Created = 5000, 5000
			restored[o.ID] = o
		}
		for _, listed := range []bool{true, false} {
			before, after := s.before.taken(3, listed, s.times[0]), s.after.taken(3, listed, s.times[2])
			k := rangeOf(id, 3)
			if quiet := before.Collections[0].Parts[0].coarse(3)[k] == after.Collections[0].Parts[0].coarse(3)[k]; !listed && !quiet {
				continue
			}
			for what, source := range map[string]world{"live": s.now, "gone": nil} {
				if got := judged(source, restored, before, after, s.times[1]); !got.bad() {
					t.Fatalf("%s, listed %t: damage is not noticed: %+v", what, listed, got.Verdicts)
				}
			}
			if got := judged(nil, restored, before, nil, s.times[1]); got.Verdicts.Unverifiable == 0 && len(got.Damage) == 0 && !got.bad() {
				t.Fatalf("one fingerprint, listed %t: damage passes: %+v", listed, got.Verdicts)
			}
		}
	})
}
