package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weaviate-drill/weaviate-drill/backup/bucket"
	"github.com/weaviate-drill/weaviate-drill/internal/servertest"
	"github.com/weaviate-drill/weaviate-drill/rto/evidence"
)

// To explain a check nothing is needed: no configuration, no bucket.
func TestExplainAndList(t *testing.T) {
	dir := t.TempDir()
	do(t, dir, "audit", "--explain", "s3-versioning").wants(t, evidence.Passed, "put-bucket-versioning --bucket BUCKET", `resource "aws_s3_bucket_versioning"`, "S3.14", "s3:GetBucketVersioning")
	list := do(t, dir, "audit", "--list", "--output", "json")
	list.wants(t, evidence.Passed)
	var checks []bucket.Check
	if err := json.Unmarshal([]byte(list.stdout), &checks); err != nil || len(checks) != len(bucket.Checks()) {
		t.Errorf("%v: %d checks", err, len(checks))
	}
	completion := do(t, dir, "__complete", "audit", "--explain", "s3-")
	for _, c := range bucket.Checks() {
		if !strings.Contains(completion.stdout, c.ID+"\t"+c.Title+"\n") {
			t.Errorf("%s is not completed:\n%s", c.ID, completion.stdout)
		}
	}
}

// On a bucket without versioning: a waiver of a file waives it, an expired one does not, one that waives nothing is a warning, and a severity of the policy decides.
func TestAuditByPolicy(t *testing.T) {
	audit := func(t *testing.T, policy, waivers string) result {
		file := filepath.Join(t.TempDir(), "waivers.yaml")
		if err := os.WriteFile(file, []byte(waivers), 0o600); err != nil {
			t.Fatal(err)
		}
		s := newSite(t, map[string]string{"policy": "\n  fail_on: high\n  waiver_file: " + file + policy})
		return s.do(t, "audit")
	}
	others := "\n  severity: {s3-lifecycle-backups: low, s3-default-encryption: low, s3-anonymous-access: low, s3-bucket-policy-status: low, s3-acl: low}"
	const waiver = "waivers: [{check: CHECK, reason: a copy is kept elsewhere, owner: Ada, expires: DAY}]"
	of := func(check, day string) string { return strings.NewReplacer("CHECK", check, "DAY", day).Replace(waiver) }

	audit(t, others, of("s3-versioning", "2100-01-01")).wants(t, evidence.Passed, "waived until 2100-01-01 by Ada: a copy is kept elsewhere")
	audit(t, others, of("s3-versioning", "2020-01-01")).wants(t, evidence.Policy, "the waiver of Ada expired on 2020-01-01")
	audit(t, others, of("s3-anonymous-access", "2100-01-01")).wants(t, evidence.Policy, "the waiver of Ada for s3-anonymous-access waives nothing")
	audit(t, strings.Replace(others, "{", "{s3-versioning: low, ", 1), "waivers: []").wants(t, evidence.Passed, "its severity is low by the policy, not high")
}

// What the credentials may not see is unknown, which the policy allows no more than a failure; and a bucket that cannot be reached is not audited.
func TestAuditThatCannotKnow(t *testing.T) {
	s := newSite(t, map[string]string{"policy": "\n  fail_on: high"})
	session := servertest.Session(t, `{"Effect":"Allow","Action":["s3:ListBucket"],"Resource":["*"]}`)
	t.Setenv("AWS_ACCESS_KEY_ID", *session.AccessKeyId)
	t.Setenv("AWS_SECRET_ACCESS_KEY", *session.SecretAccessKey)
	t.Setenv("AWS_SESSION_TOKEN", *session.SessionToken)
	got := s.do(t, "audit", "-o", "json")
	got.wants(t, evidence.Policy)
	var findings []bucket.Finding
	if err := json.Unmarshal([]byte(got.stdout), &findings); err != nil {
		t.Fatal(err)
	}
	for _, f := range findings {
		if f.Check == "s3-versioning" && f.Status != bucket.Unknown {
			t.Errorf("%+v", f)
		}
	}
	s.do(t, "audit").wants(t, evidence.Policy, "The policy (fail_on: high) does not allow:", "s3-versioning", "AccessDenied")

	away := newSite(t, map[string]string{"bucket": "\n  name: backups\n  region: us-east-1\n  endpoint: http://127.0.0.1:9\n  path_style: true"})
	away.do(t, "audit").wants(t, evidence.NotCarriedOut, "cannot reach http://127.0.0.1:9")
}
