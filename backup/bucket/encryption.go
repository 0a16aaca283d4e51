package bucket

import (
	"context"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

var defaultEncryption = Check{
	ID: "s3-default-encryption", Title: "New objects are encrypted at rest by default", Severity: High,
	Why: "Weaviate asks for no encryption when it writes a backup: what the bucket does by default is all that protects the vectors and the texts on disk.",
	How: "The default encryption is SSE-S3 (AES256), SSE-KMS or DSSE-KMS. SSE-S3 passes; the detail says who holds the key. What the objects carry is s3-object-encryption.",
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

func decideDefaultEncryption(_ context.Context, p *probe) outcome {
	rule, o := p.encryptionRule()
	if rule == nil {
		return o
	}
	by := rule.ApplyServerSideEncryptionByDefault
	switch by.SSEAlgorithm {
	case types.ServerSideEncryptionAes256:
		return pass("new objects are encrypted with SSE-S3: the storage service holds the key, it is not customer-managed")
	case types.ServerSideEncryptionAwsKms:
		return pass("new objects are encrypted with SSE-KMS, %s", p.kmsKey(value(by.KMSMasterKeyID)))
	case types.ServerSideEncryptionAwsKmsDsse:
		return pass("new objects are encrypted twice (DSSE-KMS), %s", p.kmsKey(value(by.KMSMasterKeyID)))
	}
	return unknown("not known: the default encryption is %q, which this version cannot judge", by.SSEAlgorithm)
}

// encryptionRule is the bucket's rule with a default, or nil and what follows for the default encryption: Fail when there is none.
func (p *probe) encryptionRule() (*types.ServerSideEncryptionRule, outcome) {
	out, err := note(p, p.encryption())
	if code(err) == "ServerSideEncryptionConfigurationNotFoundError" {
		return nil, fail("no default encryption: backups are written to disk in clear")
	}
	if err != nil {
		return nil, p.undecided(err)
	}
	if rule := ruleOf(out); rule != nil {
		return rule, outcome{}
	}
	return nil, fail("the encryption configuration holds no default: backups are written to disk in clear")
}

// ruleOf is the first rule with a default; nil when there is none.
func ruleOf(out *s3.GetBucketEncryptionOutput) *types.ServerSideEncryptionRule {
	if out == nil || out.ServerSideEncryptionConfiguration == nil {
		return nil
	}
	rules := out.ServerSideEncryptionConfiguration.Rules
	i := slices.IndexFunc(rules, func(r types.ServerSideEncryptionRule) bool { return r.ApplyServerSideEncryptionByDefault != nil })
	if i < 0 {
		return nil
	}
	return &rules[i]
}

// byKMS says whether the algorithm uses a key of KMS.
func byKMS(algorithm types.ServerSideEncryption) bool {
	return algorithm == types.ServerSideEncryptionAwsKms || algorithm == types.ServerSideEncryptionAwsKmsDsse
}

// kmsKey says whose key it is, as far as its name tells; s3-customer-key asks KMS. Without an id AWS uses its own key aws/s3; source:
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_ServerSideEncryptionByDefault.html.
func (p *probe) kmsKey(id string) string {
	switch {
	case !p.b.IsAWS():
		return strings.TrimSpace("with a key of the server's own KMS " + id)
	case id == "":
		return "with the AWS-managed key aws/s3: not customer-managed, its key policy cannot be changed"
	case strings.HasSuffix(id, managedAlias):
		return "with the AWS-managed key " + id + ": not customer-managed, its key policy cannot be changed"
	}
	return "with key " + id
}
