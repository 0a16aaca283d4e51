package process_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weaviate-drill/weaviate-drill/backup/sandbox"
	"github.com/weaviate-drill/weaviate-drill/backup/sandbox/process"
	"github.com/weaviate-drill/weaviate-drill/internal/servers"
	"github.com/weaviate-drill/weaviate-drill/internal/servertest"
)

func TestExamine(t *testing.T) {
	bin, err := servers.Find("weaviate-server")
	if err != nil {
		servertest.Lacking(t, err.Error())
	}
	script := filepath.Join(t.TempDir(), "weaviate-server")
	if err := os.WriteFile(script, []byte("#!/bin/sh\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, binary, version string
		want                  []sandbox.Result
		says                  string
	}{
		{"as it should be", "", "1.38.5", []sandbox.Result{sandbox.Pass, sandbox.Pass}, "weaviate-server"},
		{"another version", bin, "1.30.0", []sandbox.Result{sandbox.Pass, sandbox.Fail}, "sandbox.version to 1.38.5"},
		{"no program of Go", script, "1.38.5", []sandbox.Result{sandbox.Pass, sandbox.Unknown}, "only its start will tell"},
		{"not there", "/nonexistent/weaviate", "1.38.5", []sandbox.Result{sandbox.Fail}, "/nonexistent/weaviate"},
		{"no version asked for", bin, "", []sandbox.Result{sandbox.Pass}, bin},
	} {
		checks, err := process.New(process.Options{Binary: tt.binary}).(sandbox.Examiner).Examine(t.Context(), sandbox.Spec{Version: tt.version})
		var got []sandbox.Result
		var text string
		for _, c := range checks {
			got = append(got, c.Result)
			text += c.Detail + c.Remedy
		}
		if err != nil || len(got) != len(tt.want) || got[len(got)-1] != tt.want[len(got)-1] || !strings.Contains(text, tt.says) {
			t.Errorf("%s: %+v, %v", tt.name, checks, err)
		}
	}
}
