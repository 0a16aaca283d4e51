package drill

import (
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/weaviate-drill/weaviate-drill/backup/bucket"
	"github.com/weaviate-drill/weaviate-drill/internal/servertest"
	"github.com/weaviate-drill/weaviate-drill/rto"
	"github.com/weaviate-drill/weaviate-drill/rto/evidence"
)

// The retention and the objective of the configuration, the backups of the bucket, and the last drill that passed and measured a recovery time reach the audit.
func TestLifecycleOptions(t *testing.T) {
	b := servertest.Bucket(t, "backups")
	days := int32(10)
	if _, err := b.Client.PutBucketLifecycleConfiguration(t.Context(), &s3.PutBucketLifecycleConfigurationInput{Bucket: &b.Name, LifecycleConfiguration: &types.BucketLifecycleConfiguration{
		Rules: []types.LifecycleRule{{Status: types.ExpirationStatusEnabled, Filter: &types.LifecycleRuleFilter{}, Expiration: &types.LifecycleExpiration{Days: &days}}},
	}}); err != nil {
		t.Fatal(err)
	}
	store, err := evidence.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	began := time.Date(2026, 11, 24, 22, 0, 0, 0, time.UTC)
	for i, r := range []evidence.Record{
		{Status: evidence.Passed, Assessment: &rto.Assessment{Recovered: rto.Measured{Duration: time.Hour, Known: true}}},
		{Status: evidence.Passed, Assessment: &rto.Assessment{Recovered: rto.Measured{Duration: 2 * time.Hour, Known: true}}},
		{Status: evidence.DataFailed, Assessment: &rto.Assessment{Recovered: rto.Measured{Duration: 3 * time.Hour, Known: true}}},
		{Status: evidence.Passed, Assessment: &rto.Assessment{Recovered: rto.Measured{Duration: 4 * time.Hour}}},
	} {
		r.Schema, r.Began = evidence.Schema, began.Add(time.Duration(i)*time.Hour)
		r.Ended, r.ID = r.Began.Add(time.Minute), "drill-"+string(rune('a'+i))
		if _, err := store.Put(t.Context(), &r); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct{ config, check, says string }{
		{"policy: {retention: 240h}", "s3-lifecycle-backups", "whole and readable for 10 days"},
		{"", "s3-lifecycle-backups", "do not stay whole and readable for 30 days"},
		{"", "s3-lifecycle-bases", "no backup builds on another"},
	} {
		cfg, err := ParseConfig("drill.yaml", []byte("source: {url: https://weaviate.example}\nbucket: {name: weaviate-backups}\n"+test.config))
		if err != nil {
			t.Fatal(err)
		}
		findings, err := bucket.Audit(t.Context(), b, began, cfg.LifecycleOptions(t.Context(), b, store, began)...)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range findings {
			if f.Check == test.check && !strings.Contains(f.Detail, test.says) {
				t.Errorf("%s with %q: %s", f.Check, test.config, f.Detail)
			}
		}
	}
	if took := lastMeasured(t.Context(), store); took != 2*time.Hour {
		t.Errorf("the last drill measured %s", took)
	}
}
