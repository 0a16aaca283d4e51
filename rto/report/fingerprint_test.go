package report

import (
	"slices"
	"testing"

	"github.com/weaviate-drill/weaviate-drill/verify"
)

func TestStoredLines(t *testing.T) {
	if got := storedLines(nil); got != nil {
		t.Errorf("nothing was stored: %q", got)
	}
	got := storedLines(&verify.StoredAnswers{Verdicts: verify.Verdicts{Match: 1200, Corrupt: 2, Unverifiable: 1}, Rules: map[string]int64{"wrong": 2, "not asked": 1, "as the source": 1200}})
	want := []string{"1,203 questions that the source answered when its fingerprints were taken: 1,200 match, 2 wrong, 1 unverifiable.", "1,200: as the source.", "2: wrong.", "1: not asked."}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%q, want\n%q", got, want)
	}
}
