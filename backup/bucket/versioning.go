package bucket

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

var versioning = Check{
	ID: "s3-versioning", Title: "Versioning is on", Severity: High,
	Why: "Without versions, whoever can delete or overwrite a backup (a mistake, a stolen key, ransomware) does so for good.",
	How: "The bucket's versioning status is Enabled. Suspended fails: it keeps old versions but makes no new ones. The detail tells MFA delete where it is on.",
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
		return pass("versioning is on, and a version can only be deleted with MFA: a deleted or overwritten backup can be brought back")
	case out.Status == types.BucketVersioningStatusEnabled:
		return pass("versioning is on: a deleted or overwritten backup can be brought back while its versions are kept")
	case out.Status == types.BucketVersioningStatusSuspended:
		return fail("versioning is suspended: a backup that is deleted or overwritten now is gone")
	case out.Status == "":
		return fail("versioning was never switched on: a backup that is deleted or overwritten is gone")
	}
	return unknown("not known: the versioning status is %q, which this version cannot judge", out.Status)
}
