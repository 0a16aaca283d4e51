package bucket_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/weaviate-drill/weaviate-drill/backup/bucket"
)

// Terraform itself reads each snippet, and finds it written as it writes them. Each is of a resource of the bucket, or names what it is of.
func TestTerraform(t *testing.T) {
	resource := regexp.MustCompile(`^resource "aws_[a-z0-9_]+" "[a-z_]+" \{`)
	bin, err := exec.LookPath("terraform")
	if err != nil {
		t.Skip("terraform is not on this machine: whether it reads the snippets is not looked at")
	}
	for _, c := range bucket.Checks() {
		if c.Terraform == "" {
			continue
		}
		if !resource.MatchString(c.Terraform) {
			t.Errorf("%s: not a resource of the provider hashicorp/aws:\n%s", c.ID, c.Terraform)
		}
		read := exec.CommandContext(t.Context(), bin, "fmt", "-check", "-diff", "-")
		read.Stdin = strings.NewReader(c.Terraform + "\n")
		if out, err := read.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", c.ID, err, out)
		}
	}
}

// The provider of AWS itself knows each resource, argument and block.
func TestTerraformValidates(t *testing.T) {
	bin, err := exec.LookPath("terraform")
	if err != nil {
		t.Skip("terraform is not on this machine: whether the provider of AWS knows the snippets is not looked at")
	}
	dir := t.TempDir()
	run := func(args ...string) (string, error) {
		cmd := exec.CommandContext(t.Context(), bin, append(args, "-no-color")...)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	write := func(path, text string) {
		if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(path)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, path), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	var all strings.Builder
	for _, c := range bucket.Checks() {
		if c.Terraform != "" {
			write(filepath.Join(c.ID, "main.tf"), filled.Replace(c.Terraform))
			fmt.Fprintf(&all, "module %q {\n  source = \"./%s\"\n}\n", c.ID, c.ID)
		}
	}
	write("main.tf", all.String())
	if out, err := run("init", "-backend=false"); err != nil {
		if strings.Contains(out, "Failed to query available provider packages") || strings.Contains(out, "Failed to install provider") {
			t.Skip("the provider of AWS cannot be had here, so what it would say of the snippets is not known")
		}
		t.Fatalf("terraform init: %v\n%s", err, out)
	}
	if out, err := run("validate"); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// What fails on AWS is mended by either way; another server knows no provider, and what the check's own remediation does not mend its Terraform does not either.
func TestFindingHasTerraform(t *testing.T) {
	off := replies{}
	for asked, answer := range hardened {
		off[asked] = answer
	}
	off["versioning"] = ok(`<VersioningConfiguration` + namespace + `/>`)
	if got := findings(t, onAWS(t, off))["s3-versioning"].Terraform; !strings.Contains(got, `bucket = "backups-example"`) {
		t.Errorf("%q", got)
	}
	if got := findings(t, onAWS(t, hardened))["s3-versioning"].Terraform; got != "" {
		t.Errorf("it passes, and is to be mended by %q", got)
	}
	if got := findings(t, onAnother(t, off))["s3-versioning"]; got.Status != bucket.Fail || got.Terraform != "" {
		t.Errorf("%+v", got)
	}
}
