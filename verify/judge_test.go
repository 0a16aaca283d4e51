package verify

import (
	"context"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/weaviate-drill/weaviate-drill/internal/weaviate"
)

func TestJudge(t *testing.T) {
	const capture, margin = 1_000_000, 1000
	r := newRules(time.UnixMilli(capture), margin*time.Millisecond)
	at := func(created, updated int64) *weaviate.Object {
		return &weaviate.Object{Created: created, Updated: updated}
	}
	for _, tt := range []struct {
		name             string
		rules            rules
		source, restored *weaviate.Object
		equal            bool
		want             Verdict
		rule             string
	}{
		{"equal", r, at(1, 1), at(1, 1), true, Match, ruleEqual},
		{"equal, written late", r, at(1, capture+9), at(1, capture+9), true, Match, ruleEqual},
		{"same write, other content", r, at(1, 5), at(1, 5), false, Corrupt, ruleSameWrite},
		{"same late write, other content", r, at(1, capture+9), at(1, capture+9), false, Corrupt, ruleSameWrite},
		{"updated after", r, at(1, capture+1), at(1, 5), false, Drift, ruleUpdatedAfter},
		{"updated within the margin", r, at(1, capture-margin+1), at(1, 5), false, Drift, ruleUpdatedAfter},
		{"updated just before the margin", r, at(1, capture-margin), at(1, 5), false, Corrupt, ruleNotExplained},
		{"restored side newer", r, at(1, 5), at(1, capture+9), false, Corrupt, ruleNotExplained},
		{"restored side newer than the backup", r, at(1, capture+5000), at(1, capture+margin+1), false, Corrupt, ruleWrittenRestored},
		{"created anew, same update time", r, at(2, 5), at(1, 5), false, Corrupt, ruleNotExplained},
		{"missing, old", r, at(1, capture-margin), nil, false, Lost, ruleLost},
		{"missing, within the margin", r, at(capture-margin+1, capture-margin+1), nil, false, Drift, ruleCreatedAfter},
		{"missing, new", r, at(capture+1, capture+5), nil, false, Drift, ruleCreatedAfter},
		{"missing, old, and updated since", r, at(capture-margin, capture+5), nil, false, Lost, ruleLostUpdated},
		{"extra, old", r, nil, at(1, capture), false, Unverifiable, ruleDeletedOrRisen},
		{"extra, within the margin", r, nil, at(1, capture+margin), false, Unverifiable, ruleDeletedOrRisen},
		{"extra, of a shard that was captured late", r.until(time.UnixMilli(capture + 3000)), nil, at(1, capture+3000+margin), false, Unverifiable, ruleDeletedOrRisen},
		{"extra, written after the backup", r.until(time.UnixMilli(capture + 3000)), nil, at(1, capture+3000+margin+1), false, Unexpected, ruleWrittenRestored},
		{"updated, of a shard that was captured late", r.until(time.UnixMilli(capture + 3000)), at(1, capture+5000), at(1, capture+2000), false, Drift, ruleUpdatedAfter},
		{"extra, new", r, nil, at(1, capture+margin+1), false, Unexpected, ruleWrittenRestored},
		{"no capture point: differs", rules{}, at(1, 9), at(1, 5), false, Corrupt, ruleNoCaptureDiffers},
		{"no capture point: missing", rules{}, at(1, 9), nil, false, Lost, ruleNoCaptureLost},
		{"no capture point: extra", rules{}, nil, at(1, 9), false, Unexpected, ruleNoCaptureExtra},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, rule := tt.rules.judge(tt.source, tt.restored, tt.equal)
			if got != tt.want || rule != tt.rule {
				t.Errorf("got %s (%s), want %s (%s)", got, rule, tt.want, tt.rule)
			}
		})
	}
}

