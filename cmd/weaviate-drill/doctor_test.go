package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/weaviate-drill/weaviate-drill/backup/bucket"
	"github.com/weaviate-drill/weaviate-drill/backup/sandbox"
	"github.com/weaviate-drill/weaviate-drill/internal/servertest"
	"github.com/weaviate-drill/weaviate-drill/internal/weaviate"
	"github.com/weaviate-drill/weaviate-drill/rto/evidence"
	"github.com/weaviate-drill/weaviate-drill/rto/report"
	"github.com/weaviate-drill/weaviate-drill/verify/tracer"
)

// examined runs the doctor with environment variables added, holds its status against what is wanted, and returns what it found. Its table must say the same.
func (s site) examined(t testing.TB, status evidence.Status, env ...string) []report.Need {
	t.Helper()
	run := func(args ...string) result {
		c := program(t.Context(), s.dir, append([]string{"doctor"}, args...)...)
		c.Env = append(c.Env, env...)
		r := finish(t, c)
		for _, e := range env {
			if name, value, _ := strings.Cut(e, "="); name != "AWS_ACCESS_KEY_ID" && value != "" && strings.Contains(r.stdout+r.stderr, value) {
				t.Errorf("%s is printed", name)
			}
		}
		r.wants(t, status)
		return r
	}
	r := run("--output", "json")
	var list []report.Need
	if err := json.Unmarshal([]byte(r.stdout), &list); err != nil || len(list) == 0 {
		t.Fatalf("%v: %s", err, r.stdout)
	}
	for i := range list {
		list[i].Remedy = strings.NewReplacer(`": "`, `":"`, `", "`, `","`).Replace(list[i].Remedy) // as this file writes statements
	}
	folded := strings.Join(strings.Fields(run("--output", "markdown").stdout), " ")
	for _, n := range failed(list) {
		if !strings.Contains(folded, "What to do") && n.Remedy != "" || strings.Contains(folded, "A drill can begin") {
			t.Errorf("the table does not tell of %q: %s", n.Name, folded)
		}
	}
	return list
}

func failed(list []report.Need) []report.Need {
	return slices.DeleteFunc(slices.Clone(list), func(n report.Need) bool { return n.Result != sandbox.Fail })
}

// one gives the check of an area whose name begins so.
func one(t testing.TB, list []report.Need, area, name string) report.Need {
	t.Helper()
	i := slices.IndexFunc(list, func(n report.Need) bool { return n.Area == area && strings.HasPrefix(n.Name, name) })
	if i < 0 {
		t.Fatalf("%s has no check %q: %+v", area, name, list)
	}
	return list[i]
}

// session gives the environment of a caller who has only the rights of these statements on a bucket, for which BUCKET stands.
func session(t testing.TB, b *bucket.Bucket, statements ...string) []string {
	t.Helper()
	c := servertest.Session(t, strings.ReplaceAll(strings.Join(statements, ","), "BUCKET", b.Name))
	return []string{"AWS_ACCESS_KEY_ID=" + *c.AccessKeyId, "AWS_SECRET_ACCESS_KEY=" + *c.SecretAccessKey, "AWS_SESSION_TOKEN=" + *c.SessionToken}
}

const (
	allowToList    = `{"Effect":"Allow","Action":["s3:ListBucket","s3:GetBucketVersioning"],"Resource":"arn:aws:s3:::BUCKET"}`
	allowToRead    = `{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::BUCKET/backups/*"}`
	allowToRestore = `{"Effect":"Allow","Action":"s3:PutObject","Resource":"arn:aws:s3:::BUCKET/backups/*/restore_config.json"}`
	allowToTidy    = `{"Effect":"Allow","Action":"s3:DeleteObject","Resource":"arn:aws:s3:::BUCKET/backups/*/restore_config.json"}`
)

