package bucket

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/s3"
)

var accessLogging = Check{
	ID: "s3-access-logging", Title: "Server access logging is on", Severity: Low,
	Why:         "After an incident the log tells who read or deleted which backup.",
	How:         "The bucket has a logging target. Whether the logs arrive there is not looked at. Data events of CloudTrail tell the same: cloudtrail-data-events.",
	Remediation: `aws s3api put-bucket-logging --bucket BUCKET --bucket-logging-status '{"LoggingEnabled":{"TargetBucket":"LOG-TARGET","TargetPrefix":"BUCKET/"}}' # LOG-TARGET: another bucket of the Region, whose policy lets logging.s3.amazonaws.com write`,
	Terraform: `resource "aws_s3_bucket_logging" "backups" {
  bucket        = "BUCKET"
  target_bucket = "LOG-TARGET" # another bucket of the Region, whose policy lets logging.s3.amazonaws.com write
  target_prefix = "BUCKET/"
}`,
	Reference: "https://docs.aws.amazon.com/AmazonS3/latest/userguide/ServerLogs.html",
	Actions:   []string{"s3:GetBucketLogging"},
}

func decideAccessLogging(ctx context.Context, p *probe) outcome {
	out, err := note(p, ask(ctx, p.audit, "GetBucketLogging", p.b.Client.GetBucketLogging, &s3.GetBucketLoggingInput{Bucket: &p.b.Name}, rooted("BucketLoggingStatus")))
	if err != nil {
		return p.undecided(err)
	}
	if out.LoggingEnabled == nil {
		return fail("server access logging is off: unless CloudTrail records data events, nobody can tell who read or deleted a backup")
	}
	return pass("requests are logged to s3://%s/%s", value(out.LoggingEnabled.TargetBucket), value(out.LoggingEnabled.TargetPrefix))
}
