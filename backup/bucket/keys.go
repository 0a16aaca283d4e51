package bucket

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	kmstypes "github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

const kmsTerraform = `resource "aws_s3_bucket_server_side_encryption_configuration" "backups" {
  bucket = "BUCKET"
  rule {
    bucket_key_enabled = true
    apply_server_side_encryption_by_default {
      sse_algorithm     = "aws:kms"
      kms_master_key_id = "KEY-ARN"
    }
  }
}`

var (
	customerKey = Check{
		ID: "s3-customer-key", Title: "Backups are encrypted with a key of your own", Severity: Medium,
		Why: "Who may use a key that AWS manages cannot be narrowed, logged apart, or ended: with a key of your own, whoever gets at the bucket still needs the key.",
		How: "The default encryption is SSE-KMS or DSSE-KMS, and KMS says that a customer manages the key (KeyManager). Only the KMS of AWS is asked.",
		Remediation: `aws s3api put-bucket-encryption --bucket BUCKET --server-side-encryption-configuration ` +
			`'{"Rules":[{"ApplyServerSideEncryptionByDefault":{"SSEAlgorithm":"aws:kms","KMSMasterKeyID":"KEY-ARN"},"BucketKeyEnabled":true}]}' # KEY-ARN: of a key from aws kms create-key; who writes and reads backups must be allowed to use it first`,
		Terraform: kmsTerraform,
		Reference: "https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html",
		Actions:   []string{"s3:GetEncryptionConfiguration", "kms:DescribeKey"},
	}
	bucketKey = Check{
		ID: "s3-bucket-key", Title: "A bucket key spares calls to KMS", Severity: Low,
		Why: "Without one each chunk of a backup is a call to KMS when it is written and when it is restored: they are paid for, and a restore of many chunks can be throttled by the quota of KMS.",
		How: "With SSE-KMS by default, BucketKeyEnabled is true. Other encryption knows no bucket key.",
		Remediation: `aws s3api put-bucket-encryption --bucket BUCKET --server-side-encryption-configuration ` +
			`'{"Rules":[{"ApplyServerSideEncryptionByDefault":{"SSEAlgorithm":"aws:kms","KMSMasterKeyID":"KEY-ARN"},"BucketKeyEnabled":true}]}' # KEY-ARN: the key that get-bucket-encryption names`,
		Terraform: kmsTerraform,
		Reference: "https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-key.html",
		Actions:   []string{"s3:GetEncryptionConfiguration"},
	}
	keyState = Check{
		ID: "s3-key-state", Title: "The key of the bucket can decrypt, and will", Severity: Critical,
		Why:         "Without its key a backup is noise: a key that is disabled stops every restore, and one that is deleted ends them for good, as does imported material that expires.",
		How:         "KMS says that the key of the default encryption is Enabled. Imported material must not expire within the time that a backup must stay readable; the detail tells its date. Keys that the objects carry are looked at by s3-object-encryption.",
		Remediation: `aws kms describe-key --key-id KEY-ARN # KEY-ARN: the key that get-bucket-encryption names. One that is disabled: aws kms enable-key; whose deletion is scheduled: aws kms cancel-key-deletion, then enable-key; whose material has expired: aws kms import-key-material`,
		Reference:   "https://docs.aws.amazon.com/kms/latest/developerguide/key-state.html",
		Actions:     []string{"s3:GetEncryptionConfiguration", "kms:DescribeKey"},
	}
	keyRotation = Check{
		ID: "s3-key-rotation", Title: "The key of the bucket rotates", Severity: Low,
		Why:         "One key material that is never changed protects all backups there ever were: whoever gets at it once reads them all. Rotation does not hurt old backups, since KMS keeps the old material for them.",
		How:         "KMS says that the key rotates by itself (GetKeyRotationStatus), or AWS manages it, and so rotates it each year. Imported material, asymmetric keys and those of another key store cannot rotate so.",
		Remediation: `aws kms enable-key-rotation --key-id KEY-ARN # KEY-ARN: the key that get-bucket-encryption names`,
		Terraform: `resource "aws_kms_key" "backups" { # the one that the bucket is encrypted with
  enable_key_rotation = true
}`,
		Reference: "https://docs.aws.amazon.com/kms/latest/developerguide/rotate-keys.html",
		Actions:   []string{"s3:GetEncryptionConfiguration", "kms:DescribeKey", "kms:GetKeyRotationStatus"},
	}
)

