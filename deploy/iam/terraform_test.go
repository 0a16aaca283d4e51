package iam_test

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// terraform runs it in a folder. There need not be one: the documents are held against the code without it too.
func terraform(t testing.TB, dir string, args ...string) (string, error) {
	t.Helper()
	bin, err := exec.LookPath("terraform")
	if err != nil {
		t.Skip("terraform is not on this machine: its formatting, its rendering of the documents and its validation are not looked at")
	}
	c := exec.CommandContext(t.Context(), bin, args...)
	c.Dir = dir
	c.Env = append(os.Environ(), "CHECKPOINT_DISABLE=1", "TF_IN_AUTOMATION=1")
	out, err := c.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return string(out) + string(exit.Stderr), err
	}
	return string(out), err
}

func must(t testing.TB, dir string, args ...string) string {
	t.Helper()
	out, err := terraform(t, dir, args...)
	if err != nil {
		t.Fatalf("terraform %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// copied is a copy of the module, in which Terraform may write.
func copied(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(".")); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestTerraformIsFormatted(t *testing.T) { must(t, ".", "fmt", "-check", "-recursive", "-diff") }

// What Terraform makes of the documents is what the other tests look at.
func TestTerraformRendersTheSame(t *testing.T) {
	dir := filepath.Join(copied(t), "policies")
	must(t, dir, "init", "-no-color")
	must(t, dir, "validate", "-no-color")
	for name, s := range setups {
		t.Run(name, func(t *testing.T) {
			s.Service = service
			if err := os.WriteFile(filepath.Join(dir, "terraform.tfvars.json"), []byte(text(t, s.setup)), 0o600); err != nil {
				t.Fatal(err)
			}
			must(t, dir, "apply", "-auto-approve", "-no-color")
			var rendered map[string]string
			if err := json.Unmarshal([]byte(must(t, dir, "output", "-json", "roles")), &rendered); err != nil {
				t.Fatal(err)
			}
			if len(rendered) != len(roles(t)) {
				t.Errorf("%d roles, want %d", len(rendered), len(roles(t)))
			}
			for role, policy := range rendered {
				if got, want := parse(t, policy), s.policy(t, role); !reflect.DeepEqual(got, want) {
					t.Errorf("%s: Terraform makes\n%s\nthe tests look at\n%s", role, policy, text(t, want))
				}
			}
		})
	}
}

// The modules that make something need the provider of AWS, which terraform init fetches.
func TestTerraformValidates(t *testing.T) {
	dir := filepath.Join(copied(t), "example")
	if out, err := terraform(t, dir, "init", "-backend=false", "-no-color"); err != nil {
		if strings.Contains(out, "Failed to query available provider packages") {
			t.Skip("the provider of AWS cannot be had here, so what it would say of the modules is not known")
		}
		t.Fatalf("terraform init: %v\n%s", err, out)
	}
	must(t, dir, "validate", "-no-color")
}
