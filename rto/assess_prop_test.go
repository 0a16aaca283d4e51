package rto

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// drawTimeline draws the phases of a drill in any order and any state, also more than once.
func drawTimeline(t *rapid.T) Timeline {
	at := start
	var line Timeline
	for range rapid.IntRange(0, 8).Draw(t, "phases") {
		s := Span{Phase: rapid.SampledFrom([]Phase{Preflight, Backup, Copy, Provision, Restore, Index, FirstAnswer, Verify}).Draw(t, "phase"), Began: at}
		at = at.Add(time.Duration(rapid.IntRange(0, 100).Draw(t, "seconds")) * time.Second)
		s.Ended = at
		switch rapid.IntRange(0, 9).Draw(t, "state") {
		case 0:
			s.Error = "no"
		case 1:
			s.Ended = time.Time{}
		case 2:
			s.Ended = s.Began.Add(-time.Second)
		}
		at = at.Add(time.Duration(rapid.IntRange(0, 3).Draw(t, "gap")) * time.Second)
		line = append(line, s)
	}
	return line
}

// TestAssessProperties: what is not known is never a number and never meets an objective; the milestones follow one another; and only the phases of the recovery are in it.
func TestAssessProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		line := drawTimeline(t)
		if rapid.Bool().Draw(t, "a whole recovery") {
			line = append(line, whole()...)
		}
		seconds := func(label string, least, most int) time.Duration {
			return time.Duration(rapid.IntRange(least, most).Draw(t, label)) * time.Second
		}
		o := &Objectives{RTO: seconds("RTO", 0, 400), RPO: seconds("RPO", 0, 400), Allowance: seconds("allowance", 0, 100)}
		in := Input{Objectives: o, CapturePoint: start.Add(-seconds("captured before", -100, 400)), Provided: rapid.Bool().Draw(t, "provided")}
		if rapid.Bool().Draw(t, "horizon known") {
			in.CompletenessHorizon = in.CapturePoint.Add(-seconds("horizon before", -10, 100))
		}
		if rapid.Bool().Draw(t, "tracers read") {
			in.TracerPoint = in.CapturePoint.Add(-seconds("newest tracer before", -10, 100))
		}
		a := Assess(line, in)
		for name, m := range map[string]Measured{"data back": a.DataBack, "recovered": a.Recovered, "in total": a.InTotal, "RPO": a.RPO} {
			if m.Known == (m.Why != "") || !m.Known && m.Duration != 0 || m.Duration < 0 || m.From == "" || m.To == "" {
				t.Fatalf("%s: %+v", name, m)
			}
		}
		if a.Recovered.Known && (!a.DataBack.Known || a.Recovered.Duration < a.DataBack.Duration) {
			t.Fatalf("recovered %s, data back %s", a.Recovered, a.DataBack)
		}
		if a.InTotal.Known != (a.Recovered.Known && o.Allowance > 0) || a.InTotal.Known && a.InTotal.Duration != a.Recovered.Duration+o.Allowance {
			t.Fatalf("in total %s, recovered %s, allowed %s", a.InTotal, a.Recovered, o.Allowance)
		}
		if a.RPO.Known && !a.DataBack.Known {
			t.Fatal("a backup that brought nothing back has an RPO")
		}
		for _, j := range a.Judgements {
			if target := map[string]time.Duration{"RTO": o.RTO, "RPO": o.RPO}[j.Objective]; j.Target != target || j.Met != (j.Actual.Known && j.Actual.Duration <= target) || j.Detail == "" {
				t.Fatalf("%+v", j)
			}
		}
		if want := map[bool]int{true: 1}[o.RTO > 0] + map[bool]int{true: 1}[o.RPO > 0]; len(a.Judgements) != want {
			t.Fatalf("%d of %d objectives are judged", len(a.Judgements), want)
		}

		again := func(what string, line Timeline, in Input, same func(b *Assessment) bool) {
			if b := Assess(line, in); !same(b) {
				t.Fatalf("%s: data back %s, recovered %s, RPO %s became %s, %s, %s", what, a.DataBack, a.Recovered, a.RPO, b.DataBack, b.Recovered, b.RPO)
			}
		}
		last := start
		for _, s := range line {
			last = last.Add(s.Duration().Abs() + time.Minute)
		}
		verified := append(line[:len(line):len(line)], Span{Phase: Verify, Began: last, Ended: last.Add(time.Hour)}, Span{Phase: Teardown, Began: last.Add(time.Hour), Error: "no"})
		again("verification and teardown", verified, in, func(b *Assessment) bool {
			return b.DataBack == a.DataBack && b.Recovered == a.Recovered && b.InTotal == a.InTotal && b.RPO == a.RPO
		})
		failed := append(line[:len(line):len(line)], Span{Phase: Restore, Began: last, Ended: last, Error: "no"})
		again("a restore that failed in the end", failed, in, func(b *Assessment) bool { return !b.DataBack.Known && !b.Recovered.Known && !b.RPO.Known })
		older := in
		older.CapturePoint, older.CompletenessHorizon, older.TracerPoint = in.CapturePoint.Add(-time.Hour), time.Time{}, time.Time{}
		again("a backup that is an hour older", line, older, func(b *Assessment) bool {
			return !a.RPO.Known || b.RPO.Known && b.RPO.Duration >= a.RPO.Duration
		})
	})
}
