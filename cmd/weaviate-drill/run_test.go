package main

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weaviate-drill/weaviate-drill/rto"
	"github.com/weaviate-drill/weaviate-drill/rto/evidence"
	"github.com/weaviate-drill/weaviate-drill/verify"
)

func TestRun(t *testing.T) {
	s := newSite(t, nil)
	s.do(t, "run", "--dry-run").wants(t, evidence.Passed, "make a new backup of all collections", "manage_backups", "s3:ListBucketVersions", "restore_config.json")
	if left, err := os.ReadDir(s.dir); err != nil || len(left) != 1 {
		t.Fatalf("a dry run leaves something: %v, %v", left, err)
	}

	r := s.do(t, "run", "--report", "drill.html", "--report", "drill.xml", "--report", "drill.md", "--report", "drill.sarif")
	r.wants(t, evidence.Passed, "PASSED", "RTO", "RPO", "phase begins")
	record := s.record(t)
	if record.Status != evidence.Passed || len(record.Reasons) > 0 {
		t.Errorf("%+v", record.Reasons)
	}
	if v := record.Verification; v.Verdicts.Match != 5000 || v.Verdicts.Total() != 5000 || v.Level != "full" || len(v.Collections) != 3 {
		t.Errorf("%+v", v)
	}
	if b := record.Backup; !b.Created || len(b.Objects) == 0 || b.CapturePoint.IsZero() || b.End.Before(b.CapturePoint) || len(b.Collections) != 3 {
		t.Errorf("%+v", b)
	}
	if a := record.Archive; a == nil || a.Chunks == 0 || a.ContentBytes != record.Backup.Bytes {
		t.Errorf("%+v", a)
	}
	for _, p := range []rto.Phase{rto.Preflight, rto.Posture, rto.FingerprintBefore, rto.Backup, rto.FingerprintAfter, rto.Catalogue, rto.Archive, rto.Provision, rto.Restore, rto.Index, rto.FirstAnswer, rto.Verify, rto.Teardown} {
		if _, ok := record.Timeline.Span(p); !ok {
			t.Errorf("phase %s is not in the timeline", p)
		}
	}
	if g := record.Verification.Ranges; g == nil || g.Before == nil || g.After == nil || g.Before.Objects != 5000 || g.Quiet == 0 || g.Busy > 0 || g.Equal != g.Quiet || g.Before.Ended.After(record.Backup.CapturePoint) {
		t.Errorf("fingerprints: %+v", g)
	}
	a := record.Assessment
	if !a.Recovered.Known || a.Recovered.Duration <= 0 || len(a.Judgements) != 2 || !a.Judgements[0].Met || !a.Judgements[1].Met {
		t.Errorf("%+v", a)
	}
	if !a.RPO.Known || a.RPO.Duration <= 0 || a.RPO.Duration > time.Hour {
		t.Errorf("RPO %+v", a.RPO)
	}
	s.nothingLeft(t)
	if s.restoreConfig(t, record.Backup.ID) {
		t.Error("restore_config.json is left beside the backup")
	}
	for file, has := range map[string]string{"drill.html": record.ID, "drill.xml": record.ID, "drill.md": record.ID, "drill.sarif": `"ruleId": "s3-versioning"`} {
		if raw, err := os.ReadFile(filepath.Join(s.dir, file)); err != nil || !bytes.Contains(raw, []byte(has)) {
			t.Errorf("%s: %v", file, err)
		}
	}

	t.Run("again, of the same backup", func(t *testing.T) {
		again := s.do(t, "run", "--backup-id", "latest", "--max-bad", "5%", "--confidence", "90", "--seed", "7", "--output", "json", "--quiet")
		again.wants(t, evidence.Passed)
		if again.stderr != "" {
			t.Errorf("--quiet prints %q", again.stderr)
		}
		printed, err := evidence.Parse([]byte(again.stdout))
		if err != nil {
			t.Fatal(err)
		}
		if printed.Backup.Created || printed.Backup.ID != record.Backup.ID || printed.Verification.Sampling.Seed != 7 || printed.Verification.Level != "sample" {
			t.Errorf("%+v %+v", printed.Backup, printed.Verification.Sampling)
		}
		if p := printed.Verification.Sampling; p.Requested != verify.SampleSize(0.9, 0.05) || !strings.Contains(p.Conclusion, "with 90 % confidence at most ") {
			t.Errorf("%+v", p)
		}
		if g := printed.Verification.Ranges; g == nil || g.After == nil || !g.After.Began.Equal(record.Verification.Ranges.After.Began) {
			t.Errorf("the fingerprints of the first run were not found: %+v", g)
		}
		for _, n := range printed.Notes {
			if strings.Contains(n, "no inventory") {
				t.Errorf("the inventory of the first run was not found: %s", n)
			}
		}
	})
	t.Run("report and history", func(t *testing.T) {
		s.do(t, "history").wants(t, evidence.Passed, record.ID, "passed")
		var list []map[string]any
		if r := s.do(t, "history", "--output", "json"); json.Unmarshal([]byte(r.stdout), &list) != nil || len(list) != 2 {
			t.Errorf("%s", r.stdout)
		}
		s.do(t, "report", record.ID).wants(t, evidence.Passed, "PASSED", record.Backup.ID)
		s.do(t, "report", record.ID, "--output", "html", "--file", "again.html").wants(t, evidence.Passed)
		first, _ := os.ReadFile(filepath.Join(s.dir, "drill.html"))
		second, err := os.ReadFile(filepath.Join(s.dir, "again.html"))
		if err != nil || !bytes.Equal(first, second) {
			t.Errorf("the report made again from the record is another: %v", err)
		}
		junit := s.do(t, "report", "--output", "junit")
		junit.wants(t, evidence.Passed, "<testsuite")
		for d := xml.NewDecoder(strings.NewReader(junit.stdout)); ; {
			if _, err := d.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatal(err)
			}
		}
		s.do(t, "report", "drill-19700101-000000-aaaaaa").wants(t, evidence.Usage, "drill-19700101-000000-aaaaaa")
	})
	t.Run("backup list, show, check", func(t *testing.T) {
		id := record.Backup.ID
		s.do(t, "backup", "list").wants(t, evidence.Passed, id, "SUCCESS")
		s.do(t, "backup", "show", "latest").wants(t, evidence.Passed, id, "Article")
		s.do(t, "backup", "check", id).wants(t, evidence.Passed, id)
		s.do(t, "backup", "cancel", id).wants(t, evidence.Usage, "SUCCESS")
	})
	t.Run("audit", func(t *testing.T) {
		s.do(t, "audit").wants(t, evidence.Passed, "s3-versioning", "not supported")
		strict := newSite(t, map[string]string{"policy": "\n  fail_on: high"})
		strict.do(t, "audit", "--output", "markdown").wants(t, evidence.Policy, "s3-versioning")
		for form, has := range map[string]string{"sarif": `"ruleId": "s3-versioning"`, "ocsf": `"class_uid": 2003`, "junit": `<testsuite name="bucket posture"`} {
			strict.do(t, "audit", "--output", form).wants(t, evidence.Policy, has)
			s.do(t, "report", record.ID, "--output", form).wants(t, evidence.Passed, has)
		}
	})
	t.Run("objectives missed", func(t *testing.T) {
		s := newSite(t, map[string]string{
			"objectives": "\n  rto: 1ms\n  rpo: 1ms\n  owner: platform\n  approved_on: 2026-01-01\n  review_by: 2100-01-01",
			"restore":    "\n  from: copy", "backup": "\n  id: " + record.Backup.ID, "verify": "\n  level: counts",
		})
		s.do(t, "run").wants(t, evidence.Policy, "RTO objective missed", "RPO objective missed")
		if _, ok := s.record(t).Timeline.Span(rto.Copy); !ok {
			t.Error("no copy was made")
		}
		if left := keys(t, s.bucket, "../weaviate-drill"); len(left) > 0 {
			t.Errorf("the copy is left: %v", left)
		}
		s.nothingLeft(t)
	})
}

