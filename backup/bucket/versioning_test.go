package bucket_test

import (
	"testing"

	"github.com/weaviate-drill/weaviate-drill/backup/bucket"
)

func TestMFADelete(t *testing.T) {
	versioned := hardened.with("versioning", ok(`<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>`))
	for _, test := range []struct {
		answers replies
		status  bucket.Status
		detail  string
	}{
		{hardened, bucket.Pass, "with MFA"},
		{versioned, bucket.Pass, "mode COMPLIANCE"},
		{versioned.with("object-lock", ok(`<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule><DefaultRetention><Mode>GOVERNANCE</Mode><Days>35</Days></DefaultRetention></Rule></ObjectLockConfiguration>`)), bucket.Fail, "mode GOVERNANCE"},
		{versioned.with("object-lock", failure(404, "ObjectLockConfigurationNotFoundError", "Object Lock configuration does not exist for this bucket")), bucket.Fail, "no Object Lock"},
		{versioned.with("object-lock", denied), bucket.Unknown, "s3:GetBucketObjectLockConfiguration is needed"},
		{hardened.with("versioning", ok(`<VersioningConfiguration/>`)), bucket.NotApplicable, "never on"},
	} {
		t.Run(test.detail, func(t *testing.T) {
			t.Parallel()
			want(t, findings(t, onAWS(t, test.answers))["s3-mfa-delete"], test.status, test.detail)
		})
	}
}

// What a deletion comes to is told by the lifecycle.
func TestAfterDelete(t *testing.T) {
	for _, test := range []struct {
		answer reply
		detail string
	}{
		{hardened["lifecycle"], `brought back for 45 days, then rule "tidy" takes it for good`},
		{failure(404, "NoSuchLifecycleConfiguration", "The lifecycle configuration does not exist"), "until somebody deletes its versions too"},
		{denied, "how long that is, is not known"},
	} {
		want(t, findings(t, onAWS(t, hardened.with("lifecycle", test.answer)))["s3-versioning"], bucket.Pass, test.detail)
	}
}
