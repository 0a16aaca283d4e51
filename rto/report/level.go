package report

import (
	"fmt"

	"github.com/weaviate-drill/weaviate-drill/rto/evidence"
	"github.com/weaviate-drill/weaviate-drill/verify"
)

// unrestored says of a drill that restores nothing what it proved, and what not.
func unrestored(r *evidence.Record) string {
	proved := "The backup's descriptors, its chain of bases and the listings in S3 fit together; no chunk was read."
	if r.Level.AtLeast(verify.LevelArchive) {
		proved = "The backup's descriptors and listings fit together, and every chunk was read to its end."
	}
	return fmt.Sprintf("Level %s: nothing was restored. %s Whether it can be restored, what comes back and how long that takes is not known.", r.Level, proved)
}

// proved is what a drill that ended as it should rests on.
func proved(r *evidence.Record) string {
	if r.Restores() {
		return compared(r.Verification)
	}
	return unrestored(r)
}

// levelFact names the level, and what was looked at there.
func levelFact(l verify.Level) string {
	switch {
	case !l.Valid():
		return string(l)
	case l.Restores():
		return fmt.Sprintf("%s: %s", l, l.LooksAt())
	}
	return fmt.Sprintf("%s: %s; nothing is restored", l, l.LooksAt())
}
