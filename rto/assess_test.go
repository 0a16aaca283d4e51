package rto

import (
	"slices"
	"strings"
	"testing"
	"time"
)

var start = time.Date(2026, 11, 24, 22, 0, 0, 0, time.UTC)

// line makes a timeline in which each phase takes the given seconds, without a gap.
func line(phases ...any) Timeline {
	var t Timeline
	at := start
	for i := 0; i < len(phases); i += 2 {
		end := at.Add(time.Duration(phases[i+1].(int) * int(time.Second)))
		t = append(t, Span{Phase: phases[i].(Phase), Began: at, Ended: end})
		at = end
	}
	return t
}

func whole() Timeline {
	return line(Preflight, 1, Backup, 12, Catalogue, 1, Provision, 10, Restore, 60, Index, 20, FirstAnswer, 1, Verify, 600, Teardown, 5)
}

// with changes the span of a phase.
func (t Timeline) with(p Phase, change func(*Span)) Timeline {
	for i := range t {
		if t[i].Phase == p {
			change(&t[i])
		}
	}
	return t
}

func without(t Timeline, p Phase) Timeline {
	return slices.DeleteFunc(t, func(s Span) bool { return s.Phase == p })
}

func failed(s *Span)   { s.Error = "no" }
func unended(s *Span)  { s.Ended = time.Time{} }
func backward(s *Span) { s.Ended = s.Began.Add(-time.Second) }

func TestMilestones(t *testing.T) {
	tests := []struct {
		name                         string
		timeline                     Timeline
		in                           Input
		dataBack, recovered, inTotal string
		assumptions                  int
	}{
		{"whole, without the verification", whole(), Input{}, "1 min 10 s", "1 min 31 s", "not known (no allowance for detection and decision is declared)", 0},
		{"with an allowance", whole(), Input{Objectives: &Objectives{Allowance: 15 * time.Minute}}, "1 min 10 s", "1 min 31 s", "16 min 31 s", 1},
		{"provided from outside", whole(), Input{Provided: true}, "1 min", "1 min 21 s", "not known (no allowance for detection and decision is declared)", 1},
		{
			"restore failed", line(Provision, 10, Restore, 60).with(Restore, failed), Input{Objectives: &Objectives{Allowance: time.Minute}},
			"not known (the phase restore failed)", "not known (the phase restore failed)", "not known (the phase restore failed)", 1,
		},
		{"restore never ended", whole().with(Restore, unended), Input{}, "not known (the phase restore did not end)", "not known (the phase restore did not end)", "", 0},
		{"index failed", whole().with(Index, failed), Input{}, "1 min 10 s", "not known (the phase index failed)", "", 0},
		{"no answer", without(whole(), FirstAnswer), Input{}, "1 min 10 s", "not known (the phase first answer did not take place)", "", 0},
		{"clock set back", whole().with(Restore, backward), Input{}, "not known (the clock was set back during the phase restore)", "", "", 0},
		{"nothing happened", nil, Input{}, "not known (the phase provision did not take place)", "not known (the phase provision did not take place)", "", 0},
		{
			"a failed attempt counts", append(line(Provision, 30).with(Provision, failed), line(Provision, 10, Restore, 60, Index, 1, FirstAnswer, 1)...), Input{},
			"1 min 40 s", "1 min 42 s", "", 0,
		},
		{"a failure after a success", append(line(Provision, 10, Restore, 60), line(Restore, 3).with(Restore, failed)...), Input{}, "not known (the phase restore failed)", "", "", 0},
		{"a gap is told", line(Provision, 10, Copy, 40, Restore, 60, Index, 20, FirstAnswer, 1), Input{}, "1 min 10 s", "1 min 31 s", "", 1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			a := Assess(test.timeline, test.in)
			for _, m := range []struct {
				name, want string
				got        Measured
			}{{"data back", test.dataBack, a.DataBack}, {"recovered", test.recovered, a.Recovered}, {"in total", test.inTotal, a.InTotal}} {
				if m.want != "" && m.got.String() != m.want {
					t.Errorf("%s: %s, want %s", m.name, m.got, m.want)
				}
				if m.got.From == "" || m.got.To == "" || m.got.Known == (m.got.Why != "") || !m.got.Known && m.got.Duration != 0 {
					t.Errorf("%s: %#v", m.name, m.got)
				}
			}
			if len(a.Assumptions) != test.assumptions {
				t.Errorf("assumptions %q", a.Assumptions)
			}
			if len(a.Judgements)+len(a.Findings) > 0 && test.in.Objectives == nil {
				t.Errorf("judged without objectives: %v %v", a.Judgements, a.Findings)
			}
		})
	}
}

