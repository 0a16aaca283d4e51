package report

import (
	"fmt"
	"strings"
	"time"

	"github.com/weaviate-drill/weaviate-drill/backup"
	"github.com/weaviate-drill/weaviate-drill/rto"
	"github.com/weaviate-drill/weaviate-drill/rto/evidence"
	"github.com/weaviate-drill/weaviate-drill/verify/tracer"
)

// impactOf is what the record has of the source while its backup was made, nil when nothing.
func impactOf(r *evidence.Record) *backup.Impact {
	if r.Backup == nil {
		return nil
	}
	return r.Backup.Impact
}

// impactSection is empty for a backup that the drill did not make.
func impactSection(i *backup.Impact) section {
	if i == nil {
		return section{}
	}
	s := section{title: "Impact on the source", lines: []string{queueLine(i)}}
	s.table.columns = []column{
		{name: "probe"}, {name: "when"}, {name: "n", right: true}, {name: "errors", right: true}, {name: "median", right: true}, {name: "p95", right: true}, {name: "p99", right: true}, {name: "max", right: true},
		{name: "gap", right: true},
	}
	for _, probe := range []struct {
		verb string
		backup.Probes
	}{{"read", i.Reads}, {"write", i.Writes}} {
		if probe.What == "" {
			continue
		}
		for _, l := range []struct {
			when string
			backup.Latency
			tone tone
		}{{"before", probe.Before, plain}, {"meanwhile", probe.During, stallTone(probe.Probes)}} {
			s.table.rows = append(s.table.rows, []cell{
				text(probe.verb + " " + probe.What), text(l.when), text(count(l.N)), zero(int64(l.Errors), bad), text(latency(l.N, l.Median)), text(latency(l.N, l.P95)), text(latency(l.N, l.P99)),
				toned(latency(l.N, l.Max), l.tone), toned(rto.Human(l.Gap), l.tone),
			})
			if l.Error != "" {
				s.more = append(s.more, fmt.Sprintf("The first %s that failed %s: %s.", probe.verb, l.when, l.Error))
			}
		}
	}
	return s
}

func queueLine(i *backup.Impact) string {
	return fmt.Sprintf("%s waited to be indexed. A gap is the longest time without an answer.", number(i.Queue, "vector"))
}

func stallTone(p backup.Probes) tone {
	if p.Stalled() {
		return warn
	}
	return plain
}

func latency(n int, d time.Duration) string {
	if n == 0 {
		return "none"
	}
	return rto.Human(d)
}

// tracerSection is empty for a drill without tracers.
func tracerSection(r *evidence.Record) section {
	t := r.Tracer
	if t == nil {
		return section{}
	}
	s := section{title: "Capture point, as tracer objects tell", tone: tracerTone(t), lines: []string{tracerLine(t)}}
	s.table.columns = []column{
		{name: "shard"}, {name: "on"}, {name: "written", right: true}, {name: "back", right: true}, {name: "holes", right: true}, {name: "lost", right: true}, {name: "newest", right: true}, {name: "next", right: true},
		{name: "RPO", right: true},
	}
	for _, shard := range t.Shards {
		s.table.rows = append(s.table.rows, []cell{
			code(shard.Name), text(strings.Join(shard.Nodes, ", ")), text(count(shard.Writes)), text(count(shard.Captured)), zero(int64(shard.Holes), bad), zero(int64(shard.Lost), bad),
			text(sinceBegin(r, shard.Newest)), text(sinceBegin(r, shard.Missing)), text(tracerRPO(shard)),
		})
	}
	for _, problem := range []string{t.Failure(), t.Unknown()} {
		if problem != "" {
			s.more = append(s.more, upper(problem)+".")
		}
	}
	if t.Error != "" {
		s.more = append(s.more, fmt.Sprintf("%s not acknowledged, the first: %s.", number(t.Failed, "write"), t.Error))
	}
	return s
}

func tracerTone(t *tracer.Result) tone {
	switch {
	case t.Failure() != "":
		return bad
	case t.Unknown() != "":
		return warn
	}
	return good
}

func tracerLine(t *tracer.Result) string {
	line := fmt.Sprintf("%s to %s of %s. ", number(t.Writes, "write"), number(len(t.Shards), "shard"), t.Collection)
	if t.CapturePoint.IsZero() {
		return line + "When they were captured is not known."
	}
	if t.Failure() == "" {
		line += fmt.Sprintf("All that was written up to %s came back. ", exactly(t.CapturePoint))
		if len(t.Shards) > 1 {
			line += fmt.Sprintf("The last shard was captured %s after the first. ", rto.Human(t.Skew))
		}
	}
	if behind := max(t.Ahead[1], -t.Ahead[0]); behind > t.ClockSkew {
		line += fmt.Sprintf("The clocks of the source and the tool are up to %s apart, and so is the RPO. ", rto.Human(behind))
	}
	return line + "Newest (that came back) and next (that did not) are counted from the beginning of the backup."
}

func exactly(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05.000") + " UTC" }

// sinceBegin is a time of the source's clock as the time since the backup began, which is by the same clock.
func sinceBegin(r *evidence.Record, t time.Time) string {
	if t.IsZero() || r.Backup == nil {
		return "none"
	}
	return fmt.Sprintf("%+d ms", t.Sub(r.Backup.CapturePoint).Milliseconds())
}

func tracerRPO(s tracer.Shard) string {
	if s.RPO <= 0 {
		return "not known"
	}
	return rto.Human(s.RPO)
}

func upper(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

func tracerCases(t *tracer.Result) (cases []testcase) {
	if t == nil {
		return nil
	}
	for _, shard := range t.Shards {
		one := tracer.Result{Collection: t.Collection, Shards: []tracer.Shard{shard}}
		entry := testcase{Name: fmt.Sprintf("tracers of shard %s", shard.Name)}
		switch {
		case one.Failure() != "":
			entry.Failure = &result{Message: one.Failure()}
		case one.Unknown() != "":
			entry.Error = &result{Message: one.Unknown()}
		default:
			entry.Out = fmt.Sprintf("%d of %d acknowledged writes came back, the newest of %s", shard.Captured, shard.Writes, exactly(shard.Newest))
		}
		cases = append(cases, entry)
	}
	return cases
}

func impactCases(i *backup.Impact) (cases []testcase) {
	if i == nil {
		return nil
	}
	cases = []testcase{{Name: "queue of vectors", Out: queueLine(i)}}
	for _, probe := range []struct {
		verb string
		backup.Probes
	}{{"reads", i.Reads}, {"writes", i.Writes}} {
		if probe.What == "" {
			continue
		}
		line := func(l backup.Latency) string {
			return fmt.Sprintf("%d answered, %d errors, median %s, p99 %s, longest gap %s", l.N, l.Errors, latency(l.N, l.Median), latency(l.N, l.P99), rto.Human(l.Gap))
		}
		out := fmt.Sprintf("before the backup: %s; meanwhile: %s", line(probe.Before), line(probe.During))
		entry := testcase{Name: probe.verb + " of " + probe.What, Out: out}
		if probe.Stalled() {
			entry.Out, entry.Skipped = "", &result{Message: "it stood still while the backup was made: " + out}
		}
		cases = append(cases, entry)
	}
	return cases
}
