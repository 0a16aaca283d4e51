package verify

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weaviate-drill/weaviate-drill/internal/servertest"
	"github.com/weaviate-drill/weaviate-drill/internal/weaviate"
)

// settle is longer than the margin of the time rules of these tests.
const (
	pastSkew = 300 * time.Millisecond
	settle   = 2 * time.Second
)

func TestCompareWithFingerprints(t *testing.T) {
	b := servertest.Bucket(t, "backups")
	source := servertest.Dial(t, servertest.Weaviate(t, b, nil))
	fill(t, source)
	patch := func(c *weaviate.Conn, i int, words int) {
		do(t, c, http.MethodPatch, "/objects/Article/"+id("Article", i), object{"class": "Article", "properties": object{"words": words}})
	}
	remove := func(c *weaviate.Conn, i int) {
		do(t, c, http.MethodDelete, "/objects/Article/"+id("Article", i), nil)
	}
	add := func(i int) {
		batch(t, source, []object{{"class": "Article", "id": id("new", i), "properties": object{"title": "new"}}})
	}
	time.Sleep(settle)
	before := fingerprint(t, source, FingerprintOptions{})
	patch(source, 20, 1)
	remove(source, 21)
	add(1)
	time.Sleep(2 * pastSkew)
	capture := backUp(t, source, "past")
	time.Sleep(2 * pastSkew)
	patch(source, 22, 1)
	remove(source, 23)
	remove(source, 20)
	add(2)
	after := fingerprint(t, source, FingerprintOptions{})

	restored := servertest.Dial(t, servertest.Weaviate(t, b, nil))
	restore(t, restored, "past")
	options := Options{CapturePoint: capture, ClockSkew: pastSkew, Included: []string{"Article", "Product", "Note", "Media", "Doomed", "Void"}, Before: before, After: after}

	t.Run("writes and deletions while the backup was made", func(t *testing.T) {
		r := compare(t, source, restored, options)
		if r.Outcome() != Passed || r.Verdicts.Drift != 4 || r.find(id("Article", 23)).Rule != rulePastBefore || r.find(id("Article", 20)).Rule != rulePastWritten {
			dump(t, r)
			t.Errorf("%s, rules %v", r.Outcome(), r.Rules)
		}
		if g := r.Ranges; g.Busy == 0 || g.Busy > 6 || g.Quiet < 60 || g.Damaged > 0 || g.Equal < g.Quiet || g.Before.Objects != 1080 || g.After.Objects != 1079 {
			t.Errorf("ranges %+v", g)
		}
		without := options
		without.Before, without.After = nil, nil
		if r := compare(t, source, restored, without); r.Outcome() != Inconclusive || r.Ranges != nil {
			t.Errorf("without fingerprints: %s", r.Outcome())
		}
	})
	// From here on the source is another than was backed up, and nothing of it is damaged.
	remove(source, 30)
	patch(source, 31, 7)
	batch(t, source, []object{{"class": "Article", "id": id("Article", 32), "properties": object{"title": "again"}}})
	do(t, source, http.MethodDelete, "/schema/Doomed", nil)
	do(t, source, http.MethodDelete, "/schema/Note/tenants", []string{"hollow"})
	do(t, source, http.MethodPost, "/schema/Note/tenants", []object{{"name": "young", "activityStatus": "COLD"}})
	do(t, source, http.MethodPut, "/schema/Note/tenants", []object{{"name": "acme", "activityStatus": "COLD"}})
	do(t, source, http.MethodPost, "/schema/Media/properties", object{"name": "added", "dataType": []string{"text"}})
	do(t, source, http.MethodPost, "/schema/Product/properties", object{"name": "added", "dataType": []string{"text"}})
	do(t, source, http.MethodPut, "/aliases/News", object{"class": "Product"})
	do(t, source, http.MethodDelete, "/aliases/Shop", nil)
	do(t, source, http.MethodPost, "/aliases", object{"alias": "Late", "class": "Product"})

	t.Run("changes of the source after the backup", func(t *testing.T) {
		r := compare(t, source, restored, options)
		for where, rule := range map[string]string{
			"Doomed": rulePastGone, "Note/hollow": rulePastGone, "Note/acme": rulePastStructure, "Note/young": rulePastStructure, "Media.properties.added": rulePastStructure, "Product.properties.added": rulePastStructure,
			"News": rulePastStructure, "Shop": rulePastStructure, "Late": rulePastStructure,
		} {
			if d := r.structureAt(where); d.Verdict != Drift || d.Rule != rule {
				t.Errorf("%s: %+v", where, d)
			}
		}
		for _, i := range []int{30, 31, 32} {
			if d := r.find(id("Article", i)); d.Verdict != Drift || d.Rule != rulePastEqual && d.Rule != rulePastAfter {
				t.Errorf("object %d: %+v", i, d)
			}
		}
		if r.Outcome() != Inconclusive || len(r.Unknown) != 1 || !strings.Contains(r.Unknown[0], "young") || r.Verdicts.Bad()+r.Verdicts.Unverifiable > 0 {
			dump(t, r)
			t.Errorf("%s, %+v, %+v", r.Outcome(), r.Rules, r.Ranges)
		}
		if r.Verdicts.Total() != total(r.Rules) || r.Rules[ruleAloneEqual] != 40+100 {
			t.Errorf("%d objects have a verdict: rules %+v", r.Verdicts.Total(), r.Rules)
		}
		if list, err := source.Tenants(t.Context(), "Note"); err != nil || list[0].Active() {
			t.Errorf("the comparison activated a tenant of the source: %+v, %v", list, err)
		}
		do(t, source, http.MethodDelete, "/schema/Note/tenants", []string{"young"})
		for _, level := range []Level{LevelStructure, LevelCounts, LevelSample, LevelFull} {
			o := options
			o.Level = level
			if r := compare(t, source, restored, o); level != LevelStructure && level != LevelCounts && r.Outcome() != Passed || r.Outcome() == Failed {
				dump(t, r)
				t.Errorf("level %s: %s", level, r.Outcome())
			}
		}
	})
	t.Run("the source is gone", func(t *testing.T) {
		r := compareAlone(t, restored, options)
		if r.Outcome() != Passed || len(r.Structure) > 0 || r.Verdicts.Total() != 1080 || r.Verdicts.Match < 1076 || total(r.Rules) != 1080 {
			dump(t, r)
			t.Errorf("%s, %+v, %+v", r.Outcome(), r.Rules, r.Ranges)
		}
		single := options
		single.After = nil
		if r := compareAlone(t, restored, single); r.Outcome() != Inconclusive || r.Verdicts.Bad() > 0 || r.Verdicts.Unverifiable == 0 || r.Verdicts.Match < 1000 {
			dump(t, r)
			t.Errorf("with the fingerprint from before alone: %s, %+v", r.Outcome(), r.Rules)
		}
	})
	// Damage that the live source can no longer tell: it has changed the same things since.
	remove(restored, 30)
	patch(restored, 31, 8)
	do(t, restored, http.MethodDelete, "/objects/Note/"+id("Note", 10)+"?tenant=acme", nil)
	do(t, restored, http.MethodDelete, "/objects/Doomed/"+id("Doomed", 5), nil)
	batch(t, restored, []object{{"class": "Product", "id": id("extra", 1), "properties": object{"name": "x"}}})
	do(t, restored, http.MethodPut, "/aliases/News", object{"class": "Void"})
	do(t, restored, http.MethodPost, "/schema/Void/properties", object{"name": "odd", "dataType": []string{"text"}})
	do(t, source, http.MethodPost, "/schema/Void/properties", object{"name": "odd", "dataType": []string{"text"}})

	damaged := func(t *testing.T, r *Result) {
		t.Helper()
		if r.Outcome() != Failed || r.Ranges.Damaged < 5 {
			t.Errorf("%s, ranges %+v", r.Outcome(), r.Ranges)
		}
		for _, where := range []string{"Article ids ", "Note/acme ids ", "Doomed ids "} {
			if !slices.ContainsFunc(r.Structure, func(d StructureDifference) bool {
				return d.Kind == "range" && d.Verdict == Lost && strings.HasPrefix(d.Where, where)
			}) {
				t.Errorf("no lost object in %s", where)
			}
		}
		for where, verdict := range map[string]Verdict{"News": Corrupt, "Void.properties.odd": Unexpected} {
			if d := r.structureAt(where); d.Verdict != verdict {
				t.Errorf("%s: %+v", where, d)
			}
		}
		if d := r.find(id("extra", 1)); d.Verdict != Unexpected {
			t.Errorf("an object too many: %+v", d)
		}
		if t.Failed() {
			dump(t, r)
		}
	}
	t.Run("damage though the source has changed", func(t *testing.T) {
		r := compare(t, source, restored, options)
		damaged(t, r)
		if d := r.find(id("Article", 31)); d.Verdict != Corrupt {
			t.Errorf("a changed object: %+v", d)
		}
	})
	t.Run("damage though the source is gone", func(t *testing.T) {
		r := compareAlone(t, restored, options)
		damaged(t, r)
		if d := r.find(id("Article", 31)); d.Verdict != Unexpected {
			t.Errorf("a changed object: %+v", d)
		}
		// All of these collections' objects are sampled, so those that are gone have a name.
		for _, lost := range []string{id("Note", 10), id("Doomed", 5)} {
			if d := r.find(lost); d.Verdict != Lost {
				t.Errorf("%s: %+v", lost, d)
			}
		}
		single := options
		single.After = nil
		if r := compareAlone(t, restored, single); r.Verdicts.Lost+r.Verdicts.Corrupt > 0 || r.Verdicts.Unverifiable == 0 || !strings.Contains(fmt.Sprint(r.Notes), "one fingerprint") {
			dump(t, r)
			t.Errorf("one fingerprint is taken for two: %s, %+v", r.Outcome(), r.Verdicts)
		}
	})
	t.Run("a collection is gone", func(t *testing.T) {
		do(t, restored, http.MethodDelete, "/schema/Product", nil)
		do(t, restored, http.MethodPost, "/schema", object{"class": "Stray", "vectorizer": "none"})
		do(t, restored, http.MethodDelete, "/schema/Note/tenants", []string{"globex"})
		r := compareAlone(t, restored, options)
		for where, verdict := range map[string]Verdict{"Product": Lost, "Stray": Unexpected, "Note/globex": Lost} {
			if d := r.structureAt(where); d.Verdict != verdict {
				t.Errorf("%s: %+v", where, d)
			}
		}
		if r.Verdicts.Lost < 300 {
			t.Errorf("%+v", r.Verdicts)
		}
	})
}

func total(rules map[string]int64) (n int64) {
	for _, more := range rules {
		n += more
	}
	return n
}

func compareAlone(t testing.TB, restored *weaviate.Conn, o Options) *Result {
	t.Helper()
	r, err := CompareFingerprint(t.Context(), restored, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}
