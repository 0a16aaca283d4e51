package iam_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"

	drill "github.com/weaviate-drill/weaviate-drill"
	"github.com/weaviate-drill/weaviate-drill/backup"
	"github.com/weaviate-drill/weaviate-drill/backup/bucket"
	"github.com/weaviate-drill/weaviate-drill/internal/demo"
	"github.com/weaviate-drill/weaviate-drill/internal/servertest"
	"github.com/weaviate-drill/weaviate-drill/internal/weaviate"
	"github.com/weaviate-drill/weaviate-drill/rto"
	"github.com/weaviate-drill/weaviate-drill/rto/evidence"
)

// The actions that MinIO's policies do not know: it asks for others in their place, or has no such feature.
var unknownToMinIO = []string{"s3:GetBucketAcl", "s3:GetBucketLogging", "s3:GetBucketOwnershipControls", "s3:GetBucketPublicAccessBlock", "s3:GetBucketWebsite", "s3:ListAccessPoints"}

// without is the document with some actions taken away.
func (d document) without(actions ...string) document {
	less := document{Version: d.Version}
	for _, s := range d.Statement {
		s.Action = slices.DeleteFunc(slices.Clone(s.Action), func(a string) bool { return slices.Contains(actions, a) })
		if len(s.Action) > 0 {
			less.Statement = append(less.Statement, s)
		}
	}
	return less
}

// assume gives credentials that may do what the document says and no more: MinIO's STS, whose role is a policy that is sent along.
func assume(t testing.TB, d document) *types.Credentials {
	t.Helper()
	return servertest.SessionOf(t, text(t, d.without(unknownToMinIO...)))
}

// as is the bucket for somebody who may do what the document says.
func as(t testing.TB, b *bucket.Bucket, d document) *bucket.Bucket {
	t.Helper()
	c := assume(t, d)
	o := b.Client.Options()
	o.Credentials = credentials.NewStaticCredentialsProvider(*c.AccessKeyId, *c.SecretAccessKey, *c.SessionToken)
	return &bucket.Bucket{Client: s3.New(o), Options: b.Options}
}

func put(t testing.TB, b *bucket.Bucket, key, content string) {
	t.Helper()
	if _, err := b.Client.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &b.Name, Key: &key, Body: strings.NewReader(content)}); err != nil {
		t.Fatal(err)
	}
}

func keys(t testing.TB, b *bucket.Bucket) []string {
	t.Helper()
	page, err := b.Client.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: &b.Name})
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, o := range page.Contents {
		list = append(list, *o.Key)
	}
	return list
}

// local keeps the evidence in a folder.
func local(t testing.TB) string { return fmt.Sprintf("evidence: {dir: %q}", t.TempDir()) }

// run drills with the rights of the two documents, and returns the record.
func run(t *testing.T, w weaviate.Endpoint, b *bucket.Bucket, tool, sandbox document, more string) *evidence.Record {
	t.Helper()
	c := assume(t, tool)
	t.Setenv("AWS_ACCESS_KEY_ID", *c.AccessKeyId)
	t.Setenv("AWS_SECRET_ACCESS_KEY", *c.SecretAccessKey)
	t.Setenv("AWS_SESSION_TOKEN", *c.SessionToken)
	c = assume(t, sandbox)
	t.Setenv("DRILL_TEST_ID", *c.AccessKeyId)
	t.Setenv("DRILL_TEST_SECRET", *c.SecretAccessKey)
	t.Setenv("DRILL_TEST_TOKEN", *c.SessionToken)
	t.Setenv("DRILL_TEST_KEY", servertest.APIKey)
	dir := t.TempDir()
	cfg, err := drill.ParseConfig("drill.yaml", fmt.Appendf(nil, `
source: {url: %q, grpc: %q, api_key: env:DRILL_TEST_KEY}
bucket: {name: %s, path: %s, region: us-east-1, endpoint: %q, path_style: true}
sandbox:
  kind: process
  process: {dir: %q}
  s3: {access_key_id: env:DRILL_TEST_ID, secret_access_key: env:DRILL_TEST_SECRET, session_token: env:DRILL_TEST_TOKEN}
policy: {fail_on: critical}
%s
`, w.URL, w.GRPC, b.Name, b.Path, b.Endpoint, dir, more))
	if err != nil {
		t.Fatal(err)
	}
	record, err := drill.Run(t.Context(), cfg, drill.Options{})
	if err != nil && record == nil {
		t.Fatal(err)
	}
	return record
}