func TestDoctor(t *testing.T) {
	s := newSite(t, nil)
	id := s.makeBackup(t)
	before, err := s.bucket.Client.ListObjectVersions(t.Context(), &s3.ListObjectVersionsInput{Bucket: &s.bucket.Name})
	if err != nil {
		t.Fatal(err)
	}
	s.do(t, "doctor").wants(t, evidence.Passed, "A drill can begin", "manage_backups", "a write with a wrong digest", "the program is Weaviate 1.38.5")
	list := s.examined(t, evidence.Passed)
	if bad := failed(list); len(bad) > 0 {
		t.Errorf("%+v", bad)
	}
	for area, names := range map[string][]string{
		"source":   {"the source answers", "the source backs up into the bucket", "all nodes", "manage_backups", "read_collections", "read_data", "read_tenants", "read_aliases", "read_nodes", "the source refuses who has no key"},
		"bucket":   {"s3:ListBucket on", "s3:ListBucketVersions", "s3:GetObject", "s3:PutObject", "s3:DeleteObject", "the audit"},
		"sandbox":  {"the program weaviate-server", "the program is Weaviate 1.38.5", "the sandbox's rights in S3"},
		"evidence": {"the folder evidence can be written"},
	} {
		for _, name := range names {
			if n := one(t, list, area, name); n.Result != sandbox.Pass || n.Remedy != "" || n.Detail == "" {
				t.Errorf("%+v", n)
			}
		}
	}
	newest := s.bucket.Key(id, "backup_config.json")
	if n := one(t, list, "bucket", "s3:GetObject"); !strings.Contains(n.Detail, newest) {
		t.Errorf("no real object was read, %s: %s", newest, n.Detail)
	}
	after, err := s.bucket.Client.ListObjectVersions(t.Context(), &s3.ListObjectVersionsInput{Bucket: &s.bucket.Name})
	if err != nil || len(after.Versions) != len(before.Versions) || len(after.DeleteMarkers) != len(before.DeleteMarkers) {
		t.Errorf("the bucket was changed: %v", err)
	}
	if left, err := os.ReadDir(s.dir); err != nil || len(left) != 2 { // the configuration, and the evidence of the backup
		t.Errorf("something is left: %v, %v", left, err)
	}

	t.Run("by copy, of a backup that is not there", func(t *testing.T) {
		s := newSite(t, map[string]string{"restore": "\n  from: copy\n  copy:\n    path: copies", "backup": "\n  id: not-there"})
		list := s.examined(t, evidence.Usage)
		if n := one(t, list, "bucket", "backup not-there is there"); n.Result != sandbox.Fail {
			t.Errorf("%+v", n)
		}
		for _, action := range []string{"s3:PutObject", "s3:DeleteObject"} {
			if n := one(t, list, "bucket", action); n.Result != sandbox.Pass || !strings.HasSuffix(n.Name, "/copies/*") {
				t.Errorf("%+v", n)
			}
		}
		if slices.ContainsFunc(list, func(n report.Need) bool { return strings.HasPrefix(n.Name, "manage_backups") }) {
			t.Error("a right to make backups is asked for, and none is made")
		}
	})
}