func TestDemo(t *testing.T) {
	source(t) // the servers are built
	for _, tt := range []struct {
		args []string
		want evidence.Status
		says []string
	}{
		{[]string{"demo"}, evidence.Passed, []string{"PASSED", "5,000", ".html"}},
		{[]string{"demo", "--corrupt"}, evidence.DataFailed, []string{"FAILED", "ETag", "object-replaced", filled.victim.ID, ".html"}},
	} {
		t.Run(strings.Join(tt.args, " "), func(t *testing.T) {
			dir := t.TempDir()
			do(t, dir, tt.args...).wants(t, tt.want, tt.says...)
			store, err := evidence.Open(filepath.Join(dir, "evidence"))
			if err != nil {
				t.Fatal(err)
			}
			r, err := store.Get(t.Context(), evidence.Latest)
			if err != nil {
				t.Fatal(err)
			}
			if len(tt.args) == 1 {
				return
			}
			if r.Restore.Status != "SUCCESS" {
				t.Errorf("the restore ended with %s", r.Restore.Status)
			}
			for _, c := range r.Verification.Collections {
				if c.SourceCount != c.RestoredCount {
					t.Errorf("the counts of %s differ", c.Name)
				}
			}
			d := r.Verification.Differences
			if len(d) != 1 || d[0].ID != filled.victim.ID || d[0].Verdict != "corrupt" || len(d[0].Fields) != 1 || d[0].Fields[0] != "vector" {
				t.Errorf("%+v", d)
			}
			if r.Reasons[0].Phase != rto.Catalogue || !strings.Contains(r.Reasons[0].Message, "ETag") {
				t.Errorf("the changed ETag is not reported first: %+v", r.Reasons)
			}
		})
	}
}
