package bucket_test

import (
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/weaviate-drill/weaviate-drill/backup/bucket"
)

func finding(check string, status bucket.Status, severity bucket.Severity) bucket.Finding {
	return bucket.Finding{Check: check, Status: status, Severity: severity, Detail: "found"}
}

func waiver(check string, expires time.Time) bucket.Waiver {
	return bucket.Waiver{Check: check, Reason: "a reason", Owner: "Ada", Expires: expires}
}

func TestApplyWaivers(t *testing.T) {
	today := time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)
	valid, expired := waiver("s3-acl", today), waiver("s3-acl", today.AddDate(0, 0, -1))
	const told = "found; the waiver of Ada expired on 2026-11-23"
	tests := []struct {
		name    string
		found   bucket.Status
		waivers []bucket.Waiver
		status  bucket.Status
		detail  string
	}{
		{"fail", bucket.Fail, []bucket.Waiver{valid}, bucket.Waived, "found"},
		{"unknown", bucket.Unknown, []bucket.Waiver{valid}, bucket.Waived, "found"},
		{"not supported", bucket.NotSupported, []bucket.Waiver{valid}, bucket.Waived, "found"},
		{"pass", bucket.Pass, []bucket.Waiver{valid}, bucket.Pass, "found"},
		{"not applicable", bucket.NotApplicable, []bucket.Waiver{valid, expired}, bucket.NotApplicable, "found"},
		{"pass, expired", bucket.Pass, []bucket.Waiver{expired}, bucket.Pass, "found"},
		{"fail, expired", bucket.Fail, []bucket.Waiver{expired}, bucket.Fail, told},
		{"unknown, expired", bucket.Unknown, []bucket.Waiver{expired}, bucket.Unknown, told},
		{"renewed", bucket.Fail, []bucket.Waiver{expired, valid}, bucket.Waived, "found"},
		{"of another check", bucket.Fail, []bucket.Waiver{waiver("s3-versioning", today)}, bucket.Fail, "found"},
		{"none", bucket.Fail, nil, bucket.Fail, "found"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			given := []bucket.Finding{finding("s3-acl", test.found, bucket.Critical)}
			before := slices.Clone(given)
			got := bucket.ApplyWaivers(given, test.waivers, today.Add(23*time.Hour))[0]
			if got.Status != test.status || got.Detail != test.detail {
				t.Errorf("%s: %s", got.Status, got.Detail)
			}
			if (got.Waiver != nil) != (test.status == bucket.Waived) || got.Waiver != nil && *got.Waiver != valid {
				t.Errorf("its waiver is %+v", got.Waiver)
			}
			if !reflect.DeepEqual(given, before) {
				t.Errorf("the finding given was changed: %+v", given)
			}
		})
	}
}

// A waiver holds to the end of its last day, in the time zone in which that is written.
func TestWaiverExpires(t *testing.T) {
	tokyo := time.FixedZone("+09:00", 9*60*60)
	for _, test := range []struct {
		expires, now time.Time
		status       bucket.Status
	}{
		{time.Date(2026, 2, 28, 0, 0, 0, 0, time.UTC), time.Date(2026, 2, 28, 23, 59, 59, 0, time.UTC), bucket.Waived},
		{time.Date(2026, 2, 28, 0, 0, 0, 0, time.UTC), time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), bucket.Fail},
		{time.Date(2026, 2, 28, 12, 0, 0, 0, time.UTC), time.Date(2026, 2, 28, 18, 0, 0, 0, time.UTC), bucket.Waived},
		{time.Date(2026, 2, 28, 0, 0, 0, 0, tokyo), time.Date(2026, 2, 28, 14, 59, 59, 0, time.UTC), bucket.Waived},
		{time.Date(2026, 2, 28, 0, 0, 0, 0, tokyo), time.Date(2026, 2, 28, 15, 0, 0, 0, time.UTC), bucket.Fail},
	} {
		got := bucket.ApplyWaivers([]bucket.Finding{finding("s3-acl", bucket.Fail, bucket.High)}, []bucket.Waiver{waiver("s3-acl", test.expires)}, test.now)
		if got[0].Status != test.status {
			t.Errorf("waived until %v, at %v: %s", test.expires, test.now, got[0].Status)
		}
	}
}

func TestCheckWaivers(t *testing.T) {
	for _, c := range bucket.Checks() {
		if faults := bucket.CheckWaivers([]bucket.Waiver{waiver(c.ID, now)}); faults != nil {
			t.Error(faults)
		}
	}
	got := bucket.CheckWaivers([]bucket.Waiver{
		waiver("s3-acl", now),
		waiver("s3-lifecycle-multi-part", now),
		waiver("sandbox-pod-security", now),
		{Check: "s3-versioning", Reason: " "},
		waiver("s3-acl", now.AddDate(1, 0, 0)),
	}, "sandbox-pod-security")
	want := []bucket.WaiverFault{
		{1, `there is no check "s3-lifecycle-multi-part", did you mean s3-lifecycle-multipart?`},
		{3, "it needs a reason"},
		{3, "it needs an owner, who answers for it"},
		{3, "it needs expires, its last day"},
		{4, "a second waiver of s3-acl: keep one, and renew it by its expires"},
	}
	if !slices.Equal(got, want) {
		t.Errorf("got:\n%v", got)
	}
}

func TestViolations(t *testing.T) {
	statuses := []bucket.Status{bucket.Pass, bucket.Fail, bucket.Unknown, bucket.NotSupported, bucket.NotApplicable, bucket.Waived}
	var all []bucket.Finding
	for _, severity := range []bucket.Severity{bucket.Low, bucket.Medium, bucket.High, bucket.Critical} {
		if !severity.Valid() {
			t.Errorf("%s is not valid", severity)
		}
		for _, status := range statuses {
			all = append(all, finding(string(severity)+" "+string(status), status, severity))
		}
	}
	if bucket.Severity("").Valid() || bucket.Severity("HIGH").Valid() {
		t.Error("what is no severity is valid")
	}
	for failOn, want := range map[bucket.Severity][]string{
		bucket.Critical: {"critical fail", "critical unknown"},
		bucket.High:     {"high fail", "high unknown", "critical fail", "critical unknown"},
		bucket.Medium:   {"medium fail", "medium unknown", "high fail", "high unknown", "critical fail", "critical unknown"},
		bucket.Low:      {"low fail", "low unknown", "medium fail", "medium unknown", "high fail", "high unknown", "critical fail", "critical unknown"},
		"":              {"low fail", "low unknown", "medium fail", "medium unknown", "high fail", "high unknown", "critical fail", "critical unknown"},
	} {
		var got []string
		for _, f := range bucket.Violations(all, failOn) {
			got = append(got, f.Check)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q: %q", failOn, got)
		}
	}
}
