package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/weaviate-drill/weaviate-drill/backup/bucket"
	"github.com/weaviate-drill/weaviate-drill/rto/evidence"
)

// someChecks are of a form that does not change with the checks of the bucket.
var someChecks = []bucket.Check{
	{
		ID: "s3-versioning", Title: "Versioning is on", Severity: bucket.High, Why: "Without versions, whoever can delete or overwrite a backup does so for good.", How: "The bucket's versioning status is Enabled.",
		Remediation: "aws s3api put-bucket-versioning --bucket BUCKET --versioning-configuration '{\"Status\":\"Enabled\"}' # however long it is, a command stays on one line",
		Terraform:   "resource \"aws_s3_bucket_versioning\" \"backups\" {\n  bucket = \"BUCKET\"\n  versioning_configuration {\n    status = \"Enabled\"\n  }\n}",
		Reference:   "https://docs.aws.amazon.com/AmazonS3/latest/userguide/Versioning.html", Actions: []string{"s3:GetBucketVersioning"},
		Controls: []bucket.Control{{Standard: "AWS Security Hub", Clause: "S3.14", Reason: "buckets have versioning enabled"}, {Standard: "NIST SP 800-53 Rev. 5", Clause: "CP-9", Reason: "backups are protected"}},
	},
	{ID: "s3-acl", Title: "No ACL opens the bucket to everybody", Severity: bucket.Critical},
}

// everyStatus is an audit with a finding of each status and severity.
func everyStatus() *evidence.Record {
	r := &evidence.Record{Tool: evidence.Tool{Version: "v0.1.0"}, Began: began, Bucket: evidence.Bucket{Name: "backups", Path: "prod"}, FailOn: bucket.High}
	for i, c := range bucket.Checks() {
		status := []bucket.Status{bucket.Pass, bucket.Fail, bucket.Unknown, bucket.NotSupported, bucket.NotApplicable, bucket.Waived}[i%6]
		f := bucket.Finding{
			Check: c.ID, Title: c.Title, Severity: c.Severity, Status: status, Detail: "it is " + string(status), Reference: c.Reference, Controls: c.Controls,
			Evidence: []bucket.Call{{Request: "GetBucketX backups", Answer: "{}"}},
		}
		if status == bucket.Fail {
			f.Remediation = c.Remediation
		}
		if status == bucket.Waived {
			f.Waiver = &bucket.Waiver{Check: c.ID, Reason: "a second copy is locked", Owner: "platform team", Expires: date(2027, 1, 31)}
		}
		r.Posture = append(r.Posture, f)
	}
	return r
}

