package report

import (
	"cmp"
	"fmt"
	"io"
	"strings"

	"github.com/weaviate-drill/weaviate-drill/backup/bucket"
	"github.com/weaviate-drill/weaviate-drill/rto/evidence"
)

// auditFormats are those of an audit by itself. A new one is one line here.
var auditFormats = []format{
	{"table", func(w io.Writer, r *evidence.Record, o Options) error {
		return writeTerminal(w, auditDocument(r), o)
	}},
	{"markdown", func(w io.Writer, r *evidence.Record, _ Options) error {
		return writeMarkdown(w, auditDocument(r))
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

// auditDocument groups by severity what somebody has to look at, and says how to mend it. What is well, and what there is nothing to say of, comes last and does not drown it.
func auditDocument(r *evidence.Record) document {
	if len(r.Posture) == 0 {
		return document{postureSection(r)}
	}
	d := document{auditHead(r)}
	var failed, passed, moot []bucket.Finding
	for _, severity := range worstFirst {
		s := section{title: strings.ToUpper(string(severity[:1])) + string(severity[1:])}
		s.table.columns = []column{{name: "status"}, {name: "check"}, {name: "finding"}}
		for _, f := range byStatus(r.Posture) {
			switch {
			case f.Severity != severity:
				continue
			case f.Status == bucket.Pass:
				passed = append(passed, f)
				continue
			case f.Status == bucket.NotApplicable:
				moot = append(moot, f)
				continue
			case f.Status == bucket.Fail:
				failed = append(failed, f)
			}
			if len(s.table.rows) == 0 {
				s.tone = statusTone(f.Status)
			}
			s.table.rows = append(s.table.rows, []cell{toned(string(f.Status), statusTone(f.Status)), code(f.Check), text(findingDetail(f))})
		}
		if len(s.table.rows) > 0 {
			d = append(d, s)
		}
	}
	for _, s := range []section{remediation(failed), quietSection("Passed", passed), quietSection("Not applicable", moot)} {
		if s.title != "" {
			d = append(d, s)
		}
	}
	return d
}

// auditHead says what was audited, when, and what of it the policy does not allow.
func auditHead(r *evidence.Record) section {
	line, allowed := policyLine(r, r.Posture)
	where := join(r.Bucket.Region, r.Bucket.Endpoint, at(r.Began))
	s := section{title: "Audit of " + address(r.Bucket), tone: good, lines: []string{where, findingCounts(r.Posture) + ".", line}}
	if !allowed {
		s.tone = bad
	}
	return s
}

// policyLine names the findings that the policy does not allow, and says whether there is none.
func policyLine(r *evidence.Record, findings []bucket.Finding) (line string, allowed bool) {
	failOn := cmp.Or(r.FailOn, bucket.High)
	violations := bucket.Violations(byStatus(findings), failOn)
	if len(violations) == 0 {
		return fmt.Sprintf("The policy (fail_on: %s) allows it.", failOn), true
	}
	var ids []string
	for _, f := range violations {
		ids = append(ids, f.Check)
	}
	return fmt.Sprintf("The policy (fail_on: %s) does not allow: %s.", failOn, strings.Join(ids, ", ")), false
}

// remediation has each command once, on a line of its own that can be copied, below the checks that it mends.
func remediation(failed []bucket.Finding) section {
	s := section{title: "Remediation", more: []string{"weaviate-drill audit --explain CHECK says why each matters, and how to mend it in Terraform."}}
	var commands []string
	mends := map[string][]string{}
	for _, f := range failed {
		if f.Remediation == "" {
			continue
		}
		if mends[f.Remediation] == nil {
			commands = append(commands, f.Remediation)
		}
		mends[f.Remediation] = append(mends[f.Remediation], f.Check)
	}
	if len(commands) == 0 {
		return section{}
	}
	for i, c := range commands {
		commands[i] = "# " + strings.Join(mends[c], ", ") + "\n" + c
	}
	s.block = strings.Join(commands, "\n")
	return s
}

// quietSection has a row for all checks of which the same is to be said.
func quietSection(title string, findings []bucket.Finding) section {
	if len(findings) == 0 {
		return section{}
	}
	s := section{title: title}
	s.table.columns = []column{{name: "check"}, {name: "finding"}}
	var details []string
	checks := map[string][]string{}
	for _, f := range findings {
		if checks[f.Detail] == nil {
			details = append(details, f.Detail)
		}
		checks[f.Detail] = append(checks[f.Detail], f.Check)
	}
	for _, detail := range details {
		s.table.rows = append(s.table.rows, []cell{code(strings.Join(checks[detail], ", ")), text(detail)})
	}
	return s
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
