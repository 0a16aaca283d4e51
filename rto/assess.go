package rto

import (
	"fmt"
	"slices"
	"time"
)

// Input is what an assessment needs besides the timeline.
type Input struct {
	Objectives          *Objectives // nil: none are documented, and nothing is judged
	CapturePoint        time.Time   // of the backup; zero: not known
	CompletenessHorizon time.Time   // zero: not measured
	TracerPoint         time.Time   // when the shard that was captured first was, as tracer objects tell; zero: not measured
	Provided            bool        // the sandbox stood ready before the drill, so bringing one up was not measured
	Now                 time.Time   // by which the document's review date is judged
}

// drillsOwn is the most that may pass unmentioned between the phases of a recovery: the drill's own bookkeeping.
const drillsOwn = time.Second

// Assess measures the milestones of a recovery and what it loses, and holds both against the objectives. A milestone is the sum of its phases, failed attempts included, since who recovers
// waits for them too; it is known only when each of its phases took place and ended well. An RTO usually covers the whole outage, so it is held against the milestone "in total" when an
// allowance is declared, and against "technically recovered" otherwise.
func Assess(t Timeline, in Input) *Assessment {
	a := &Assessment{}
	from, dataBack := "the start of provisioning", []Phase{Provision, Restore}
	if in.Provided {
		from, dataBack = "the start of the restore, on an instance that stood ready", []Phase{Restore}
		a.Assumptions = append(a.Assumptions, "the instance was provided from outside the drill: bringing one up is not in the recovery time")
	}
	recovered := append(slices.Clone(dataBack), Index, FirstAnswer)
	a.DataBack = t.measure(from, "the successful end of the restore", dataBack)
	a.Recovered = t.measure(from, "the first verified answer, index complete", recovered)
	a.InTotal = Measured{From: "the incident", To: a.Recovered.To, Why: "no allowance for detection and decision is declared"}
	if gap := t.gap(recovered); a.Recovered.Known && gap >= drillsOwn {
		a.Assumptions = append(a.Assumptions, fmt.Sprintf("%s between the phases of the recovery were the drill's own work (such as a copy) and are not in the recovery time", Human(gap)))
	}
	a.RPO = t.rpo(in, a.DataBack)

	o := in.Objectives
	if o == nil {
		return a
	}
	actual := a.Recovered
	if o.Allowance > 0 {
		a.InTotal.From = fmt.Sprintf("the incident, %s declared to detect and decide,", Human(o.Allowance))
		a.InTotal.Known, a.InTotal.Why = a.Recovered.Known, a.Recovered.Why
		if a.InTotal.Known {
			a.InTotal.Duration = a.Recovered.Duration + o.Allowance
		}
		a.Assumptions = append(a.Assumptions, fmt.Sprintf("%s for detection and decision are declared, not measured", Human(o.Allowance)))
		actual = a.InTotal
	}
	if o.RTO > 0 {
		detail := fmt.Sprintf("data back %s, technically recovered %s, in total %s", a.DataBack, a.Recovered, a.InTotal)
		a.Judgements = append(a.Judgements, judge("RTO", o.RTO, actual, detail))
	}
	if o.RPO > 0 {
		a.Judgements = append(a.Judgements, judge("RPO", o.RPO, a.RPO, fmt.Sprintf("from %s to %s", a.RPO.From, a.RPO.To)))
	}
	a.Findings = o.findings(in.Now)
	return a
}

// String is the duration, or why it is not known.
func (m Measured) String() string {
	if !m.Known {
		return "not known (" + m.Why + ")"
	}
	return Human(m.Duration)
}

func judge(objective string, target time.Duration, actual Measured, detail string) Judgement {
	j := Judgement{Objective: objective, Target: target, Actual: actual, Met: actual.Known && actual.Duration <= target}
	switch {
	case j.Met:
		j.Detail = fmt.Sprintf("%s of %s: %s", actual, Human(target), detail)
	case actual.Known:
		j.Detail = fmt.Sprintf("%s of %s, over by %s: %s", actual, Human(target), Human(actual.Duration-target), detail)
	default:
		j.Detail = fmt.Sprintf("not known whether %s is met, because %s: %s", Human(target), actual.Why, detail)
	}
	return j
}

