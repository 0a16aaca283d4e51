package verify

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/weaviate-drill/weaviate-drill/internal/servertest"
)

func TestSample(t *testing.T) {
	const n, size = 600, 60
	b := servertest.Bucket(t, "backups")
	source := servertest.Dial(t, servertest.Weaviate(t, b, nil))
	for _, class := range []string{"Spread", "Counted"} {
		do(t, source, http.MethodPost, "/schema", object{"class": class, "vectorizer": "none", "properties": []object{{"name": "text", "dataType": []string{"text"}}}})
	}
	random := rand.New(rand.NewPCG(7, 8))
	var spread, counted []object
	for i := range n {
		spread = append(spread, object{"class": "Spread", "id": id("Spread", i), "vector": floats(random, 8), "properties": object{"text": fmt.Sprint(i)}})
		counted = append(counted, object{"class": "Counted", "id": uuid.UUID{14: byte(i >> 8), 15: byte(i)}.String(), "properties": object{"text": fmt.Sprint(i)}})
	}
	batch(t, source, spread)
	batch(t, source, counted)
	capture := backUp(t, source, "sample")
	restored := servertest.Dial(t, servertest.Weaviate(t, b, nil))
	restore(t, restored, "sample")
	options := Options{Level: LevelSample, Sample: size, Seed: 1, CapturePoint: capture}

	// No random point has an id above it when all ids are small, so nearly nothing of these could be looked at.
	r := compare(t, source, restored, options)
	if r.Outcome() != Inconclusive || len(r.Unknown) != 1 || !strings.Contains(r.Unknown[0], "Counted: only ") {
		dump(t, r)
		t.Errorf("a sample that could not be drawn is %s", r.Outcome())
	}
	do(t, source, http.MethodDelete, "/schema/Counted", nil)
	do(t, restored, http.MethodDelete, "/schema/Counted", nil)

	r = compare(t, source, restored, options)
	if r.Outcome() != Passed || r.Verdicts != (Verdicts{Match: size}) || r.Sampling == nil || r.Sampling.Seed != 1 || r.Sampling.Requested != size || r.Sampling.Drawn != size {
		dump(t, r)
		t.Errorf("%s, %+v", r.Outcome(), r.Sampling)
	}
	if c := r.Collections[0]; c.SourceCount != n || c.SourceRead != size || c.RestoredRead != size || !r.CompletenessHorizon.IsZero() {
		t.Errorf("a sample of %d is given out for more: %+v, complete to %s", size, c, r.CompletenessHorizon)
	}
	drawn := options
	drawn.Seed = 0
	if r := compare(t, source, restored, drawn); r.Sampling.Seed == 0 {
		t.Error("a seed that was drawn is not recorded")
	}

	t.Run("one in twenty damaged", func(t *testing.T) {
		for i := 0; i < n; i += 20 {
			do(t, restored, http.MethodPatch, "/objects/Spread/"+id("Spread", i), object{"class": "Spread", "properties": object{"text": "other"}})
		}
		large := options
		large.Sample = n / 2
		for large.Seed = 1; large.Seed <= 5; large.Seed++ {
			if r := compare(t, source, restored, large); r.Outcome() != Failed || r.Verdicts.Corrupt == 0 || r.Verdicts.Total() != n/2 {
				dump(t, r)
				t.Errorf("seed %d: %s", large.Seed, r.Outcome())
			}
		}
	})
	t.Run("the seed makes the subset", func(t *testing.T) {
		// Written anew, every object has other times than on the source, so that the differences are the subset.
		batch(t, restored, spread)
		subset := func(seed uint64) (ids []string) {
			o := options
			o.Seed = seed
			for _, d := range compare(t, source, restored, o).Differences {
				ids = append(ids, d.ID)
			}
			if len(ids) != size {
				t.Errorf("seed %d: %d objects", seed, len(ids))
			}
			return ids
		}
		first := subset(1)
		if again := subset(1); !slices.Equal(first, again) {
			t.Errorf("the same seed: %q and %q", first, again)
		}
		if other := subset(2); slices.Equal(first, other) {
			t.Error("another seed draws the same")
		}
	})
}
