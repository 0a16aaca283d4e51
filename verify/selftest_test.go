package verify

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/weaviate-drill/weaviate-drill/internal/servertest"
)

// TestSelfTest damages restored copies, and wants a comparison that is whole to notice everything, and one that looks at too little to be told so.
func TestSelfTest(t *testing.T) {
	b := servertest.Bucket(t, "backups")
	source := servertest.Dial(t, servertest.Weaviate(t, b, nil))
	fill(t, source)
	time.Sleep(2 * time.Second)
	capture := backUp(t, source, "selftest")
	options := Options{CapturePoint: capture, Included: []string{"Article", "Doomed", "Media", "Note", "Product", "Void"}}
	copyOf := func(t *testing.T, o Options) (*SelfTest, *Result) {
		t.Helper()
		restored := servertest.Dial(t, servertest.Weaviate(t, b, nil))
		restore(t, restored, "selftest")
		ordinary := compare(t, source, restored, o)
		s, err := RunSelfTest(t.Context(), source, restored, ordinary, o, 7)
		if err != nil {
			dump(t, ordinary)
			t.Fatal(err)
		}
		if _, err := RunSelfTest(t.Context(), source, restored, compare(t, source, restored, o), o, 7); !errors.Is(err, ErrNotDamageable) {
			t.Errorf("a damaged copy is tested: %v", err)
		}
		return s, ordinary
	}
	t.Run("whole", func(t *testing.T) {
		s, _ := copyOf(t, options)
		for _, trial := range s.Trials {
			t.Logf("%t %s: %s: %s %s", trial.Noticed, trial.Kind, trial.Victim, trial.Verdict, trial.Says)
		}
		kinds := len(single) + 2
		if noticed, of := s.Score(); noticed != kinds || of != kinds || len(s.Skipped) > 0 || s.Outcome() != Passed {
			t.Errorf("%d of %d noticed, of %d kinds; skipped: %q", noticed, of, kinds, s.Skipped)
		}
		victims := map[string]string{}
		for _, trial := range s.Trials {
			if other, there := victims[trial.Victim]; there {
				t.Errorf("%s is the victim of %s and of %s", trial.Victim, other, trial.Kind)
			}
			victims[trial.Victim] = trial.Kind
		}
	})
	t.Run("blind", func(t *testing.T) {
		o := options
		o.Level = LevelCounts
		s, _ := copyOf(t, o)
		noticed, of := s.Score()
		if noticed == 0 || noticed >= of || s.Outcome() != Inconclusive {
			t.Errorf("%d of %d noticed: %s", noticed, of, s.Outcome())
		}
		for _, trial := range s.Trials {
			if object := strings.Contains(trial.Victim, ", object "); trial.Noticed == object {
				t.Errorf("%s (%s), by counts alone: noticed %t", trial.Kind, trial.Victim, trial.Noticed)
			}
		}
		if text := s.Summary(); !strings.Contains(text, "one bit of a vector flipped (") || !strings.Contains(text, "at level counts") {
			t.Error(text)
		}
	})
	if _, err := RunSelfTest(t.Context(), source, source, &Result{}, options, 7); !errors.Is(err, ErrNotDamageable) {
		t.Errorf("the source is damaged: %v", err)
	}
}
