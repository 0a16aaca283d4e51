package report

import (
	"encoding/xml"
	"fmt"
	"io"
	"time"

	"github.com/weaviate-drill/weaviate-drill/backup"
	"github.com/weaviate-drill/weaviate-drill/backup/bucket"
	"github.com/weaviate-drill/weaviate-drill/rto"
	"github.com/weaviate-drill/weaviate-drill/rto/evidence"
	"github.com/weaviate-drill/weaviate-drill/verify"
)

// The form that CI systems read, as Jenkins, GitLab and the Ant task write it (https://github.com/testmoapp/junitxml).
type testsuites struct {
	XMLName  xml.Name    `xml:"testsuites"`
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Errors   int         `xml:"errors,attr"`
	Skipped  int         `xml:"skipped,attr"`
	Time     string      `xml:"time,attr"`
	Suites   []testsuite `xml:"testsuite"`
}

type testsuite struct {
	Name      string     `xml:"name,attr"`
	Tests     int        `xml:"tests,attr"`
	Failures  int        `xml:"failures,attr"`
	Errors    int        `xml:"errors,attr"`
	Skipped   int        `xml:"skipped,attr"`
	Timestamp string     `xml:"timestamp,attr"`
	Time      string     `xml:"time,attr"`
	Cases     []testcase `xml:"testcase"`
}

type testcase struct {
	Class   string  `xml:"classname,attr"`
	Name    string  `xml:"name,attr"`
	Time    string  `xml:"time,attr,omitempty"`
	Failure *result `xml:"failure"`
	Error   *result `xml:"error"`
	Skipped *result `xml:"skipped"`
	Out     string  `xml:"system-out,omitempty"`
}

type result struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr,omitempty"`
	Text    string `xml:",chardata"`
}

// writeJUnit makes a test case of each reason, phase, finding, problem, collection and objective. A failure is something that was looked at and is bad, an error something that could not be
// looked at, and skipped is what the policy allows although it is no pass. A passed drill has neither failures nor errors.
func writeJUnit(w io.Writer, r *evidence.Record) error {
	return writeSuites(w, "weaviate-drill "+r.ID, r, []suite{
		{"verdict", verdictCases(r)}, {"phases", phaseCases(r)}, {"bucket posture", findingCases(r, r.Posture)}, {"backup in S3", problemCases(r)},
		{"verification", verificationCases(r.Verification)}, {"indexes", indexCases(r.Verification)}, {"tracers", tracerCases(r.Tracer)}, {"impact on the source", impactCases(impactOf(r))}, {"own checks", customCases(r.Checks)}, {"self-test", selfTestCases(r.SelfTest)}, {"sandbox isolation", findingCases(r, r.Sandbox.Isolation)}, {"objectives", objectiveCases(r)},
	})
}

// suite is what becomes a test suite; one without cases is left out.
type suite struct {
	name  string
	cases []testcase
}

