package drill

import (
	"bytes"
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/invopop/jsonschema"

	"github.com/weaviate-drill/weaviate-drill/backup/bucket"
	"github.com/weaviate-drill/weaviate-drill/internal/secret"
)

var update = flag.Bool("update", false, "write docs/drill.schema.json and the reference in docs/configuration.md anew")

// forms are texts that look in a certain way; a key has one by its type or by the title in its tag.
var forms = map[string]jsonschema.Schema{
	"duration":              {Pattern: `^([0-9]{1,6}(\.[0-9]+)?h)?([0-9]{1,6}(\.[0-9]+)?m)?([0-9]{1,6}(\.[0-9]+)?s)?([0-9]{1,6}(\.[0-9]+)?ms)?$`, MinLength: new(uint64(2)), Examples: []any{"6h", "30m"}},
	"date":                  {Format: "date", Examples: []any{"2026-11-24"}},
	"reference to a secret": {Pattern: `^(env|file):.+$`, Examples: []any{"env:NAME", "file:/path"}},
	"URL":                   {Pattern: `^https?://[^/?#@\s]+/?$`, Examples: []any{"https://host.example:8443"}},
	"host and port":         {Pattern: `^(\[[0-9A-Fa-f:.]+\]|[^\s:/@\[\]]+):[0-9]{1,5}$`, Examples: []any{"host.example:50051"}},
	"quantity":              {Pattern: `^[0-9]+(\.[0-9]+)?(m|[kMGT]|[KMGT]i)?$`, Examples: []any{"500m", "4Gi"}},
	"size":                  {Pattern: `^[0-9]+(\.[0-9]+)?[KMGT]iB?$`, Examples: []any{"4GiB"}},
	"share":                 {Pattern: `^[0-9]{1,2}(\.[0-9]{1,6})?%$`, Examples: []any{"0.1%"}},
	"path below /v1":        {Pattern: `^/[^\s]*$`, Examples: []any{"/schema"}},
	"JSON path":             {Pattern: `^([^.\[\]\s]+|\[[0-9]+\])(\[[0-9]+\])*(\.[^.\[\]\s]+(\[[0-9]+\])*)*$`, Examples: []any{"data.Get.Order[0].title"}},
	"version":               {Pattern: `^[0-9]+\.[0-9]+\.[0-9]+([-+][0-9A-Za-z.-]+)?$`, Examples: []any{"1.38.5"}},
	"bucket name":           {Pattern: `^[A-Za-z0-9][A-Za-z0-9._-]{1,254}$`, Examples: []any{"weaviate-backups"}},
	"collection name":       {Pattern: `^[A-Z][_0-9A-Za-z]{0,254}$`, Examples: []any{"WeaviateDrillTracer"}},
	"backup id":             {Pattern: `^[a-z0-9_-]+$`, Examples: []any{"drill-20261124-222655-k3f9x2"}},
}

var formOf = map[reflect.Type]string{
	reflect.TypeFor[time.Duration](): "duration", reflect.TypeFor[time.Time](): "date", reflect.TypeFor[secret.Ref](): "reference to a secret",
}

// described are the types of other packages, whose comments are about what else they are used for.
var described = map[string]string{
	"Objectives":            "Objectives are the documented targets. A drill that misses one fails; a document past its review date, or without an owner, is a finding.",
	"Objectives.RTO":        "Recovery time objective: from the decision to restore to the first verified answer. Default: none.",
	"Objectives.RPO":        "Recovery point objective: how much may be lost. Default: none.",
	"Objectives.Owner":      "Who answers for the objectives.",
	"Objectives.ApprovedOn": "When they were approved.",
	"Objectives.ReviewBy":   "When they must be looked at again.",
	"Objectives.Allowance":  "Time that people need to notice and decide, added to the recovery in total and always shown as an assumption.",
	"Waiver":                "Waiver is a finding that is accepted for a while.",
	"Waiver.Check":          "Id of the check, as the audit prints it.",
	"Waiver.Reason":         "Why the finding is accepted.",
	"Waiver.Owner":          "Who answers for it.",
	"Waiver.Expires":        "The last day on which it holds.",
}

// typeIs is how a type's comment begins, which is left out where the type is a key.
var typeIs = regexp.MustCompile(`^[A-Z][A-Za-z0-9]* (is|are|says|say) (.)`)

// makeSchema makes the JSON Schema from the types of Config, their tags and comments, and from defaults.
func makeSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	r := &jsonschema.Reflector{
		FieldNameTag: "yaml", RequiredFromJSONSchemaTags: true, DoNotReference: true, Anonymous: true,
		Mapper: func(t reflect.Type) *jsonschema.Schema {
			if form, ok := formOf[t]; ok {
				return &jsonschema.Schema{Type: "string", Title: form}
			}
			return nil
		},
	}
	r.LookupComment = func(t reflect.Type, field string) string {
		name := strings.TrimSuffix(t.Name()+"."+field, ".")
		text := cmp.Or(described[name], r.CommentMap[t.PkgPath()+"."+name])
		if text == "" && field != "" { // the field of a section has the comment of its type
			f, _ := t.FieldByName(field)
			if f.Type.Kind() == reflect.Pointer {
				f.Type = f.Type.Elem()
			}
			text = cmp.Or(described[f.Type.Name()], r.CommentMap[f.Type.PkgPath()+"."+f.Type.Name()])
		}
		return typeIs.ReplaceAllStringFunc(strings.ReplaceAll(text, "\n", " "), func(begin string) string { return strings.ToUpper(begin[len(begin)-1:]) })
	}
	if err := r.AddGoComments(reflect.TypeFor[Config]().PkgPath(), "."); err != nil {
		t.Fatal(err)
	}
	s := r.Reflect(Config{})
	s.Title, s.Description = "drill.yaml", "Configuration of weaviate-drill."
	waiver := property(s, "policy", "waivers").Items
	waiver.Required = []string{"check", "reason", "owner", "expires"}
	for _, c := range bucket.Checks() {
		check := property(waiver, "check")
		check.Enum = append(check.Enum, c.ID)
	}
	for _, id := range isolationChecks() {
		check := property(waiver, "check")
		check.Enum = append(check.Enum, id)
	}
	severity := property(s, "policy", "severity").AdditionalProperties
	severity.Enum = property(s, "policy", "fail_on").Enum
	giveForms(t, s)
	giveDefaults(s, reflect.ValueOf(*defaults()))
	return s
}