// Weaviate makes backups with the role of the source, and drills pass with those of the tool and of the restore. Without any action of the latter, the restore fails.
func TestDrillsUnderTheRoles(t *testing.T) {
	b := servertest.Bucket(t, "production")
	inPlace := setup{Backups: place{Bucket: b.Name, Path: b.Path}}
	c := assume(t, inPlace.policy(t, "source"))
	w := servertest.Weaviate(t, b, map[string]string{
		"AWS_ACCESS_KEY_ID": *c.AccessKeyId, "AWS_SECRET_ACCESS_KEY": *c.SecretAccessKey, "AWS_SESSION_TOKEN": *c.SessionToken, "BACKUP_SKIP_ACCESS_CHECK": "false",
	})
	if _, err := demo.Fill(t.Context(), servertest.Dial(t, w)); err != nil {
		t.Fatal(err)
	}
	tool, restore := inPlace.policy(t, "tool"), inPlace.policy(t, "restore")
	var id string
	t.Run("in place", func(t *testing.T) {
		record := run(t, w.Endpoints[0], b, tool, restore, local(t))
		if record.Status != evidence.Passed || len(record.Reasons) > 0 {
			t.Fatalf("%s: %+v", record.Status, record.Reasons)
		}
		id = record.Backup.ID
		if notes := strings.Join(record.Notes, "\n"); !strings.Contains(notes, "restore_config.json: removed") {
			t.Errorf("the notes do not say that restore_config.json was removed:\n%s", notes)
		}
	})
	t.Run("by copy to another bucket, with evidence in a third", func(t *testing.T) {
		to, proof := servertest.Bucket(t, "drills"), servertest.Bucket(t, "evidence")
		s := setup{Backups: inPlace.Backups, Copy: &place{Bucket: to.Name, Path: to.Path}, Evidence: &place{Bucket: proof.Name, Path: proof.Path}}
		record := run(t, w.Endpoints[0], b, s.policy(t, "tool"), s.policy(t, "restore"), fmt.Sprintf(`
backup: {id: %s}
restore: {from: copy, copy: {bucket: %s, path: %s}}
evidence: {s3: {name: %s, path: %s, region: us-east-1, endpoint: %q, path_style: true}}
`, id, to.Name, to.Path, proof.Name, proof.Path, proof.Endpoint))
		if record.Status != evidence.Passed || len(record.Reasons) > 0 {
			t.Fatalf("%s: %+v", record.Status, record.Reasons)
		}
		if left := keys(t, to); len(left) > 0 {
			t.Errorf("of the copy are left: %v", left)
		}
		if kept := keys(t, proof); len(kept) == 0 || slices.ContainsFunc(kept, func(key string) bool { return strings.Contains(key, "/running/") }) {
			t.Errorf("the evidence is %v", kept)
		}
	})
	for _, action := range []string{"s3:GetObject", "s3:PutObject"} { // named before anything is made
		t.Run("a restore without "+action, func(t *testing.T) {
			record := run(t, w.Endpoints[0], b, tool, restore.without(action), local(t)+"\nverify: {level: counts}\nbackup: {skip_archive_check: true, id: "+id+"}")
			if record.Status != evidence.NotCarriedOut || record.Reasons[0].Phase != rto.Preflight || !strings.Contains(record.Reasons[0].Message, "sandbox: "+action) {
				t.Errorf("%s: %+v", record.Status, record.Reasons)
			}
		})
	}
	for _, action := range []string{"s3:GetObject", "s3:ListBucket"} {
		t.Run("a drill without "+action, func(t *testing.T) {
			record := run(t, w.Endpoints[0], b, tool.without(action), restore, local(t)+"\nbackup: {id: "+id+"}")
			if record.Status != evidence.NotCarriedOut || !strings.Contains(record.Reasons[0].Message, action+" is needed") {
				t.Errorf("%s: %+v", record.Status, record.Reasons)
			}
		})
	}
}

// The audit needs each action of its role, and the role cannot read an object.
func TestAuditUnderItsRole(t *testing.T) {
	b := servertest.Bucket(t, "production")
	put(t, b, b.Key("x", "backup_config.json"), "{}")
	role := setup{Backups: place{Bucket: b.Name, Path: b.Path}}.policy(t, "auditor")
	audit := func(d document) map[string]bucket.Finding {
		found, err := bucket.Audit(t.Context(), as(t, b, d), time.Now())
		if err != nil {
			t.Fatal(err)
		}
		all := map[string]bucket.Finding{}
		for _, f := range found {
			all[f.Check] = f
		}
		return all
	}
	for id, f := range audit(role) {
		if strings.Contains(f.Detail, "denied, ") && id != "s3-object-encryption" { // on purpose it may not look at objects
			t.Errorf("%s: %s", id, f.Detail)
		}
	}
	for _, c := range bucket.Checks() {
		if !strings.HasPrefix(c.ID, "s3-") {
			continue // those beside the bucket ask AWS, which MinIO is not
		}
		action := c.Actions[0]
		if slices.Contains(unknownToMinIO, action) || action == "s3:ListBucket" || c.ID == "s3-secure-transport" {
			continue // the last fails here before it asks: the server is reached by plain http
		}
		if f := audit(role.without(action))[c.ID]; f.Status != bucket.Unknown || !strings.Contains(f.Detail, action+" is needed") {
			t.Errorf("without %s, %s is %s: %s", action, c.ID, f.Status, f.Detail)
		}
	}
	auditor := as(t, b, role)
	_, err := auditor.Client.GetObject(t.Context(), &s3.GetObjectInput{Bucket: &b.Name, Key: aws.String(b.Key("x", "backup_config.json"))})
	if !errors.Is(bucket.Explain(err), bucket.ErrDenied) {
		t.Errorf("the auditor reads an object: %v", err)
	}
	if err := as(t, b, role.without("s3:ListBucket")).Reachable(t.Context()); !errors.Is(err, bucket.ErrDenied) {
		t.Errorf("without s3:ListBucket the bucket is listed: %v", err)
	}
}

