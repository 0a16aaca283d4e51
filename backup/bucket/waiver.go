package bucket

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Waiver accepts a finding for a while.
type Waiver struct {
	Check   string    `json:"check" yaml:"check"`
	Reason  string    `json:"reason" yaml:"reason"`
	Owner   string    `json:"owner" yaml:"owner"`
	Expires time.Time `json:"expires" yaml:"expires"` // the last day of the waiver
}

// expired says whether the waiver's last day, in the time zone that Expires is written in, is over.
func (w Waiver) expired(now time.Time) bool {
	year, month, day := w.Expires.Date()
	return !now.Before(time.Date(year, month, day+1, 0, 0, 0, 0, w.Expires.Location()))
}

// WaiverFault is what is wrong with one of several waivers.
type WaiverFault struct {
	Index   int // of the waiver
	Problem string
}

// CheckWaivers finds waivers of a check that does not exist (here or among the others) or that has one already, and those without a reason, owner or last day.
func CheckWaivers(waivers []Waiver, others ...string) (faults []WaiverFault) {
	for i, w := range waivers {
		fault := func(format string, args ...any) {
			faults = append(faults, WaiverFault{i, fmt.Sprintf(format, args...)})
		}
		if !slices.Contains(others, w.Check) && !slices.ContainsFunc(checks, func(c check) bool { return c.ID == w.Check }) {
			fault("there is no check %q, did you mean %s?", w.Check, strings.Join(near(w.Check), " or "))
		}
		if slices.ContainsFunc(waivers[:i], func(other Waiver) bool { return other.Check == w.Check }) {
			fault("a second waiver of %s: keep one, and renew it by its expires", w.Check)
		}
		if strings.TrimSpace(w.Reason) == "" {
			fault("it needs a reason")
		}
		if strings.TrimSpace(w.Owner) == "" {
			fault("it needs an owner, who answers for it")
		}
		if w.Expires.IsZero() {
			fault("it needs expires, its last day")
		}
	}
	return faults
}

// ApplyWaivers returns the findings as the waivers leave them; the given ones stay as they are. A Fail, Unknown or NotSupported of a check whose waiver
// has not expired becomes Waived, with the waiver. An expired waiver waives nothing, and the finding's detail says that it has expired.
func ApplyWaivers(findings []Finding, waivers []Waiver, now time.Time) []Finding {
	out := slices.Clone(findings)
	for i := range out {
		if out[i].Status != Pass && out[i].Status != NotApplicable {
			out[i].waive(waivers, now)
		}
	}
	return out
}

func (f *Finding) waive(waivers []Waiver, now time.Time) {
	detail := f.Detail
	for _, w := range waivers {
		switch {
		case w.Check != f.Check:
		case !w.expired(now):
			f.Status, f.Waiver = Waived, &w
			return
		default:
			detail += fmt.Sprintf("; the waiver of %s expired on %s", w.Owner, w.Expires.Format(time.DateOnly))
		}
	}
	f.Detail = detail
}

// Violations are the findings that the policy does not allow: what fails or is unknown, is not waived, and is as severe as failOn or more. What an
// S3-compatible server does not support is none: nobody can mend it there, and a drill that fails for ever is switched off. Reports show it as what it is,
// no pass. An invalid failOn is taken as Low, so that nothing is let through.
func Violations(findings []Finding, failOn Severity) []Finding {
	var out []Finding
	for _, f := range findings {
		if (f.Status == Fail || f.Status == Unknown) && f.Severity.AtLeast(failOn) {
			out = append(out, f)
		}
	}
	return out
}
