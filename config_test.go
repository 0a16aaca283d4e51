package drill

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	validator "github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/weaviate-drill/weaviate-drill/backup/bucket"
	"github.com/weaviate-drill/weaviate-drill/internal/secret"
	"github.com/weaviate-drill/weaviate-drill/rto"
)

// least is all that a configuration needs; what a case adds begins on line 3.
const least = "source: {url: https://weaviate.example}\nbucket: {name: backups}\n"

func TestParseConfigFillsInDefaults(t *testing.T) {
	got, err := ParseConfig("drill.yaml", []byte(least))
	if err != nil {
		t.Fatal(err)
	}
	want := &Config{
		Source:   Source{Server: Server{URL: "https://weaviate.example"}},
		Bucket:   Bucket{Name: "backups"},
		Backup:   Backup{ID: "new", Timeout: 6 * time.Hour, MaxQueue: 10_000, Baseline: 3 * time.Second},
		Restore:  Restore{From: "in-place", Copy: Copy{Path: "weaviate-drill"}, Roles: "noRestore", Users: "noRestore", Timeout: 6 * time.Hour},
		Sandbox:  Sandbox{Kind: "process", Kubernetes: KubernetesSandbox{Timeout: 10 * time.Minute}},
		Verify:   Verify{Level: "full", Confidence: 95, Concurrency: 2, ClockSkew: time.Second, MaxDifferences: 1000, IndexTimeout: 30 * time.Minute, Fingerprint: true, Index: VerifyIndex{Sample: 1000, Probes: 50, Neighbours: 10, Values: 3, RecallMargin: 0.02}},
		Tracer:   Tracer{Collection: "WeaviateDrillTracer", Rate: 10, Limit: 10 * time.Minute},
		Policy:   Policy{FailOn: "high", Retention: 30 * 24 * time.Hour},
		Evidence: Evidence{Dir: "evidence"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

// TestExample also sees that the example shows every key, be it in a comment.
func TestExample(t *testing.T) {
	raw, err := os.ReadFile("docs/drill.example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	c, err := LoadConfig("docs/drill.example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	want := rto.Objectives{
		RTO: 4 * time.Hour, RPO: 24 * time.Hour, Owner: "Search platform team", Allowance: 30 * time.Minute,
		ApprovedOn: time.Date(2026, 9, 1, 0, 0, 0, 0, time.UTC), ReviewBy: time.Date(2027, 9, 1, 0, 0, 0, 0, time.UTC),
	}
	if c.Objectives != want {
		t.Errorf("objectives: got %+v, want %+v", c.Objectives, want)
	}
	if w := c.Policy.Waivers[0]; w.Check != "s3-object-lock" || !w.Expires.Equal(time.Date(2027, 3, 31, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("waiver: got %+v", w)
	}
	if h := c.Source.Headers["X-Gateway-Token"]; h != "file:/run/secrets/gateway-token" || c.Sandbox.External.APIKey != "env:SANDBOX_API_KEY" || c.Sandbox.Docker.CPUs != 2.5 {
		t.Errorf("got %+v", c)
	}
	if err := schemaRefuses(t, raw); err != nil {
		t.Error(err)
	}
	if err := c.Validate(); err != nil {
		t.Errorf("Validate: %v", err)
	}
	for _, key := range keys(configSchema()) {
		if !bytes.Contains(raw, []byte(key+":")) {
			t.Errorf("the key %s is not shown", key)
		}
	}
}

// TestLeastExample parses what docs/configuration.md begins with.
func TestLeastExample(t *testing.T) {
	raw, err := os.ReadFile("docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(raw), "```yaml\n")
	example, _, _ := strings.Cut(rest, "```")
	if c, err := ParseConfig("docs/configuration.md", []byte(example)); err != nil || c.Bucket.Region != "eu-central-1" {
		t.Errorf("got %+v, %v", c, err)
	}
}

func keys(s *validator.Schema) []string {
	var all []string
	for key, p := range s.Properties {
		all = append(append(all, key), keys(p)...)
	}
	if s.Items2020 != nil {
		all = append(all, keys(s.Items2020)...)
	}
	return all
}

// schemaRefuses asks the published schema, as an editor would.
func schemaRefuses(t *testing.T, raw []byte) error {
	t.Helper()
	var tree any
	if err := yaml.Unmarshal(raw, &tree); err != nil {
		t.Fatal(err)
	}
	published, err := ConfigSchema()
	if err != nil {
		t.Fatal(err)
	}
	schema, err := validator.UnmarshalJSON(bytes.NewReader(published))
	if err != nil {
		t.Fatal(err)
	}
	c := validator.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("published.json", schema); err != nil {
		t.Fatal(err)
	}
	return c.MustCompile("published.json").Validate(tree)
}

func TestParseConfigRefuses(t *testing.T) {
	const hidden = "hunter2-hunter2"
	// What the schema sees as well as ParseConfig.
	structural := []struct{ doc, want string }{
		{least + "verify: {concurency: 3}", "drill.yaml:3: verify.concurency: unknown key; did you mean verify.concurrency?"},
		{least + "verify:\n  level: full\n  Level: full", "drill.yaml:5: verify.Level: unknown key; did you mean verify.level?"},
		{least + "verfiy: {}", "drill.yaml:3: verfiy: unknown key; did you mean verify?"},
		{least + "evidence: {bucket: x}", "drill.yaml:3: evidence.bucket: unknown key; known here: dir, s3"},
		{least + "policy:\n  waivers:\n  - {check: s3-acl, reason: r, owner: o, expires: 2027-01-01, until: 2}", "drill.yaml:5: policy.waivers[0].until: unknown key; known here: check, expires, owner, reason"},
		{"source: {api_key: env:KEY}\nbucket: {}", "drill.yaml:1: source.url: is missing; it takes a URL such as https://host.example:8443\n" +
			"drill.yaml:2: bucket.name: is missing; it takes a bucket name such as weaviate-backups"},
		{"# nothing yet\nbackup: {id: latest}", "drill.yaml:1: bucket: is missing; it takes a section of keys\ndrill.yaml:1: source: is missing; it takes a section of keys"},
		{"- source", "drill.yaml:1: takes a section of keys, not a list"},
		{"source: https://weaviate.example\nbucket: {name: backups}", "drill.yaml:1: source: takes a section of keys, not a text"},
		{least + "verify:", "drill.yaml:3: verify: has no value; it takes a section of keys"},
		{least + "verify: {concurrency: many}", "drill.yaml:3: verify.concurrency: takes a whole number from 1 to 64, not a text"},
		{least + "verify: {concurrency: 1.5}", "drill.yaml:3: verify.concurrency: takes a whole number from 1 to 64, not a number"},
		{least + "verify: {concurrency: 65}", "drill.yaml:3: verify.concurrency: takes a whole number from 1 to 64"},
		{least + "verify: {seed: 99999999999999999999}", "drill.yaml:3: verify.seed: takes a whole number from 0 to 18446744073709551615, not a text"},
		{least + "verify: {level: most}", "drill.yaml:3: verify.level: takes one of catalogue, archive, structure, counts, sample, full, index"},
		{least + "verify: {index_timeout: 30}", "drill.yaml:3: verify.index_timeout: takes a duration such as 6h or 30m, not a number"},
		{least + "verify: {index_timeout: 30 minutes}", "drill.yaml:3: verify.index_timeout: takes a duration such as 6h or 30m"},
		{least + "backup: {timeout: -6h}", "drill.yaml:3: backup.timeout: takes a duration such as 6h or 30m"},
		{least + "objectives: {rto: 9999999999h}", "drill.yaml:3: objectives.rto: takes a duration such as 6h or 30m"},
		{least + `objectives: {rto: ""}`, "drill.yaml:3: objectives.rto: takes a duration such as 6h or 30m"},
		{least + "objectives: {review_by: 24.11.2026}", "drill.yaml:3: objectives.review_by: takes a date such as 2026-11-24"},
		{least + "objectives: {review_by: 2026-02-30}", "drill.yaml:3: objectives.review_by: takes a date such as 2026-11-24"},
		{least + "backup: {cpu_percentage: 81}", "drill.yaml:3: backup.cpu_percentage: takes a whole number from 0 to 80"},
		{least + "backup: {cpu_percentage: -1}", "drill.yaml:3: backup.cpu_percentage: takes a whole number from 0 to 80"},
		{least + "backup: {compression: zstd}", "drill.yaml:3: backup.compression: takes one of DefaultCompression, BestSpeed, BestCompression, ZstdDefaultCompression, ZstdBestSpeed, ZstdBestCompression, NoCompression"},
		{least + "backup: {include: Article}", "drill.yaml:3: backup.include: takes a list, not a text"},
		{least + "backup: {include: [Article, 7]}", "drill.yaml:3: backup.include[1]: takes a text, not a number"},
		{least + "backup: {id: Nightly/7}", "drill.yaml:3: backup.id: takes a backup id such as drill-20261124-222655-k3f9x2"},
		{least + "backup: {skip_archive_check: yes}", "drill.yaml:3: backup.skip_archive_check: takes true or false, not a text"},
		{least + "restore: {roles: some}", "drill.yaml:3: restore.roles: takes one of noRestore, all"},
		{least + "restore: {from: inplace}", "drill.yaml:3: restore.from: takes one of in-place, copy"},
		{least + "sandbox: {kind: nomad}", "drill.yaml:3: sandbox.kind: takes one of process, docker, kubernetes, external"},
		{least + "sandbox: {docker: {memory: 4 GB}}", "drill.yaml:3: sandbox.docker.memory: takes a size such as 4GiB"},
		{least + "sandbox: {docker: {memory: 4}}", "drill.yaml:3: sandbox.docker.memory: takes a size such as 4GiB, not a number"},
		{least + "sandbox: {docker: {cpus: -1}}", "drill.yaml:3: sandbox.docker.cpus: takes a number from 0 to 1024"},
		{least + "sandbox: {external: {api_key: env:KEY}}", "drill.yaml:3: sandbox.external.url: is missing; it takes a URL such as https://host.example:8443"},
		{least + "verify: {max_bad: 0.001}", "drill.yaml:3: verify.max_bad: takes a share such as 0.1%, not a number"},
		{least + "verify: {max_bad: 100%}", "drill.yaml:3: verify.max_bad: takes a share such as 0.1%"},
		{least + "verify: {confidence: 100}", "drill.yaml:3: verify.confidence: takes a number from 50 to 99.9999"},
		{least + "policy: {fail_on: severe}", "drill.yaml:3: policy.fail_on: takes one of low, medium, high, critical"},
		{least + "policy: {waivers: [{check: s3-acl, reason: r, owner: o}]}", "drill.yaml:3: policy.waivers[0].expires: is missing; it takes a date such as 2026-11-24"},
		{"source: {url: weaviate.example}\nbucket: {name: s3://backups}", "drill.yaml:1: source.url: takes a URL such as https://host.example:8443\ndrill.yaml:2: bucket.name: takes a bucket name such as weaviate-backups"},
		{"source: {url: https://weaviate.example/v1, grpc: https://weaviate.example}\nbucket: {name: backups}", "drill.yaml:1: source.grpc: takes a host and port such as host.example:50051\n" +
			"drill.yaml:1: source.url: takes a URL such as https://host.example:8443"},
		// A secret in the wrong place is never shown.
		{"source: {url: 'https://me:" + hidden + "@weaviate.example'}\nbucket: {name: backups}", "drill.yaml:1: source.url: takes a URL such as https://host.example:8443"},
		{"source:\n  url: https://weaviate.example\n  api_key: " + hidden + "\n  headers: {X-Key: " + hidden + "}\n  oidc: {client_id: 7, client_secret: " + hidden + "}\nbucket: {name: backups}",
			"drill.yaml:3: source.api_key: takes a reference to a secret such as env:NAME or file:/path\n" +
				"drill.yaml:4: source.headers.X-Key: takes a reference to a secret such as env:NAME or file:/path\n" +
				"drill.yaml:5: source.oidc.client_id: takes a text, not a number\n" +
				"drill.yaml:5: source.oidc.client_secret: takes a reference to a secret such as env:NAME or file:/path"},
		{"source: {url: https://weaviate.example, api_key: [" + hidden + "]}\nbucket: {name: backups}", "drill.yaml:1: source.api_key: takes a reference to a secret such as env:NAME or file:/path, not a list"},
		{"source: {url: https://weaviate.example, 'api_key=" + hidden + "': x}\nbucket: {name: backups}", "drill.yaml:1: source.(no plain key): unknown key; known here: allow_plaintext, api_key, ca_file, grpc, headers, oidc, url, volumes"},
	}
	for _, c := range structural {
		refuses(t, c.doc, c.want, hidden)
		if schemaRefuses(t, []byte(c.doc)) == nil {
			t.Errorf("the schema accepts\n%s", c.doc)
		}
	}
	// What spans several keys, and what no schema can tell.
	for _, c := range []struct{ doc, want string }{
		{least + "backup:\n  include: [A]\n  exclude: [B]", "drill.yaml:5: backup.exclude: cannot be together with backup.include: Weaviate takes one of them"},
		{least + "restore: {include: [A], exclude: [B]}", "drill.yaml:3: restore.exclude: cannot be together with restore.include: choose one"},
		{least + "backup: {exclude: [Weaviate*]}\ntracer: {enabled: true}", "drill.yaml:4: tracer.collection: is left out by backup.exclude: tracers that are not backed up tell nothing"},
		{least + "tracer: {limit: 0s}", "drill.yaml:3: tracer.limit: must be longer than 0s"},
		{least + "restore: {copy: {bucket: other}}", "drill.yaml:3: restore.copy: is only for restore.from: copy"},
		{strings.Replace(least, "bucket: {", "bucket: {endpoint: http://127.0.0.1:9000, ", 1) + "sandbox: {kind: docker}", "drill.yaml:3: sandbox.s3.endpoint: must be an address that containers reach: on the loopback of this machine they find only themselves"},
		{strings.Replace(least, "bucket: {", "bucket: {endpoint: http://minio.example:9000, ", 1) + "sandbox: {kind: kubernetes}", "drill.yaml:3: sandbox.s3.endpoint: is http to a server outside the cluster, and what is restored can be read on the way: use https, or set sandbox.s3.allow_plaintext: true"},
		{least + "evidence: {s3: {name: backups}}", "drill.yaml:3: evidence.s3.path: is where the backups are: name another path or, better, another bucket"},
		{strings.Replace(least, "bucket: {", "bucket: {path: production, ", 1) + "evidence: {s3: {name: backups, path: production/evidence}}", "drill.yaml:3: evidence.s3.path: is where the backups are: name another path or, better, another bucket"},
		{least + "restore: {from: copy, copy: {path: /}}", "drill.yaml:3: restore.copy.path: is where the backups themselves are: name another path or restore.copy.bucket"},
		{least + "verify: {sample: 10, max_bad: 1%}", "drill.yaml:3: verify.max_bad: cannot be together with verify.sample: either says how many objects are drawn"},
		{least + "verify: {max_bad: 0.00001%}", "drill.yaml:3: verify.max_bad: takes a share from 0.0001% to 50%"},
		{least + "verify: {checks: [{name: a, query: q, get: /schema, count: 1}]}", "drill.yaml:3: verify.checks[0]: needs exactly one of query, get and command"},
		{least + "verify: {checks: [{name: a, count: 1}]}", "drill.yaml:3: verify.checks[0]: needs exactly one of query, get and command"},
		{least + "verify: {checks: [{name: a, query: q}]}", "drill.yaml:3: verify.checks[0]: needs exactly one expectation: count, minimum, ids or equals"},
		{least + "verify: {checks: [{name: a, query: q, count: 0, equals: b}]}", "drill.yaml:3: verify.checks[0]: needs exactly one expectation: count, minimum, ids or equals"},
		{least + "verify: {checks: [{name: a, query: q, count: 0, any_order: true}]}", "drill.yaml:3: verify.checks[0].any_order: is only for ids"},
		{least + "verify: {checks: [{name: a, command: [b], minimum: 1}]}", "drill.yaml:3: verify.checks[0]: has a command, whose exit status decides: path and expectations are for query and get"},
		{least + "verify: {checks: [{name: a, command: [b]}, {name: a, command: [c]}]}", "drill.yaml:3: verify.checks[1].name: is that of another check"},
		{least + "sandbox: {kind: external}", "drill.yaml:3: sandbox.external: is missing: sandbox.kind: external needs to know where it is"},
		{least + "sandbox: {external: {url: https://weaviate.example}}", "drill.yaml:3: sandbox.external.url: is the source"},
		{least + "sandbox: {s3: {access_key_id: env:ID}}", "drill.yaml:3: sandbox.s3: access_key_id and secret_access_key go together, and session_token with them"},
		{least + "sandbox: {s3: {session_token: env:TOKEN}}", "drill.yaml:3: sandbox.s3: access_key_id and secret_access_key go together, and session_token with them"},
		{least + "backup: {timeout: 0s}\nverify: {clock_skew: 0s}", "drill.yaml:3: backup.timeout: must be longer than 0s\ndrill.yaml:4: verify.clock_skew: must be longer than 0s"},
		{least + "objectives: {approved_on: 2026-11-24, review_by: 2026-11-23}", "drill.yaml:3: objectives.review_by: is before objectives.approved_on"},
		{"source: {url: http://weaviate.example}\nbucket: {name: backups}",
			"drill.yaml:1: source.url: is http to another machine, and what is sent can be read on the way: use https, or set source.allow_plaintext: true"},
		{"source: {url: 'http://127.0.0.1:8080', grpc: 'weaviate.example:50051'}\nbucket: {name: backups}",
			"drill.yaml:1: source.grpc: is on another machine and without TLS, because source.url is http: use https, or set source.allow_plaintext: true"},
		{"source: {url: https://weaviate.example, api_key: env:KEY, oidc: {client_id: drill, client_secret: env:SECRET}}\nbucket: {name: backups}",
			"drill.yaml:1: source.oidc: cannot be together with source.api_key: choose one"},
		{"source: {url: 'https://weaviate.example:port'}\nbucket: {name: backups, endpoint: 'https://[::1'}", "drill.yaml:1: source.url: is no URL\ndrill.yaml:2: bucket.endpoint: is no URL"},
		{least + "policy: {waivers: [{check: s3-acl, reason: ' ', owner: o, expires: 2027-01-01}]}", "drill.yaml:3: policy.waivers[0]: it needs a reason"},
	} {
		refuses(t, c.doc, c.want, hidden)
		if err := schemaRefuses(t, []byte(c.doc)); err != nil {
			t.Errorf("the schema refuses\n%s\n%v", c.doc, err)
		}
	}
	// What is not the YAML that is read.
	for _, c := range []struct{ doc, want string }{
		{"", "drill.yaml:1: empty"},
		{"# nothing yet\n", "drill.yaml:1: empty"},
		{least + "---\n" + least, "drill.yaml:3: a second YAML document, or a directive: one document is read"},
		{least + "bucket: {name: other}", "drill.yaml:3: bucket: is there already, on line 2"},
		{"source: {url: https://weaviate.example, url: " + hidden + "}\nbucket: {name: backups}", "drill.yaml:1: source.url: is there already, on line 1"},
		{"source: {url: https://weaviate.example, api_key: " + hidden + ", api_key: env:KEY}\nbucket: {name: backups}",
			"drill.yaml:1: source.api_key: is there already, on line 1\ndrill.yaml:1: source.api_key: takes a reference to a secret such as env:NAME or file:/path"},
		{least + "verify: &v {level: full}", "drill.yaml:3: verify: anchors, aliases, tags, .inf and .nan are not supported: write the value itself"},
		{least + "verify: !!map {level: full}", "drill.yaml:3: verify: anchors, aliases, tags, .inf and .nan are not supported: write the value itself"},
		{least + "verify:\n  <<: {level: full}", "drill.yaml:4: verify: a key that is no plain text (merge keys are not supported)"},
		{least + "sandbox: {docker: {cpus: .inf}}", "drill.yaml:3: sandbox.docker.cpus: anchors, aliases, tags, .inf and .nan are not supported: write the value itself"},
		{"a: &a [x]\nb: &b [*a, *a]\nsource: *b", "drill.yaml:1: a: anchors, aliases, tags, .inf and .nan are not supported: write the value itself\n" +
			"drill.yaml:1: a: unknown key; known here: backup, bucket, evidence, objectives, policy, restore, sandbox, source, tracer, verify\n" +
			"drill.yaml:1: bucket: is missing; it takes a section of keys\n" +
			"drill.yaml:2: b: anchors, aliases, tags, .inf and .nan are not supported: write the value itself\n" +
			"drill.yaml:2: b: unknown key; known here: backup, bucket, evidence, objectives, policy, restore, sandbox, source, tracer, verify\n" +
			"drill.yaml:3: source: anchors, aliases, tags, .inf and .nan are not supported: write the value itself"},
		{least + "verify: {level: \xff}", "drill.yaml:3: not UTF-8: save the file as UTF-8"},
		{least + "verify: {level: \x00}", "drill.yaml:3: control character U+0000"},
		{least + "verify: {level: full", "drill.yaml:3: not YAML: could not find flow mapping end token '}'"},
		{"source:\n  url: https://weaviate.example\n  api_key:" + hidden, "drill.yaml:3: not YAML: non-map value is specified"},
		{"source:\n  api_key: !" + hidden + "\n", "drill.yaml:1: bucket: is missing; it takes a section of keys\ndrill.yaml:1: source.url: is missing; it takes a URL such as https://host.example:8443\n" +
			"drill.yaml:2: source.api_key: anchors, aliases, tags, .inf and .nan are not supported: write the value itself"},
		{least + "\tverify: {}", "drill.yaml:3: not YAML: found character '\t' that cannot start any token"},
		{strings.Repeat("[", 1<<17), "drill.yaml:1: nested too deeply"},
		{strings.Repeat("- ", 1<<16), "drill.yaml:1: nested too deeply"},
		{strings.Repeat("#", 1<<18+1), "drill.yaml:1: larger than 256 KiB"},
	} {
		refuses(t, c.doc, c.want, hidden)
	}
}

func refuses(t *testing.T, doc, want, hidden string) {
	t.Helper()
	shown := doc[:min(len(doc), 300)]
	c, err := ParseConfig("drill.yaml", []byte(doc))
	if err == nil || c != nil {
		t.Errorf("accepted:\n%s", shown)
		return
	}
	if !errors.Is(err, ErrConfig) {
		t.Errorf("not ErrConfig: %v", err)
	}
	if err.Error() != want {
		t.Errorf("%s\ngot  %s\nwant %s", shown, err, want)
	}
	if strings.Contains(err.Error(), hidden) {
		t.Errorf("the secret shows: %v", err)
	}
}

func TestLoadConfig(t *testing.T) {
	_, err := LoadConfig(filepath.Join(t.TempDir(), "absent.yaml"))
	if !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), "absent.yaml does not exist") {
		t.Errorf("got %v", err)
	}
	_, err = LoadConfig(t.TempDir())
	if !errors.Is(err, ErrConfig) {
		t.Errorf("got %v", err)
	}
	file := filepath.Join(t.TempDir(), "drill.yaml")
	if err := os.WriteFile(file, []byte("\ufeff"+strings.ReplaceAll(least, "\n", "\r\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	if c, err := LoadConfig(file); err != nil || c.Bucket.Name != "backups" {
		t.Errorf("got %+v, %v", c, err)
	}
}

func TestValidate(t *testing.T) {
	c, err := ParseConfig("drill.yaml", []byte(least))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Validate(); err != nil {
		t.Errorf("as parsed: %v", err)
	}
	c.Verify.Level, c.Backup.ID, c.Verify.Seed = "all", "Nightly", 1<<63+1
	const want = "backup.id: takes a backup id such as drill-20261124-222655-k3f9x2\nverify.level: takes one of catalogue, archive, structure, counts, sample, full, index"
	if err := c.Validate(); !errors.Is(err, ErrConfig) || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

func TestEndpoint(t *testing.T) {
	t.Setenv("DRILL_TEST_KEY", "short")
	for _, c := range []struct{ url, grpc, want string }{
		{"https://weaviate.example", "", "weaviate.example:443"},
		{"https://weaviate.example:8443/", "", "weaviate.example:443"},
		{"http://[::1]:8080", "", "[::1]:50051"},
		{"http://localhost:8080", "localhost:9", "localhost:9"},
	} {
		e, err := Server{URL: c.url, GRPC: c.grpc, APIKey: "env:DRILL_TEST_KEY"}.Endpoint()
		if err != nil || e.GRPC != c.want || e.URL != c.url || e.APIKey.Reveal() != "short" {
			t.Errorf("%s: got %+v, %v, want gRPC at %s", c.url, e, err, c.want)
		}
	}
	s := Server{URL: "https://weaviate.example", OIDC: &OIDC{ClientID: "drill", ClientSecret: "env:DRILL_TEST_KEY", Scopes: []string{"a"}}, Headers: map[string]secret.Ref{"X-Key": "env:DRILL_TEST_KEY"}}
	e, err := s.Endpoint()
	if err != nil || e.OIDC.ClientSecret.Reveal() != "short" || e.OIDC.ClientID != "drill" || len(e.OIDC.Scopes) != 1 || e.Headers["X-Key"].Reveal() != "short" {
		t.Errorf("got %+v, %v", e, err)
	}
	s.APIKey, s.Headers["X-Key"] = "env:DRILL_TEST_ABSENT", "file:/nonexistent"
	const want = "configuration: api_key: secret env:DRILL_TEST_ABSENT: the environment variable DRILL_TEST_ABSENT is not set or is empty\n" +
		"configuration: headers.X-Key: secret file:/nonexistent: open /nonexistent: no such file or directory"
	if _, err := s.Endpoint(); !errors.Is(err, ErrConfig) || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

func TestOptions(t *testing.T) {
	b := Bucket{Name: "n", Path: "p", Region: "r", Endpoint: "https://e", PathStyle: true}
	if got, want := b.Options(), (bucket.Options{Name: "n", Path: "p", Region: "r", Endpoint: "https://e", PathStyle: true}); got != want {
		t.Errorf("got %+v", got)
	}
}

func TestWarnings(t *testing.T) {
	t.Setenv("DRILL_TEST_KEY", strings.Repeat("k", 31))
	c := &Config{Source: Source{Server: Server{APIKey: "env:DRILL_TEST_KEY", AllowPlaintext: true}}}
	if got := c.Warnings(); len(got) != 2 || strings.Contains(strings.Join(got, ""), "kkk") {
		t.Errorf("got %q", got)
	}
	t.Setenv("DRILL_TEST_KEY", strings.Repeat("k", 32))
	c.Source.AllowPlaintext = false
	if got := c.Warnings(); got != nil {
		t.Errorf("got %q", got)
	}
}

// FuzzParseConfig looks for panics, and for errors that are not what a user can read.
func FuzzParseConfig(f *testing.F) {
	example, err := os.ReadFile("docs/drill.example.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(example)
	f.Add([]byte(least))
	f.Fuzz(func(t *testing.T, raw []byte) {
		c, err := ParseConfig("drill.yaml", raw)
		if err == nil {
			if err := c.Validate(); err != nil {
				t.Errorf("accepted, and then not valid: %v", err)
			}
			return
		}
		if !errors.Is(err, ErrConfig) {
			t.Errorf("not ErrConfig: %v", err)
		}
		for line := range strings.Lines(err.Error()) {
			if !strings.HasPrefix(line, "drill.yaml:") {
				t.Errorf("%q does not say where", line)
			}
		}
	})
}

// FuzzInlineSecret puts a secret where a reference to one belongs, written in many ways. Only what YAML takes as a key may be shown, so that a and b hold nothing that ends a value.
func FuzzInlineSecret(f *testing.F) {
	f.Add("", "")
	f.Add("!", " |")
	f.Add("&", " *a")
	f.Add("'", "'")
	f.Add("\"\\", "\"")
	f.Fuzz(func(t *testing.T, a, b string) {
		const hidden = "hunter2"
		if strings.ContainsAny(a+b, ",:?{}[]\r\n") {
			return
		}
		for _, before := range []string{
			"source:\n  url: https://weaviate.example\n  api_key: ", "source:\n  api_key:", "source: {api_key: ", "source:\n  headers:\n    X-Key: ", "source:\n  api_key: |\n    ", "source:\n  api_key: '",
			"source:\n  api_key: \"", "source:\n  api_key: env:X\n  api_key: ", "source: {url: https://weaviate.example}\nbucket: {name: backups}\nrestore: {from: ",
		} {
			if _, err := ParseConfig("drill.yaml", []byte(before+a+hidden+b)); err == nil || strings.Contains(err.Error(), hidden) {
				t.Errorf("%q %q %q %q: got %v", before, a, hidden, b, err)
			}
		}
	})
}
