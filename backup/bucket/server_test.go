package bucket_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/weaviate-drill/weaviate-drill/backup/bucket"
)

// What is slow, broken or throttled is named: the service that was asked, and S3 only where it was.
func TestTheServiceIsNamed(t *testing.T) {
	iam := reply{status: http.StatusInternalServerError, body: `<ErrorResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><Error><Type>Receiver</Type><Code>ServiceFailure</Code><Message>Failed</Message></Error></ErrorResponse>`}
	for _, test := range []struct {
		service, asked, check string
		broken                reply
	}{
		{"KMS", "kms DescribeKey", "s3-key-state", kmsFailure(400, "ThrottlingException", "Rate exceeded")},                                                // https://docs.aws.amazon.com/kms/latest/APIReference/CommonErrors.html
		{"EC2", "ec2 DescribeVolumes", "ebs-encryption", ec2Failure(503, "InternalError", "An internal error has occurred.")},                              // https://docs.aws.amazon.com/ec2/latest/devguide/errors-overview.html
		{"CloudTrail", "cloudtrail DescribeTrails", "cloudtrail", reply{status: 400, body: `{"__type":"ThrottlingException","message":"Rate exceeded"}`}},  // https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/CommonErrors.html
		{"STS", "sts", "iam-tool-identity", controlFailure(503, "ServiceUnavailable", "The request has failed due to a temporary failure of the server.")}, // https://docs.aws.amazon.com/STS/latest/APIReference/CommonErrors.html
		{"IAM", "iam SimulatePrincipalPolicy", "iam-restore-rights", iam},                                                                                  // https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulatePrincipalPolicy.html#API_SimulatePrincipalPolicy_Errors
		{"the S3 server", "control accesspoints", "s3-access-points", controlFailure(503, "SlowDown", "Please reduce your request rate.")},
	} {
		t.Run(test.service, func(t *testing.T) {
			t.Parallel()
			b := onAWS(t, protected.with(test.asked, test.broken))
			want(t, findings(t, b, besides(b)...)[test.check], bucket.Unknown, test.service+" is overloaded or broken (HTTP ")
			b = onAWS(t, hang{protected, func(asked string) bool { return strings.HasPrefix(asked, test.asked) }})
			want(t, findings(t, b, append(besides(b), bucket.WithCallTimeout(200*time.Millisecond))...)[test.check], bucket.Unknown, test.service+" does not answer in time")
			if test.service != "the S3 server" {
				b = onAWS(t, protected.with(test.asked, reply{status: http.StatusBadGateway, body: "<html><body>Bad Gateway</body></html>"}))
				want(t, findings(t, b, besides(b)...)[test.check], bucket.Unknown, test.service+" answered HTTP 502 and nothing of "+test.service)
			}
		})
	}
}
