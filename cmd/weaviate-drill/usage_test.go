package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/weaviate-drill/weaviate-drill/rto/evidence"
)

func TestEveryCommandHasHelp(t *testing.T) {
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		if c.Runnable() {
			for what, there := range map[string]bool{
				"a sentence": c.Short != "", "an example": c.Example != "", "the section EXIT STATUS": strings.Contains(c.Long, "EXIT STATUS\n  0    passed\n  1 "),
			} {
				if !there {
					t.Errorf("%s: the help lacks %s", c.CommandPath(), what)
				}
			}
		}
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk((&app{}).command())
	r := do(t, t.TempDir(), "run", "--help")
	r.wants(t, evidence.Passed, "EXIT STATUS", "130 interrupted", "--dry-run", "weaviate-drill run --backup-id latest")
}

func TestWrongCommandLines(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "bad.yaml"), []byte("source:\n  url: http://127.0.0.1:1\nbukcet:\n  name: x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		args []string
		says string
	}{
		{[]string{"rum"}, `unknown command "rum"`},
		{[]string{"run", "--kep"}, "unknown flag: --kep"},
		{[]string{"run", "extra"}, "extra"},
		{[]string{"run"}, "drill.yaml"},
		{[]string{"run", "--output", "xml"}, "--output xml is not known: use one of table, json, markdown"},
		{[]string{"backup", "list", "--output", "junit"}, "this command has no --output junit"},
		{[]string{"audit", "--output", "html"}, "this command has no --output html: use one of table, markdown, json, sarif, ocsf, junit"},
		{[]string{"audit", "--explain", "s3-acls"}, `there is no check "s3-acls", did you mean s3-acl?`},
		{[]string{"audit", "--explain", "s3-acl", "--output", "sarif"}, "this command has no --output sarif: use one of table, json, markdown"},
		{[]string{"audit", "--explain", "s3-acl", "--list"}, "none of the others can be"},
		{[]string{"run", "--log-level", "loud"}, "--log-level loud is not known"},
		{[]string{"run", "--log-format", "xml"}, "--log-format xml is not known"},
		{[]string{"run", "--config", "bad.yaml"}, "bukcet"},
		{[]string{"backup", "show"}, "accepts 1 arg(s), received 0"},
		{[]string{"run", "--sample", "9", "--max-bad", "1%"}, "none of the others can be"},
		{[]string{"verify", "--backup-id", "a", "--capture-point", "b"}, "none of the others can be"},
	} {
		r := do(t, dir, tt.args...)
		r.wants(t, evidence.Usage, tt.says)
		if r.stdout != "" || strings.Count(r.stderr, tt.says) != 1 {
			t.Errorf("%v: the error belongs on standard error, once: %q %q", tt.args, r.stdout, r.stderr)
		}
	}
}

func TestVersionAndCompletion(t *testing.T) {
	do(t, t.TempDir(), "version").wants(t, evidence.Passed, "weaviate-drill dev (go1.")
	do(t, t.TempDir(), "version", "--output", "json").wants(t, evidence.Passed, `"version":"dev"`)
	do(t, t.TempDir(), "completion", "bash").wants(t, evidence.Passed, "__weaviate-drill")
}

func TestTheREADMEHasTheExitStatuses(t *testing.T) {
	readme, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range exits {
		if row := fmt.Sprintf("| %d | %s |", int(e.status), e.means); !strings.Contains(string(readme), row) {
			t.Errorf("the README lacks the row %q", row)
		}
	}
}
