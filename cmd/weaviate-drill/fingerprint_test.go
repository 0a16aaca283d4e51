package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/weaviate-drill/weaviate-drill/rto/evidence"
	"github.com/weaviate-drill/weaviate-drill/verify"
)

// verifyWithFingerprints judges the restored Weaviate of an external sandbox when its source cannot be reached.
func (s site) verifyWithFingerprints(t *testing.T, external, id string) {
	s.do(t, "fingerprint", "--out", "source.json").wants(t, evidence.Passed, "fingerprint of 5000 objects in 3 collections written to source.json")
	raw, err := os.ReadFile(filepath.Join(s.dir, "source.json"))
	if err != nil {
		t.Fatal(err)
	}
	if f, err := verify.ParseFingerprint(raw); err != nil || f.Objects() != 5000 {
		t.Fatal(err)
	}
	r := s.do(t, "fingerprint", "--quiet")
	if f, err := verify.ParseFingerprint([]byte(r.stdout)); r.code != 0 || err != nil || f.Objects() != 5000 || r.stderr != "" {
		t.Errorf("to standard output: status %d, %v, %s", r.code, err, r.stderr)
	}
	s.do(t, "verify", "--backup-id", id, "--fingerprint", "evidence").wants(t, evidence.Usage, "there is none of backup")
	s.do(t, "fingerprint", "--backup-id", "not-made-yet").wants(t, evidence.Passed, "as the one from before backup not-made-yet")
	s.do(t, "fingerprint", "--backup-id", id).wants(t, evidence.Passed, "as the one from after backup "+id)
	s.do(t, "fingerprint", "--backup-id", id).wants(t, evidence.NotCarriedOut, "never overwritten")

	gone := newSite(t, map[string]string{"sandbox": external, "evidence": "\n  dir: " + filepath.Join(s.dir, "evidence"), "source": "\n  url: http://127.0.0.1:1\n  grpc: 127.0.0.1:1\n  api_key: env:DRILL_TEST_KEY"})
	file := filepath.Join(s.dir, "source.json")
	for _, fingerprint := range []string{"evidence", file} {
		r := gone.do(t, "verify", "--backup-id", id, "--fingerprint", fingerprint, "--output", "json")
		r.wants(t, evidence.Passed)
		var v verify.Result
		if err := json.Unmarshal([]byte(r.stdout), &v); err != nil || v.Verdicts.Match != 5000 || v.Ranges.After == nil || v.Ranges.Before != nil {
			t.Errorf("%+v, %+v, %v", v.Verdicts, v.Ranges, err)
		}
	}
	gone.do(t, "verify", "--backup-id", id, "--fingerprint", file, "--fingerprint", file).wants(t, evidence.Usage, "from after the capture point")
	gone.do(t, "verify", "--fingerprint", file, "--fingerprint", file).wants(t, evidence.Usage, "--capture-point")
	gone.do(t, "verify", "--fingerprint", filepath.Join(s.dir, "drill.yaml")).wants(t, evidence.Usage, "not a fingerprint")
	gone.do(t, "verify", "--backup-id", id).wants(t, evidence.NotCarriedOut, "source")
}
