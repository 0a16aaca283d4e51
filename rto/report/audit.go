package report

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/weaviate-drill/weaviate-drill/backup/bucket"
	"github.com/weaviate-drill/weaviate-drill/rto/evidence"
)

// auditFormats are those of an audit by itself. A new one is one line here.
var auditFormats = []format{
	{"table", func(w io.Writer, r *evidence.Record, o Options) error {
		return writeTerminal(w, auditDocument(r.Posture), o)
	}},
	{"markdown", func(w io.Writer, r *evidence.Record, _ Options) error {
		return writeMarkdown(w, auditDocument(r.Posture))
	}},
	{"json", func(w io.Writer, r *evidence.Record, _ Options) error { return writeJSON(w, r.Posture) }},
	{"sarif", func(w io.Writer, r *evidence.Record, _ Options) error { return writeSARIF(w, r) }},
	{"ocsf", func(w io.Writer, r *evidence.Record, _ Options) error { return writeOCSF(w, r) }},
	{"junit", func(w io.Writer, r *evidence.Record, _ Options) error {
		return writeSuites(w, "weaviate-drill audit of "+r.Bucket.Name, r, []suite{{"bucket posture", findingCases(r, r.Posture)}})
	}},
}

// AuditFormats are the names that Audit knows.
func AuditFormats() []string { return names(auditFormats) }

// Audit renders an audit in one of AuditFormats. Of the record it takes the tool, the times, the bucket, its posture and FailOn, all that an audit has.
func Audit(w io.Writer, format string, r *evidence.Record, o Options) error {
	return writeAs(auditFormats, w, format, r, o)
}

// worstFirst are the severities in the order in which an audit is read.
var worstFirst = []bucket.Severity{bucket.Critical, bucket.High, bucket.Medium, bucket.Low}

// auditDocument groups the findings by severity, and lists in each group what does not pass first.
func auditDocument(findings []bucket.Finding) document {
	if len(findings) == 0 {
		return document{postureSection(nil, true)}
	}
	d := document{{title: "Bucket posture", lines: []string{findingCounts(findings) + "."}}}
	mend := section{title: "Remediation", table: table{columns: []column{{name: "check"}, {name: "command"}}}}
	for _, severity := range worstFirst {
		group := byStatus(slices.DeleteFunc(slices.Clone(findings), func(f bucket.Finding) bool { return f.Severity != severity }))
		if len(group) == 0 {
			continue
		}
		s := section{title: strings.ToUpper(string(severity[:1])) + string(severity[1:]), tone: statusTone(group[0].Status)}
		s.table.columns = []column{{name: "status"}, {name: "check"}, {name: "finding"}}
		for _, f := range group {
			s.table.rows = append(s.table.rows, []cell{toned(string(f.Status), statusTone(f.Status)), code(f.Check), text(findingDetail(f))})
			if f.Status == bucket.Fail && f.Remediation != "" {
				mend.table.rows = append(mend.table.rows, []cell{code(f.Check), code(f.Remediation)})
			}
		}
		d = append(d, s)
	}
	if len(mend.table.rows) > 0 {
		mend.more = []string{"weaviate-drill audit --explain CHECK says why each matters, and how to mend it in Terraform."}
		d = append(d, mend)
	}
	return d
}

// findingDetail is what was found, and who answers for it where somebody does.
func findingDetail(f bucket.Finding) string {
	if f.Waiver == nil {
		return f.Detail
	}
	return f.Detail + "; " + waiverLine(*f.Waiver)
}

func waiverLine(w bucket.Waiver) string {
	return fmt.Sprintf("waived until %s by %s: %s", day(w.Expires), w.Owner, w.Reason)
}

// Checks lists what an audit looks at.
func Checks(w io.Writer, format string, checks []bucket.Check, o Options) error {
	return write(w, format, checks, o, func(checks []bucket.Check) document {
		s := section{title: "Checks of the bucket"}
		s.table.columns = []column{{name: "check", whole: true}, {name: "severity"}, {name: "what passes"}}
		for _, c := range checks {
			s.table.rows = append(s.table.rows, []cell{code(c.ID), text(string(c.Severity)), text(c.Title)})
		}
		return document{s}
	})
}

// Explain says what a check is, why, how it is decided and how to mend it.
func Explain(w io.Writer, format string, c bucket.Check, o Options) error {
	switch format { // a check is this program's own words, of which the line ends are kept
	case "table":
		return writeTerminal(w, checkDocument(c), o)
	case "markdown":
		return writeMarkdown(w, checkDocument(c))
	}
	return write(w, format, c, o, checkDocument)
}

func checkDocument(c bucket.Check) document {
	needs := "It needs no permission."
	if len(c.Actions) > 0 {
		needs = "It needs " + strings.Join(c.Actions, ", ") + "."
	}
	d := document{
		{title: c.ID, lines: []string{c.Title + ". Severity: " + string(c.Severity) + "."}},
		{title: "Why", lines: []string{c.Why}},
		{title: "How it is decided", lines: []string{c.How}, more: []string{needs}},
		{title: "Source", block: c.Reference},
		{title: "Mend it", block: c.Remediation},
	}
	if c.Terraform != "" {
		d = append(d, section{title: "Mend it in Terraform", block: c.Terraform})
	}
	if len(c.Controls) > 0 {
		s := section{title: "The same elsewhere"}
		s.table.columns = []column{{name: "catalogue"}, {name: "clause", whole: true}, {name: "what it asks for"}}
		for _, control := range c.Controls {
			s.table.rows = append(s.table.rows, []cell{text(control.Standard), text(control.Clause), text(control.Reason)})
		}
		d = append(d, s)
	}
	if c.Unclaimed != "" {
		d = append(d, section{title: "The same elsewhere", lines: []string{"No catalogue has a clause for it: " + c.Unclaimed + "."}})
	}
	return d
}
