package drill

import (
	"testing"
	"time"

	"github.com/weaviate-drill/weaviate-drill/backup/bucket"
	"github.com/weaviate-drill/weaviate-drill/backup/sandbox"
)

// TestIsolationFindings: what was not found out is no pass, a policy that is not enforced fails a drill from medium on, and a waiver of the configuration lets it.
func TestIsolationFindings(t *testing.T) {
	findings := isolationFindings([]sandbox.Probe{
		{Name: "anonymous-access", Result: sandbox.Unknown, Detail: "a"}, {Name: "pod-security", Result: sandbox.Pass, Detail: "p"}, {Name: "network-policy", Result: sandbox.Fail, Detail: "n"},
	})
	for i, want := range []struct {
		check  string
		status bucket.Status
	}{{"sandbox-anonymous-access", bucket.Unknown}, {"sandbox-pod-security", bucket.Pass}, {"sandbox-network-policy", bucket.Fail}} {
		if f := findings[i]; f.Check != want.check || f.Status != want.status || f.Title == "" || f.Detail == "" || (f.Remediation == "") != (f.Status == bucket.Pass) {
			t.Errorf("%+v, want %+v", f, want)
		}
	}
	c, err := ParseConfig("drill.yaml", []byte(`
source: {url: https://weaviate.example}
bucket: {name: backups}
policy: {fail_on: medium, waivers: [{check: sandbox-network-policy, reason: r, owner: o, expires: 2100-01-01}]}
`))
	if err != nil {
		t.Fatal(err)
	}
	for failOn, want := range map[bucket.Severity]int{bucket.High: 1, bucket.Medium: 2} {
		if got := bucket.Violations(findings, failOn); len(got) != want {
			t.Errorf("from %s on: %+v", failOn, got)
		}
	}
	waived := bucket.ApplyWaivers(findings, c.Policy.Waivers, time.Now())
	if got := bucket.Violations(waived, c.Policy.FailOn); len(got) != 1 || got[0].Check != "sandbox-anonymous-access" {
		t.Errorf("with a waiver: %+v", got)
	}
}
