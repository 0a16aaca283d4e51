package report

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/weaviate-drill/weaviate-drill/backup"
	"github.com/weaviate-drill/weaviate-drill/backup/bucket"
	"github.com/weaviate-drill/weaviate-drill/rto"
	"github.com/weaviate-drill/weaviate-drill/rto/evidence"
	"github.com/weaviate-drill/weaviate-drill/verify"
)

// document is what the terminal and Markdown show alike.
type document []section

// section shows its parts in the order of its fields; what is empty is left out.
type section struct {
	title string
	tone  tone // of the title
	lines []string
	items []string // a list
	table table
	more  []string // lines below the table
}

type table struct {
	columns []column
	rows    [][]cell
}

type column struct {
	name  string
	right bool // numbers, which are never wrapped
	whole bool // never wrapped either
	bars  bool // drawn, for a terminal only
	least int  // columns of a terminal that it needs
}

type cell struct {
	text string
	tone tone
	code bool // an identifier or a value: verbatim, where the format can tell
}

// tone is how good what is shown is.
type tone int

const (
	plain tone = iota
	good
	bad
	warn
	faint
)

func text(s string) cell          { return cell{text: s} }
func code(s string) cell          { return cell{text: s, code: true} }
func toned(s string, t tone) cell { return cell{text: s, tone: t} }

// zero is a number that is good to be zero.
func zero(n int64, otherwise tone) cell {
	if n == 0 {
		return text("0")
	}
	return toned(count(n), otherwise)
}

