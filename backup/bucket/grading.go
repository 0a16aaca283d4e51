package bucket

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/weaviate-drill/weaviate-drill/internal/spelling"
)

// CheckOf is the check of this id. The error, in one line, names the ids that are near one that does not exist.
func CheckOf(id string) (Check, error) {
	all := Checks()
	if i := slices.IndexFunc(all, func(c Check) bool { return c.ID == id }); i >= 0 {
		return all[i], nil
	}
	return Check{}, fmt.Errorf("there is no check %q, did you mean %s?", id, strings.Join(near(id), " or "))
}

// near are the ids, at most three, that have id as a part, as when somebody types only "versioning"; otherwise the one that takes the fewest edits.
func near(id string) (ids []string) {
	all := make([]string, len(checks))
	for i, c := range checks {
		all[i] = c.ID
		if id != "" && len(ids) < 3 && strings.Contains(c.ID, strings.ToLower(id)) {
			ids = append(ids, c.ID)
		}
	}
	if ids == nil {
		best, _ := spelling.Nearest(id, all)
		ids = []string{best}
	}
	return ids
}

// Regrade returns the findings with the severities that a policy gives their checks, by id; the given ones stay as they are. The detail of one that changes says so.
func Regrade(findings []Finding, severities map[string]Severity) []Finding {
	out := slices.Clone(findings)
	for i := range out {
		f := &out[i]
		if severity := cmp.Or(severities[f.Check], f.Severity); severity != f.Severity {
			f.Detail += fmt.Sprintf("; its severity is %s by the policy, not %s", severity, f.Severity)
			f.Severity = severity
		}
	}
	return out
}

// Idle are the waivers that waive nothing, since their check was made and found nothing to waive: somebody may have mended it, and the waiver can go.
func Idle(findings []Finding, waivers []Waiver) []Waiver {
	var idle []Waiver
	for _, w := range waivers {
		if slices.ContainsFunc(findings, func(f Finding) bool { return f.Check == w.Check && (f.Status == Pass || f.Status == NotApplicable) }) {
			idle = append(idle, w)
		}
	}
	return idle
}
