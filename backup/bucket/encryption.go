package bucket

import (
	"context"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

var defaultEncryption = Check{
	ID: "s3-default-encryption", Title: "New objects are encrypted at rest by default", Severity: High,
	Why: "Weaviate asks for no encryption when it writes a backup: what the bucket does by default is all that protects the vectors and the texts on disk.",
	How: "The default encryption is SSE-S3 (AES256), SSE-KMS or DSSE-KMS. SSE-S3 passes; the detail says who holds the key. Objects written before the setting are not looked at.",
	Remediation: `aws s3api put-bucket-encryption --bucket BUCKET --server-side-encryption-configuration ` +
		`'{"Rules":[{"ApplyServerSideEncryptionByDefault":{"SSEAlgorithm":"AES256"}}]}'`,
	Terraform: `resource "aws_s3_bucket_server_side_encryption_configuration" "backups" {
  bucket = "BUCKET"
  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm = "AES256"
    }
  }
}`,
	Reference: "https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-encryption.html",
	Actions:   []string{"s3:GetEncryptionConfiguration"},
}

func decideDefaultEncryption(ctx context.Context, p *probe) outcome {
	out, err := note(p, ask(ctx, p.audit, "GetBucketEncryption", p.b.Client.GetBucketEncryption, &s3.GetBucketEncryptionInput{Bucket: &p.b.Name},
		rooted("ServerSideEncryptionConfiguration")))
	if code(err) == "ServerSideEncryptionConfigurationNotFoundError" {
		return fail("no default encryption: backups are written to disk in clear")
	}
	if err != nil {
		return p.undecided(err)
	}
	var rule *types.ServerSideEncryptionByDefault
	if out.ServerSideEncryptionConfiguration != nil {
		for _, r := range out.ServerSideEncryptionConfiguration.Rules {
			if r.ApplyServerSideEncryptionByDefault != nil {
				rule = r.ApplyServerSideEncryptionByDefault
				break
			}
		}
	}
	if rule == nil {
		return fail("the encryption configuration holds no default: backups are written to disk in clear")
	}
	switch rule.SSEAlgorithm {
	case types.ServerSideEncryptionAes256:
		return pass("new objects are encrypted with SSE-S3: the storage service holds the key, it is not customer-managed")
	case types.ServerSideEncryptionAwsKms:
		return pass("new objects are encrypted with SSE-KMS, %s", p.kmsKey(value(rule.KMSMasterKeyID)))
	case types.ServerSideEncryptionAwsKmsDsse:
		return pass("new objects are encrypted twice (DSSE-KMS), %s", p.kmsKey(value(rule.KMSMasterKeyID)))
	}
	return unknown("not known: the default encryption is %q, which this version cannot judge", rule.SSEAlgorithm)
}

// kmsKey says whose key it is. Without an id AWS uses its own key aws/s3; source:
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_ServerSideEncryptionByDefault.html. That one can be named by its ARN
// too, which only KMS could tell.
func (p *probe) kmsKey(id string) string {
	switch {
	case !p.b.IsAWS():
		return strings.TrimSpace("with a key of the server's own KMS " + id)
	case id == "":
		return "with the AWS-managed key aws/s3: not customer-managed, its key policy cannot be changed"
	case strings.HasSuffix(id, "alias/aws/s3"):
		return "with the AWS-managed key " + id + ": not customer-managed, its key policy cannot be changed"
	}
	return "with key " + id + ", which is customer-managed unless it is the account's aws/s3"
}
