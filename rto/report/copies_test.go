package report

import (
	"slices"
	"testing"

	"github.com/weaviate-drill/weaviate-drill/verify"
)

func TestCopiesLines(t *testing.T) {
	same := []verify.Copy{{Node: "weaviate-0", Objects: 2000}, {Node: "weaviate-1", Objects: 2000}}
	got := verificationLines(&verify.Result{Level: verify.LevelFull, Copies: []verify.Copies{
		{Collection: "Article", Nodes: same},
		{Collection: "Note", Nodes: []verify.Copy{{Node: "weaviate-0", Objects: 2000}, {Node: "weaviate-1", Objects: 0}}, Differing: 2000, Drift: 3},
		{Collection: "Pair", Nodes: same, Differing: 1},
	}})
	for _, want := range []string{
		"Copies of Article: listed through 2 nodes, and all are the same.",
		"Copies of Note: listed through 2 nodes (weaviate-0 2,000, weaviate-1 0); 2,000 objects are not the same on all, 3 of them written at about the capture point.",
		"Copies of Pair: listed through 2 nodes (weaviate-0 2,000, weaviate-1 2,000); 1 object is not the same on all.",
	} {
		if !slices.Contains(got, want) {
			t.Errorf("%q is not in %q", want, got)
		}
	}
}
