package report

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/weaviate-drill/weaviate-drill/backup/sandbox"
	"github.com/weaviate-drill/weaviate-drill/rto"
	"github.com/weaviate-drill/weaviate-drill/rto/evidence"
	"github.com/weaviate-drill/weaviate-drill/verify"
)

// verdict says what a drill's status means, to somebody who sees one for the first time.
type verdict struct {
	Word     string
	Sentence string
	tone     tone
}

func judge(r *evidence.Record) verdict {
	switch r.Status {
	case evidence.Passed:
		if !r.Restores() {
			return verdict{"PASSED", unrestored(r), good}
		}
		return verdict{"PASSED", "The backup was restored. " + compared(r.Verification), good}
	case evidence.DataFailed:
		return verdict{"FAILED", "Do not rely on this backup: it does not bring back what was there.", bad}
	case evidence.Policy:
		return verdict{"FAILED", "An objective was missed, or the bucket is not configured as the policy demands. " + proved(r), bad}
	case evidence.Refused:
		return verdict{"REFUSED", "A safety interlock kept the drill from disturbing a backup or a restore. Nothing is known of the backup.", warn}
	case evidence.Inconclusive:
		return verdict{"INCONCLUSIVE", "This is not a pass: something needed could not be known.", warn}
	case evidence.NotCarriedOut:
		return verdict{"NOT CARRIED OUT", "The drill could not be carried out, so it says nothing of the backup. It may be tried again.", warn}
	case evidence.Interrupted:
		return verdict{"INTERRUPTED", "The drill was stopped before its end. What was not looked at is not known.", warn}
	case evidence.Usage:
		return verdict{"WRONG USAGE", "The drill was not begun: its configuration or command line is wrong.", warn}
	}
	return verdict{strings.ToUpper(r.Status.String()), "This version of the tool does not know that status.", warn}
}

// compared says what a comparison rests on and, of a sample, what it proves.
func compared(v *verify.Result) string {
	if v == nil {
		return "Its content was not compared."
	}
	if s := v.Sampling; s != nil && s.Conclusion != "" {
		return basis(v) + " Conclusion: " + s.Conclusion + "."
	}
	return basis(v)
}

func basis(v *verify.Result) string {
	n := v.Verdicts
	of := fmt.Sprintf("of %s, %s came back equal, bit for bit", number(n.Total(), "object"), count(n.Match))
	switch {
	case v.Level == verify.LevelStructure:
		return "The structure was compared; no object was counted or read."
	case v.Level == verify.LevelCounts:
		return "Structure and counts were compared, no object was."
	case len(v.Unknown) > 0:
		return fmt.Sprintf("Not everything could be looked at; what was compared: %s.", of)
	case v.Level == verify.LevelSample:
		return fmt.Sprintf("A random sample was compared, and the ids and times of all objects: %s.", of)
	case v.Level.AtLeast(verify.LevelIndex):
		return fmt.Sprintf("Every object was compared, and the restored indexes were questioned: %s.", of)
	case v.Level.AtLeast(verify.LevelFull):
		return fmt.Sprintf("Every object was compared: %s.", of)
	}
	return fmt.Sprintf("What was compared: %s.", of)
}

func recordDocument(r *evidence.Record) document {
	v := judge(r)
	d := document{{title: fmt.Sprintf("%s  %s  (exit status %d: %s)", v.Word, r.ID, r.Status, r.Status), tone: v.tone, lines: []string{v.Sentence}}}
	if len(r.Reasons) > 0 {
		reasons := section{title: "Reasons, the worst first"}
		for _, reason := range r.Reasons {
			reasons.items = append(reasons.items, reasonLine(reason))
		}
		d = append(d, reasons)
	}
	return append(d,
		factsSection(r), recoverySection(r), phasesSection(r), impactSection(impactOf(r)), tracerSection(r),
		postureSection(r), backupCheckSection(r.Catalogue, r.Archive, few), verificationSection(r.Verification),
		structureSection(r.Verification, few), differencesSection(r.Verification, few), rulesSection(r.Verification), indexSection(r.Verification), indexFailuresSection(r.Verification, few), customSection(r.Checks), selfTestSection(r.SelfTest, false), isolationSection(r),
		listSection("Notes", r.Notes), listSection("Logs of the restored server", r.Logs),
	)
}

func reasonLine(r evidence.Reason) string {
	return fmt.Sprintf("%s, in %s: %s", r.Status, cmp.Or(r.Phase, "the drill"), r.Message)
}

func listSection(title string, items []string) section {
	s := section{title: title, items: items}
	if len(items) == 0 {
		s.title = ""
	}
	return s
}

// fact is one line of what a drill was about.
type fact struct{ Name, Value string }

