package bucket

import (
	"cmp"
	"fmt"
	"slices"
)

// CheckOf is the check of this id. The error, in one line, names the id that is nearest to one that does not exist.
func CheckOf(id string) (Check, error) {
	all := Checks()
	if i := slices.IndexFunc(all, func(c Check) bool { return c.ID == id }); i >= 0 {
		return all[i], nil
	}
	return Check{}, fmt.Errorf("there is no check %q, did you mean %s?", id, nearest(id))
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
