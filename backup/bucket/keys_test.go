package bucket_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/weaviate-drill/weaviate-drill/backup/bucket"
)

func TestKeys(t *testing.T) {
	plain := hardened.with("encryption", encryption("AES256", ""))
	aws := hardened.with("encryption", encryption("aws:kms", ""))
	none := hardened.with("encryption", failure(404, "ServerSideEncryptionConfigurationNotFoundError", "The server side encryption configuration was not found"))
	noBucketKey := encryption("aws:kms", keyARN)
	noBucketKey.body = strings.Replace(noBucketKey.body, "<BucketKeyEnabled>true", "<BucketKeyEnabled>false", 1)
	key := func(members ...string) replies { return hardened.with("kms DescribeKey", describeKey(members...)) }
	refusal := kmsFailure(http.StatusBadRequest, "AccessDeniedException", "User: arn:aws:iam::123456789012:user/drill is not authorized to perform: kms:DescribeKey on resource: "+keyARN)
	for _, test := range []struct {
		answers replies
		check   string
		status  bucket.Status
		detail  string
		remedy  string
	}{
		{hardened, "s3-customer-key", bucket.Pass, "customer-managed key " + keyARN, ""},
		{plain, "s3-customer-key", bucket.Fail, "no key of your own: the bucket encrypts with AES256", "put-bucket-encryption"},
		{none, "s3-customer-key", bucket.Fail, "no default encryption", "put-bucket-encryption"},
		{aws.with("kms DescribeKey", describeKey(`"KeyManager":"AWS"`)), "s3-customer-key", bucket.Fail, "AWS-managed key", "put-bucket-encryption"},
		{aws.with("kms DescribeKey", kmsFailure(400, "NotFoundException", "Alias arn:aws:kms:us-east-1:123456789012:alias/aws/s3 is not found.")), "s3-customer-key", bucket.Fail, "never used yet", "put-bucket-encryption"},
		// The account's aws/s3 under its own ARN is told from a key of one's own.
		{key(`"KeyManager":"AWS"`), "s3-customer-key", bucket.Fail, "AWS-managed key", "put-bucket-encryption"},
		{hardened.with("kms DescribeKey", refusal), "s3-customer-key", bucket.Unknown, "kms:DescribeKey is needed", ""},

		{hardened, "s3-bucket-key", bucket.Pass, "a bucket key stands", ""},
		{hardened.with("encryption", noBucketKey), "s3-bucket-key", bucket.Fail, "no bucket key", "BucketKeyEnabled"},
		{plain, "s3-bucket-key", bucket.NotApplicable, "AES256, which knows no bucket key", ""},
		{hardened.with("encryption", encryption("aws:kms:dsse", keyARN)), "s3-bucket-key", bucket.NotApplicable, "aws:kms:dsse, which knows no bucket key", ""},
		{none, "s3-bucket-key", bucket.NotApplicable, "there is no key", ""},

		// The states: https://docs.aws.amazon.com/kms/latest/developerguide/key-state.html.
		{hardened, "s3-key-state", bucket.Pass, "is enabled", ""},
		{plain, "s3-key-state", bucket.NotApplicable, "by no key of KMS", ""},
		{key(`"KeyState":"Disabled"`), "s3-key-state", bucket.Fail, "is disabled", "aws kms enable-key --key-id " + keyARN},
		{key(`"KeyState":"PendingDeletion","DeletionDate":1796083200`), "s3-key-state", bucket.Fail, "is to be deleted on 2026-12-01", "aws kms cancel-key-deletion --key-id " + keyARN + " && aws kms enable-key"},
		{key(`"KeyState":"PendingImport","Origin":"EXTERNAL"`), "s3-key-state", bucket.Fail, "has no material", "import-key-material"},
		{key(`"KeyState":"Unavailable","Origin":"AWS_CLOUDHSM"`), "s3-key-state", bucket.Fail, "its key store is not connected", "custom-key-stores"},
		{key(`"KeyState":"Updating"`), "s3-key-state", bucket.Unknown, `the state "Updating"`, ""},
		{key(`"Origin":"EXTERNAL","ExpirationModel":"KEY_MATERIAL_EXPIRES","ValidTo":1796083200`), "s3-key-state", bucket.Fail, "expires on 2026-12-01, before a backup of today has been kept for 30 days", "KEY_MATERIAL_DOES_NOT_EXPIRE"},
		{key(`"Origin":"EXTERNAL","ExpirationModel":"KEY_MATERIAL_EXPIRES","ValidTo":1893456000`), "s3-key-state", bucket.Pass, "expires on 2030-01-01", ""},
		{key(`"Origin":"EXTERNAL","ExpirationModel":"KEY_MATERIAL_EXPIRES"`), "s3-key-state", bucket.Unknown, "does not say when", ""},
		{key(`"Origin":"EXTERNAL","ExpirationModel":"KEY_MATERIAL_DOES_NOT_EXPIRE"`), "s3-key-state", bucket.Pass, "is enabled", ""},
		{hardened.with("kms DescribeKey", kmsFailure(400, "NotFoundException", "Key '"+keyARN+"' does not exist")), "s3-key-state", bucket.Fail, "KMS does not know the key", "aws kms describe-key"},
		{hardened.with("kms DescribeKey", refusal), "s3-key-state", bucket.Unknown, "kms:DescribeKey is needed", ""},
		{hardened.with("kms DescribeKey", reply{status: 200, body: "{}"}), "s3-key-state", bucket.Unknown, "says nothing of the key", ""},
		{hardened.with("kms DescribeKey", kmsFailure(400, "ThrottlingException", "Rate exceeded")), "s3-key-state", bucket.Unknown, "overloaded", ""},
		{hardened.with("kms DescribeKey", kmsFailure(500, "KMSInternalException", "An internal error")), "s3-key-state", bucket.Unknown, "overloaded or broken", ""},

		{hardened, "s3-key-rotation", bucket.Pass, "rotates every 365 days", ""},
		{key(`"KeyManager":"AWS"`), "s3-key-rotation", bucket.Pass, "AWS manages the key", ""},
		{key(`"Origin":"EXTERNAL"`), "s3-key-rotation", bucket.NotApplicable, "from EXTERNAL", ""},
		{key(`"KeySpec":"RSA_4096"`), "s3-key-rotation", bucket.NotApplicable, "RSA_4096", ""},
		{plain, "s3-key-rotation", bucket.NotApplicable, "by no key of KMS", ""},
		{hardened.with("kms GetKeyRotationStatus", reply{status: 200, body: `{"KeyRotationEnabled":false}`}), "s3-key-rotation", bucket.Fail, "does not rotate", "enable-key-rotation"},
		{hardened.with("kms GetKeyRotationStatus", kmsFailure(400, "UnsupportedOperationException", "")), "s3-key-rotation", bucket.NotApplicable, "of this kind", ""},
		{hardened.with("kms GetKeyRotationStatus", kmsFailure(400, "AccessDeniedException", "User: arn:aws:iam::123456789012:user/drill is not authorized")), "s3-key-rotation", bucket.Unknown, "kms:GetKeyRotationStatus is needed", ""},
		{hardened.with("kms DescribeKey", kmsFailure(400, "NotFoundException", "Key does not exist")), "s3-key-rotation", bucket.Unknown, "does not know the key", ""},
	} {
		t.Run(test.check+" "+test.detail, func(t *testing.T) {
			t.Parallel()
			f := findings(t, onAWS(t, test.answers))[test.check]
			want(t, f, test.status, test.detail)
			if !strings.Contains(f.Remediation, test.remedy) {
				t.Errorf("the remediation is %s", f.Remediation)
			}
			if asksKMS := slices.ContainsFunc(f.Evidence, func(c bucket.Call) bool { return strings.HasPrefix(c.Request, "DescribeKey ") }); asksKMS && strings.Contains(f.Detail, "AES256") {
				t.Errorf("KMS was asked about no key: %v", f.Evidence)
			}
		})
	}
}
