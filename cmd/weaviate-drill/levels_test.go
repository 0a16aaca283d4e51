package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/weaviate-drill/weaviate-drill/rto"
	"github.com/weaviate-drill/weaviate-drill/rto/evidence"
	"github.com/weaviate-drill/weaviate-drill/verify"
)

// At the levels that restore nothing, a drill of an existing backup needs the bucket alone, and writes nothing into it: here the source is down, there is no server to make a sandbox of, and the key may only read.
func TestLevelsThatRestoreNothing(t *testing.T) {
	id := newSite(t, nil).makeBackup(t)
	alone := map[string]string{
		"source": "\n  url: http://127.0.0.1:1\n  api_key: env:DRILL_TEST_KEY", "sandbox": "\n  kind: process\n  process:\n    binary: /nonexistent/weaviate", "backup": "\n  id: " + id,
	}
	s := newSite(t, alone)
	readOnly := session(t, s.bucket, `{"Effect":"Allow","Action":["s3:Get*","s3:List*"],"Resource":["arn:aws:s3:::BUCKET","arn:aws:s3:::BUCKET/*"]}`)
	run := func(s site, args ...string) result {
		c := program(t.Context(), s.dir, args...)
		c.Env = append(c.Env, readOnly...)
		return finish(t, c)
	}
	for _, tt := range []struct {
		level verify.Level
		says  string
		last  rto.Phase
	}{
		{verify.LevelCatalogue, "no chunk was read", rto.Catalogue},
		{verify.LevelArchive, "every chunk was read to its end", rto.Archive},
	} {
		level := string(tt.level)
		r := run(s, "run", "--level", level, "--output", "json")
		r.wants(t, evidence.Passed)
		record, err := evidence.Parse([]byte(r.stdout)) // two drills of one second have no order
		if err != nil {
			t.Fatal(err)
		}
		s.do(t, "report", record.ID).wants(t, evidence.Passed, "PASSED", "Level "+level+": nothing was restored.", tt.says, "RTO 15 min: not known", "RPO 10 h: not known", "source not asked", "level "+level+": ")
		if record.Level != tt.level || len(record.Timeline) < 2 || record.Timeline[len(record.Timeline)-2].Phase != tt.last || record.Restore != nil || record.Sandbox.Kind != "" || (record.Archive != nil) != (tt.level == verify.LevelArchive) {
			t.Errorf("%s: %+v", level, record)
		}
		for _, j := range record.Assessment.Judgements {
			if j.Met || j.Actual.Known {
				t.Errorf("%s: %+v", level, j)
			}
		}
		if junit := s.do(t, "report", record.ID, "--output", "junit").stdout; !strings.Contains(junit, "drill passed at level "+level+": nothing was restored") || strings.Contains(junit, "<failure") || strings.Contains(junit, "<error") {
			t.Error(junit)
		}
		if html := s.do(t, "report", record.ID, "--output", "html").stdout; !strings.Contains(html, "nothing was restored") {
			t.Errorf("%s: the page does not say that nothing was restored", level)
		}
		s.do(t, "run", "--level", level, "--dry-run").wants(t, evidence.Passed, "connect to s3://"+s.bucket.Name)
		plan := s.do(t, "run", "--level", level, "--dry-run", "-o", "json").stdout
		for _, not := range []string{`"sandbox"`, `"source"`, "restore_config.json", "PutObject", `"teardown"`} {
			if strings.Contains(plan, not) {
				t.Errorf("%s: %s is planned: %s", level, not, plan)
			}
		}
	}
	var list []evidence.Entry
	if err := json.Unmarshal([]byte(s.do(t, "history", "-o", "json").stdout), &list); err != nil || len(list) != 2 || list[0].Level == list[1].Level || list[0].Level.Restores() || list[1].Level.Restores() {
		t.Errorf("%+v, %v", list, err)
	}
	if s.restoreConfig(t, id) {
		t.Error("something was written beside the backup")
	}

	t.Run("the doctor", func(t *testing.T) {
		alone["verify"] = "\n  level: archive"
		defer delete(alone, "verify")
		for _, n := range newSite(t, alone).examined(t, evidence.Passed, readOnly...) {
			if n.Area == "source" || n.Area == "sandbox" || strings.HasPrefix(n.Name, "s3:PutObject") || strings.HasPrefix(n.Name, "s3:DeleteObject") {
				t.Errorf("%+v", n)
			}
		}
		newSite(t, alone).do(t, "verify").wants(t, evidence.Usage, "sandbox.external")
	})
	t.Run("a new backup", func(t *testing.T) {
		s := newSite(t, map[string]string{"sandbox": alone["sandbox"]})
		s.do(t, "run", "--level", "catalogue").wants(t, evidence.Passed, "made by this drill", "nothing was restored")
		if record := s.record(t); !record.Backup.Created || len(record.Source.Collections) != 3 {
			t.Errorf("%+v %+v", record.Backup, record.Source)
		}
	})
	t.Run("a flipped bit", func(t *testing.T) {
		s := newSite(t, map[string]string{"backup": "\n  id: " + id}).clone(t, id)
		key := s.chunk(t, id, "Article")
		content := s.get(t, key)
		content[len(content)/2] ^= 1
		s.put(t, key, content)
		s.do(t, "run", "--level", "catalogue").wants(t, evidence.Passed, "no chunk was read")
		s.do(t, "run", "--level", "archive").wants(t, evidence.DataFailed, key)
		if record := s.record(t); record.Restore != nil {
			t.Errorf("%+v", record.Restore)
		}
	})
}
