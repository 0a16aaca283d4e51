package bucket

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

var objectLock = Check{
	ID: "s3-object-lock", Title: "Backups cannot be deleted before their time (Object Lock)", Severity: Medium,
	Why:         "Versioning still lets an administrator, or a thief with an administrator's key, delete every version. A locked version stays until its date.",
	How:         "Object Lock is enabled and has a default retention, because Weaviate sets none on what it writes. The detail tells the mode: GOVERNANCE can be lifted by whoever has s3:BypassGovernanceRetention, COMPLIANCE by nobody.",
	Remediation: `aws s3api put-object-lock-configuration --bucket BUCKET --object-lock-configuration '{"ObjectLockEnabled":"Enabled","Rule":{"DefaultRetention":{"Mode":"GOVERNANCE","Days":30}}}' # Days: as long as policy.retention asks. Needs versioning; old objects stay unlocked`,
	Terraform: `resource "aws_s3_bucket_object_lock_configuration" "backups" { # needs versioning; old objects stay unlocked
  bucket = "BUCKET"
  rule {
    default_retention {
      mode = "GOVERNANCE"
      days = 30
    }
  }
}`,
	Reference: "https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock.html",
	Actions:   []string{"s3:GetBucketObjectLockConfiguration"},
}

// noLock is AWS's answer when a bucket has no Object Lock.
const noLock = "ObjectLockConfigurationNotFoundError"

func (a *audit) askLock(ctx context.Context) answer[s3.GetObjectLockConfigurationOutput] {
	return ask(ctx, a, "GetObjectLockConfiguration", a.b.Client.GetObjectLockConfiguration, &s3.GetObjectLockConfigurationInput{Bucket: &a.b.Name}, rooted("ObjectLockConfiguration"))
}

func decideObjectLock(_ context.Context, p *probe) outcome {
	out, err := note(p, p.lock())
	if code(err) == noLock {
		return fail("no Object Lock: whoever may delete versions can delete every backup")
	}
	if err != nil {
		return p.undecided(err)
	}
	c := out.ObjectLockConfiguration
	if c == nil || c.ObjectLockEnabled != types.ObjectLockEnabledEnabled {
		return fail("Object Lock is not enabled: whoever may delete versions can delete every backup")
	}
	if c.Rule == nil || c.Rule.DefaultRetention == nil || c.Rule.DefaultRetention.Days == nil && c.Rule.DefaultRetention.Years == nil {
		return fail("Object Lock is enabled without a default retention, and Weaviate sets none: no backup is locked")
	}
	r := c.Rule.DefaultRetention
	period := days(value(r.Days))
	if r.Years != nil {
		period = count(*r.Years, "year")
	}
	return pass("new objects are locked for %s in mode %s", period, r.Mode)
}