func property(s *jsonschema.Schema, path ...string) *jsonschema.Schema {
	for _, name := range path {
		s, _ = s.Properties.Get(name)
	}
	return s
}

// giveForms puts what a title stands for beside it.
func giveForms(t *testing.T, s *jsonschema.Schema) {
	if s.Title != "" && s.Type == "string" {
		form, ok := forms[s.Title]
		if !ok {
			t.Fatalf("title %q is not one of the forms", s.Title)
		}
		s.Pattern, s.Format, s.MinLength, s.Examples = form.Pattern, form.Format, form.MinLength, form.Examples
	}
	if s.Items != nil {
		giveForms(t, s.Items)
	}
	if s.AdditionalProperties != nil {
		giveForms(t, s.AdditionalProperties)
	}
	for p := s.Properties.Oldest(); p != nil; p = p.Next() {
		giveForms(t, p.Value)
	}
}

// giveDefaults takes them from a configuration that has them.
func giveDefaults(s *jsonschema.Schema, v reflect.Value) {
	for field, value := range v.Fields() {
		p := property(s, field.Tag.Get("yaml"))
		switch {
		case p == nil || value.IsZero():
		case value.Kind() == reflect.Struct:
			giveDefaults(p, value)
		case value.Type() == reflect.TypeFor[time.Duration]():
			p.Default = short(value.Interface().(time.Duration))
		default:
			p.Default = value.Interface()
		}
	}
}

// short drops the zero parts that Go prints: 6h, not 6h0m0s.
func short(d time.Duration) string {
	text := d.String()
	if d%time.Minute == 0 {
		text = strings.TrimSuffix(text, "0s")
	}
	if d%time.Hour == 0 {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

func golden(t *testing.T, file string, want []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is not what Config makes: run go test -run 'TestSchema|TestReference' -update .", file)
	}
}

// TestSchema holds the published schema, which is the one in the program, against the Go types.
func TestSchema(t *testing.T) {
	raw, err := json.MarshalIndent(makeSchema(t), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "docs/drill.schema.json", append(raw, '\n'))
}

// TestReference holds the reference in docs/configuration.md against the schema.
func TestReference(t *testing.T) {
	const file, begin, end = "docs/configuration.md", "<!-- made from config.go: begin -->\n", "<!-- made from config.go: end -->\n"
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(raw), begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has no place for the reference", file)
	}
	var b strings.Builder
	b.WriteString(before + begin)
	s := makeSchema(t)
	for p := s.Properties.Oldest(); p != nil; p = p.Next() {
		fmt.Fprintf(&b, "\n### %s\n\n%s\n\n| key | takes | default | meaning |\n| --- | --- | --- | --- |\n", p.Key, p.Value.Description)
		rows(t, &b, p.Key, p.Value)
	}
	b.WriteString("\n" + end + after)
	golden(t, file, []byte(b.String()))
}

// rows are a section's keys, and those of the sections in it.
func rows(t *testing.T, b *strings.Builder, path string, s *jsonschema.Schema) {
	for p := s.Properties.Oldest(); p != nil; p = p.Next() {
		key, value := path+"."+p.Key, p.Value
		if value.Description == "" || strings.HasPrefix(value.Description, "Where a secret") {
			t.Errorf("%s has no comment that says what it means", key)
		}
		fallback := ""
		switch {
		case slices.Contains(s.Required, p.Key):
			fallback = "required"
		case value.Default != nil:
			fallback = fmt.Sprintf("`%v`", value.Default)
		}
		fmt.Fprintf(b, "| `%s` | %s | %s | %s |\n", key, takes(value), fallback, value.Description)
		if value.Properties != nil && key != "sandbox.external" { // whose keys are those of source
			rows(t, b, key, value)
		} else if value.Items != nil && value.Items.Properties != nil {
			rows(t, b, key+"[]", value.Items)
		}
	}
}

func takes(s *jsonschema.Schema) string {
	switch {
	case s.Enum != nil:
		var values []string
		for _, v := range s.Enum {
			values = append(values, fmt.Sprintf("`%v`", v))
		}
		return strings.Join(values, ", ")
	case s.Title != "":
		return s.Title
	case s.Type == "array" && s.Items.Properties != nil:
		return "list of sections"
	case s.Type == "array":
		return "list of texts"
	case s.Type == "object" && s.Properties != nil:
		return "section"
	case s.Type == "object" && s.AdditionalProperties.Enum != nil:
		return "keys, each with one of " + takes(s.AdditionalProperties)
	case s.Type == "object":
		return "any keys, each a " + s.AdditionalProperties.Title
	case s.Maximum != "":
		return fmt.Sprintf("%s, %s to %s", map[string]string{"integer": "whole number", "number": "number"}[s.Type], s.Minimum, s.Maximum)
	}
	return map[string]string{"string": "text", "boolean": "`true` or `false`"}[s.Type]
}
