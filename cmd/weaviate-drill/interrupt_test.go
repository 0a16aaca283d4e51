package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/weaviate-drill/weaviate-drill/backup"
	"github.com/weaviate-drill/weaviate-drill/rto"
	"github.com/weaviate-drill/weaviate-drill/rto/evidence"
)

// signalled runs a drill, sends it sig as soon as a phase begins, and waits for its end.
func (s site) signalled(t *testing.T, phase rto.Phase, sig syscall.Signal, args ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	c := program(ctx, s.dir, args...)
	var stdout, stderr bytes.Buffer
	c.Stdout = &stdout
	pipe, err := c.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	want := `phase="` + string(phase) + `"`
	if !strings.Contains(string(phase), " ") {
		want = "phase=" + string(phase)
	}
	sent := false
	for lines := bufio.NewScanner(io.TeeReader(pipe, &stderr)); lines.Scan(); {
		if !sent && strings.Contains(lines.Text(), `msg="phase begins" `+want) {
			sent = true
			if err := c.Process.Signal(sig); err != nil {
				t.Fatal(err)
			}
		}
	}
	_ = c.Wait()
	if !sent {
		t.Fatalf("phase %s never began:\n%s", phase, &stderr)
	}
	return result{exitCode(c), stdout.String(), stderr.String()}
}

// exitCode is -1 for a process that a signal ended.
func exitCode(c *exec.Cmd) int { return c.ProcessState.ExitCode() }

func TestSignalInEachPhase(t *testing.T) {
	old := newSite(t, nil)
	id := old.makeBackup(t)
	for _, phase := range []rto.Phase{
		rto.Preflight, rto.Posture, rto.Backup, rto.Catalogue, rto.Archive, rto.Copy, rto.Provision, rto.Restore, rto.Index, rto.FirstAnswer, rto.Verify,
	} {
		t.Run(string(phase), func(t *testing.T) {
			sections := map[string]string{"backup": "\n  id: " + id}
			switch phase {
			case rto.Backup:
				sections = nil
			case rto.Copy:
				sections["restore"] = "\n  from: copy"
			}
			s := newSite(t, sections)
			sig := syscall.SIGINT
			if phase == rto.Restore {
				sig = syscall.SIGTERM
			}
			r := s.signalled(t, phase, sig, "run")
			r.wants(t, evidence.Interrupted, "interrupted")
			record := s.record(t)
			if record.Status != evidence.Interrupted || record.Timeline[len(record.Timeline)-1].Phase != rto.Teardown {
				t.Errorf("%s, %+v", record.Status, record.Timeline)
			}
			s.nothingLeft(t)
			if s.restoreConfig(t, id) {
				t.Error("restore_config.json is left")
			}
			if phase == rto.Backup {
				if _, err := backup.Resolve(t.Context(), s.bucket, record.ID); err == nil {
					t.Error("the backup was not cancelled")
				}
			}
			if left, err := filepath.Glob(filepath.Join(s.dir, "evidence", "running", "*")); err != nil || len(left) > 0 {
				for _, f := range left {
					if !strings.HasSuffix(f, "guard") && !strings.HasPrefix(filepath.Base(f), ".") {
						t.Errorf("a journal is left: %v, %v", left, err)
					}
				}
			}
		})
	}
}

func TestKilledInTheMiddle(t *testing.T) {
	id := newSite(t, nil).makeBackup(t)
	for _, phase := range []rto.Phase{rto.Provision, rto.Index} {
		t.Run(string(phase), func(t *testing.T) {
			s := newSite(t, map[string]string{"backup": "\n  id: " + id, "verify": "\n  level: counts"})
			if r := s.signalled(t, phase, syscall.SIGKILL, "run"); r.code != -1 {
				t.Fatalf("exit status %d", r.code)
			}
			deadline := time.Now().Add(5 * time.Second)
			for len(processesIn(t, s.dir)) > 0 && time.Now().Before(deadline) {
				time.Sleep(50 * time.Millisecond)
			}
			if left := processesIn(t, s.dir); len(left) > 0 {
				t.Errorf("the servers of a killed drill go on: %v", left)
			}
			if phase == rto.Index && !s.restoreConfig(t, id) {
				t.Error("the killed drill left no restore_config.json, so this proves nothing")
			}
			if records, err := filepath.Glob(filepath.Join(s.dir, "evidence", "*.json")); err != nil || len(records) > 0 {
				t.Errorf("a killed drill left a record: %v, %v", records, err)
			}
			if phase == rto.Provision {
				s.do(t, "gc").wants(t, evidence.Passed, "tidied up after drill")
			} else {
				s.do(t, "run").wants(t, evidence.Passed, "tidied up after drill")
			}
			s.nothingLeft(t)
			if s.restoreConfig(t, id) {
				t.Error("restore_config.json is left")
			}
			s.do(t, "gc").wants(t, evidence.Passed)
		})
	}
}

func TestKeepOnFailure(t *testing.T) {
	whole := newSite(t, map[string]string{"backup": "\n  compression: NoCompression"})
	id := whole.makeBackup(t)
	s := whole.clone(t, id)
	s.changeTitle(t, id)
	s.do(t, "run", "--keep-on-failure").wants(t, evidence.DataFailed, "properties.title")
	kept := s.record(t).Sandbox.Kept
	left := processesIn(t, s.dir)
	if kept == "" || len(left) == 0 {
		t.Errorf("the sandbox was not kept: %q, %v", kept, left)
	}
	for _, l := range left {
		pid, _, _ := strings.Cut(strings.TrimPrefix(l, "/proc/"), "/")
		if !strings.Contains(kept, pid) {
			t.Errorf("how to stop process %s is not said: %s", pid, kept)
		}
		var n int
		for _, d := range pid {
			n = n*10 + int(d-'0')
		}
		if p, err := os.FindProcess(n); err == nil {
			_ = p.Kill()
		}
	}
}
