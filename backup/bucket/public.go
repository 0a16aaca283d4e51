package bucket

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

const publicReference = "https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-block-public-access.html"

const putPublicAccessBlock = `aws s3api put-public-access-block --bucket BUCKET --public-access-block-configuration ` +
	`'{"BlockPublicAcls":true,"IgnorePublicAcls":true,"BlockPublicPolicy":true,"RestrictPublicBuckets":true}'`

const publicAccessBlockTerraform = `resource "aws_s3_bucket_public_access_block" "backups" {
  bucket                  = "BUCKET"
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}`

var (
	publicAccessBlock = Check{
		ID: "s3-public-access-block", Title: "Public access is blocked for the bucket", Severity: High,
		Why:         "The block holds even when somebody later writes a careless policy or ACL.",
		How:         "All four settings of the public access block are on, be it the bucket's or the account's: S3 applies the stricter of each. The account's is asked for only where the bucket's own is not complete.",
		Remediation: putPublicAccessBlock,
		Terraform:   publicAccessBlockTerraform,
		Reference:   publicReference,
		Actions:     []string{"s3:GetBucketPublicAccessBlock", "s3:GetAccountPublicAccessBlock"},
	}
	policyStatus = Check{
		ID: "s3-bucket-policy-status", Title: "The bucket policy does not make the bucket public", Severity: Critical,
		Why: "Whoever reads a backup has every object and vector of the source.",
		How: "S3's own judgement of the policy (IsPublic) is false, or there is no policy. Other servers judge by less (to MinIO only a policy that lets everybody both list and write is public), so there no statement of the policy may allow anything to everybody either; " +
			"one that does so on a condition leaves it unknown.",
		Remediation: `aws s3api get-bucket-policy --bucket BUCKET --query Policy --output text > policy.json; "${EDITOR:-vi}" policy.json && ` +
			`aws s3api put-bucket-policy --bucket BUCKET --policy file://policy.json # take out what is allowed to the Principal "*"`,
		Reference: publicReference + "#access-control-block-public-access-policy-status",
		Actions:   []string{"s3:GetBucketPolicyStatus", "s3:GetBucketPolicy"},
	}
	bucketACL = Check{
		ID: "s3-acl", Title: "No ACL opens the bucket to everybody", Severity: Critical,
		Why:         "An ACL is older than policies, easy to overlook, and opens a bucket just as well.",
		How:         "The bucket's ACL grants nothing to the groups AllUsers and AuthenticatedUsers (everybody with any AWS account). The ACLs of single objects are not looked at; Weaviate sets none.",
		Remediation: `aws s3api put-bucket-acl --bucket BUCKET --acl private && aws s3api put-bucket-ownership-controls --bucket BUCKET --ownership-controls '{"Rules":[{"ObjectOwnership":"BucketOwnerEnforced"}]}' # the second switches ACLs off`,
		Terraform: `resource "aws_s3_bucket_ownership_controls" "backups" { # switches ACLs off: S3 refuses it while one grants something
  bucket = "BUCKET"
  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}`,
		Reference: "https://docs.aws.amazon.com/AmazonS3/latest/userguide/about-object-ownership.html",
		Actions:   []string{"s3:GetBucketAcl"},
	}
	anonymousAccess = Check{
		ID: "s3-anonymous-access", Title: "An unsigned request is refused (tried)", Severity: Critical,
		Why: "Settings say what ought to be; a request without a signature shows what is.",
		How: "An unsigned ListObjectsV2 below the backup prefix and an unsigned GetObject of the first byte of one backup object are both refused. When there is no object yet, a key that does not exist is asked for, and the bucket policy may allow nothing to everybody. " +
			"This is seen from where the tool runs: a network rule may treat others differently.",
		Remediation: putPublicAccessBlock + ` # a server without it: take what is allowed to the Principal "*" out of the bucket policy`,
		Terraform:   publicAccessBlockTerraform,
		Reference:   publicReference,
		Actions:     []string{"s3:ListBucket", "s3:GetBucketPolicy"},
	}
)

