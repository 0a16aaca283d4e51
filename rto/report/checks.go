package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/weaviate-drill/weaviate-drill/backup"
	"github.com/weaviate-drill/weaviate-drill/backup/bucket"
	"github.com/weaviate-drill/weaviate-drill/rto"
	"github.com/weaviate-drill/weaviate-drill/rto/evidence"
	"github.com/weaviate-drill/weaviate-drill/verify"
)

// blocking says whether the policy of a record does not allow a finding.
func blocking(r *evidence.Record, f bucket.Finding) bool {
	return len(bucket.Violations([]bucket.Finding{f}, cmp.Or(r.FailOn, bucket.High))) > 0
}

type statusLook struct {
	status bucket.Status
	tone   tone
}

var statuses = []statusLook{{bucket.Fail, bad}, {bucket.Unknown, warn}, {bucket.NotSupported, warn}, {bucket.Waived, warn}, {bucket.NotApplicable, plain}, {bucket.Pass, good}}

// findingCounts sums up an audit: "38 checks: 2 fail, 1 unknown, 35 pass".
func findingCounts(findings []bucket.Finding) string {
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

// byStatus lists findings by status, what does not pass first, and those of a status by severity, the worst first.
func byStatus(findings []bucket.Finding) []bucket.Finding {
	rank := func(f bucket.Finding) int {
		return slices.IndexFunc(statuses, func(s statusLook) bool { return s.status == f.Status })
	}
	return slices.SortedStableFunc(slices.Values(findings), func(a, b bucket.Finding) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(slices.Index(worstFirst, a.Severity), slices.Index(worstFirst, b.Severity)))
	})
}

func statusTone(s bucket.Status) tone {
	for _, known := range statuses {
		if known.status == s {
			return known.tone
		}
	}
	return warn
}

func postureSection(r *evidence.Record) section {
	if len(r.Posture) == 0 {
		return section{title: "Bucket posture", lines: []string{"The bucket was not audited."}}
	}
	return findingsSection("Bucket posture", r, r.Posture)
}

// isolationSection is empty for a sandbox of a kind that cannot try how isolated it is.
func isolationSection(r *evidence.Record) section {
	if len(r.Sandbox.Isolation) == 0 {
		return section{}
	}
	return findingsSection("Isolation of the sandbox", r, r.Sandbox.Isolation)
}

// findingsSection leaves out what passes and what does not apply, and says whether the policy allows the rest.
func findingsSection(title string, r *evidence.Record, findings []bucket.Finding) section {
	line, _ := policyLine(r, findings)
	s := section{title: title, lines: []string{findingCounts(findings) + ". " + line}}
	s.table.columns = []column{{name: "status"}, {name: "severity"}, {name: "check"}, {name: "finding"}}
	for _, f := range byStatus(findings) {
		if f.Status != bucket.Pass && f.Status != bucket.NotApplicable {
			s.table.rows = append(s.table.rows, []cell{toned(string(f.Status), statusTone(f.Status)), text(string(f.Severity)), code(f.Check), text(findingDetail(f))})
		}
	}
	return s
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
	s.title += ", level " + string(v.Level) + ": " + string(outcome)
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
	if v.Access != nil {
		lines = append(lines, accessLine(*v.Access))
	}
	if v.Ranges != nil {
		lines = append(lines, fingerprintLine(*v.Ranges))
	}
	if !v.CompletenessHorizon.IsZero() {
		lines = append(lines, fmt.Sprintf("Every write on the source up to %s came back (completeness horizon).", at(v.CompletenessHorizon)))
	}
	if !v.FreshnessHorizon.IsZero() {
		lines = append(lines, fmt.Sprintf("The newest write that came back is of %s (freshness horizon).", at(v.FreshnessHorizon)))
	}
	lines = append(lines, copiesLines(v)...)
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
	counted, read := v.Level.AtLeast(verify.LevelCounts), v.Level.AtLeast(verify.LevelSample)
	measures := []measure{
		{"tenants", func(c verify.Collection) int64 { return int64(c.Tenants) }, plain, false},
		{"source", func(c verify.Collection) int64 { return c.SourceCount }, plain, counted},
		{"restored", func(c verify.Collection) int64 { return c.RestoredCount }, plain, counted},
		{"match", func(c verify.Collection) int64 { return c.Verdicts.Match }, good, read},
		{"drift", func(c verify.Collection) int64 { return c.Verdicts.Drift }, plain, false},
		{"lost", func(c verify.Collection) int64 { return c.Verdicts.Lost }, bad, read},
		{"corrupt", func(c verify.Collection) int64 { return c.Verdicts.Corrupt }, bad, read},
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
	return document{verificationSection(v), structureSection(v, few), differencesSection(v, few), rulesSection(v), indexSection(v), indexFailuresSection(v, few)}
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
		match, bads := cell{}, cell{} // where no object was read, zero would be a claim
		if e.Level.AtLeast(verify.LevelSample) {
			match, bads = text(count(e.Verdicts.Match)), zero(e.Verdicts.Bad()+e.Verdicts.Unverifiable, bad)
		}
		s.table.rows = append(s.table.rows, []cell{
			code(e.ID), text(at(e.Began)), text(took), toned(e.Status.String(), t), text(duration(e.RTO)), text(duration(e.RPO)), text(cmp.Or(string(e.Level), "none")), match, bads,
		})
	}
	return document{s}
}
