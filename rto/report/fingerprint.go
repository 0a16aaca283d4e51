package report

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/weaviate-drill/weaviate-drill/rto"
	"github.com/weaviate-drill/weaviate-drill/verify"
)

// fingerprintLine says what fingerprints of the source were used and what they came to.
func fingerprintLine(r verify.RangeCounts) string {
	return fmt.Sprintf("Fingerprints of the source: before the backup %s; after it %s. Ranges of ids: %s quiet, %s busy, %s of all as the later has them, %s damaged.",
		taken(r.Before), taken(r.After), count(r.Quiet), count(r.Busy), count(r.Equal), count(r.Damaged))
}

func taken(f *verify.FingerprintInfo) string {
	if f == nil {
		return "none"
	}
	return fmt.Sprintf("%s at %s in %s (%s)", number(f.Objects, "object"), at(f.Began), rto.Human(f.Ended.Sub(f.Began)), Bytes(f.Bytes))
}

// rulesSection counts the objects by the reason of their verdict. It is empty when there is only one.
func rulesSection(v *verify.Result) section {
	if v == nil || len(v.Rules) < 2 {
		return section{}
	}
	s := section{title: "Why objects have their verdict"}
	s.table.columns = []column{{name: "objects", right: true}, {name: "reason"}}
	rules := slices.SortedFunc(maps.Keys(v.Rules), func(a, b string) int { return cmp.Or(cmp.Compare(v.Rules[b], v.Rules[a]), cmp.Compare(a, b)) })
	for _, rule := range rules {
		s.table.rows = append(s.table.rows, []cell{text(count(v.Rules[rule])), text(rule)})
	}
	return s
}
