package bucket_test

import (
	"net/http"
	"testing"

	"github.com/weaviate-drill/weaviate-drill/backup/bucket"
)

func TestPolicyAccounts(t *testing.T) {
	allow := func(principal string) reply {
		return policyOf(denyPlain, `{"Effect":"Allow","Principal":`+principal+`,"Action":["s3:GetObject"],"Resource":"arn:aws:s3:::BUCKET/*"}`)
	}
	// The forms of https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html.
	for _, test := range []struct {
		policy reply
		status bucket.Status
		detail string
	}{
		{policyOf(denyPlain), bucket.Pass, "nothing to a principal by name"},
		{failure(http.StatusNotFound, "NoSuchBucketPolicy", "The bucket policy does not exist"), bucket.Pass, "no bucket policy"},
		{allow(`{"AWS":"arn:aws:iam::123456789012:role/weaviate"}`), bucket.Pass, "of account 123456789012 alone"},
		{allow(`{"AWS":["123456789012","arn:aws:iam::123456789012:root"]}`), bucket.Pass, "of account 123456789012 alone"},
		{allow(`{"Service":"logging.s3.amazonaws.com"}`), bucket.Pass, "nothing to a principal by name"},
		{allow(`{"AWS":["arn:aws:iam::123456789012:root","arn:aws:iam::444455556666:role/other"]}`), bucket.Fail, "others than account 123456789012: arn:aws:iam::444455556666:role/other (s3:GetObject)"},
		{allow(`{"AWS":"444455556666"}`), bucket.Fail, "444455556666 (s3:GetObject)"},
		{allow(`{"CanonicalUser":"79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be"}`), bucket.Fail, "79a59df900b949e5"},
		{denied, bucket.Unknown, "s3:GetBucketPolicy is needed"},
		{reply{status: http.StatusOK, body: "{"}, bucket.Unknown, "cannot be read"},
	} {
		t.Run(test.detail, func(t *testing.T) {
			t.Parallel()
			b := onAWS(t, hardened.with("policy", test.policy))
			want(t, findings(t, b)["s3-bucket-policy-accounts"], test.status, test.detail)
		})
	}
	b := onAWS(t, hardened.with("policy", allow(`{"AWS":"123456789012"}`)))
	b.ExpectedOwner = ""
	want(t, findings(t, b)["s3-bucket-policy-accounts"], bucket.Unknown, "GetCallerIdentity")
	mine := onAWS(t, hardened.with("policy", allow(`{"AWS":["123456789012","444455556666"]}`)).with("sts", identity))
	mine.ExpectedOwner = "" // whose account it is then tells STS
	want(t, findings(t, mine)["s3-bucket-policy-accounts"], bucket.Fail, "others than account 123456789012: 444455556666")
}
