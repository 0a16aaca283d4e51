package verify

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/weaviate-drill/weaviate-drill/internal/weaviate"
)

// situation is what judge looks at: times are Unix milliseconds, a side that is absent is nil.
type situation struct {
	capture, margin  int64 // capture 0: no capture point
	source, restored *weaviate.Object
	equal            bool
}

func (s situation) judge() (Verdict, string) {
	var capture time.Time
	if s.capture != 0 {
		capture = time.UnixMilli(s.capture)
	}
	return newRules(capture, time.Duration(s.margin)*time.Millisecond).judge(s.source, s.restored, s.equal)
}

// modelled is the verdict as the design says it, in the order of what is known for certain: what is equal matches; what the backup cannot hold did not come from it; one and the same write has one content; and
// only a write that may have come after the capture point explains anything, of an object that is missing its first.
func (s situation) modelled() Verdict {
	bad := map[[2]bool]Verdict{{true, true}: Corrupt, {true, false}: Lost, {false, true}: Unexpected}[[2]bool{s.source != nil, s.restored != nil}]
	both := s.source != nil && s.restored != nil
	switch {
	case both && s.equal:
		return Match
	case s.capture == 0,
		s.restored != nil && s.restored.Updated-s.margin > s.capture,
		both && s.source.Updated == s.restored.Updated && s.source.Created == s.restored.Created:
		return bad
	case s.source == nil:
		return Unverifiable
	case s.restored == nil && s.source.Created+s.margin <= s.capture:
		return Lost
	case s.source.Updated+s.margin > s.capture:
		return Drift
	}
	return bad
}

// TestJudgeIsTotal goes through every combination of what judge looks at, with the times around every border: it gives exactly the modelled verdict, and one rule that says no more than one verdict.
func TestJudgeIsTotal(t *testing.T) {
	const capture, margin = 10_000, 100
	var objects []*weaviate.Object
	objects = append(objects, nil)
	for _, updated := range []int64{1, capture - margin - 1, capture - margin, capture - margin + 1, capture, capture + margin, capture + margin + 1, 2 * capture} {
		for _, created := range []int64{1, 2, updated} {
			objects = append(objects, &weaviate.Object{Created: created, Updated: updated})
		}
	}
	verdicts := map[string]map[Verdict]bool{}
	n := 0
	for _, point := range []int64{0, capture} {
		for _, source := range objects {
			for _, restored := range objects {
				for _, equal := range []bool{false, true} {
					if source == nil && restored == nil || equal && (source == nil || restored == nil || !source.Equal(restored)) {
						continue // nothing to judge; or objects of different times, which are not equal
					}
					s := situation{point, margin, source, restored, equal}
					verdict, rule := s.judge()
					if want := s.modelled(); verdict != want || rule == "" {
						t.Errorf("capture point %d, source %+v, restored %+v, equal %v: %s (%s), want %s", point, source, restored, equal, verdict, rule, want)
					}
					if verdicts[rule] == nil {
						verdicts[rule] = map[Verdict]bool{}
					}
					verdicts[rule][verdict] = true
					n++
				}
			}
		}
	}
	for rule, seen := range verdicts {
		// What cannot come from the backup is corrupt where the source holds the object too.
		if most := map[bool]int{true: 2, false: 1}[rule == ruleWrittenRestored]; len(seen) > most {
			t.Errorf("the rule %q stands for %v", rule, seen)
		}
	}
	if all := 12; len(verdicts) != all {
		t.Errorf("%d situations met %d of %d rules", n, len(verdicts), all)
	}
}

// standing orders verdicts by how bad they are: explained, unknown, bad.
func standing(v Verdict) int {
	switch v {
	case Match, Drift:
		return 0
	case Unverifiable:
		return 1
	default:
		return 2
	}
}

func drawSituation(t *rapid.T) situation {
	const hour = 3_600_000
	at := func(label string) *weaviate.Object {
		created := rapid.Int64Range(hour, 2*hour).Draw(t, label+" created")
		return &weaviate.Object{Created: created, Updated: created + rapid.SampledFrom([]int64{0, 1, 1000, hour / 2}).Draw(t, label+" updated")}
	}
	s := situation{capture: rapid.Int64Range(hour, 2*hour).Draw(t, "capture"), margin: rapid.Int64Range(0, hour/10).Draw(t, "margin")}
	switch rapid.IntRange(0, 3).Draw(t, "sides") {
	case 0:
		s.source = at("source")
	case 1:
		s.restored = at("restored")
	case 2:
		s.source = at("source")
		same := *s.source
		s.restored, s.equal = &same, rapid.Bool().Draw(t, "equal")
	default:
		s.source, s.restored = at("source"), at("restored")
	}
	return s
}

func TestJudgeProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawSituation(t)
		verdict, rule := s.judge()
		if want := s.modelled(); verdict != want {
			t.Fatalf("%s (%s), want %s", verdict, rule, want)
		}
		if (verdict == Match) != s.equal {
			t.Fatalf("equal is %v: %s", s.equal, verdict)
		}
		no := func(what string, changed situation, better bool) {
			if v, _ := changed.judge(); better && standing(v) < standing(verdict) || !better && standing(v) > standing(verdict) {
				t.Fatalf("%s makes %s into %s", what, verdict, v)
			}
		}
		wider, uncaptured, unequal, later := s, s, s, s
		wider.margin += rapid.Int64Range(1, 10_000).Draw(t, "more margin")
		no("a wider margin", wider, false)
		uncaptured.capture = 0
		no("to know no capture point", uncaptured, true)
		if v, _ := uncaptured.judge(); v == Drift || v == Unverifiable {
			t.Fatalf("explained without a capture point: %s", v)
		}
		unequal.equal = false
		no("a difference", unequal, true)
		if s.source != nil && !s.equal {
			written := *s.source
			written.Updated += rapid.Int64Range(1, 10_000).Draw(t, "written later")
			later.source = &written
			if s.restored == nil || written.Created != s.restored.Created || written.Updated != s.restored.Updated {
				no("a later write on the source", later, false)
			}
		}
		// Only what lies between the times counts.
		moved, by := s, rapid.Int64Range(1, 1<<40).Draw(t, "all times moved by")
		moved.capture += by
		for _, side := range []**weaviate.Object{&moved.source, &moved.restored} {
			if *side != nil {
				*side = &weaviate.Object{Created: (*side).Created + by, Updated: (*side).Updated + by}
			}
		}
		if v, r := moved.judge(); v != verdict || r != rule {
			t.Fatalf("another year makes %s (%s) into %s (%s)", verdict, rule, v, r)
		}
	})
}
