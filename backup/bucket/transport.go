package bucket

import (
	"context"
	"slices"
	"strings"
)

var secureTransport = Check{
	ID: "s3-secure-transport", Title: "Requests over plain HTTP are denied", Severity: Medium,
	Why: "S3 serves plain HTTP too: one client with the wrong endpoint sends a backup in clear over the network.",
	How: "The endpoint in use is https, and the bucket policy denies to everybody, under the one condition aws:SecureTransport = false, listing the bucket and reading, writing and deleting objects below the backup prefix. " +
		"Nothing is sent over plain HTTP to try it: without a signature AWS refuses the request for that alone, and signed by a role it would carry a session token in clear.",
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

func decideSecureTransport(_ context.Context, p *probe) outcome {
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
	return pass("the bucket policy denies plain HTTP")
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