func facts(r *evidence.Record) []fact {
	list := []fact{
		{"when", fmt.Sprintf("%s, %s", at(r.Began), took(r))},
		{"source", fmt.Sprintf("%s, %s", cmp.Or(r.Source.URL, "not known"), weaviates(r.Source.Version, r.Source.Nodes))},
		{"bucket", join(address(r.Bucket), r.Bucket.Region, r.Bucket.Endpoint)},
	}
	if r.Source.URL == "" && !r.Restores() {
		list[1].Value = "not asked"
	}
	if r.Level != "" {
		list = append(list, fact{"level", levelFact(r.Level)})
	}
	if b := r.Backup; b != nil {
		made := "existing"
		if b.Created {
			made = "made by this drill"
		}
		list = append(list, fact{"backup", join(b.ID, made, "compression "+cmp.Or(b.Compression, "not known"), Bytes(b.Bytes)+" before compression", number(len(b.Collections), "collection"))})
		if len(b.Chain) > 0 {
			list = append(list, fact{"builds on", strings.Join(b.Chain, ", ")})
		}
		list = append(list, fact{"captured", at(b.CapturePoint)})
	} else {
		list = append(list, fact{"backup", "none"})
	}
	restored := "none"
	if !r.Restores() {
		restored = "none, as asked"
	}
	if r.Restore != nil {
		restored = join(fmt.Sprintf("sandbox %s", r.Sandbox.Kind), weaviates(r.Sandbox.Version, r.Sandbox.Nodes), upgrade(r), "from "+r.Restore.From, "status "+cmp.Or(r.Restore.Status, "not known"))
	}
	list = append(list, fact{"restore", restored})
	if r.Restore != nil && r.Restore.Error != "" {
		list = append(list, fact{"restore error", r.Restore.Error})
	}
	if r.Restore != nil && r.Restore.Cause != "" {
		list = append(list, fact{"its true cause", r.Restore.Cause})
	}
	if r.Sandbox.Kept != "" {
		list = append(list, fact{"sandbox kept", r.Sandbox.Kept})
	}
	return append(list, fact{"tool", join("weaviate-drill "+r.Tool.Version, r.Tool.Commit, r.Tool.Go)})
}

func took(r *evidence.Record) string {
	if r.Ended.IsZero() {
		return "not ended"
	}
	return "took " + rto.Human(r.Ended.Sub(r.Began))
}

func weaviates(version string, nodes []string) string {
	if version == "" {
		return "Weaviate of a version that is not known"
	}
	return fmt.Sprintf("Weaviate %s on %s", version, number(len(nodes), "node"))
}

// upgrade says that the backup was restored into another version than it was made by, "" when not.
func upgrade(r *evidence.Record) string {
	if r.Backup == nil || r.Sandbox.Version == "" || r.Sandbox.Version == r.Backup.ServerVersion {
		return ""
	}
	return "another version than the backup's " + cmp.Or(r.Backup.ServerVersion, "unknown one")
}

func factsSection(r *evidence.Record) section {
	s := section{table: table{columns: []column{{}, {}}}}
	for _, f := range facts(r) {
		s.table.rows = append(s.table.rows, []cell{toned(f.Name, faint), text(f.Value)})
	}
	return s
}

// milestone is one line of the recovery, with the objective that was held against it.
type milestone struct {
	Name, Measured, Objective, Verdict, Clock string
	Detail                                    string
	tone                                      tone
	actual                                    rto.Measured
	target                                    time.Duration
}

func milestones(a *rto.Assessment) []milestone {
	list := []milestone{
		{Name: "data back", actual: a.DataBack}, {Name: "technically recovered (RTO actual)", actual: a.Recovered},
		{Name: "in total", actual: a.InTotal}, {Name: "writes lost (RPO actual)", actual: a.RPO},
	}
	for i := range list {
		m := &list[i]
		m.Measured = duration(m.actual)
		m.Clock = "from " + m.actual.From + " to " + m.actual.To
		if !m.actual.Known {
			m.Clock = m.actual.Why
		}
	}
	for _, j := range a.Judgements {
		for i := range list {
			m := &list[i]
			rpo := i == len(list)-1
			if (j.Objective == "RPO") != rpo || j.Actual != m.actual || !rpo && i == 0 {
				continue
			}
			m.Objective, m.target, m.Detail = j.Objective+" "+rto.Human(j.Target), j.Target, j.Detail
			switch {
			case j.Met:
				m.Verdict, m.tone = "met", good
			case j.Actual.Known:
				m.Verdict, m.tone = "missed", bad
			default:
				m.Verdict, m.tone = "not known", warn
			}
		}
	}
	return list
}

