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

` + "`weaviate-drill audit`" + `, and each drill, looks at how the bucket of the backups is configured. It only reads, and each finding holds what was asked and what was answered.

| status | meaning | fails a drill |
| --- | --- | --- |
| pass | it is as it should be | no |
| fail | it is not | from the severity ` + "`policy.fail_on`" + ` on |
| unknown | it could not be learnt: denied, overloaded, an answer that makes no sense | from the severity ` + "`policy.fail_on`" + ` on |
| not supported | an S3-compatible server does not have the feature; it is never a pass, and never said of AWS | no: nobody can mend it there |
| waived | one of the three above, and somebody answers for it until a day (` + "`policy.waivers`" + `), after which it counts again | no |

| check | severity | what passes |
| --- | --- | --- |
{{range .Checks}}| [{{.ID}}](#{{.ID}}) | {{.Severity}} | {{.Title}} |
{{end}}
Without the right to ask, a check is unknown. All of them together need, on the bucket: {{range $i, $a := .Actions}}{{if $i}}, {{end}}` + "`{{$a}}`" + `{{end}}.
{{range .Checks}}
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
{{range .Controls}}| {{.Standard}} | {{.Clause}} | {{.Reason}} |
{{end}}{{end}}
Needs {{range $i, $a := .Actions}}{{if $i}}, {{end}}` + "`{{$a}}`" + `{{end}}. Source: <{{.Reference}}>
{{end}}`))

func TestDocs(t *testing.T) {
	actions := map[string]bool{}
	for _, c := range bucket.Checks() {
		for _, a := range c.Actions {
			actions[a] = true
		}
	}
	var doc bytes.Buffer
	if err := document.Execute(&doc, map[string]any{"Checks": bucket.Checks(), "Actions": slices.Sorted(maps.Keys(actions))}); err != nil {
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
