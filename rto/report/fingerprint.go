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

// storedLines say what became of the questions whose answers fingerprints of the source hold, each with its reason.
func storedLines(s *verify.StoredAnswers) (lines []string) {
	if s == nil {
		return nil
	}
	lines = append(lines, fmt.Sprintf("%s that the source answered when its fingerprints were taken: %s match, %s wrong, %s unverifiable.",
		number(s.Verdicts.Total(), "question"), count(s.Verdicts.Match), count(s.Verdicts.Bad()), count(s.Verdicts.Unverifiable)))
	for _, rule := range byNumber(s.Rules) {
		lines = append(lines, fmt.Sprintf("%s: %s.", count(s.Rules[rule]), rule))
	}
	return lines
}

// byNumber lists rules, the most frequent first.
func byNumber(rules map[string]int64) []string {
	return slices.SortedFunc(maps.Keys(rules), func(a, b string) int { return cmp.Or(cmp.Compare(rules[b], rules[a]), cmp.Compare(a, b)) })
}

// rulesSection counts the objects by the reason of their verdict. It is empty when there is only one.
func rulesSection(v *verify.Result) section {
	if v == nil || len(v.Rules) < 2 {
		return section{}
	}
	s := section{title: "Why objects have their verdict"}
	s.table.columns = []column{{name: "objects", right: true}, {name: "reason"}}
	for _, rule := range byNumber(v.Rules) {
		s.table.rows = append(s.table.rows, []cell{text(count(v.Rules[rule])), text(rule)})
	}
	return s
}
