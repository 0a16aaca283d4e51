package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/weaviate-drill/weaviate-drill/backup/bucket"
	"github.com/weaviate-drill/weaviate-drill/internal/servertest"
	"github.com/weaviate-drill/weaviate-drill/rto"
	"github.com/weaviate-drill/weaviate-drill/rto/evidence"
)

// evidenceIn is a section evidence that names a bucket.
func evidenceIn(b *bucket.Bucket) string {
	return fmt.Sprintf("\n  s3:\n    name: %s\n    path: %s\n    region: us-east-1\n    endpoint: %s\n    path_style: true", b.Name, b.Path, b.Endpoint)
}

// Of a drill that keeps its evidence in S3, nothing but the configuration is needed on the machine that looks at it later, or that tidies up when it was killed.
func TestEvidenceInS3(t *testing.T) {
	b := servertest.Bucket(t, "evidence")
	sections := map[string]string{"evidence": evidenceIn(b), "verify": "\n  level: counts"}
	first := newSite(t, sections)
	id, lost := first.makeBackup(t), first.makeBackup(t)
	store, err := evidence.OpenS3(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	if i, err := store.Inventory(t.Context(), first.bucket.Name, first.bucket.Path, id); err != nil || i == nil {
		t.Errorf("the inventory of the backup: %v %v", i, err)
	}

	sections["backup"] = "\n  id: " + lost
	killed := newSite(t, sections)
	if r := killed.signalled(t, rto.Index, syscall.SIGKILL, "run"); r.code != -1 {
		t.Fatalf("exit status %d", r.code)
	}
	if !killed.restoreConfig(t, lost) {
		t.Error("the killed drill left no restore_config.json, so this proves nothing")
	}
	journals := slices.DeleteFunc(keys(t, b, "running"), func(key string) bool { return !strings.HasSuffix(key, ".json") })
	if len(journals) != 1 {
		t.Fatalf("the killed drill left the journals %v", journals)
	}
	deadID := strings.TrimSuffix(filepath.Base(journals[0]), ".json")
	r := killed.do(t, "gc")
	if r.wants(t, evidence.Passed); strings.Contains(r.stdout, deadID) {
		t.Errorf("a drill that may live was tidied up: %s", r.stdout)
	}

	sections["backup"] = "\n  id: " + id
	second := newSite(t, sections)
	r = second.do(t, "run")
	r.wants(t, evidence.Passed)
	tidied := r.stdout + r.stderr
	record, err := store.Get(t.Context(), evidence.Latest)
	if err != nil || record.Backup == nil || record.Backup.ID != id || record.Status != evidence.Passed {
		t.Fatalf("the record in the bucket is %+v, %v", record, err)
	}
	if slices.ContainsFunc(record.Notes, func(n string) bool { return strings.Contains(n, "no inventory") }) {
		t.Errorf("the inventory was not found: %q", record.Notes)
	}
	if files, err := filepath.Glob(filepath.Join(second.dir, "evidence")); err != nil || len(files) > 0 {
		t.Errorf("a folder was made besides: %v %v", files, err)
	}

	elsewhere := newSite(t, sections)
	elsewhere.do(t, "report", "latest").wants(t, evidence.Passed, record.ID, "passed")
	elsewhere.do(t, "report", "drill-none").wants(t, evidence.Usage, "no such record: drill-none in s3://"+b.Name+"/evidence")
	r = elsewhere.do(t, "history", "--output", "json")
	r.wants(t, evidence.Passed)
	var list []evidence.Entry
	if err := json.Unmarshal([]byte(r.stdout), &list); err != nil || len(list) != 1 || list[0].ID != record.ID || list[0].Path != b.URL(record.ID+".json") {
		t.Errorf("history: %v %s", err, r.stdout)
	}

	for deadline := time.Now().Add(2 * time.Minute); !strings.Contains(tidied, "tidied up after drill "+deadID) && time.Now().Before(deadline); time.Sleep(3 * time.Second) {
		r := killed.do(t, "gc")
		r.wants(t, evidence.Passed)
		tidied += r.stdout
	}
	killed.nothingLeft(t)
	if killed.restoreConfig(t, lost) {
		t.Error("restore_config.json is left")
	}
	if left := keys(t, b, "running"); len(left) > 0 || !strings.Contains(tidied, "tidied up after drill "+deadID) {
		t.Errorf("left %v: %s", left, tidied)
	}
}

// A record that the bucket does not take is not lost, and the reason is said.
func TestRecordRefusedByS3(t *testing.T) {
	b := servertest.Bucket(t, "evidence")
	s := newSite(t, map[string]string{"evidence": evidenceIn(b), "backup": "\n  id: no-such-backup"})
	o := b.Client.Options()
	session, err := sts.New(sts.Options{Region: o.Region, Credentials: o.Credentials, BaseEndpoint: o.BaseEndpoint}).AssumeRole(t.Context(), &sts.AssumeRoleInput{
		RoleArn: aws.String("arn:aws:iam::000000000000:role/drill"), RoleSessionName: aws.String("drill"), Policy: aws.String(`{"Version":"2012-10-17","Statement":[
			{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::*"}, {"Effect":"Deny","Action":"s3:PutObject","Resource":"arn:aws:s3:::` + b.Name + `/evidence/drill-*"}]}`),
	})
	if err != nil {
		t.Fatal(err)
	}
	c := program(t.Context(), s.dir, "run")
	spare := t.TempDir()
	c.Env = append(c.Env, "TMPDIR="+spare, "AWS_ACCESS_KEY_ID="+*session.Credentials.AccessKeyId, "AWS_SECRET_ACCESS_KEY="+*session.Credentials.SecretAccessKey, "AWS_SESSION_TOKEN="+*session.Credentials.SessionToken)
	r := finish(t, c)
	r.wants(t, evidence.Usage, "evidence: s3://"+b.Name+"/evidence/drill-", "s3:PutObject is needed", "the record was kept in "+spare)
	if text := r.stdout + r.stderr; strings.Contains(text, *session.Credentials.SecretAccessKey) || strings.Contains(text, *session.Credentials.SessionToken) {
		t.Error("a credential is printed")
	}
	kept, err := filepath.Glob(filepath.Join(spare, "weaviate-drill-record-*", "drill-*.json"))
	if err != nil || len(kept) != 1 {
		t.Fatalf("kept: %v %v", kept, err)
	}
	raw, err := os.ReadFile(kept[0])
	if err != nil {
		t.Fatal(err)
	}
	if record, err := evidence.Parse(raw); err != nil || record.Status != evidence.Usage {
		t.Errorf("kept: %+v %v", record, err)
	}
	if left := keys(t, b, "running"); len(left) > 0 {
		t.Errorf("left %v", left)
	}
}