// What the tool writes to the bucket and removes from it: each action is needed, and allowed for nothing else.
func TestCleanUpUnderTheRole(t *testing.T) {
	b := servertest.Bucket(t, "production")
	began := time.Now().UTC().Truncate(time.Millisecond)
	state := func(status string) string {
		return fmt.Sprintf(`{"id":"x","startedAt":%q,"status":%q,"nodes":{}}`, began.Format(time.RFC3339Nano), status)
	}
	inPlace := setup{Backups: place{Bucket: b.Name, Path: b.Path}}
	byCopy := setup{Backups: inPlace.Backups, Copy: &place{Bucket: b.Name, Path: "drills"}}
	copies := weaviate.Location{Bucket: b.Name, Path: "drills/drill-1"}
	for _, tt := range []struct {
		setup
		needs     string
		footprint backup.Footprint
		before    func(t *testing.T)
	}{
		{inPlace, "s3:DeleteObject", backup.Footprint{BackupID: "x", From: backup.InPlace, Wrote: began}, func(t *testing.T) {
			put(t, b, b.Key("x", "restore_config.json"), state("SUCCESS"))
		}},
		{inPlace, "s3:PutObject", backup.Footprint{BackupID: "x", From: backup.InPlace, Wrote: began, Previous: &backup.RestoreConfig{Content: []byte("{}")}}, func(t *testing.T) {
			put(t, b, b.Key("x", "restore_config.json"), state("SUCCESS"))
		}},
		{byCopy, "s3:DeleteObject", backup.Footprint{DrillID: "drill-1", From: backup.ByCopy, Copy: copies}, func(t *testing.T) {
			put(t, b, "drills/drill-1/x/node1/Article/chunk-1", "chunk")
		}},
		{byCopy, "s3:ListBucketMultipartUploads", backup.Footprint{DrillID: "drill-1", From: backup.ByCopy, Copy: copies}, func(*testing.T) {}},
	} {
		t.Run(tt.footprint.From+" "+tt.needs, func(t *testing.T) {
			tt.before(t)
			role := tt.policy(t, "tool")
			notes, err := backup.CleanUp(t.Context(), as(t, b, role.without(tt.needs)), tt.footprint)
			if err != nil || len(notes) == 0 || !strings.Contains(notes[0], tt.needs+" is needed") {
				t.Errorf("without it: %v, %q", err, notes)
			}
			notes, err = backup.CleanUp(t.Context(), as(t, b, role), tt.footprint)
			if err != nil || strings.Contains(strings.Join(notes, ""), "is needed") {
				t.Errorf("with it: %v, %q", err, notes)
			}
		})
	}
	// MinIO lists an unfinished upload only by its whole key, so CleanUp finds none here.
	upload, err := b.Client.CreateMultipartUpload(t.Context(), &s3.CreateMultipartUploadInput{Bucket: &b.Name, Key: aws.String("drills/drill-1/x/node1/Article/chunk-2")})
	if err != nil {
		t.Fatal(err)
	}
	abort := &s3.AbortMultipartUploadInput{Bucket: &b.Name, Key: upload.Key, UploadId: upload.UploadId}
	if _, err := as(t, b, byCopy.policy(t, "tool").without("s3:AbortMultipartUpload")).Client.AbortMultipartUpload(t.Context(), abort); !errors.Is(bucket.Explain(err), bucket.ErrDenied) {
		t.Errorf("without s3:AbortMultipartUpload an upload is aborted: %v", err)
	}
	if _, err := as(t, b, byCopy.policy(t, "tool")).Client.AbortMultipartUpload(t.Context(), abort); err != nil {
		t.Errorf("an upload cannot be aborted: %v", err)
	}

	tool := as(t, b, inPlace.policy(t, "tool"))
	key := b.Key("x", "backup_config.json")
	put(t, b, key, "{}")
	_, err = tool.Client.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: &b.Name, Key: &key})
	if !errors.Is(bucket.Explain(err), bucket.ErrDenied) {
		t.Errorf("the tool removes a backup: %v", err)
	}
	_, err = tool.Client.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &b.Name, Key: &key, Body: strings.NewReader("{}")})
	if !errors.Is(bucket.Explain(err), bucket.ErrDenied) {
		t.Errorf("the tool overwrites a backup: %v", err)
	}
}
