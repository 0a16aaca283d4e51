package verify

import (
	"strings"
	"testing"
)

func TestLevels(t *testing.T) {
	list := Levels()
	for i, l := range list {
		if !l.Valid() || l.LooksAt() == "" {
			t.Errorf("%s is not known or says nothing", l)
		}
		for j, other := range list {
			if l.AtLeast(other) != (i >= j) {
				t.Errorf("%s at least %s: %t", l, other, l.AtLeast(other))
			}
		}
	}
	for _, unknown := range []Level{"", "all"} {
		if unknown.Valid() || unknown.AtLeast(LevelStructure) || LevelFull.AtLeast(unknown) || unknown.AtLeast(unknown) {
			t.Errorf("%q has a place among the levels", unknown)
		}
	}
	for _, l := range []Level{"all", LevelCatalogue, LevelArchive} {
		if _, err := (Options{Level: l}).withDefaults(); err == nil || !strings.HasSuffix(err.Error(), LevelNames(LevelStructure)) {
			t.Errorf("level %s: %v", l, err)
		}
	}
}