// Long lists are cut in the summaries; JSON and the HTML page have them whole.
const (
	few        = 20
	everything = 1 << 30
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
		return verdict{"PASSED", "The backup was restored. " + compared(r.Verification), good}
	case evidence.DataFailed:
		return verdict{"FAILED", "Do not rely on this backup: it does not bring back what was there.", bad}
	case evidence.Policy:
		return verdict{"FAILED", "An objective was missed, or the bucket is not configured as the policy demands. " + compared(r.Verification), bad}
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

// compared says in one sentence what a comparison rests on.
func compared(v *verify.Result) string {
	if v == nil {
		return "Its content was not compared."
	}
	n := v.Verdicts
	of := fmt.Sprintf("of %s, %s came back equal, bit for bit", number(n.Total(), "object"), count(n.Match))
	switch {
	case v.Level == verify.LevelCounts:
		return "Structure and counts were compared, no object was."
	case len(v.Unknown) > 0:
		return fmt.Sprintf("Not everything could be looked at; what was compared: %s.", of)
	case v.Level == verify.LevelSample:
		return fmt.Sprintf("A random sample was compared: %s.", of)
	case v.Level == verify.LevelFull:
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
		factsSection(r), recoverySection(r), phasesSection(r.Timeline),
		postureSection(r.Posture, false), backupCheckSection(r.Catalogue, r.Archive, few), verificationSection(r.Verification),
		structureSection(r.Verification, few), differencesSection(r.Verification, few),
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
		{"bucket", join("s3://"+strings.TrimSuffix(r.Bucket.Name+"/"+r.Bucket.Path, "/"), r.Bucket.Region, r.Bucket.Endpoint)},
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
	if r.Restore != nil {
		restored = join(fmt.Sprintf("sandbox %s", r.Sandbox.Kind), weaviates(r.Sandbox.Version, r.Sandbox.Nodes), "from "+r.Restore.From, "status "+cmp.Or(r.Restore.Status, "not known"))
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
	s.table.columns = []column{{name: "milestone"}, {name: "measured", right: true}, {name: "objective"}, {name: "clock", least: 30}}
	for _, m := range milestones(r.Assessment) {
		objective := m.Objective
		if m.Verdict != "" {
			objective += ": " + m.Verdict
		}
		s.table.rows = append(s.table.rows, []cell{text(m.Name), toned(m.Measured, m.tone), toned(objective, m.tone), toned(m.Clock, faint)})
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

func phasesSection(t rto.Timeline) section {
	s := section{title: "Phases"}
	list, _ := steps(t)
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
	return s
}

// blocking says whether the policy of a record does not allow a finding.
func blocking(r *evidence.Record, f bucket.Finding) bool {
	return len(bucket.Violations([]bucket.Finding{f}, cmp.Or(r.FailOn, bucket.High))) > 0
}

var statuses = []struct {
	status bucket.Status
	tone   tone
}{{bucket.Fail, bad}, {bucket.Unknown, warn}, {bucket.NotSupported, warn}, {bucket.Waived, warn}, {bucket.Pass, good}}

// postureCounts sums up an audit: "13 checks: 2 fail, 1 unknown, 10 pass".
func postureCounts(findings []bucket.Finding) string {
	var parts []string
	for _, s := range statuses {
		n := 0
		for _, f := range findings {
			if f.Status == s.status {
				n++
			}
		}
		if n > 0 {
			parts = append(parts, fmt.Sprint(n, " ", s.status))
		}
	}
	return number(len(findings), "check") + ": " + strings.Join(parts, ", ")
}

// byStatus lists findings by status, what does not pass first.
func byStatus(findings []bucket.Finding) (list []bucket.Finding) {
	for _, s := range statuses {
		for _, f := range findings {
			if f.Status == s.status {
				list = append(list, f)
			}
		}
	}
	return list
}

func statusTone(s bucket.Status) tone {
	for _, known := range statuses {
		if known.status == s {
			return known.tone
		}
	}
	return warn
}

func postureSection(findings []bucket.Finding, whole bool) section {
	s := section{title: "Bucket posture"}
	if len(findings) == 0 {
		s.lines = []string{"The bucket was not audited."}
		return s
	}
	s.lines = []string{postureCounts(findings) + "."}
	s.table.columns = []column{{name: "status"}, {name: "severity"}, {name: "check"}, {name: "finding"}}
	for _, f := range byStatus(findings) {
		if f.Status == bucket.Pass && !whole {
			continue
		}
		detail := f.Detail
		if w := f.Waiver; w != nil {
			detail = fmt.Sprintf("%s; waived until %s by %s: %s", detail, day(w.Expires), w.Owner, w.Reason)
		}
		s.table.rows = append(s.table.rows, []cell{toned(string(f.Status), statusTone(f.Status)), text(string(f.Severity)), code(f.Check), text(detail)})
	}
	return s
}

func findingsDocument(findings []bucket.Finding) document {
	d := document{postureSection(findings, true)}
	mend := section{title: "Remediation", table: table{columns: []column{{name: "check"}, {name: "command"}}}}
	for _, f := range byStatus(findings) {
		if f.Status == bucket.Fail && f.Remediation != "" {
			mend.table.rows = append(mend.table.rows, []cell{code(f.Check), code(f.Remediation)})
		}
	}
	if len(mend.table.rows) > 0 {
		d = append(d, mend)
	}
	return d
}

func backupCheckSection(c *backup.CatalogueResult, a *backup.ArchiveResult, most int) section {
	s := section{title: "The backup in S3", lines: []string{catalogueLine(c), archiveLine(a)}}
	problems := problems(c, a)
	if len(problems) == 0 {
		return s
	}
	s.table.columns = []column{{name: "problem"}, {name: "where"}, {name: "what"}}
	for _, p := range problems[:min(len(problems), most)] {
		s.table.rows = append(s.table.rows, []cell{toned(string(p.Kind), bad), code(place(p)), text(p.Detail)})
	}
	s.more = cutLine(len(problems), most)
	return s
}

func problems(c *backup.CatalogueResult, a *backup.ArchiveResult) (list []backup.Problem) {
	if c != nil {
		list = append(list, c.Problems...)
	}
	if a != nil {
		list = append(list, a.Problems...)
	}
	return list
}

// place names where a problem is, as briefly as it can be found.
func place(p backup.Problem) string {
	if p.Key != "" {
		return p.Key
	}
	var parts []string
	for _, part := range []string{p.Backup, p.Node, p.Collection, p.Shard} {
		if part != "" {
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, "/")
}

func catalogueLine(c *backup.CatalogueResult) string {
	if c == nil {
		return "Catalogue: not checked."
	}
	line := fmt.Sprintf("Catalogue: %s named, %s listed (%s as stored).", number(c.Chunks, "chunk"), number(c.Objects, "object"), Bytes(c.Bytes))
	if len(c.Backups) > 1 {
		line += fmt.Sprintf(" The chain has %s.", number(len(c.Backups), "backup"))
	}
	return line + " " + problemCount(len(c.Problems))
}

// collectionNames lists a few of many.
func collectionNames(names []string) string {
	const most = 20
	text := "Collections: " + strings.Join(names[:min(most, len(names))], ", ")
	if len(names) > most {
		text += fmt.Sprintf(" and %d more", len(names)-most)
	}
	return text + "."
}

func archiveLine(a *backup.ArchiveResult) string {
	if a == nil {
		return "Archive: not checked, the chunks were not read."
	}
	return fmt.Sprintf("Archive: %s read to the end in %s (%s as stored, %s of content, %s, %d ETags computed again). %s",
		number(a.Chunks, "chunk"), rto.Human(a.Duration), Bytes(a.StoredBytes), Bytes(a.ContentBytes), number(a.Files, "file"), a.ETags, problemCount(len(a.Problems)))
}

func problemCount(n int) string {
	if n == 0 {
		return "No problem was found."
	}
	return number(n, "problem") + "."
}

func cutLine(total, most int) []string {
	if total <= most {
		return nil
	}
	return []string{fmt.Sprintf("... and %s more: the output json lists them all.", count(total-most))}
}

func verificationSection(v *verify.Result) section {
	s := section{title: "Verification"}
	if v == nil {
		s.lines = []string{"Nothing was compared."}
		return s
	}
	outcome := v.Outcome()
	s.title += ", level " + v.Level + ": " + string(outcome)
	s.tone = map[verify.Outcome]tone{verify.Passed: good, verify.Failed: bad}[outcome]
	if s.tone == plain {
		s.tone = warn
	}
	s.lines = verificationLines(v)
	s.table = collectionsTable(v)
	for _, u := range v.Unknown {
		s.more = append(s.more, "Not known: "+u+".")
	}
	for _, n := range v.Notes {
		s.more = append(s.more, "Note: "+n+".")
	}
	return s
}

func verificationLines(v *verify.Result) []string {
	lines := []string{compared(v) + fmt.Sprintf(" It took %s.", rto.Human(v.Duration))}
	if p := v.Sampling; p != nil {
		lines = append(lines, fmt.Sprintf("Sampling: %s of each collection asked for, %s drawn, seed %d; %s.", number(p.Requested, "object"), count(p.Drawn), p.Seed, p.Method))
	}
	if !v.CompletenessHorizon.IsZero() {
		lines = append(lines, fmt.Sprintf("Every write on the source up to %s came back (completeness horizon).", at(v.CompletenessHorizon)))
	}
	if !v.FreshnessHorizon.IsZero() {
		lines = append(lines, fmt.Sprintf("The newest write that came back is of %s (freshness horizon).", at(v.FreshnessHorizon)))
	}
	return lines
}

// collectionsTable leaves out what is zero everywhere, but never matches, losses and corruption.
func collectionsTable(v *verify.Result) table {
	type measure struct {
		name   string
		value  func(verify.Collection) int64
		tone   tone // when it is not zero
		always bool
	}
	measures := []measure{
		{"tenants", func(c verify.Collection) int64 { return int64(c.Tenants) }, plain, false},
		{"source", func(c verify.Collection) int64 { return c.SourceCount }, plain, true},
		{"restored", func(c verify.Collection) int64 { return c.RestoredCount }, plain, true},
		{"match", func(c verify.Collection) int64 { return c.Verdicts.Match }, good, v.Level != verify.LevelCounts},
		{"drift", func(c verify.Collection) int64 { return c.Verdicts.Drift }, plain, false},
		{"lost", func(c verify.Collection) int64 { return c.Verdicts.Lost }, bad, v.Level != verify.LevelCounts},
		{"corrupt", func(c verify.Collection) int64 { return c.Verdicts.Corrupt }, bad, v.Level != verify.LevelCounts},
		{"unexpected", func(c verify.Collection) int64 { return c.Verdicts.Unexpected }, bad, false},
		{"unverifiable", func(c verify.Collection) int64 { return c.Verdicts.Unverifiable }, warn, false},
	}
	t := table{columns: []column{{name: "collection"}}}
	for _, c := range v.Collections {
		t.rows = append(t.rows, []cell{code(c.Name)})
	}
	for _, m := range measures {
		show := m.always
		for _, c := range v.Collections {
			show = show || m.value(c) != 0
		}
		if !show {
			continue
		}
		t.columns = append(t.columns, column{name: m.name, right: true})
		for i, c := range v.Collections {
			t.rows[i] = append(t.rows[i], zero(m.value(c), m.tone))
		}
	}
	return t
}

func verdictTone(v verify.Verdict) tone {
	switch v {
	case verify.Match:
		return good
	case verify.Drift:
		return plain
	case verify.Unverifiable:
		return warn
	}
	return bad
}

func structureSection(v *verify.Result, most int) section {
	if v == nil || len(v.Structure) == 0 {
		return section{}
	}
	s := section{title: "Differences of structure and counts"}
	s.table.columns = []column{{name: "verdict"}, {name: "what"}, {name: "where"}, {name: "source"}, {name: "restored"}, {name: "why"}}
	for _, d := range v.Structure[:min(len(v.Structure), most)] {
		s.table.rows = append(s.table.rows, []cell{toned(string(d.Verdict), verdictTone(d.Verdict)), text(d.Kind), code(d.Where), code(d.Source), code(d.Restored), text(d.Rule)})
	}
	s.more = cutLine(len(v.Structure), most)
	return s
}

func differencesSection(v *verify.Result, most int) section {
	if v == nil || len(v.Differences) == 0 {
		return section{}
	}
	s := section{title: "Objects that differ", lines: []string{verdictTotals(v)}}
	s.table.columns = []column{{name: "verdict"}, {name: "object", least: len(uuid.Nil.String())}, {name: "what differs, and why"}}
	for _, d := range v.Differences[:min(len(v.Differences), most)] {
		why := d.Rule
		if w := what(d); w != "" {
			why = w + "; " + why
		}
		s.table.rows = append(s.table.rows, []cell{toned(string(d.Verdict), verdictTone(d.Verdict)), code(collection(d) + " " + d.ID), text(why)})
	}
	s.more = cutLine(len(v.Differences), most)
	return s
}

func collection(d verify.Difference) string {
	if d.Tenant == "" {
		return d.Collection
	}
	return d.Collection + "/" + d.Tenant
}

// what differs: the detail, or else the fields, or else nothing, when the object is on one side only.
func what(d verify.Difference) string {
	if d.Detail != "" {
		return d.Detail
	}
	return strings.Join(d.Fields, ", ")
}

func verdictTotals(v *verify.Result) string {
	n := v.Verdicts
	line := fmt.Sprintf("%s lost, %s corrupt, %s unexpected, %s unverifiable, %s drift.", count(n.Lost), count(n.Corrupt), count(n.Unexpected), count(n.Unverifiable), count(n.Drift))
	if differing := n.Total() - n.Match; differing > int64(len(v.Differences)) {
		line += fmt.Sprintf(" Kept are the first %s of %s.", count(len(v.Differences)), count(differing))
	}
	return line
}

func comparisonDocument(v *verify.Result) document {
	return document{verificationSection(v), structureSection(v, few), differencesSection(v, few)}
}

func backupsDocument(list []backup.Listing) document {
	s := section{title: "Backups, the oldest first"}
	if len(list) == 0 {
		s.lines = []string{"There is none."}
	}
	s.table.columns = []column{
		{name: "id", whole: true}, {name: "status"}, {name: "captured"}, {name: "size", right: true}, {name: "compression"}, {name: "server"}, {name: "collections", right: true}, {name: "base"},
	}
	for _, b := range list {
		if b.Unreadable != "" {
			s.table.rows = append(s.table.rows, []cell{code(b.ID), toned("unreadable", bad), {}, {}, {}, {}, {}, {}})
			s.more = append(s.more, "Unreadable: "+b.Unreadable+".")
			continue
		}
		t := warn
		switch b.Status {
		case "SUCCESS":
			t = good
		case "FAILED", "CANCELED":
			t = bad
		}
		if b.Error != "" {
			s.more = append(s.more, fmt.Sprintf("%s: %s.", b.ID, b.Error))
		}
		s.table.rows = append(s.table.rows, []cell{
			code(b.ID), toned(b.Status, t), text(at(b.StartedAt)), text(Bytes(b.Bytes)), text(b.Compression), text(b.ServerVersion), text(count(len(b.Collections))), code(b.Base),
		})
	}
	return document{s}
}

func historyDocument(entries []evidence.Entry) document {
	s := section{title: "Drills"}
	if len(entries) == 0 {
		s.lines = []string{"There is no record."}
	}
	s.table.columns = []column{
		{name: "drill", whole: true}, {name: "began"}, {name: "took", right: true}, {name: "status"}, {name: "RTO actual", right: true}, {name: "RPO actual", right: true}, {name: "level"},
		{name: "match", right: true}, {name: "bad", right: true},
	}
	for _, e := range entries {
		if e.Unreadable != "" {
			s.table.rows = append(s.table.rows, []cell{code(e.ID), {}, {}, toned("unreadable", bad), {}, {}, {}, {}, {}})
			s.more = append(s.more, "Unreadable: "+e.Unreadable+".")
			continue
		}
		t := warn
		switch e.Status {
		case evidence.Passed:
			t = good
		case evidence.DataFailed, evidence.Policy:
			t = bad
		}
		took := "not known"
		if !e.Ended.IsZero() {
			took = rto.Human(e.Ended.Sub(e.Began))
		}
		match, bads := cell{}, cell{} // counts say nothing of objects, and zero would be a claim
		if e.Level != "" && e.Level != verify.LevelCounts {
			match, bads = text(count(e.Verdicts.Match)), zero(e.Verdicts.Bad()+e.Verdicts.Unverifiable, bad)
		}
		s.table.rows = append(s.table.rows, []cell{
			code(e.ID), text(at(e.Began)), text(took), toned(e.Status.String(), t), text(duration(e.RTO)), text(duration(e.RPO)), text(cmp.Or(e.Level, "none")), match, bads,
		})
	}
	return document{s}
}
