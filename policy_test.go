package drill

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weaviate-drill/weaviate-drill/backup/bucket"
)

// withWaivers writes a configuration, and beside it the file of waivers that it names.
func withWaivers(t *testing.T, policy, waivers string) (config, file string) {
	t.Helper()
	dir := t.TempDir()
	config, file = filepath.Join(dir, "drill.yaml"), filepath.Join(dir, "waivers.yaml")
	text := fmt.Sprintf("source: {url: https://weaviate.example}\nbucket: {name: backups}\npolicy:\n  waiver_file: %s\n%s", file, policy)
	if err := errors.Join(os.WriteFile(config, []byte(text), 0o600), os.WriteFile(file, []byte(waivers), 0o600)); err != nil {
		t.Fatal(err)
	}
	return config, file
}

func TestWaiverFile(t *testing.T) {
	config, _ := withWaivers(t, "  waivers: [{check: s3-acl, reason: r, owner: Ada, expires: 2100-01-01}]\n",
		"waivers:\n  - {check: sandbox-network-policy, reason: no plugin yet, owner: Bob, expires: 2100-12-31}\n")
	c, err := LoadConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	if w := c.Policy.Waivers; len(w) != 2 || w[0].Owner != "Ada" || w[1].Check != "sandbox-network-policy" || w[1].Reason != "no plugin yet" || !w[1].Expires.Equal(time.Date(2100, 12, 31, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("%+v", w)
	}
	if err := c.Validate(); err != nil {
		t.Error(err)
	}
}

// The example of the documentation is a file of waivers.
func TestWaiverExample(t *testing.T) {
	p := Policy{WaiverFile: filepath.Join("docs", "waivers.example.yaml")}
	if err := p.readWaivers(); err != nil || len(p.Waivers) != 2 {
		t.Errorf("%v: %+v", err, p.Waivers)
	}
}

// Waivers in a file are held to what those in the configuration are held to, and each fault has its line there.
func TestWaiverFileFaults(t *testing.T) {
	const rest = "reason: r, owner: o, expires: 2100-01-01}"
	for name, tt := range map[string]struct{ file, want string }{
		"no reason":      {"waivers:\n  - {check: s3-acl, owner: o, expires: 2100-01-01}", "2: waivers[0].reason: is missing"},
		"no owner":       {"waivers:\n  - {check: s3-acl, reason: r, expires: 2100-01-01}", "2: waivers[0].owner: is missing"},
		"no expiry":      {"waivers:\n  - {check: s3-acl, reason: r, owner: o}", "2: waivers[0].expires: is missing"},
		"empty reason":   {"waivers:\n  - {check: s3-acl, reason: ' ', owner: o, expires: 2100-01-01}", "2: waivers[0]: it needs a reason"},
		"no such check":  {"waivers:\n  - {check: s3-acls, " + rest, "2: waivers[0].check: is not known; did you mean s3-acl?"},
		"a second one":   {"waivers:\n  - {check: s3-acl, " + rest + "\n  - {check: s3-acl, " + rest, "3: waivers[1]: a second waiver of s3-acl: keep one, and renew it by its expires"},
		"an unknown key": {"waivers:\n  - {check: s3-acl, until: 3, " + rest, "2: waivers[0].until: unknown key; known here: check, expires, owner, reason"},
		"no such key":    {"waivers: []\nfail_on: low", "2: fail_on: unknown key"},
		"a list":         {"- {check: s3-acl, " + rest, "1: takes a section of keys"},
		"nothing in it":  {"", "1: empty"},
		"no date":        {"waivers:\n  - {check: s3-acl, reason: r, owner: o, expires: soon}", "2: waivers[0].expires: takes a date"},
		"another's typo": {"waiver:\n  - {check: s3-acl, " + rest, "1: waiver: unknown key; did you mean waivers?"},
	} {
		t.Run(name, func(t *testing.T) {
			config, file := withWaivers(t, "", tt.file)
			if _, err := LoadConfig(config); !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), file+":"+tt.want) {
				t.Errorf("%v\nwant %s", err, tt.want)
			}
		})
	}
	config, file := withWaivers(t, "", "")
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadConfig(config); !errors.Is(err, ErrConfig) || !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "policy.waiver_file") {
		t.Error(err)
	}
}

func TestPolicySeverity(t *testing.T) {
	const head = "source: {url: https://weaviate.example}\nbucket: {name: backups}\npolicy:\n  severity:\n"
	if _, err := ParseConfig("drill.yaml", []byte(head+"    s3-acl: low\n    sandbox-pod-security: critical\n")); err != nil {
		t.Error(err)
	}
	for text, want := range map[string]string{
		"    s3-acls: low\n":   `drill.yaml:5: policy.severity.s3-acls: there is no check "s3-acls", did you mean s3-acl?`,
		"    s3-acl: severe\n": "drill.yaml:5: policy.severity.s3-acl: takes one of low, medium, high, critical",
	} {
		if _, err := ParseConfig("drill.yaml", []byte(head+text)); err == nil || err.Error() != want {
			t.Errorf("%v\nwant %s", err, want)
		}
	}
}

// A policy regrades, waives, counts an expired waiver for nothing, and tells of one that nothing needs.
func TestJudge(t *testing.T) {
	now := time.Date(2026, 11, 25, 9, 0, 0, 0, time.UTC)
	waiver := func(check string, days int) bucket.Waiver {
		return bucket.Waiver{Check: check, Reason: "r", Owner: "Ada", Expires: now.Truncate(24*time.Hour).AddDate(0, 0, days)}
	}
	p := Policy{
		FailOn: bucket.High, Severity: map[string]bucket.Severity{"s3-lifecycle": bucket.High, "s3-versioning": bucket.Low},
		Waivers: []bucket.Waiver{waiver("s3-acl", 0), waiver("s3-object-lock", -1), waiver("s3-access-logging", 9), waiver("sandbox-pod-security", 9)},
	}
	judged, idle := p.Judge([]bucket.Finding{
		{Check: "s3-acl", Status: bucket.Fail, Severity: bucket.Critical},
		{Check: "s3-object-lock", Status: bucket.Fail, Severity: bucket.High},
		{Check: "s3-lifecycle", Status: bucket.Fail, Severity: bucket.Medium},
		{Check: "s3-versioning", Status: bucket.Fail, Severity: bucket.High},
		{Check: "s3-access-logging", Status: bucket.Pass, Severity: bucket.Low},
	}, now)
	var violated []string
	for _, f := range bucket.Violations(judged, p.FailOn) {
		violated = append(violated, f.Check)
	}
	if got := strings.Join(violated, " "); got != "s3-object-lock s3-lifecycle" || judged[0].Status != bucket.Waived {
		t.Errorf("%s: %+v", got, judged)
	}
	if len(idle) != 1 || !strings.HasPrefix(idle[0], "the waiver of Ada for s3-access-logging waives nothing") {
		t.Errorf("%q", idle)
	}
}
