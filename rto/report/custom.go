package report

import (
	"github.com/weaviate-drill/weaviate-drill/rto"
	"github.com/weaviate-drill/weaviate-drill/verify"
)

func outcomeTone(o verify.CheckOutcome) tone {
	switch o {
	case verify.CheckPass:
		return good
	case verify.CheckFail:
		return bad
	}
	return warn
}

// customSection is empty for a drill without checks of the user's own.
func customSection(checks []verify.CheckResult) section {
	if len(checks) == 0 {
		return section{}
	}
	s := section{title: "Own checks"}
	s.table.columns = []column{{name: "outcome"}, {name: "check"}, {name: "finding"}, {name: "took", right: true}}
	for _, c := range checks {
		s.table.rows = append(s.table.rows, []cell{toned(string(c.Outcome), outcomeTone(c.Outcome)), text(c.Name), text(c.Detail), text(rto.Human(c.Took))})
		if c.Output != "" && c.Outcome != verify.CheckPass {
			s.more = append(s.more, "Output of "+c.Name+": "+c.Output)
		}
	}
	return s
}

func customCases(checks []verify.CheckResult) (cases []testcase) {
	for _, c := range checks {
		entry := testcase{Name: c.Name, Time: seconds(c.Took)}
		switch c.Outcome {
		case verify.CheckPass:
			entry.Out = join(c.Detail, c.Output)
		case verify.CheckFail:
			entry.Failure = &result{Message: c.Detail, Text: c.Output}
		default:
			entry.Error = &result{Message: c.Detail, Text: c.Output}
		}
		cases = append(cases, entry)
	}
	return cases
}
