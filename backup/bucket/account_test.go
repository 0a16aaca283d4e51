package bucket_test

import (
	"net/http"
	"testing"

	"github.com/weaviate-drill/weaviate-drill/backup/bucket"
)

// controlFailure has the form of an error of S3 Control, which is wrapped once more than one of S3.
func controlFailure(status int, code, message string) reply {
	return reply{status: status, body: xmlHead + `<ErrorResponse><Error><Code>` + code + `</Code><Message>` + message + `</Message></Error><RequestId>4442587FB7D0A2F9</RequestId></ErrorResponse>`}
}

// identity is an answer of https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html.
var identity = ok(`<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult><Arn>arn:aws:sts::123456789012:assumed-role/drill/x</Arn>` +
	`<UserId>AROAEXAMPLE:x</UserId><Account>123456789012</Account></GetCallerIdentityResult></GetCallerIdentityResponse>`)

// What counts is the union of the bucket's block and the account's.
func TestPublicAccessBlockOfTheAccount(t *testing.T) {
	half := hardened.with("publicAccessBlock", block(true, true, false, false))
	bare := hardened.with("publicAccessBlock", failure(404, "NoSuchPublicAccessBlockConfiguration", "The public access block configuration was not found"))
	for _, test := range []struct {
		name    string
		answers replies
		status  bucket.Status
		detail  string
	}{
		{"the other half", half.with("control publicAccessBlock", block(false, false, true, true)), bucket.Pass, "those of the bucket and of the account together: all four"},
		{"less than the other half", half.with("control publicAccessBlock", block(true, true, true, false)), bucket.Fail, "off: RestrictPublicBuckets"},
		{"the account's alone", bare.with("control publicAccessBlock", block(true, true, true, true)), bucket.Pass, "all four"},
		{"neither", bare.with("control publicAccessBlock", controlFailure(404, "NoSuchPublicAccessBlockConfiguration", "The public access block configuration was not found")), bucket.Fail, "no public access block"},
		{"denied", half.with("control publicAccessBlock", controlFailure(403, "AccessDenied", "Access Denied")), bucket.Unknown, "s3:GetAccountPublicAccessBlock is needed"},
		{"overloaded", half.with("control publicAccessBlock", controlFailure(503, "SlowDown", "Please reduce your request rate.")), bucket.Unknown, "overloaded"},
		{"an empty answer", half.with("control publicAccessBlock", reply{status: http.StatusOK}), bucket.Unknown, "not known"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			b := onAWS(t, test.answers.with("sts", identity))
			want(t, findings(t, b)["s3-public-access-block"], test.status, test.detail)
			b.ExpectedOwner = "" // whose account it is then tells STS
			want(t, findings(t, b)["s3-public-access-block"], test.status, test.detail)
		})
	}
	b := onAWS(t, half.with("sts", controlFailure(403, "ExpiredToken", "The security token included in the request is expired")))
	b.ExpectedOwner = ""
	want(t, findings(t, b)["s3-public-access-block"], bucket.Unknown, "GetCallerIdentity")
}

func TestOwnershipAndWebsite(t *testing.T) {
	// https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketOwnershipControls.html and https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketWebsite.html
	for _, test := range []struct {
		asked  string
		answer reply
		check  string
		status bucket.Status
		detail string
	}{
		{"ownershipControls", hardened["ownershipControls"], "s3-object-ownership", bucket.Pass, "owns every object"},
		{"ownershipControls", ok(`<OwnershipControls` + namespace + `><Rule><ObjectOwnership>BucketOwnerPreferred</ObjectOwnership></Rule></OwnershipControls>`), "s3-object-ownership", bucket.Fail, "BucketOwnerPreferred"},
		{"ownershipControls", failure(404, "OwnershipControlsNotFoundError", "The bucket ownership controls were not found"), "s3-object-ownership", bucket.Fail, "no ownership controls"},
		{"ownershipControls", ok(`<OwnershipControls/>`), "s3-object-ownership", bucket.Unknown, "no rule"},
		{"ownershipControls", denied, "s3-object-ownership", bucket.Unknown, "s3:GetBucketOwnershipControls is needed"},
		{"website", hardened["website"], "s3-website", bucket.Pass, "no website"},
		{"website", ok(`<WebsiteConfiguration` + namespace + `><IndexDocument><Suffix>index.html</Suffix></IndexDocument></WebsiteConfiguration>`), "s3-website", bucket.Fail, "is a website"},
		{"website", denied, "s3-website", bucket.Unknown, "s3:GetBucketWebsite is needed"},
	} {
		t.Run(test.check+" "+test.detail, func(t *testing.T) {
			t.Parallel()
			want(t, findings(t, onAWS(t, hardened.with(test.asked, test.answer)))[test.check], test.status, test.detail)
		})
	}
}