func writeSuites(w io.Writer, name string, r *evidence.Record, suites []suite) error {
	all := testsuites{Name: name}
	var whole time.Duration
	if !r.Ended.IsZero() {
		whole = r.Ended.Sub(r.Began)
	}
	all.Time = seconds(whole)
	for _, suite := range suites {
		if len(suite.cases) == 0 {
			continue
		}
		s := testsuite{Name: suite.name, Tests: len(suite.cases), Timestamp: r.Began.UTC().Format("2006-01-02T15:04:05"), Time: seconds(0), Cases: suite.cases}
		if suite.name == "phases" {
			s.Time = seconds(whole)
		}
		for i := range s.Cases {
			c := &s.Cases[i]
			c.Class = "weaviate-drill." + suite.name
			switch {
			case c.Failure != nil:
				s.Failures++
			case c.Error != nil:
				s.Errors++
			case c.Skipped != nil:
				s.Skipped++
			}
		}
		all.Tests, all.Failures, all.Errors, all.Skipped = all.Tests+s.Tests, all.Failures+s.Failures, all.Errors+s.Errors, all.Skipped+s.Skipped
		all.Suites = append(all.Suites, s)
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(w)
	e.Indent("", "  ")
	if err := e.Encode(all); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.3f", d.Seconds()) }

func verdictCases(r *evidence.Record) (cases []testcase) {
	v := judge(r)
	if r.Status == evidence.Passed {
		name := "drill passed"
		if !r.Restores() {
			name += fmt.Sprintf(" at level %s: nothing was restored", r.Level)
		}
		return []testcase{{Name: name, Out: v.Sentence}}
	}
	for _, reason := range r.Reasons {
		c := testcase{Name: fmt.Sprintf("%s: %s", reason.Phase, reason.Message)}
		problem := &result{Message: reason.Message, Type: reason.Status.String(), Text: reasonLine(reason)}
		if reason.Status == evidence.DataFailed || reason.Status == evidence.Policy {
			c.Failure = problem
		} else {
			c.Error = problem
		}
		cases = append(cases, c)
	}
	if len(cases) == 0 {
		cases = []testcase{{Name: "drill passed", Error: &result{Message: v.Sentence, Type: r.Status.String()}}}
	}
	return cases
}

func phaseCases(r *evidence.Record) (cases []testcase) {
	for _, s := range r.Timeline {
		c := testcase{Name: string(s.Phase), Time: seconds(s.Duration())}
		switch {
		case s.Error != "":
			c.Error = &result{Message: s.Error}
		case s.Ended.IsZero():
			c.Error = &result{Message: "did not end"}
		}
		if s.Phase == rto.Provision {
			c.Out = fidelityLine(r.Sandbox)
		}
		cases = append(cases, c)
	}
	return cases
}

func findingCases(r *evidence.Record, findings []bucket.Finding) (cases []testcase) {
	for _, f := range findings {
		c := testcase{Name: f.Check + ": " + f.Title}
		switch {
		case blocking(r, f) && f.Status == bucket.Unknown:
			c.Error = &result{Message: f.Detail, Type: string(f.Severity)}
		case blocking(r, f):
			c.Failure = &result{Message: f.Detail, Type: string(f.Severity), Text: f.Remediation}
		case f.Status == bucket.Pass:
			c.Out = f.Detail
		default:
			c.Skipped = &result{Message: fmt.Sprintf("%s (%s): %s", f.Status, f.Severity, f.Detail)}
		}
		cases = append(cases, c)
	}
	return cases
}

func problemCases(r *evidence.Record) (cases []testcase) {
	add := func(name, line string, problems []backup.Problem) {
		if len(problems) == 0 {
			cases = append(cases, testcase{Name: name, Out: line})
		}
		for _, p := range problems {
			cases = append(cases, testcase{Name: fmt.Sprintf("%s: %s of %s", name, p.Kind, place(p)), Failure: &result{Message: p.Detail, Type: string(p.Kind), Text: p.String()}})
		}
	}
	if r.Catalogue != nil {
		add("catalogue", catalogueLine(r.Catalogue), r.Catalogue.Problems)
	}
	if r.Archive != nil {
		add("archive", archiveLine(r.Archive), r.Archive.Problems)
	}
	return cases
}

func verificationCases(v *verify.Result) (cases []testcase) {
	if v == nil {
		return nil
	}
	for _, c := range v.Collections {
		n := c.Verdicts
		line := fmt.Sprintf("%d counted on the source, %d restored; %d match, %d drift, %d lost, %d corrupt, %d unexpected, %d unverifiable",
			c.SourceCount, c.RestoredCount, n.Match, n.Drift, n.Lost, n.Corrupt, n.Unexpected, n.Unverifiable)
		entry := testcase{Name: "collection " + c.Name, Out: line}
		if n.Bad() > 0 {
			entry.Failure = &result{Message: line, Text: examples(v, c.Name)}
		} else if n.Unverifiable > 0 {
			entry.Error = &result{Message: line, Text: examples(v, c.Name)}
		}
		cases = append(cases, entry)
	}
	if s := v.Sampling; s != nil && s.Conclusion != "" {
		cases = append(cases, testcase{Name: "sample", Out: s.Conclusion})
	}
	for _, d := range v.Structure {
		entry := testcase{Name: d.Kind + " " + d.Where}
		problem := &result{Message: fmt.Sprintf("%s: source %s, restored %s", d.Verdict, d.Source, d.Restored), Type: string(d.Verdict), Text: d.Rule}
		switch verdictTone(d.Verdict) {
		case bad:
			entry.Failure = problem
		case warn:
			entry.Error = problem
		default:
			entry.Skipped = problem
		}
		cases = append(cases, entry)
	}
	for _, u := range v.Unknown {
		cases = append(cases, testcase{Name: u, Error: &result{Message: "not known: " + u}})
	}
	return cases
}

// examples are the first objects of a collection that differ, one a line.
func examples(v *verify.Result, name string) (lines string) {
	n := 0
	for _, d := range v.Differences {
		if d.Collection == name && n < few {
			lines += fmt.Sprintf("%s %s: %s (%s) %s\n", collection(d), d.ID, d.Verdict, d.Rule, what(d))
			n++
		}
	}
	return lines
}

func objectiveCases(r *evidence.Record) (cases []testcase) {
	a := r.Assessment
	if a == nil {
		return nil
	}
	for _, j := range a.Judgements {
		c := testcase{Name: j.Objective + " " + rto.Human(j.Target), Out: j.Detail}
		switch {
		case j.Met:
		case j.Actual.Known:
			c.Failure = &result{Message: j.Detail}
		case !r.Restores():
			c.Skipped = &result{Message: j.Detail}
		default:
			c.Error = &result{Message: j.Detail}
		}
		cases = append(cases, c)
	}
	for _, f := range a.Findings {
		cases = append(cases, testcase{Name: f, Skipped: &result{Message: f}})
	}
	return cases
}
