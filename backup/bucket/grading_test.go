package bucket_test

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/weaviate-drill/weaviate-drill/backup/bucket"
)

func TestCheckOf(t *testing.T) {
	for _, want := range bucket.Checks() {
		if got, err := bucket.CheckOf(want.ID); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%+v, %v", got, err)
		}
	}
	for id, near := range map[string]string{
		"s3-acls": "s3-acl", "s3-vers": "s3-versioning", "Versioning": "s3-versioning", "lifecycle-b": "s3-lifecycle-backups or s3-lifecycle-bases",
		"s3": "s3-default-encryption or s3-customer-key or s3-bucket-key", "ebs-encrypton": "ebs-encryption", "object_lock": "s3-object-lock",
	} {
		if _, err := bucket.CheckOf(id); err == nil || err.Error() != fmt.Sprintf("there is no check %q, did you mean %s?", id, near) {
			t.Error(err)
		}
	}
}

func TestRegrade(t *testing.T) {
	given := []bucket.Finding{finding("s3-acl", bucket.Fail, bucket.Critical), finding("s3-versioning", bucket.Fail, bucket.High), finding("s3-lifecycle", bucket.Unknown, bucket.Medium)}
	got := bucket.Regrade(given, map[string]bucket.Severity{"s3-acl": bucket.Low, "s3-lifecycle": bucket.Critical, "s3-versioning": bucket.High, "s3-object-lock": bucket.Low})
	for i, want := range []struct {
		severity bucket.Severity
		detail   string
	}{
		{bucket.Low, "found; its severity is low by the policy, not critical"}, {bucket.High, "found"}, {bucket.Critical, "found; its severity is critical by the policy, not medium"},
	} {
		if got[i].Severity != want.severity || got[i].Detail != want.detail || got[i].Status != given[i].Status {
			t.Errorf("%+v, want %+v", got[i], want)
		}
	}
	if given[0].Severity != bucket.Critical || given[0].Detail != "found" {
		t.Errorf("the finding given was changed: %+v", given[0])
	}
	if v := bucket.Violations(got, bucket.High); len(v) != 2 || v[0].Check != "s3-versioning" || v[1].Check != "s3-lifecycle" {
		t.Errorf("%+v", v)
	}
}

func TestIdle(t *testing.T) {
	day := time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)
	for status, idle := range map[bucket.Status]bool{
		bucket.Pass: true, bucket.NotApplicable: true, bucket.Fail: false, bucket.Unknown: false, bucket.NotSupported: false, bucket.Waived: false,
	} {
		got := bucket.Idle([]bucket.Finding{finding("s3-acl", status, bucket.High)}, []bucket.Waiver{waiver("s3-acl", day), waiver("sandbox-pod-security", day)})
		if idle != (len(got) == 1 && got[0].Check == "s3-acl") || !idle && got != nil {
			t.Errorf("%s: %+v", status, got)
		}
	}
}
