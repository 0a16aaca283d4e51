package report

import (
	"fmt"
	"strings"

	"github.com/weaviate-drill/weaviate-drill/rto"
	"github.com/weaviate-drill/weaviate-drill/verify"
)

// selfTestSection is empty for a drill without a self-test. Only a whole one shows each damage; otherwise those that were noticed are named in a line.
func selfTestSection(s *verify.SelfTest, whole bool) section {
	if s == nil {
		return section{}
	}
	score, of := s.Score()
	out := section{title: fmt.Sprintf("Self-test: %d of %d damages noticed", score, of), tone: good, lines: []string{fmt.Sprintf(
		"At the end the restored copy was damaged on purpose (seed %d) and compared again, at level %s, in %s.", s.Seed, s.Level, rto.Human(s.Duration))}}
	if s.Outcome() != verify.Passed {
		out.tone = bad
	}
	var noticed []string
	for _, t := range s.Trials {
		answer := toned(string(t.Verdict), good)
		switch {
		case !t.Noticed:
			answer = toned("NO", bad)
		case !whole:
			noticed = append(noticed, t.Kind)
			continue
		}
		out.table.rows = append(out.table.rows, []cell{text(t.Kind), answer, code(t.Victim), text(t.Says)})
	}
	if len(noticed) > 0 {
		out.lines = append(out.lines, "Noticed: "+strings.Join(noticed, "; ")+".")
	}
	if len(out.table.rows) > 0 {
		out.table.columns = []column{{name: "damage"}, {name: "noticed"}, {name: "victim"}, {name: "the comparison said"}}
	}
	for _, skipped := range s.Skipped {
		out.more = append(out.more, "Not done: "+skipped+".")
	}
	return out
}

func selfTestCases(s *verify.SelfTest) (cases []testcase) {
	if s == nil {
		return nil
	}
	for _, t := range s.Trials {
		entry := testcase{Name: t.Kind}
		if t.Noticed {
			entry.Out = join(t.Victim, string(t.Verdict), t.Says)
		} else {
			entry.Error = &result{Message: t.Victim + " was damaged, and the comparison did not notice", Text: t.Says}
		}
		cases = append(cases, entry)
	}
	return cases
}