// One thing is wrong, and it alone is told, with what mends it; everything else is looked at all the same.
func TestDoctorNamesWhatIsMissing(t *testing.T) {
	url, grpc, b := source(t)
	in := func(name, path string) string {
		return fmt.Sprintf("\n  name: %s\n  path: %s\n  region: us-east-1\n  endpoint: %s\n  path_style: true", name, path, b.Endpoint)
	}
	everything := []string{allowToList, allowToRead, allowToRestore, allowToTidy}
	without := func(statement string) []string {
		return session(t, b, slices.DeleteFunc(slices.Clone(everything), func(s string) bool { return s == statement })...)
	}
	grants := func(statement string) string { return strings.ReplaceAll(statement, "BUCKET", b.Name) }
	id := newSite(t, nil).makeBackup(t)
	for _, tt := range []struct {
		name     string
		sections map[string]string
		env      []string
		status   evidence.Status
		area     string
		check    string
		detail   string
		remedy   string
	}{
		{"wrong key", map[string]string{"source": "\n  url: " + url + "\n  grpc: " + grpc + "\n  api_key: file:wrong-key"}, nil, evidence.NotCarriedOut, "source", "the source answers", "401", "source.api_key"},
		{"missing secret", map[string]string{"source": "\n  url: " + url + "\n  grpc: " + grpc + "\n  api_key: env:DRILL_TEST_ABSENT"}, nil, evidence.Usage, "source", "the source answers", "DRILL_TEST_ABSENT", "source.api_key"},
		{"source down", map[string]string{"source": "\n  url: http://127.0.0.1:1\n  grpc: 127.0.0.1:2"}, nil, evidence.NotCarriedOut, "source", "the source answers", "http://127.0.0.1:1", "source.url"},
		{"another path", map[string]string{"bucket": in(b.Name, "other")}, nil, evidence.NotCarriedOut, "source", "the source backs up", "s3://" + b.Name + "/backups", "BACKUP_S3_PATH=other"},
		{"wrong access key", nil, []string{"AWS_ACCESS_KEY_ID=nobody"}, evidence.NotCarriedOut, "bucket", "s3:ListBucket", "InvalidAccessKeyId", "check AWS_ACCESS_KEY_ID"},
		{"wrong secret key", nil, []string{"AWS_SECRET_ACCESS_KEY=not-the-secret-of-this-server"}, evidence.NotCarriedOut, "bucket", "s3:ListBucket", "SignatureDoesNotMatch", "check AWS_SECRET_ACCESS_KEY"},
		{"no credentials", nil, []string{"AWS_ACCESS_KEY_ID=", "AWS_SECRET_ACCESS_KEY="}, evidence.NotCarriedOut, "bucket", "s3:ListBucket", "no AWS credentials found", "AWS_PROFILE"},
		{"read denied", nil, without(allowToRead), evidence.NotCarriedOut, "bucket", "s3:GetObject", "s3:GetObject is needed", grants(allowToRead)},
		{"write denied", nil, without(allowToRestore), evidence.NotCarriedOut, "bucket", "s3:PutObject", "s3:PutObject is needed", grants(allowToRestore)},
		{"delete denied", nil, without(allowToTidy), evidence.NotCarriedOut, "bucket", "s3:DeleteObject", "s3:DeleteObject is needed", grants(allowToTidy)},
		{"evidence cannot be written", map[string]string{"evidence": "\n  dir: /proc/evidence"}, nil, evidence.NotCarriedOut, "evidence", "the folder /proc/evidence", "/proc", "evidence.dir"},
		{"no bucket for the evidence", map[string]string{"evidence": "\n  s3:" + strings.ReplaceAll(in("no-such-bucket", "drills"), "\n", "\n  ")}, nil, evidence.Usage, "evidence", "s3:ListBucket", "does not exist", ""},
		{"no program for the sandbox", map[string]string{"sandbox": "\n  kind: process\n  process:\n    binary: /nonexistent/weaviate"}, nil, evidence.NotCarriedOut, "sandbox", "the program", "/nonexistent/weaviate", "sandbox.process.binary"},
		{"another version", map[string]string{"sandbox": "\n  kind: process\n  version: 1.30.0"}, nil, evidence.Usage, "sandbox", "the program is Weaviate 1.30.0", "1.38.5", "sandbox.version"},
		{"a version that harms backups", map[string]string{"sandbox": "\n  kind: docker\n  version: 1.28.0\n  docker:\n    image: nobody.example/weaviate:1\n  s3:\n    endpoint: http://192.0.2.1:9000"}, nil, evidence.NotCarriedOut, "source", "a version that harms no backup", "1.28.0", "sandbox.version"},
		{"sandbox not empty", map[string]string{"sandbox": fmt.Sprintf("\n  kind: external\n  external:\n    url: %s/\n    grpc: %s\n    api_key: env:DRILL_TEST_KEY", url, grpc)}, nil, evidence.Refused, "sandbox", "the external Weaviate", "not empty", ""},
		{"sandbox's keys missing", map[string]string{"sandbox": "\n  kind: process\n  s3:\n    access_key_id: env:DRILL_TEST_ABSENT\n    secret_access_key: env:DRILL_TEST_ABSENT"}, nil, evidence.Usage, "sandbox", "the sandbox's rights in S3", "DRILL_TEST_ABSENT", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSite(t, tt.sections)
			if err := os.WriteFile(filepath.Join(s.dir, "wrong-key"), []byte("not-the-key-of-this-server-0123456789"), 0o600); err != nil {
				t.Fatal(err)
			}
			list := s.examined(t, tt.status, tt.env...)
			bad := failed(list)
			if len(bad) != 1 {
				t.Errorf("%d checks failed: %+v", len(bad), bad)
			}
			if n := one(t, bad, tt.area, tt.check); !strings.Contains(n.Detail, tt.detail) || !strings.Contains(n.Remedy, tt.remedy) {
				t.Errorf("%+v", n)
			}
			for _, area := range []string{"source", "bucket", "sandbox", "evidence"} {
				one(t, list, area, "")
			}
			s.nothingLeft(t)
		})
	}

	t.Run("a bucket that is not there", func(t *testing.T) {
		s := newSite(t, map[string]string{"bucket": in("no-such-bucket", "backups")})
		list := s.examined(t, evidence.Usage)
		if n := one(t, list, "bucket", "s3:ListBucket"); n.Result != sandbox.Fail || !strings.Contains(n.Detail, "does not exist") {
			t.Errorf("%+v", n)
		}
		if n := one(t, list, "source", "the source backs up"); n.Result != sandbox.Fail || !strings.Contains(n.Remedy, "BACKUP_S3_BUCKET=no-such-bucket") {
			t.Errorf("%+v", n)
		}
	})
	t.Run("audit denied", func(t *testing.T) {
		list := newSite(t, nil).examined(t, evidence.Passed, session(t, b, everything...)...)
		if n := one(t, list, "bucket", "s3:GetLifecycleConfiguration"); n.Result != sandbox.Unknown || !strings.Contains(n.Remedy, "s3:GetLifecycleConfiguration") {
			t.Errorf("%+v", n)
		}
	})
	t.Run("the sandbox's own keys", func(t *testing.T) {
		s := newSite(t, map[string]string{"backup": "\n  id: " + id, "sandbox": "\n  kind: process\n  s3:\n    access_key_id: env:SANDBOX_ID\n    secret_access_key: env:SANDBOX_SECRET\n    session_token: env:SANDBOX_TOKEN"})
		keys := func(statements ...string) []string {
			env := session(t, b, statements...)
			for i, name := range []string{"SANDBOX_ID", "SANDBOX_SECRET", "SANDBOX_TOKEN"} {
				_, value, _ := strings.Cut(env[i], "=")
				env[i] = name + "=" + value
			}
			return env
		}
		list := s.examined(t, evidence.Passed, keys(allowToList, allowToRead, allowToRestore)...)
		if n := one(t, list, "sandbox", "the sandbox cannot change backups"); n.Result != sandbox.Pass {
			t.Errorf("%+v", n)
		}
		list = s.examined(t, evidence.Passed, keys(`{"Effect":"Allow","Action":"s3:*","Resource":["arn:aws:s3:::BUCKET","arn:aws:s3:::BUCKET/*"]}`)...)
		if n := one(t, list, "sandbox", "the sandbox cannot change backups"); n.Result != sandbox.Unknown || !strings.Contains(n.Detail, "s3:PutObject, s3:DeleteObject") {
			t.Errorf("%+v", n)
		}
		list = s.examined(t, evidence.NotCarriedOut, keys(allowToList, allowToRead)...)
		if bad := failed(list); len(bad) != 1 || one(t, bad, "sandbox", "s3:PutObject").Remedy != grants(allowToRestore) {
			t.Errorf("%+v", bad)
		}
	})
}