// managedAlias is the key that AWS makes for S3 in each account when it is first needed.
// Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html.
const managedAlias = "alias/aws/s3"

// noKey is KMS's answer about a key that does not exist. Source: https://docs.aws.amazon.com/kms/latest/APIReference/API_DescribeKey.html#API_DescribeKey_Errors.
const noKey = "NotFoundException"

func (a *audit) describeKey(ctx context.Context, id string) answer[kms.DescribeKeyOutput] {
	return askOf(ctx, a, "DescribeKey "+id, a.b.keys().DescribeKey, &kms.DescribeKeyInput{KeyId: &id})
}

// defaultKeyID is the key that the bucket encrypts by, when it does so by KMS.
func (a *audit) defaultKeyID() string {
	if rule := ruleOf(a.encryption().out); rule != nil {
		return cmp.Or(value(rule.ApplyServerSideEncryptionByDefault.KMSMasterKeyID), managedAlias)
	}
	return managedAlias
}

// kmsDefault is what KMS says of the key of the default encryption, or nil and the outcome of a check that is about such a key.
func (p *probe) kmsDefault() (*kmstypes.KeyMetadata, outcome) {
	rule, o := p.encryptionRule()
	switch {
	case rule == nil && o.status == Fail:
		return nil, notApplicable("there is no key: %s", o.detail)
	case rule == nil:
		return nil, o
	case !p.b.IsAWS():
		return nil, decided(NotSupported, "the S3 server does not have this feature: its keys are not those of the KMS of AWS, which could be asked", nil)
	case !byKMS(rule.ApplyServerSideEncryptionByDefault.SSEAlgorithm):
		return nil, notApplicable("the bucket encrypts with %s, by no key of KMS", rule.ApplyServerSideEncryptionByDefault.SSEAlgorithm)
	}
	out, err := note(p, p.defaultKey())
	switch {
	case code(err) == noKey && p.defaultKeyID() == managedAlias:
		return nil, notApplicable("the AWS-managed key aws/s3 was never used yet, and will be made by the first backup")
	case code(err) == noKey:
		return nil, fail("KMS does not know the key %s: nothing can be written, and what it encrypted cannot be read", p.defaultKeyID())
	case err != nil:
		return nil, p.undecided(err)
	case out.KeyMetadata == nil:
		return nil, unknown("not known: the answer says nothing of the key")
	}
	return out.KeyMetadata, outcome{}
}

func decideCustomerKey(_ context.Context, p *probe) outcome {
	key, o := p.kmsDefault()
	switch {
	case key == nil && o.status == NotApplicable:
		return fail("no key of your own: %s", strings.TrimPrefix(o.detail, "there is no key: "))
	case key == nil && o.status == Fail:
		return unknown("not known: %s", o.detail)
	case key == nil:
		return o
	case key.KeyManager == kmstypes.KeyManagerTypeCustomer:
		return pass("new objects are encrypted with the customer-managed key %s", value(key.Arn))
	}
	return fail("new objects are encrypted with the AWS-managed key %s: its policy cannot be changed, nor can another account be let in for a restore", value(key.Arn))
}

func decideBucketKey(_ context.Context, p *probe) outcome {
	rule, o := p.encryptionRule()
	switch {
	case rule == nil && o.status == Fail:
		return notApplicable("there is no key: %s", o.detail)
	case rule == nil:
		return o
	case rule.ApplyServerSideEncryptionByDefault.SSEAlgorithm != types.ServerSideEncryptionAwsKms:
		return notApplicable("the bucket encrypts with %s, which knows no bucket key", rule.ApplyServerSideEncryptionByDefault.SSEAlgorithm)
	case value(rule.BucketKeyEnabled):
		return pass("a bucket key stands between the objects and KMS")
	case !p.b.IsAWS():
		return decided(NotSupported, "the S3 server does not have this feature: it says nothing of a bucket key", nil)
	}
	return fail("no bucket key: each chunk of a backup is a call to KMS when it is written, and when it is restored")
}

func decideKeyState(_ context.Context, p *probe) outcome {
	key, o := p.kmsDefault()
	if key == nil {
		return o
	}
	return p.usable(key)
}

