package bucket

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

var (
	objectOwnership = Check{
		ID: "s3-object-ownership", Title: "The bucket's owner owns every object, and ACLs are off", Severity: Medium,
		Why: "With ACLs, each object can be opened to others by whoever writes it, and what another account writes is that account's: the owner of the bucket may not be able to restore from it.",
		How: "The ownership controls say BucketOwnerEnforced. A bucket without them, as before April 2023, has ACLs.",
		Remediation: `aws s3api put-bucket-ownership-controls --bucket BUCKET --ownership-controls '{"Rules":[{"ObjectOwnership":"BucketOwnerEnforced"}]}' ` +
			`# a bucket ACL that grants something to others must go first`,
		Terraform: `resource "aws_s3_bucket_ownership_controls" "backups" {
  bucket = "BUCKET"

  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}`,
		Reference: "https://docs.aws.amazon.com/AmazonS3/latest/userguide/about-object-ownership.html",
		Actions:   []string{"s3:GetBucketOwnershipControls"},
	}
	website = Check{
		ID: "s3-website", Title: "The bucket is no website", Severity: Medium,
		Why:         "A website serves objects over plain HTTP to whoever may read them, and is there to be public.",
		How:         "The bucket has no website configuration.",
		Remediation: `aws s3api delete-bucket-website --bucket BUCKET`,
		Reference:   "https://docs.aws.amazon.com/AmazonS3/latest/userguide/WebsiteHosting.html",
		Actions:     []string{"s3:GetBucketWebsite"},
	}
)

func decideObjectOwnership(ctx context.Context, p *probe) outcome {
	out, err := note(p, ask(ctx, p.audit, "GetBucketOwnershipControls", p.b.Client.GetBucketOwnershipControls, &s3.GetBucketOwnershipControlsInput{Bucket: &p.b.Name}, rooted("OwnershipControls")))
	if code(err) == "OwnershipControlsNotFoundError" {
		return fail("no ownership controls: who writes an object owns it, and can open it by an ACL")
	}
	if err != nil {
		return p.undecided(err)
	}
	if out.OwnershipControls == nil || len(out.OwnershipControls.Rules) == 0 {
		return unknown("not known: the answer holds no rule of ownership")
	}
	if rule := out.OwnershipControls.Rules[0].ObjectOwnership; rule != types.ObjectOwnershipBucketOwnerEnforced {
		return fail("object ownership is %s: objects have ACLs, by which whoever writes one can open it", rule)
	}
	return pass("the bucket's owner owns every object, and no ACL counts")
}

func decideWebsite(ctx context.Context, p *probe) outcome {
	_, err := note(p, ask(ctx, p.audit, "GetBucketWebsite", p.b.Client.GetBucketWebsite, &s3.GetBucketWebsiteInput{Bucket: &p.b.Name}, rooted("WebsiteConfiguration")))
	switch {
	case code(err) == "NoSuchWebsiteConfiguration":
		return pass("the bucket is no website")
	case err != nil:
		return p.undecided(err)
	}
	return fail("the bucket is a website: what may be read is served over plain HTTP")
}