func (t Timeline) measure(from, to string, phases []Phase) Measured {
	m := Measured{From: from, To: to}
	m.Duration, m.Why = t.spent(phases)
	m.Known = m.Why == ""
	return m
}

// spent is the time that phases took together, or why that is not known.
func (t Timeline) spent(phases []Phase) (total time.Duration, why string) {
	for _, p := range phases {
		why = fmt.Sprintf("the phase %s did not take place", p)
		for _, s := range t {
			if s.Phase != p {
				continue
			}
			switch {
			case s.Duration() < 0:
				return 0, fmt.Sprintf("the clock was set back during the phase %s", p)
			case s.Error != "":
				why = fmt.Sprintf("the phase %s failed", p)
			case s.Ended.IsZero():
				why = fmt.Sprintf("the phase %s did not end", p)
			default:
				why = ""
			}
			total += s.Duration()
		}
		if why != "" {
			return 0, why
		}
	}
	return total, ""
}

// gap is the time between the first beginning and the last end of the phases that none of them took.
func (t Timeline) gap(phases []Phase) time.Duration {
	var began, ended time.Time
	var spent time.Duration
	for _, s := range t {
		if !slices.Contains(phases, s.Phase) {
			continue
		}
		if began.IsZero() || s.Began.Before(began) {
			began = s.Began
		}
		if s.Ended.After(ended) {
			ended = s.Ended
		}
		spent += s.Duration()
	}
	return ended.Sub(began) - spent
}

// rpo counts what a recovery would have lost: the start of provisioning is the moment at which one would be decided. A backup that could not be restored recovers nothing, so then it is not known.
func (t Timeline) rpo(in Input, dataBack Measured) Measured {
	m := Measured{From: "the capture point", To: "the start of provisioning"}
	var decided time.Time
	for _, s := range t {
		if s.Phase == Provision || s.Phase == Restore {
			decided = s.Began
			break
		}
	}
	since := in.CapturePoint
	if horizon := in.CompletenessHorizon; !horizon.IsZero() && !horizon.After(decided) {
		since = horizon
		m.From = "the completeness horizon"
	}
	// Each of the two sees what the other cannot: the horizon all data that was written, tracers the shards in which nothing else was.
	if point := in.TracerPoint; !point.IsZero() && (since.IsZero() || point.Before(since)) {
		since = point
		m.From = "the newest tracer write that came back, in the shard where that is the oldest"
	}
	switch {
	case !dataBack.Known:
		m.Why = dataBack.Why
	case since.IsZero():
		m.Why = "the capture point is not known"
	case since.After(decided):
		m.Why = "the capture point is later than the start of provisioning: the clocks differ"
	default:
		m.Duration, m.Known = decided.Sub(since), true
	}
	return m
}

// findings are what is wrong with the document itself. Its dates are days: it is good until the end of the day of its review, in the time zone that the date is written in.
func (o Objectives) findings(now time.Time) []string {
	year, month, day := o.ReviewBy.Date()
	var findings []string
	if o.Owner == "" {
		findings = append(findings, "the objectives have no owner: set objectives.owner to whoever answers for them")
	}
	if o.ApprovedOn.IsZero() {
		findings = append(findings, "the objectives are not approved: set objectives.approved_on once they are")
	}
	switch {
	case o.ReviewBy.IsZero():
		findings = append(findings, "the objectives have no review date: set objectives.review_by")
	case !now.Before(time.Date(year, month, day+1, 0, 0, 0, 0, o.ReviewBy.Location())):
		findings = append(findings, fmt.Sprintf("the objectives are past their review date %s: review them, then set objectives.review_by anew", o.ReviewBy.Format(time.DateOnly)))
	}
	return findings
}