func TestOutcome(t *testing.T) {
	one := []Collection{{Name: "A", SourceCount: 5, RestoredCount: 5}}
	for _, tt := range []struct {
		name   string
		result Result
		want   Outcome
	}{
		{"match", Result{Level: LevelFull, Verdicts: Verdicts{Match: 1}}, Passed},
		{"match and drift", Result{Level: LevelFull, Verdicts: Verdicts{Match: 1, Drift: 3}}, Passed},
		{"nothing", Result{Level: LevelFull}, Inconclusive},
		{"drift alone", Result{Level: LevelFull, Verdicts: Verdicts{Drift: 3}}, Inconclusive},
		{"lost", Result{Level: LevelFull, Verdicts: Verdicts{Match: 1, Lost: 1}}, Failed},
		{"corrupt", Result{Level: LevelSample, Verdicts: Verdicts{Match: 1, Corrupt: 1}}, Failed},
		{"unexpected", Result{Level: LevelFull, Verdicts: Verdicts{Match: 1, Unexpected: 1}}, Failed},
		{"unverifiable", Result{Level: LevelFull, Verdicts: Verdicts{Match: 1, Unverifiable: 1}}, Inconclusive},
		{"unknown", Result{Level: LevelFull, Verdicts: Verdicts{Match: 1}, Unknown: []string{"x"}}, Inconclusive},
		{"structure lost", Result{Level: LevelFull, Verdicts: Verdicts{Match: 1}, Structure: []StructureDifference{{Verdict: Lost}}}, Failed},
		{"structure unverifiable", Result{Level: LevelFull, Verdicts: Verdicts{Match: 1}, Structure: []StructureDifference{{Verdict: Unverifiable}}}, Inconclusive},
		{"structure drift", Result{Level: LevelFull, Verdicts: Verdicts{Match: 1}, Structure: []StructureDifference{{Verdict: Drift}}}, Passed},
		{"structure", Result{Level: LevelStructure, Collections: one}, Passed},
		{"structure, no collection", Result{Level: LevelStructure}, Inconclusive},
		{"structure, the only collection came into being later", Result{Level: LevelStructure, Collections: []Collection{{Name: "A"}}, Structure: []StructureDifference{{Kind: "collection", Where: "A", Verdict: Drift}}}, Inconclusive},
		{"counts", Result{Level: LevelCounts, Collections: one}, Passed},
		{"counts, no collection", Result{Level: LevelCounts}, Inconclusive},
		{"counts, no object", Result{Level: LevelCounts, Collections: []Collection{{Name: "A"}}}, Inconclusive},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.result.Outcome(); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

// inMemory hands out objects in pages of varying sizes.
type inMemory struct {
	objects []weaviate.Object
	sizes   []int
	calls   int
}

func (m *inMemory) Next(context.Context) ([]weaviate.Object, error) {
	if len(m.objects) == 0 {
		return nil, io.EOF
	}
	n := min(m.sizes[m.calls%len(m.sizes)], len(m.objects))
	m.calls++
	page := m.objects[:n]
	m.objects = m.objects[n:]
	return page, nil
}

func TestMergeJudgesEveryObjectOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		side := func(label string) map[byte]weaviate.Object {
			return rapid.MapOf(rapid.Byte(), rapid.Custom(func(t *rapid.T) weaviate.Object {
				return weaviate.Object{
					Created: rapid.Int64Range(1, 2).Draw(t, "created"), Updated: rapid.Int64Range(1, 4000).Draw(t, "updated"),
					Properties: []byte{byte(rapid.IntRange(0, 1).Draw(t, "content"))},
				}
			})).Draw(t, label)
		}
		list := func(m map[byte]weaviate.Object, label string) *inMemory {
			out := &inMemory{sizes: rapid.SliceOfN(rapid.IntRange(1, 9), 1, 5).Draw(t, label+" pages")}
			for key := range 256 {
				if o, there := m[byte(key)]; there {
					o.ID = uuid.UUID{15: byte(key)}
					out.objects = append(out.objects, o)
				}
			}
			return out
		}
		a, b := side("source"), side("restored")
		// Some objects are the same on both sides.
		for key := range a {
			if _, both := b[key]; both && rapid.Bool().Draw(t, "same") {
				b[key] = a[key]
			}
		}
		r := newRules(time.UnixMilli(2000), 500*time.Millisecond)
		var seen []byte
		var verdicts Verdicts
		var left, right int
		err := merge(context.Background(), list(a, "source"), list(b, "restored"), func(x, y *weaviate.Object) {
			o := x
			if o == nil {
				o = y
			}
			seen = append(seen, o.ID[15])
			if x != nil {
				left++
			}
			if y != nil {
				right++
			}
			equal := x != nil && y != nil && x.Equal(y)
			verdict, rule := r.judge(x, y, equal)
			if rule == "" || equal != (verdict == Match) {
				t.Fatalf("verdict %s for %v, rule %q", verdict, equal, rule)
			}
			if x != nil && y == nil && x.Updated <= 1500 && verdict != Lost {
				t.Fatalf("a missing object written at %d is %s", x.Updated, verdict)
			}
			verdicts.add(verdict)
		})
		if err != nil {
			t.Fatal(err)
		}
		union := map[byte]bool{}
		for key := range a {
			union[key] = true
		}
		for key := range b {
			union[key] = true
		}
		if !slices.IsSorted(seen) || len(slices.Compact(seen)) != len(union) || verdicts.Total() != int64(len(union)) {
			t.Fatalf("judged %d objects (%+v), the union has %d", len(seen), verdicts, len(union))
		}
		if left != len(a) || right != len(b) {
			t.Fatalf("read %d and %d objects of %d and %d", left, right, len(a), len(b))
		}
	})
}

type broken struct{ err error }

func (b broken) Next(context.Context) ([]weaviate.Object, error) { return nil, b.err }

func TestMergeDoesNotTakeABrokenConnectionForTheEnd(t *testing.T) {
	err := merge(t.Context(), broken{&sideError{"x", io.EOF}}, none{}, func(_, _ *weaviate.Object) {})
	if err == nil {
		t.Fatal("an error that wraps io.EOF ended the data")
	}
}

func TestRangesCoverAllIDsOnce(t *testing.T) {
	for _, n := range []int64{0, 1, perRange, perRange + 1, 1_000_000, 1 << 50} {
		ranges := Ranges(n)
		if ranges[0][0] != (uuid.UUID{}) || ranges[len(ranges)-1][1] != (uuid.UUID{}) || len(ranges) > maxRanges {
			t.Fatalf("%d objects: %d ranges, ends %v %v", n, len(ranges), ranges[0][0], ranges[len(ranges)-1][1])
		}
		for i := 1; i < len(ranges); i++ {
			if ranges[i][0] != ranges[i-1][1] || ranges[i][0].String() <= ranges[i-1][0].String() {
				t.Fatalf("%d objects: range %d does not follow the one before", n, i)
			}
		}
	}
}
