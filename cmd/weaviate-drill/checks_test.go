package main

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/weaviate-drill/weaviate-drill/internal/servers"
	"github.com/weaviate-drill/weaviate-drill/rto/evidence"
	"github.com/weaviate-drill/weaviate-drill/verify"
)

// TestOwnChecks asks the restored Weaviate in a whole drill. Each kind of outcome decides what becomes of a drill of which the data is whole.
func TestOwnChecks(t *testing.T) {
	id := newSite(t, nil).makeBackup(t)
	const passing = `
  level: counts
  checks:
    - {name: articles, query: "{ Aggregate { Article { meta { count } } } }", path: "data.Aggregate.Article[0].meta.count", count: 2500}
    - {name: collections, get: /schema, path: classes, count: 3}
    - {name: smoke test, command: [/bin/sh, -c, 'test -n "$WEAVIATE_API_KEY" && test -z "$AWS_SECRET_ACCESS_KEY" && echo "asked $WEAVIATE_URL with $WEAVIATE_API_KEY"']}`
	for name, tt := range map[string]struct {
		more   string
		status evidence.Status
		says   string
		last   verify.CheckOutcome
	}{
		"pass":                   {"", evidence.Passed, "smoke test", verify.CheckPass},
		"an expectation not met": {"\n    - {name: too many, get: /schema, path: classes, minimum: 4}", evidence.DataFailed, "check too many: classes has 3, expected at least 4", verify.CheckFail},
		"a command that fails":   {"\n    - {name: broken, command: [/bin/sh, -c, 'echo no page >&2; exit 7']}", evidence.DataFailed, "check broken: exit status 7", verify.CheckFail},
		"not carried out":        {"\n    - {name: absent, command: [./no-such-program]}", evidence.Inconclusive, "check absent could not be carried out", verify.CheckUnknown},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, map[string]string{"backup": "\n  id: " + id, "verify": passing + tt.more})
			s.do(t, "run").wants(t, tt.status, tt.says)
			checks := s.record(t).Checks
			if len(checks) < 3 || checks[2].Outcome != verify.CheckPass || checks[len(checks)-1].Outcome != tt.last {
				t.Errorf("%+v", checks)
			}
			s.nothingLeft(t)
		})
	}
}

// verifyNodes reaches each node of an external sandbox by itself, with the key of the whole.
func (s site) verifyNodes(t *testing.T, external, id string, w *servers.Weaviate) {
	t.Helper()
	at := func(url, grpc string) string {
		return fmt.Sprintf("%s\n  external_nodes:\n    node1: {url: %q, grpc: %q}", external, url, grpc)
	}
	e := w.Endpoints[0]
	newSite(t, map[string]string{"sandbox": at(e.URL, e.GRPC)}).do(t, "verify", "--backup-id", id).wants(t, evidence.Passed, "Article")
	newSite(t, map[string]string{"sandbox": at("http://127.0.0.1:9", "127.0.0.1:9")}).do(t, "verify", "--backup-id", id).wants(t, evidence.NotCarriedOut, "sandbox.external_nodes", "node1")
}

// verifyWithOwnChecks asks the checks of a restored Weaviate that is running: their outcome is that of the command, and a dry run names them.
func (s site) verifyWithOwnChecks(t *testing.T, external, id string) {
	t.Helper()
	const checks = "\n  level: counts\n  checks:\n    - {name: collections, get: /schema, path: classes, count: 3}"
	for more, status := range map[string]evidence.Status{
		"": evidence.Passed,
		"\n    - {name: too many, get: /schema, path: classes, minimum: 4}": evidence.DataFailed,
		"\n    - {name: absent, command: [./no-such-program]}":              evidence.Inconclusive,
	} {
		own := newSite(t, map[string]string{"sandbox": external, "backup": "\n  id: " + id, "verify": checks + more})
		own.do(t, "verify", "--backup-id", id).wants(t, status, "Own checks", "collections")
		var out struct {
			Level  verify.Level
			Checks []verify.CheckResult
		}
		if err := json.Unmarshal([]byte(own.do(t, "verify", "--backup-id", id, "-o", "json").stdout), &out); err != nil || out.Level != "counts" || len(out.Checks) < 1 {
			t.Errorf("%+v %v", out, err)
		}
		own.do(t, "run", "--dry-run").wants(t, evidence.Passed, "then the checks collections")
	}
}
