package evidence

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
)

func TestComparison(t *testing.T) {
	eachPlace(t, func(t *testing.T, s *Store) {
		c := must(s.Comparison("compare-1"))
		if plan := must(c.Plan(t.Context())); plan != nil || len(must(s.Comparisons(t.Context()))) > 0 {
			t.Fatalf("a plan before there is one: %q", plan)
		}
		// Whoever comes first has made the plan for all.
		var settling sync.WaitGroup
		plans := make([]string, 4)
		for i := range plans {
			settling.Go(func() { plans[i] = string(must(c.Settle(t.Context(), fmt.Append(nil, "plan ", i)))) })
		}
		settling.Wait()
		if plan := string(must(c.Plan(t.Context()))); slices.ContainsFunc(plans, func(p string) bool { return p != plan }) {
			t.Errorf("%q are settled, and %q is kept", plans, plan)
		}
		for i := range 3 {
			if err := c.Keep(t.Context(), fmt.Append(nil, "batch ", i)); err != nil {
				t.Fatal(err)
			}
		}
		if err := must(s.Comparison("compare-2")).Keep(t.Context(), []byte("of another")); err != nil {
			t.Fatal(err)
		}
		var kept []string
		take := func(batch []byte) error { kept = append(kept, string(batch)); return nil }
		if err := c.Kept(t.Context(), take); err != nil {
			t.Fatal(err)
		}
		if slices.Sort(kept); !slices.Equal(kept, []string{"batch 0", "batch 1", "batch 2"}) {
			t.Errorf("%q", kept)
		}
		if ids := must(s.Comparisons(t.Context())); !slices.Equal(ids, []string{"compare-1"}) {
			t.Errorf("%q", ids)
		}
		noneDead(t, s)
		if len(must(s.List(t.Context()))) > 0 {
			t.Error("a comparison counts as a record")
		}
		for range 2 { // the second finds nothing
			if err := c.Remove(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		for name := range tree(t, s) {
			if !strings.Contains(name, "compare-2") {
				t.Errorf("%s is left", name)
			}
		}
		if _, err := s.Comparison("../x"); err == nil {
			t.Error("an id that leads elsewhere is taken")
		}
	})
}