func audit(t *testing.T, format string, r *evidence.Record) string {
	t.Helper()
	var b strings.Builder
	if err := Audit(&b, format, r, Options{}); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// valid holds a document against a schema in testdata/schemas.
func valid(t *testing.T, schema, document string) error {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", "schemas", schema))
	if err != nil {
		t.Fatal(err)
	}
	tree, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	if err := compiler.AddResource(schema, tree); err != nil {
		t.Fatal(err)
	}
	instance, err := jsonschema.UnmarshalJSON(strings.NewReader(document))
	if err != nil {
		t.Fatal(err)
	}
	return compiler.MustCompile(schema).Validate(instance)
}

const (
	sarifFile = "sarif-schema-2.1.0.json"
	ocsfFile  = "ocsf-1.5.0-compliance-finding.json"
)

func TestSARIF(t *testing.T) {
	for name, document := range map[string]string{
		"every status": audit(t, "sarif", everyStatus()), "no finding": audit(t, "sarif", &evidence.Record{}), "hostile": audit(t, "sarif", hostileRecord()),
		"a drill": render(t, "sarif", drill(false), Options{}),
	} {
		if err := valid(t, sarifFile, document); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	// The schema would notice.
	whole := audit(t, "sarif", everyStatus())
	for old, bad := range map[string]string{`"kind": "open"`: `"kind": "unknown"`, `"level": "error"`: `"level": "critical"`, `"version": "2.1.0"`: `"version": "2"`, `"ruleIndex": 0`: `"ruleIndex": "0"`} {
		if !strings.Contains(whole, old) || valid(t, sarifFile, strings.Replace(whole, old, bad, 1)) == nil {
			t.Errorf("%s passes for %s", bad, old)
		}
	}

	var log sarifLog
	if err := json.Unmarshal([]byte(whole), &log); err != nil {
		t.Fatal(err)
	}
	run := log.Runs[0]
	for i, f := range everyStatus().Posture {
		result := run.Results[i]
		rule := run.Tool.Driver.Rules[result.Index]
		if rule.ID != f.Check || result.Rule != f.Check || result.Message.Text != f.Detail || result.Locations[0].Logical[0].Full != "s3://backups/prod" || result.Locations[0].Physical.Artifact.URI != "backups/prod" || len(result.Properties.Evidence) != 1 {
			t.Errorf("%s: %+v", f.Check, result)
		}
		failed := f.Status == bucket.Fail || f.Status == bucket.Waived
		if (result.Kind == "fail") != failed || (result.Level == "none") == failed || (result.Kind == "pass") != (f.Status == bucket.Pass) {
			t.Errorf("%s is %s: kind %s, level %s", f.Check, f.Status, result.Kind, result.Level)
		}
		if (len(result.Suppressions) == 1) != (f.Status == bucket.Waived) {
			t.Errorf("%s is %s, and its suppressions are %+v", f.Check, f.Status, result.Suppressions)
		}
		for _, part := range []string{"Why", "Mend it"} {
			if !strings.Contains(rule.Help.Text, part) || !strings.Contains(rule.Help.Markdown, "### "+part) {
				t.Errorf("%s: its help does not say %s: %s", f.Check, part, rule.Help.Text)
			}
		}
	}
}

// A drill's findings are about two things: the bucket, and the sandbox.
func TestSecurityFormatsOfDrill(t *testing.T) {
	r := drill(false)
	for format, want := range map[string][]string{
		"sarif": {`"ruleId": "s3-versioning"`, `"ruleId": "sandbox-network-policy"`, `"fullyQualifiedName": "s3://backups/prod"`, `"fullyQualifiedName": "sandbox ` + r.ID + `"`},
		"ocsf":  {`"event_code": "s3-versioning"`, `"event_code": "sandbox-network-policy"`, `"uid": "s3://backups/prod"`, `"uid": "sandbox ` + r.ID + `"`},
	} {
		for _, part := range want {
			if got := render(t, format, r, Options{}); !strings.Contains(got, part) {
				t.Errorf("%s lacks %s:\n%s", format, part, got)
			}
		}
	}
}

func TestOCSF(t *testing.T) {
	r := everyStatus()
	for _, record := range []*evidence.Record{r, hostileRecord(), drill(false)} {
		var events []json.RawMessage
		if err := json.Unmarshal([]byte(audit(t, "ocsf", record)), &events); err != nil || len(events) != len(record.Posture)+len(record.Sandbox.Isolation) {
			t.Fatalf("%v: %d events", err, len(events))
		}
		for _, e := range events {
			if err := valid(t, ocsfFile, string(e)); err != nil {
				t.Errorf("%v\n%s", err, e)
			}
		}
	}
	if got := audit(t, "ocsf", &evidence.Record{}); got != "[]\n" {
		t.Errorf("without a finding: %s", got)
	}
	var events []ocsfFinding
	if err := json.Unmarshal([]byte(audit(t, "ocsf", r)), &events); err != nil {
		t.Fatal(err)
	}
	for i, f := range r.Posture {
		e := events[i]
		if e.Metadata.EventCode != f.Check || e.Time != began.UnixMilli() || e.Resources[0].UID != "s3://backups/prod" || e.Evidences[0].Data != f.Evidence[0] {
			t.Errorf("%+v", e)
		}
		if (e.Compliance.Status == "Pass") != (f.Status == bucket.Pass) || (e.Compliance.Status == "Fail") != (f.Status == bucket.Fail) || (e.Status == "Suppressed") != (f.Status == bucket.Waived) {
			t.Errorf("%s is %s: %+v, %s", f.Check, f.Status, e.Compliance, e.Status)
		}
		if quiet := f.Status == bucket.Pass || f.Status == bucket.NotApplicable; quiet != (e.Severity == "Informational") || quiet != (e.Status == "") {
			t.Errorf("%s is %s: severity %s, status %q", f.Check, f.Status, e.Severity, e.Status)
		}
		if len(e.Compliance.Requirements) != len(f.Controls) {
			t.Errorf("%s: %v, of %v", f.Check, e.Compliance.Requirements, f.Controls)
		}
	}
	whole := audit(t, "ocsf", r)
	whole = strings.TrimSuffix(strings.TrimPrefix(whole[:strings.Index(whole, "\n  },")], "[\n"), ",") + "}"
	for old, bad := range map[string]string{
		`"class_uid": 2003`: `"class_uid": 2002`, `"severity_id": 1`: `"severity_id": 9`, `"activity_id"`: `"activity"`, `"time": `: `"time": -`, `"status_details": [`: `"status_details": ["", `,
		`"control": "`: `"unknown": "", "control": "`, `"resources": [`: `"unknown": [], "resources": [`, `"uid": "s3:`: `"unknown": "", "uid": "s3:`, `"vendor_name"`: `"vendor"`, `"data": {`: `"unknown": {`,
	} {
		if !strings.Contains(whole, old) || valid(t, ocsfFile, strings.Replace(whole, old, bad, 1)) == nil {
			t.Errorf("%s passes for %s", bad, old)
		}
	}
}

// As in a drill's: what the policy does not allow is a failure, or an error when it is not known; all else that is no pass is skipped.
func TestAuditJUnit(t *testing.T) {
	r := everyStatus()
	r.FailOn = bucket.Low
	got := decodeJUnit(t, audit(t, "junit", r))
	n := map[bucket.Status]int{}
	for _, f := range r.Posture {
		n[f.Status]++
	}
	if len(got.Suites) != 1 || got.Tests != len(r.Posture) || got.Failures != n[bucket.Fail] || got.Errors != n[bucket.Unknown] || got.Skipped != n[bucket.NotSupported]+n[bucket.NotApplicable]+n[bucket.Waived] {
		t.Errorf("%d tests, %d failures, %d errors, %d skipped of %v", got.Tests, got.Failures, got.Errors, got.Skipped, n)
	}
}

// The table is read from the top: what the policy does not allow, then the worst severity first with what fails first in it, then how to mend it. What passes comes last.
func TestAuditIsGrouped(t *testing.T) {
	r := everyStatus()
	titles := []string{"Audit of s3://backups/prod", "Critical", "High", "Medium", "Low", "Remediation", "Passed", "Not applicable"}
	for _, format := range []string{"table", "markdown"} {
		got := audit(t, format, r)
		var at []int
		for _, title := range titles {
			at = append(at, strings.Index(got, title+"\n"))
		}
		if !slices.IsSorted(at) || at[0] < 0 {
			t.Errorf("%s: sections at %v:\n%s", format, at, got)
		}
	}
	rows := map[string]int{}
	for _, s := range auditDocument(r)[1:5] {
		last := -1
		for _, row := range s.table.rows {
			i := slices.IndexFunc(statuses, func(known statusLook) bool { return string(known.status) == row[0].text })
			if i < last || i < 0 || row[0].text == string(bucket.Pass) || row[0].text == string(bucket.NotApplicable) {
				t.Errorf("%s: %s is not where it belongs", s.title, row[0].text)
			}
			last = i
			rows[row[0].text]++
		}
	}
	for _, status := range []bucket.Status{bucket.Fail, bucket.Unknown, bucket.NotSupported, bucket.Waived} {
		if n := len(slices.DeleteFunc(slices.Clone(r.Posture), func(f bucket.Finding) bool { return f.Status != status })); rows[string(status)] != n {
			t.Errorf("%d rows with %s of %d findings", rows[string(status)], status, n)
		}
	}
}

// An audit in which all is well shows what passed, and nothing to do.
func TestAuditThatPasses(t *testing.T) {
	r := everyStatus()
	for i := range r.Posture {
		r.Posture[i] = bucket.Finding{Check: r.Posture[i].Check, Severity: r.Posture[i].Severity, Status: bucket.Pass, Detail: fmt.Sprintf("finding %d", i)}
	}
	d := auditDocument(r)
	if len(d) != 2 || d[0].tone != good || d[1].title != "Passed" || len(d[1].table.rows) != len(r.Posture) || !strings.Contains(strings.Join(d[0].lines, " "), "The policy (fail_on: high) allows it.") {
		t.Errorf("%+v", d)
	}
	r.Posture[3].Status = bucket.Unknown
	r.Posture[3].Severity = bucket.Critical
	if d := auditDocument(r); d[0].tone != bad || !strings.Contains(strings.Join(d[0].lines, " "), "does not allow: "+r.Posture[3].Check) {
		t.Errorf("%+v", d[0])
	}
}

// A command is copied as it is: never broken by the width of a terminal, and once for all that it mends.
func TestRemediationCanBeCopied(t *testing.T) {
	command := "aws s3api put-bucket-x --bucket backups --configuration '" + strings.Repeat(`{"Rules": []}`, 30) + "' # ```"
	r := everyStatus()
	r.Posture = []bucket.Finding{
		{Check: "s3-lifecycle", Severity: bucket.Medium, Status: bucket.Fail, Detail: "none", Remediation: command},
		{Check: "s3-lifecycle-multipart", Severity: bucket.Low, Status: bucket.Fail, Detail: "none either", Remediation: command},
		{Check: "s3-acl", Severity: bucket.Low, Status: bucket.Pass, Detail: "none", Remediation: "what is not to be mended"},
	}
	for format, want := range map[string]string{
		"table":    "\n  # s3-lifecycle, s3-lifecycle-multipart\n  " + command + "\n",
		"markdown": "\n````\n# s3-lifecycle, s3-lifecycle-multipart\n" + command + "\n````\n",
	} {
		if got := audit(t, format, r); strings.Count(got, want) != 1 || strings.Count(got, "put-bucket-x") != 1 || strings.Contains(got, "not to be mended") {
			t.Errorf("%s:\n%s", format, got)
		}
	}
}

// Every check of the bucket can be explained, with all that docs/checks.md says of it.
func TestExplain(t *testing.T) {
	for _, c := range bucket.Checks() {
		var b strings.Builder
		if err := Explain(&b, "table", c, Options{}); err != nil {
			t.Fatal(err)
		}
		got := strings.Join(strings.Fields(b.String()), " ")
		want := []string{c.ID, c.Title, string(c.Severity), c.Why, c.How, c.Remediation, c.Reference, c.Terraform, c.Unclaimed}
		for _, control := range c.Controls {
			want = append(want, control.Clause)
		}
		for _, part := range append(want, c.Actions...) {
			if !strings.Contains(got, strings.Join(strings.Fields(part), " ")) {
				t.Errorf("%s: %q is not said:\n%s", c.ID, part, b.String())
			}
		}
	}
	if err := Explain(&strings.Builder{}, "sarif", someChecks[0], Options{}); err == nil || !strings.Contains(err.Error(), "table, markdown, json") {
		t.Error(err)
	}
}

func TestAuditFormats(t *testing.T) {
	if err := Audit(&strings.Builder{}, "html", everyStatus(), Options{}); err == nil || err.Error() != fmt.Sprintf(`report: format "html" is not known: %s`, strings.Join(AuditFormats(), ", ")) {
		t.Error(err)
	}
}
