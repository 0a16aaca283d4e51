package verify

import (
	"fmt"
	"strings"
)

// Summary says in one line why a result is no pass: what is wrong, how much of it, and the first case by name.
func (r *Result) Summary() string {
	var parts []string
	for _, v := range []struct {
		n    int64
		what string
	}{
		{r.Verdicts.Lost, "lost"}, {r.Verdicts.Corrupt, "corrupt"}, {r.Verdicts.Unexpected, "unexpected"}, {r.Verdicts.Unverifiable, "unverifiable"},
	} {
		if v.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", v.n, v.what))
		}
	}
	var says []string
	if len(parts) > 0 {
		text := strings.Join(parts, ", ") + " of " + fmt.Sprint(r.Verdicts.Total()) + " objects"
		for _, d := range r.Differences {
			if d.Verdict != Drift {
				text += ", the first: " + d.String()
				break
			}
		}
		says = append(says, text)
	}
	var structure []StructureDifference
	for _, d := range r.Structure {
		if d.Verdict != Drift {
			structure = append(structure, d)
		}
	}
	if len(structure) > 0 {
		d := structure[0]
		says = append(says, fmt.Sprintf("%d differences outside the objects, the first: %s %s is %s (source %s, restored %s)", len(structure), d.Kind, d.Where, d.Verdict, d.Source, d.Restored))
	}
	if r.Index != nil {
		if text := r.Index.Summary(); text != "" {
			says = append(says, text)
		}
	}
	if len(r.Unknown) > 0 {
		says = append(says, fmt.Sprintf("%d things could not be looked at, the first: %s", len(r.Unknown), r.Unknown[0]))
	}
	if len(says) == 0 && r.Outcome() == Inconclusive {
		says = append(says, "nothing that could be compared came back equal, so nothing is proved")
	}
	return strings.Join(says, "; ")
}

// String names the object and what differs.
func (d Difference) String() string {
	where := d.Collection
	if d.Tenant != "" {
		where += "/" + d.Tenant
	}
	text := fmt.Sprintf("%s of %s is %s", d.ID, where, d.Verdict)
	if d.Detail != "" {
		return text + " (" + d.Detail + ")"
	}
	return text + " (" + d.Rule + ")"
}
