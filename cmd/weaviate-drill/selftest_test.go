package main

import (
	"testing"

	"github.com/weaviate-drill/weaviate-drill/rto"
	"github.com/weaviate-drill/weaviate-drill/rto/evidence"
)

// TestSelfTest damages restored copies: a whole comparison notices everything, and one that only counts is told to be no proof. What is not the drill's own is never damaged.
func TestSelfTest(t *testing.T) {
	s := newSite(t, nil)
	s.do(t, "selftest", "--backup-id", "new").wants(t, evidence.Passed, "PASSED", "Self-test: 15 of 15 damages noticed")
	r := s.record(t)
	if noticed, of := r.SelfTest.Score(); noticed != 15 || of != 15 || len(r.SelfTest.Skipped) > 0 || r.Status != evidence.Passed {
		t.Errorf("%s: %+v", r.Status, r.SelfTest)
	}
	if _, done := r.Timeline.Span(rto.SelfTest); !done || !r.Assessment.Recovered.Known {
		t.Errorf("%+v", r.Timeline)
	}
	s.do(t, "selftest", "--level", "counts").wants(t, evidence.Inconclusive, "INCONCLUSIVE", "of 15 damages done on purpose, at level counts; not noticed: object removed (")

	s.do(t, "selftest", "--level", "archive").wants(t, evidence.Usage, "nothing is restored that a self-test could damage")
	external := newSite(t, map[string]string{"sandbox": "\n  kind: external\n  external: {url: http://127.0.0.1:1, api_key: env:DRILL_TEST_KEY}"})
	external.do(t, "selftest").wants(t, evidence.Usage, "verify.selftest", "not the drill's to damage")
}
