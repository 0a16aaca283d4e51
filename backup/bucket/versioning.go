package bucket

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

var versioning = Check{
	ID: "s3-versioning", Title: "Versioning is on", Severity: High,
	Why: "Without versions, whoever can delete or overwrite a backup (a mistake, a stolen key, ransomware) does so for good.",
	How: "The bucket's versioning status is Enabled. Suspended fails: it keeps old versions but makes no new ones. The detail tells MFA delete where it is on, and for how long the lifecycle keeps what is deleted.",
	Remediation: `aws s3api put-bucket-versioning --bucket BUCKET --versioning-configuration ` +
		`'{"Status":"Enabled"}'`,
	Terraform: `resource "aws_s3_bucket_versioning" "backups" {
  bucket = "BUCKET"
  versioning_configuration {
    status = "Enabled"
  }
}`,
	Reference: "https://docs.aws.amazon.com/AmazonS3/latest/userguide/Versioning.html",
	Actions:   []string{"s3:GetBucketVersioning"},
}

func decideVersioning(_ context.Context, p *probe) outcome {
	out, err := note(p, p.versioning())
	switch {
	case err != nil:
		return p.undecided(err)
	case out.Status == types.BucketVersioningStatusEnabled && out.MFADelete == types.MFADeleteStatusEnabled:
		return pass("versioning is on, and a version can only be deleted with MFA: %s", p.afterDelete())
	case out.Status == types.BucketVersioningStatusEnabled:
		return pass("versioning is on: %s", p.afterDelete())
	case out.Status == types.BucketVersioningStatusSuspended:
		return fail("versioning is suspended: a backup that is deleted or overwritten now is gone")
	case out.Status == "":
		return fail("versioning was never switched on: a backup that is deleted or overwritten is gone")
	}
	return unknown("not known: the versioning status is %q, which this version cannot judge", out.Status)
}

// afterDelete says what a deletion of a backup comes to.
func (p *probe) afterDelete() string {
	out, err := note(p, p.lifecycle())
	if code(err) == noLifecycle {
		return "a backup that is deleted or overwritten can be brought back, until somebody deletes its versions too"
	}
	if err != nil {
		return "a backup that is deleted or overwritten can be brought back while its versions are kept, and how long that is, is not known"
	}
	kept := "a backup that is deleted or overwritten can be brought back, until somebody deletes its versions too"
	soonest := int32(-1)
	for _, r := range lifecycleOf(out.Rules, p.b.prefix()) {
		if n := r.NoncurrentVersionExpiration; r.enabled() && r.reach >= some && n != nil && (soonest < 0 || value(n.NoncurrentDays) < soonest) {
			soonest = value(n.NoncurrentDays)
			kept = fmt.Sprintf("a backup that is deleted or overwritten can be brought back for %s, then %s takes it for good", days(soonest), r)
		}
	}
	return kept
}

var mfaDelete = Check{
	ID: "s3-mfa-delete", Title: "A version cannot be deleted by a stolen key alone", Severity: Low,
	Why: "Versions protect a backup from being overwritten or deleted by mistake. Whoever has a key that may delete versions deletes them all the same.",
	How: "MFA delete is on, or new objects are locked in mode COMPLIANCE by default, which S3 lets nobody lift. S3 takes no lifecycle on a bucket with MFA delete, so where old versions are to expire, the lock is the way; Security Hub and CIS count MFA delete alone.",
	Remediation: `aws s3api put-object-lock-configuration --bucket BUCKET --object-lock-configuration '{"ObjectLockEnabled":"Enabled","Rule":{"DefaultRetention":{"Mode":"COMPLIANCE","Days":30}}}' # nobody can take this back for what is written from then on. ` +
		`MFA delete instead needs the root user: aws s3api put-bucket-versioning --bucket BUCKET --versioning-configuration Status=Enabled,MFADelete=Enabled --mfa "SERIAL CODE"`,
	Reference: "https://docs.aws.amazon.com/AmazonS3/latest/userguide/MultiFactorAuthenticationDelete.html",
	Actions:   []string{"s3:GetBucketVersioning", "s3:GetBucketObjectLockConfiguration"},
}

func decideMFADelete(_ context.Context, p *probe) outcome {
	state, err := note(p, p.versioning())
	switch {
	case err != nil:
		return p.undecided(err)
	case state.Status == "":
		return notApplicable("versioning was never on, so there is no version to protect")
	case state.MFADelete == types.MFADeleteStatusEnabled:
		return pass("a version can only be deleted with MFA")
	}
	out, err := note(p, p.lock())
	switch {
	case code(err) == noLock:
		return fail("MFA delete is off and there is no Object Lock: who may delete versions needs nothing more")
	case err != nil:
		return p.undecided(err)
	}
	if c := out.ObjectLockConfiguration; c != nil && c.ObjectLockEnabled == types.ObjectLockEnabledEnabled && c.Rule != nil && c.Rule.DefaultRetention != nil &&
		c.Rule.DefaultRetention.Mode == types.ObjectLockRetentionModeCompliance {
		return pass("MFA delete is off, and new objects are locked in mode COMPLIANCE, which nobody can lift")
	}
	return fail("MFA delete is off, and no lock in mode COMPLIANCE stands in for it: who may delete versions, and lift a lock in mode GOVERNANCE, needs nothing more")
}