func recoverySection(r *evidence.Record) section {
	s := section{title: "Recovery"}
	if r.Assessment == nil {
		s.lines = []string{"Not measured: the drill ended before anything was restored."}
		return s
	}
	if !r.Restores() {
		s.lines = []string{fmt.Sprintf("Not measured, because nothing is restored at level %s; objectives are not judged.", r.Level)}
	}
	s.table.columns = []column{{name: "milestone"}, {name: "measured", right: true}, {name: "objective"}, {name: "clock", least: 30}}
	for _, m := range milestones(r.Assessment) {
		objective := m.Objective
		if m.Verdict != "" {
			objective += ": " + m.Verdict
		}
		s.table.rows = append(s.table.rows, []cell{text(m.Name), toned(m.Measured, m.tone), toned(objective, m.tone), toned(m.Clock, faint)})
	}
	if line := fidelityLine(r.Sandbox); line != "" {
		s.more = append(s.more, line)
	}
	s.more = append(s.more, objectivesLine(r.Objectives))
	for _, f := range r.Assessment.Findings {
		s.more = append(s.more, "Finding: "+f+".")
	}
	for _, a := range r.Assessment.Assumptions {
		s.more = append(s.more, "Assumption: "+a+".")
	}
	return s
}

func objectivesLine(o *rto.Objectives) string {
	if o == nil {
		return "No objectives are documented, so nothing was judged."
	}
	return fmt.Sprintf("Objectives: owner %s, approved on %s, to be reviewed by %s.", cmp.Or(o.Owner, "not known"), day(o.ApprovedOn), day(o.ReviewBy))
}

// step is a phase as it is drawn.
type step struct {
	Phase       rto.Phase
	Took        string
	Note        string
	tone        tone
	Start, Size float64 // as parts of the whole, 0 to 1
	Recovery    bool    // on the recovery clock
}

// steps lays the phases out in time. A phase that did not end is drawn to the end of the last one.
func steps(t rto.Timeline) (list []step, total time.Duration) {
	if len(t) == 0 {
		return nil, 0
	}
	began, ended := t[0].Began, t[0].Began
	for _, s := range t {
		if s.Ended.After(ended) {
			ended = s.Ended
		}
		if s.Began.After(ended) {
			ended = s.Began
		}
	}
	total = ended.Sub(began)
	part := func(d time.Duration) float64 { return min(1, max(0, float64(d)/float64(max(total, 1)))) }
	for _, s := range t {
		e := step{Phase: s.Phase, Took: rto.Human(s.Duration()), Start: part(s.Began.Sub(began)), Size: part(s.Duration())}
		switch s.Phase {
		case rto.Provision, rto.Restore, rto.Index, rto.FirstAnswer:
			e.Recovery, e.Note = true, "recovery"
		case rto.Verify:
			e.Note = "beside the recovery, not part of it"
		}
		switch {
		case s.Error != "":
			e.Note, e.tone = "failed: "+s.Error, bad
		case s.Ended.IsZero():
			e.Note, e.Took, e.tone, e.Size = "did not end", "not known", bad, 1-e.Start
		}
		list = append(list, e)
	}
	return list, total
}

const barWidth = 28

// provisionLine says where the time of the phase provision went, "" when the sandbox does not tell.
func provisionLine(steps []sandbox.Step) string {
	if len(steps) == 0 {
		return ""
	}
	var parts []string
	var own time.Duration
	for _, s := range steps {
		parts = append(parts, s.Name+" "+rto.Human(s.Took))
		if !s.Weaviate {
			own += s.Took
		}
	}
	return fmt.Sprintf("Provision: %s; %s of it besides the server's own start.", strings.Join(parts, ", "), rto.Human(own))
}

func phasesSection(r *evidence.Record) section {
	s := section{title: "Phases"}
	list, _ := steps(r.Timeline)
	if len(list) == 0 {
		s.lines = []string{"None was begun."}
		return s
	}
	s.table.columns = []column{{name: "phase"}, {name: "took", right: true}, {name: "when", bars: true}, {}}
	for _, e := range list {
		t := e.tone
		if t == plain && e.Recovery {
			t = good
		}
		from := min(int(e.Start*barWidth), barWidth-1)
		size := min(max(1, int(e.Size*barWidth+0.5)), barWidth-from)
		bar := strings.Repeat("·", from) + strings.Repeat("█", size) + strings.Repeat("·", barWidth-from-size)
		s.table.rows = append(s.table.rows, []cell{text(string(e.Phase)), text(e.Took), toned(bar, t), toned(e.Note, cmp.Or(e.tone, faint))})
	}
	if line := provisionLine(r.Sandbox.Steps); line != "" {
		s.more = []string{line}
	}
	return s
}