func TestRPO(t *testing.T) {
	decided := start.Add(14 * time.Second) // provisioning of whole()
	tests := []struct {
		name     string
		timeline Timeline
		in       Input
		want     string
		from     string
	}{
		{"capture point", whole(), Input{CapturePoint: decided.Add(-time.Minute)}, "1 min", "the capture point"},
		{"horizon", whole(), Input{CapturePoint: decided.Add(-time.Minute), CompletenessHorizon: decided.Add(-time.Hour)}, "1 h", "the completeness horizon"},
		{"horizon at the very moment", whole(), Input{CapturePoint: decided.Add(-time.Minute), CompletenessHorizon: decided}, "0 ms", "the completeness horizon"},
		{"horizon later than the decision", whole(), Input{CapturePoint: decided.Add(-time.Minute), CompletenessHorizon: decided.Add(1)}, "1 min", "the capture point"},
		{"a shard was captured before", whole(), Input{CapturePoint: decided.Add(-time.Minute), CompletenessHorizon: decided, TracerPoint: decided.Add(-2 * time.Minute)}, "2 min", "the newest tracer write"},
		{"no shard was captured before", whole(), Input{CapturePoint: decided.Add(-2 * time.Minute), TracerPoint: decided.Add(-time.Minute)}, "2 min", "the capture point"},
		{"tracers alone", whole(), Input{TracerPoint: decided.Add(-time.Minute)}, "1 min", "the newest tracer write"},
		{"neither", whole(), Input{}, "not known (the capture point is not known)", "the capture point"},
		{"clocks differ", whole(), Input{CapturePoint: decided.Add(time.Second)}, "not known (the capture point is later than the start of provisioning: the clocks differ)", "the capture point"},
		{"nothing came back", whole().with(Restore, failed), Input{CapturePoint: decided.Add(-time.Minute)}, "not known (the phase restore failed)", "the capture point"},
		{"no recovery", line(Preflight, 1), Input{CapturePoint: decided}, "not known (the phase provision did not take place)", "the capture point"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := Assess(test.timeline, test.in).RPO
			if got.String() != test.want || !strings.HasPrefix(got.From, test.from) || !strings.HasPrefix(got.To, "the start of provisioning") {
				t.Errorf("%s, from %s to %s; want %s, from %s", got, got.From, got.To, test.want, test.from)
			}
		})
	}
}

func TestJudgements(t *testing.T) {
	capture := start.Add(-time.Hour + 14*time.Second)
	tests := []struct {
		name       string
		timeline   Timeline
		objectives Objectives
		want       []string // objective, met, beginning of the detail
	}{
		{"both met", whole(), Objectives{RTO: 5 * time.Minute, RPO: 2 * time.Hour}, []string{"RTO true 1 min 31 s of 5 min: data back 1 min 10 s, technically recovered 1 min 31 s, in total not known", "RPO true 1 h of 2 h: from the capture point"}},
		{"exactly on target", whole(), Objectives{RTO: 91 * time.Second, RPO: time.Hour}, []string{"RTO true", "RPO true"}},
		{"both missed", whole(), Objectives{RTO: 91*time.Second - 1, RPO: time.Minute}, []string{"RTO false 1 min 31 s of 1 min 31 s, over by 0 ms", "RPO false 1 h of 1 min, over by 59 min"}},
		{"the allowance decides", whole(), Objectives{RTO: 5 * time.Minute, Allowance: 4 * time.Minute}, []string{"RTO false 5 min 31 s of 5 min, over by 31 s: data back 1 min 10 s, technically recovered 1 min 31 s, in total 5 min 31 s"}},
		{"not measured is not met", whole().with(Restore, failed), Objectives{RTO: time.Hour, RPO: 2 * time.Hour}, []string{"RTO false not known whether 1 h is met, because the phase restore failed", "RPO false not known"}},
		{"no targets", whole(), Objectives{Owner: "search team"}, nil},
		{"only an RPO", whole(), Objectives{RPO: time.Hour}, []string{"RPO true"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := Assess(test.timeline, Input{Objectives: &test.objectives, CapturePoint: capture}).Judgements
			if len(got) != len(test.want) {
				t.Fatalf("%d judgements %v, want %d", len(got), got, len(test.want))
			}
			for i, j := range got {
				line := j.Objective + map[bool]string{true: " true ", false: " false "}[j.Met] + j.Detail
				if !strings.HasPrefix(line, test.want[i]) {
					t.Errorf("got  %s\nwant %s", line, test.want[i])
				}
			}
		})
	}
}

func TestDocument(t *testing.T) {
	day := time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)
	good := Objectives{Owner: "search team", ApprovedOn: day.AddDate(-1, 0, 0), ReviewBy: day}
	tests := []struct {
		name   string
		change func(*Objectives)
		now    time.Time
		want   string
	}{
		{"in order", func(*Objectives) {}, day, ""},
		{"on its last day", func(*Objectives) {}, day.Add(24*time.Hour - 1), ""},
		{"past its review date", func(*Objectives) {}, day.Add(24 * time.Hour), "past their review date 2026-11-24"},
		{"no owner", func(o *Objectives) { o.Owner = "" }, day, "no owner"},
		{"not approved", func(o *Objectives) { o.ApprovedOn = time.Time{} }, day, "not approved"},
		{"no review date", func(o *Objectives) { o.ReviewBy = time.Time{} }, day, "no review date"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			o := good
			test.change(&o)
			got := Assess(nil, Input{Objectives: &o, Now: test.now}).Findings
			if text := strings.Join(got, "\n"); len(got) > 1 || (test.want == "") != (text == "") || !strings.Contains(text, test.want) {
				t.Errorf("%q, want %q", got, test.want)
			}
		})
	}
}

func TestHuman(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0 ms", 340 * time.Millisecond: "340 ms", 999600 * time.Microsecond: "1 s", 1449 * time.Millisecond: "1.4 s", 30 * time.Second: "30 s", 59960 * time.Millisecond: "1 min",
		123 * time.Second: "2 min 3 s", 30 * time.Minute: "30 min", 59*time.Minute + 59600*time.Millisecond: "1 h", 65 * time.Minute: "1 h 5 min", 24 * time.Hour: "24 h",
		48*time.Hour - time.Second: "2 d", 76 * time.Hour: "3 d 4 h", -90 * time.Second: "-1 min 30 s",
	} {
		if got := Human(d); got != want {
			t.Errorf("%d: %s, want %s", d, got, want)
		}
	}
}
