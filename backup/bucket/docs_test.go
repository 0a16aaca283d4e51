package bucket_test

import (
	"bytes"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"text/template"

	"github.com/weaviate-drill/weaviate-drill/backup/bucket"
)

var update = flag.Bool("update", false, "write docs/checks.md anew")

var document = template.Must(template.New("checks.md").Parse(`# Checks of the bucket

<!-- Made from the code by: go test ./backup/bucket -run TestDocs -update -->

` + "`weaviate-drill audit`" + `, and each drill, looks at how the bucket of the backups is configured, and at what lies beside it: keys, volumes, trails, and who may do what. Checks that end in (tried) do not believe a setting but make the request. Nothing is changed: a request that would write or delete is made so that it changes nothing. Each finding holds what was asked and what was answered.

| status | meaning | fails a drill |
| --- | --- | --- |
| pass | it is as it should be | no |
| fail | it is not | from the severity ` + "`policy.fail_on`" + ` on |
| unknown | it could not be learnt: denied, overloaded, an answer that makes no sense | from the severity ` + "`policy.fail_on`" + ` on |
| not supported | an S3-compatible server does not have the feature; it is never a pass, and never said of AWS | no: nobody can mend it there |
| not applicable | there is nothing that the check could be about, such as the rotation of a key where none is used | no |
| waived | a fail, unknown or not supported, and somebody answers for it until a day (` + "`policy.waivers`" + `), after which it counts again | no |

## What fails a drill

` + "`policy.fail_on`" + ` (` + "`high`" + ` unless it is set) is the severity from which on a finding fails a drill and ` + "`audit`" + `; ` + "`policy.severity`" + ` gives single checks another severity, and their findings say so.
A waiver names a check, a reason, an owner and its last day, all four; it stands in ` + "`policy.waivers`" + ` or in the file that ` + "`policy.waiver_file`" + ` names. After its last day it waives nothing. One that nothing needs is a warning.

On AWS the default is strict: AWS has every feature, so whatever is not answered is unknown, and counts like a fail. On an S3-compatible server these differ:

- A feature that the server does not have is not supported and fails no drill: nobody can mend it there, and a drill that fails for ever is switched off. Every report counts and shows it.
- Whether a bucket policy makes the bucket public is decided by its statements too, since other servers judge by less than AWS.
- The remediation names the server's endpoint, and there is none in Terraform, whose resources are AWS's.

` + "`weaviate-drill audit --output`" + ` writes a table (the worst severity first), Markdown, JSON, SARIF 2.1.0, OCSF 1.5.0 (Compliance Finding) or JUnit. In SARIF unknown is of the kind open, not supported of the kind review, and a waiver is a suppression;
in OCSF the compliance status is Pass, Fail, Warning for unknown, and the status itself for the rest. ` + "`weaviate-drill audit --explain ID`" + ` says what this page says of one check.

## Checks

| check | severity | what passes |
| --- | --- | --- |
{{range .Checks}}| [{{.ID}}](#{{.ID}}) | {{.Severity}} | {{.Title}} |
{{end}}
Without the right to ask, a check is unknown. All of them together need: {{range $i, $a := .Actions}}{{if $i}}, {{end}}` + "`{{$a}}`" + `{{end}}.

## Catalogues

Other catalogues are named with the clause whose own text asks for what a check looks at. That a check passes is a part of what a clause asks for, never all of it. Each clause was held against a public text before it was written here:

| catalogue | held against | note |
| --- | --- | --- |
{{range .Catalogues}}| [{{.Standard}}]({{.Text}}) | {{.Checked}} | {{.Note}} |
{{end}}{{range .Checks}}
## {{.ID}}

{{.Title}}. Severity: {{.Severity}}.

**Why.** {{.Why}}

**How.** {{.How}}

**Mend it.**

` + "```sh" + `
{{.Remediation}}
` + "```" + `
{{if .Terraform}}
` + "```hcl" + `
{{.Terraform}}
` + "```" + `
{{end}}{{if .Controls}}
| elsewhere | clause | what it asks for |
| --- | --- | --- |
{{range .Controls}}| {{.Standard}} | [{{.Clause}}]({{.Link}}) | {{.Reason}} |
{{end}}{{else}}
No catalogue has a clause for it: {{.Unclaimed}}.
{{end}}
Needs {{range $i, $a := .Actions}}{{if $i}}, {{end}}` + "`{{$a}}`" + `{{else}}no permission{{end}}. Source: <{{.Reference}}>
{{end}}`))

func TestDocs(t *testing.T) {
	actions := map[string]bool{}
	for _, c := range bucket.Checks() {
		for _, a := range c.Actions {
			actions[a] = true
		}
	}
	var doc bytes.Buffer
	if err := document.Execute(&doc, map[string]any{"Catalogues": bucket.Catalogues(), "Checks": bucket.Checks(), "Actions": slices.Sorted(maps.Keys(actions))}); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join("..", "..", "docs", "checks.md")
	if *update {
		if err := os.WriteFile(path, doc.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if written, err := os.ReadFile(path); err != nil || !bytes.Equal(written, doc.Bytes()) {
		t.Errorf("%s is not what the checks say (%v): go test ./backup/bucket -run TestDocs -update", path, err)
	}
}