func decidePublicAccessBlock(ctx context.Context, p *probe) outcome {
	out, err := note(p, ask(ctx, p.audit, "GetPublicAccessBlock", p.b.Client.GetPublicAccessBlock, &s3.GetPublicAccessBlockInput{Bucket: &p.b.Name},
		rooted("PublicAccessBlockConfiguration")))
	none := code(err) == noBlock
	if err != nil && !none {
		return p.undecided(err)
	}
	var c types.PublicAccessBlockConfiguration
	if !none {
		if out.PublicAccessBlockConfiguration == nil {
			return unknown("not known: the answer holds no public access block configuration")
		}
		c = *out.PublicAccessBlockConfiguration
	}
	switch off := blocksOff(c.BlockPublicAcls, c.IgnorePublicAcls, c.BlockPublicPolicy, c.RestrictPublicBuckets); {
	case len(off) == 0:
		return pass("all four settings of the public access block are on")
	case !p.b.IsAWS():
		return fail("the public access block is not complete, off: %s", strings.Join(off, ", "))
	}
	account, err := p.accountBlock(ctx)
	switch {
	case code(err) == noBlock && none:
		return fail("no public access block, neither of the bucket nor of its account: a policy or an ACL can make the backups public")
	case code(err) == noBlock:
		account = nil
	case err != nil:
		return p.undecided(err)
	case account.PublicAccessBlockConfiguration == nil:
		return unknown("not known: the answer holds no public access block configuration of the account")
	}
	either := func(bucket, account *bool) *bool { return aws.Bool(value(bucket) || value(account)) }
	if account != nil {
		of := account.PublicAccessBlockConfiguration
		c.BlockPublicAcls, c.IgnorePublicAcls = either(c.BlockPublicAcls, of.BlockPublicAcls), either(c.IgnorePublicAcls, of.IgnorePublicAcls)
		c.BlockPublicPolicy, c.RestrictPublicBuckets = either(c.BlockPublicPolicy, of.BlockPublicPolicy), either(c.RestrictPublicBuckets, of.RestrictPublicBuckets)
	}
	if off := blocksOff(c.BlockPublicAcls, c.IgnorePublicAcls, c.BlockPublicPolicy, c.RestrictPublicBuckets); len(off) > 0 {
		return fail("the public access block is not complete, with that of the account either, off: %s", strings.Join(off, ", "))
	}
	return pass("the settings of the public access block are on, those of the bucket and of the account together: all four")
}

// blocksOff names the settings that are not on.
func blocksOff(publicACLs, ignoreACLs, publicPolicy, restrict *bool) (off []string) {
	for _, s := range []struct {
		name string
		on   *bool
	}{{"BlockPublicAcls", publicACLs}, {"IgnorePublicAcls", ignoreACLs}, {"BlockPublicPolicy", publicPolicy}, {"RestrictPublicBuckets", restrict}} {
		if !value(s.on) {
			off = append(off, s.name)
		}
	}
	return off
}

func decidePolicyStatus(ctx context.Context, p *probe) outcome {
	out, err := note(p, ask(ctx, p.audit, "GetBucketPolicyStatus", p.b.Client.GetBucketPolicyStatus, &s3.GetBucketPolicyStatusInput{Bucket: &p.b.Name},
		rooted("PolicyStatus")))
	switch {
	case code(err) == noPolicy:
		return pass("there is no bucket policy that could make the bucket public")
	case err != nil:
		return p.undecided(err)
	case out.PolicyStatus == nil || out.PolicyStatus.IsPublic == nil:
		return unknown("not known: the answer does not say whether the policy is public")
	case *out.PolicyStatus.IsPublic:
		return fail("the bucket policy makes the bucket public")
	case p.b.IsAWS():
		return pass("the bucket policy does not make the bucket public")
	}
	return p.openToAll()
}

