package bucket

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

var secureTransport = Check{
	ID: "s3-secure-transport", Title: "Requests over plain HTTP are denied", Severity: Medium,
	Why: "S3 serves plain HTTP too: one client with the wrong endpoint sends a backup in clear over the network.",
	How: "The endpoint in use is https, and the bucket policy denies to everybody, under the one condition aws:SecureTransport = false, listing the bucket and reading, writing and deleting objects below the backup prefix. " +
		"With static keys a signed listing, of a name that does not exist, is tried over plain HTTP as well; where S3 answers it, the policy does not do what it says. A role's request is not sent: it would carry a session token in clear. " +
		"Nor is one without a signature, which is refused for that alone.",
	Remediation: `aws s3api put-bucket-policy --bucket BUCKET --policy ` +
		`'{"Version":"2012-10-17","Statement":[{"Sid":"DenyPlainHTTP","Effect":"Deny","Principal":"*","Action":"s3:*",` +
		`"Resource":["arn:aws:s3:::BUCKET","arn:aws:s3:::BUCKET/*"],"Condition":{"Bool":{"aws:SecureTransport":"false"}}}]}'` +
		` # replaces the policy: where there is one, add this statement to what get-bucket-policy gives`,
	Terraform: `resource "aws_s3_bucket_policy" "backups" { # one for a bucket: where there is one, add the statement to it
  bucket = "BUCKET"
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "DenyPlainHTTP"
      Effect    = "Deny"
      Principal = "*"
      Action    = "s3:*"
      Resource  = ["arn:aws:s3:::BUCKET", "arn:aws:s3:::BUCKET/*"]
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }]
  })
}`,
	Reference: "https://docs.aws.amazon.com/AmazonS3/latest/userguide/security-best-practices.html",
	Actions:   []string{"s3:GetBucketPolicy"},
}

func decideSecureTransport(ctx context.Context, p *probe) outcome {
	out, err := note(p, p.policy())
	switch {
	case strings.HasPrefix(strings.ToLower(p.b.Endpoint), "http://"):
		o := fail("the endpoint in use is plain http: backups travel in clear")
		o.remedy = "serve S3 over TLS, then set bucket.endpoint to https and BACKUP_S3_USE_SSL=true on Weaviate; a policy against plain HTTP comes last, it locks out who still uses it"
		return o
	case code(err) == noPolicy:
		return fail("no bucket policy, so nothing denies plain HTTP")
	case err != nil:
		return p.undecided(err)
	}
	parsed, err := parsePolicy(value(out.Policy))
	if err != nil {
		return unknown("not known: %v", err)
	}
	if open := parsed.allowsPlainHTTP(p.b.Name, p.b.prefix()); len(open) > 0 {
		return fail("the bucket policy does not deny over plain HTTP: %s", strings.Join(open, ", "))
	}
	return p.tryPlainHTTP(ctx)
}

// plainTimeout bounds the try over plain HTTP, to which many networks give no answer at all.
const plainTimeout = 5 * time.Second

// tryPlainHTTP sends what the bucket policy denies. A signature tells nobody the key that made it, and what is asked for holds nothing; a session token would be readable on the way.
func (p *probe) tryPlainHTTP(ctx context.Context) outcome {
	const denies = "the bucket policy denies plain HTTP"
	credentials, err := p.b.Client.Options().Credentials.Retrieve(ctx)
	if err != nil || credentials.SessionToken != "" {
		return pass(denies + "; not tried, since a session token would travel in clear")
	}
	ctx, cancel := context.WithTimeout(ctx, plainTimeout)
	defer cancel()
	prefix := p.b.prefix() + missingKey
	_, err = note(p, ask(ctx, p.audit, "ListObjectsV2 (signed, over plain HTTP)", p.b.Client.ListObjectsV2,
		&s3.ListObjectsV2Input{Bucket: &p.b.Name, Prefix: &prefix, MaxKeys: aws.Int32(1)}, func(o *s3.Options) { o.EndpointOptions.DisableHTTPS, o.Retryer = true, aws.NopRetryer{} }, rooted(listing)))
	switch {
	case err == nil:
		return fail("a request over plain HTTP was answered, though the bucket policy reads as if it denied that")
	case code(err) == "AccessDenied":
		return pass(denies + ", and it is refused")
	}
	return pass(denies + "; a request over plain HTTP had no answer that tells more")
}

// allowsPlainHTTP lists the actions on backups that no statement of the policy denies over plain HTTP. Only statements that surely deny are
// counted: one with a further condition, a NotAction or a NotPrincipal is not.
func (p policy) allowsPlainHTTP(bucket, prefix string) []string {
	var open []string
	for _, need := range []struct{ action, resource string }{
		{"s3:ListBucket", bucket}, {"s3:GetObject", bucket + "/" + prefix + "*"},
		{"s3:PutObject", bucket + "/" + prefix + "*"}, {"s3:DeleteObject", bucket + "/" + prefix + "*"},
	} {
		if !slices.ContainsFunc(p, func(s statement) bool { return s.deniesPlainHTTP() && s.covers(need.action, need.resource) }) {
			open = append(open, need.action)
		}
	}
	return open
}

func (s statement) deniesPlainHTTP() bool {
	if s.Effect != "Deny" || !s.Principal.everybody || len(s.Condition) != 1 {
		return false
	}
	for operator, keys := range s.Condition {
		if !strings.EqualFold(operator, "Bool") && !strings.EqualFold(operator, "BoolIfExists") || len(keys) != 1 {
			return false
		}
		for key, values := range keys {
			return strings.EqualFold(key, "aws:SecureTransport") && len(values) == 1 && strings.EqualFold(values[0], "false")
		}
	}
	return false
}