func TestDoctorNamesThePermission(t *testing.T) {
	url, grpc, _ := source(t)
	w, _ := servertest.Source(t)
	root := servertest.Dial(t, w)
	all := func(collection string) []weaviate.Permission {
		return []weaviate.Permission{
			{Action: "manage_backups", Backups: &weaviate.Scope{Collection: collection}},
			{Action: "read_collections", Collections: &weaviate.Scope{Collection: collection}},
			{Action: "read_data", Data: &weaviate.Scope{Collection: collection, Tenant: "*", Object: "*"}},
			{Action: "read_tenants", Tenants: &weaviate.Scope{Collection: collection, Tenant: "*"}},
			{Action: "read_aliases", Aliases: &weaviate.Scope{Collection: collection, Alias: "*"}},
			{Action: "read_nodes", Nodes: &weaviate.Scope{Verbosity: "verbose", Collection: collection}},
		}
	}
	do := func(method, path string, body, into any) {
		t.Helper()
		if err := root.Do(t.Context(), method, path, body, into); err != nil {
			t.Fatal(err)
		}
	}
	var key struct{ APIKey string }
	do(http.MethodPost, "/users/db/examined", nil, &key)
	server := fmt.Sprintf("\n  url: %s\n  grpc: %s\n  api_key: env:EXAMINED_KEY", url, grpc)
	examine := func(t *testing.T, status evidence.Status, role string, permissions []weaviate.Permission, sections map[string]string) []report.Need {
		do(http.MethodPost, "/authz/roles", map[string]any{"name": role, "permissions": permissions}, nil)
		do(http.MethodPost, "/authz/users/examined/assign", map[string]any{"roles": []string{role}}, nil)
		time.Sleep(time.Second) // roles reach every part of the server a little later
		defer do(http.MethodPost, "/authz/users/examined/revoke", map[string]any{"roles": []string{role}}, nil)
		sections["source"] = server
		return failed(newSite(t, sections).examined(t, status, "EXAMINED_KEY="+key.APIKey))
	}
	for i, p := range all("*") {
		t.Run("without "+p.Action, func(t *testing.T) {
			bad := examine(t, evidence.NotCarriedOut, "without_"+p.Action, slices.Delete(all("*"), i, i+1), map[string]string{})
			raw, err := json.Marshal(p)
			if err != nil {
				t.Fatal(err)
			}
			if len(bad) != 1 || bad[0].Name != p.Action+" on collection *" || !strings.Contains(bad[0].Remedy, string(raw)) || !strings.Contains(bad[0].Detail, `"examined"`) {
				t.Errorf("%+v", bad)
			}
		})
	}
	t.Run("with all", func(t *testing.T) {
		if bad := examine(t, evidence.Passed, "with_all", all("*"), map[string]string{}); len(bad) > 0 {
			t.Errorf("%+v", bad)
		}
	})
	t.Run("for one collection", func(t *testing.T) {
		bad := examine(t, evidence.NotCarriedOut, "for_one", all("Article"), map[string]string{})
		if len(bad) != len(all("*")) || !strings.Contains(bad[0].Remedy, "backup.include") {
			t.Errorf("%+v", bad)
		}
	})
	t.Run("for tracers", func(t *testing.T) {
		sections := map[string]string{"backup": "\n  include: [Article]", "tracer": "\n  enabled: true"}
		scoped := append(all("Article"), all(tracerCollection)...)
		bad := examine(t, evidence.NotCarriedOut, "no_tracers", scoped, sections)
		var names []string
		for _, n := range bad {
			names = append(names, n.Name)
		}
		if want := []string{"create_collections", "delete_collections", "create_tenants", "create_data"}; len(bad) != len(want) || strings.Join(names, ",") != strings.Join(want, " on collection "+tracerCollection+",")+" on collection "+tracerCollection {
			t.Errorf("%+v", bad)
		}
		if bad := examine(t, evidence.Passed, "tracers", append(scoped, tracer.Permissions(tracerCollection)...), sections); len(bad) > 0 {
			t.Errorf("%+v", bad)
		}
	})
	t.Run("for the collections that are backed up", func(t *testing.T) {
		if bad := examine(t, evidence.Passed, "for_some", all("Art*"), map[string]string{"backup": "\n  include: [Article]"}); len(bad) > 0 {
			t.Errorf("%+v", bad)
		}
	})
}

// A cluster is examined also while nothing else can be reached.
func TestDoctorOfACluster(t *testing.T) {
	place := "\n  kind: kubernetes\n  kubernetes:\n    kubeconfig: " + servertest.Cluster(t) +
		"\n  s3:\n    endpoint: http://192.0.2.1:9000\n    allow_plaintext: true\n    access_key_id: env:AWS_ACCESS_KEY_ID\n    secret_access_key: env:AWS_SECRET_ACCESS_KEY"
	if bad := failed(newSite(t, map[string]string{"sandbox": place}).examined(t, evidence.Passed)); len(bad) > 0 {
		t.Errorf("%+v", bad)
	}
	list := newSite(t, map[string]string{
		"sandbox": place, "source": "\n  url: http://127.0.0.1:1\n  grpc: 127.0.0.1:2", "bucket": "\n  name: backups\n  region: us-east-1\n  endpoint: http://127.0.0.1:1\n  path_style: true",
	}).examined(t, evidence.NotCarriedOut)
	if bad := failed(list); len(bad) != 2 {
		t.Errorf("%+v", bad)
	}
	if n := one(t, list, "sandbox", "create statefulsets.apps"); n.Result != sandbox.Pass {
		t.Errorf("%+v", n)
	}
}