// Groups that are nearly everybody. Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/acl-overview.html#specifying-grantee-predefined-groups.
var openGroups = map[string]string{
	"http://acs.amazonaws.com/groups/global/AllUsers":           "everybody",
	"http://acs.amazonaws.com/groups/global/AuthenticatedUsers": "everybody with an AWS account",
}

func decideACL(ctx context.Context, p *probe) outcome {
	out, err := note(p, ask(ctx, p.audit, "GetBucketAcl", p.b.Client.GetBucketAcl, &s3.GetBucketAclInput{Bucket: &p.b.Name}, rooted("AccessControlPolicy")))
	if err != nil {
		return p.undecided(err)
	}
	if out.Owner == nil && len(out.Grants) == 0 {
		return unknown("not known: the answer holds no ACL")
	}
	var open []string
	for _, g := range out.Grants {
		if g.Grantee == nil {
			continue
		}
		if who, ok := openGroups[value(g.Grantee.URI)]; ok {
			open = append(open, fmt.Sprintf("%s to %s", g.Permission, who))
		}
	}
	if len(open) > 0 {
		return fail("the bucket's ACL grants %s", strings.Join(open, ", "))
	}
	return pass("the bucket's ACL grants nothing to everybody")
}

// missingKey is asked for when there is no object. A server that says it does not exist lets everybody read. To be refused proves nothing: AWS
// refuses a missing key to all who may not list (https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html).
const missingKey = "weaviate-drill-no-such-key"

func decideAnonymousAccess(ctx context.Context, p *probe) outcome {
	unsigned := func(o *s3.Options) { o.Credentials = nil } // AnonymousCredentials are understood by s3.New only; one call would fail with them
	prefix := p.b.prefix()
	_, listErr := note(p, ask(ctx, p.audit, "ListObjectsV2 (unsigned)", p.b.Client.ListObjectsV2,
		&s3.ListObjectsV2Input{Bucket: &p.b.Name, Prefix: &prefix, MaxKeys: aws.Int32(1)}, unsigned, rooted(listing)))
	key := cmp.Or(p.sample, prefix+missingKey)
	_, getErr := note(p, ask(ctx, p.audit, "GetObject (unsigned, first byte) "+key, p.b.firstByte,
		&s3.GetObjectInput{Bucket: &p.b.Name, Key: &key, Range: aws.String("bytes=0-0")}, unsigned))
	var open []string
	for _, tried := range []struct {
		what string
		err  error
	}{{"list the backups", listErr}, {"read a backup", getErr}} {
		if answered(tried.err) {
			open = append(open, tried.what)
		}
	}
	if len(open) > 0 {
		return fail("without credentials anybody can %s", strings.Join(open, " and "))
	}
	for _, err := range []error{listErr, getErr} {
		if !refused(err) {
			return unknown("not known: %v", Explain(err))
		}
	}
	if p.sample != "" {
		return pass("without credentials nobody can list the backups or read one")
	}
	policy := p.openToAll()
	if policy.status != Pass {
		return unknown("not known: there is no backup yet to try reading, and for the policy: %s", policy.detail)
	}
	return pass("without credentials nobody can list the backups; there is none yet to try reading, and %s", policy.detail)
}

// firstByte is GetObject without the body, of which a caller asks for no more.
func (b *Bucket) firstByte(ctx context.Context, in *s3.GetObjectInput, o ...func(*s3.Options)) (*s3.GetObjectOutput, error) {
	out, err := b.Client.GetObject(ctx, in, o...)
	if err == nil {
		_ = out.Body.Close()
		out.Body = nil
	}
	return out, err
}

// answered says whether the server let an unsigned request in: it did what was asked, or told what only those learn who may read: that the key or the
// byte is not there, or that the object is archived (https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html).
func answered(err error) bool {
	return err == nil || slices.Contains([]string{"NoSuchKey", "InvalidRange", "InvalidObjectState"}, code(err))
}

func refused(err error) bool {
	return status(err) == http.StatusForbidden || status(err) == http.StatusUnauthorized
}