// usable decides whether a key can decrypt now, and for as long as a backup must stay readable.
// Source: https://docs.aws.amazon.com/kms/latest/developerguide/key-state.html#key-state-table.
func (p *probe) usable(key *kmstypes.KeyMetadata) outcome {
	arn := value(key.Arn)
	broken := func(remedy, format string, args ...any) outcome {
		o := fail("key %s "+format, append([]any{arn}, args...)...)
		o.remedy = fmt.Sprintf(remedy, arn)
		return o
	}
	switch key.KeyState {
	case kmstypes.KeyStateEnabled:
	case kmstypes.KeyStateDisabled:
		return broken("aws kms enable-key --key-id %s", "is disabled: nothing that it encrypted can be read")
	case kmstypes.KeyStatePendingDeletion, kmstypes.KeyStatePendingReplicaDeletion:
		return broken("aws kms cancel-key-deletion --key-id %[1]s && aws kms enable-key --key-id %[1]s", "is to be deleted%s: nothing that it encrypted can be read, and then never again", on(key.DeletionDate))
	case kmstypes.KeyStatePendingImport:
		return broken("aws kms get-parameters-for-import --key-id %s --wrapping-algorithm RSAES_OAEP_SHA_256 --wrapping-key-spec RSA_4096 # then aws kms import-key-material with the same material as before", "has no material: it was never imported, was deleted, or has expired, and nothing that it encrypted can be read until the same is imported again")
	case kmstypes.KeyStateUnavailable:
		return broken("aws kms describe-custom-key-stores # and connect the one of key %s", "is unavailable: its key store is not connected, and nothing that it encrypted can be read")
	default:
		return unknown("not known: key %s is in the state %q, which this version cannot judge", arn, key.KeyState)
	}
	switch {
	case key.ExpirationModel != kmstypes.ExpirationModelTypeKeyMaterialExpires:
		return pass("key %s is enabled", arn)
	case key.ValidTo == nil:
		return unknown("not known: the imported material of key %s expires, and KMS does not say when", arn)
	case key.ValidTo.Before(p.now.Add(p.retention)):
		return broken("aws kms get-parameters-for-import --key-id %s --wrapping-algorithm RSAES_OAEP_SHA_256 --wrapping-key-spec RSA_4096 # then aws kms import-key-material with --expiration-model KEY_MATERIAL_DOES_NOT_EXPIRE", "has imported material that expires%s, before a backup of today has been kept for %s", on(key.ValidTo), days(int32(p.retention/(24*time.Hour))))
	}
	return pass("key %s is enabled; its imported material expires%s, and is to be imported again before that", arn, on(key.ValidTo))
}

// on is a date in a sentence; nothing when it is not known.
func on(t *time.Time) string {
	if t == nil {
		return ""
	}
	return " on " + t.UTC().Format(time.DateOnly)
}

func decideKeyRotation(ctx context.Context, p *probe) outcome {
	key, o := p.kmsDefault()
	switch {
	case key == nil && o.status == Fail:
		return unknown("not known: %s", o.detail)
	case key == nil:
		return o
	}
	return p.rotation(ctx, key)
}

// rotation decides whether a key rotates by itself.
func (p *probe) rotation(ctx context.Context, key *kmstypes.KeyMetadata) outcome {
	switch {
	case key.KeyManager == kmstypes.KeyManagerTypeAws:
		return pass("AWS manages the key and rotates it each year")
	case key.KeySpec != "" && key.KeySpec != kmstypes.KeySpecSymmetricDefault:
		return notApplicable("the key is a %s key, which cannot rotate by itself", key.KeySpec)
	case key.Origin != kmstypes.OriginTypeAwsKms:
		return notApplicable("the material of the key is from %s: KMS cannot make new material for it, rotate it by hand", key.Origin)
	}
	out, err := note(p, askOf(ctx, p.audit, "GetKeyRotationStatus "+value(key.Arn), p.b.keys().GetKeyRotationStatus, &kms.GetKeyRotationStatusInput{KeyId: key.Arn}))
	switch {
	case code(err) == "UnsupportedOperationException":
		return notApplicable("KMS does not rotate a key of this kind")
	case err != nil:
		return p.undecided(err)
	case out.KeyRotationEnabled && out.RotationPeriodInDays != nil:
		return pass("the key rotates every %s", days(*out.RotationPeriodInDays))
	case out.KeyRotationEnabled:
		return pass("the key rotates")
	}
	return fail("the key %s does not rotate", value(key.Arn))
}
