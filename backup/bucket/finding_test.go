package bucket_test

import (
	"slices"
	"testing"

	"github.com/weaviate-drill/weaviate-drill/backup/bucket"
)

// A finding carries the controls of its check.
func TestFindingHasControls(t *testing.T) {
	for id, f := range findings(t, onAWS(t, hardened)) {
		i := slices.IndexFunc(bucket.Checks(), func(c bucket.Check) bool { return c.ID == id })
		if want := bucket.Checks()[i].Controls; !slices.Equal(f.Controls, want) {
			t.Errorf("%s: %v, not %v", id, f.Controls, want)
		}
	}
}
