package bucket

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/s3control"
	controltypes "github.com/aws/aws-sdk-go-v2/service/s3control/types"
)

var accessPoints = Check{
	ID: "s3-access-points", Title: "No access point opens the bucket", Severity: Medium,
	Why: "An access point is another door to the same backups, with blocks and a policy of its own: what the bucket shows of itself says nothing of it.",
	How: "Of each access point of the bucket in the account that owns it (ListAccessPoints), all four settings of the public access block are on (GetAccessPoint), and S3's own judgement of its policy is that it is not public (GetAccessPointPolicyStatus), or it has none. " +
		"A public one is critical. The detail names those that are reached from the internet, and not from a VPC alone. An access point that another account makes for the bucket is not in that list: s3-bucket-policy-accounts tells whether the bucket would let it in. " +
		"Without any access point there is nothing to judge; only AWS has them.",
	Remediation: putPublicAccessBlock + ` # the bucket's own, which counts at every access point; then make the point anew: its blocks cannot be changed (aws s3control delete-access-point, create-access-point --vpc-configuration)`,
	Terraform: `resource "aws_s3_access_point" "backups" { # in place of the one that is open
  bucket = "BUCKET"
  name   = "NAME"
  vpc_configuration {
    vpc_id = "VPC"
  }
  public_access_block_configuration {
    block_public_acls       = true
    block_public_policy     = true
    ignore_public_acls      = true
    restrict_public_buckets = true
  }
}`,
	Reference: "https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-points-bpa-settings.html",
	Actions:   []string{"s3:ListAccessPoints", "s3:GetAccessPoint", "s3:GetAccessPointPolicyStatus"},
}

func decideAccessPoints(ctx context.Context, p *probe) outcome {
	if !p.b.IsAWS() {
		return p.configured("S3 server: "+host(p.b.Endpoint), decided(NotSupported, "the S3 server does not have this feature: access points are of AWS", nil))
	}
	account, err := p.account()
	if err != nil {
		return p.undecided(err)
	}
	points, err := p.listAccessPoints(ctx, account)
	switch {
	case err != nil:
		return p.undecided(err)
	case points == nil:
		return unknown("not known: the answer holds no list of access points")
	case len(points) == 0:
		return notApplicable("the bucket has no access point in account %s", account)
	}
	var parts []func(*probe) outcome
	var names, internet []string
	for _, point := range points {
		name := value(point.Name)
		names = append(names, name)
		if point.NetworkOrigin != controltypes.NetworkOriginVpc {
			internet = append(internet, name)
		}
		parts = append(parts, func(p *probe) outcome { return p.blocked(ctx, account, name) }, func(p *probe) outcome { return p.notPublic(ctx, account, name) })
	}
	all := p.together(parts...)
	sum := worst(all)
	for _, o := range all {
		if o.grave == Critical {
			sum.grave = Critical
		}
	}
	if sum.status != Pass {
		return sum
	}
	reached := "reached from a VPC alone"
	if len(internet) > 0 {
		reached = "reached from the internet by whom its policy or his own lets in: " + few(internet)
	}
	return pass("no access point is public, and each has all its blocks on: %s; %s", few(names), reached)
}

// listAccessPoints are those of the bucket on every page; nil when the server did not answer with a list.
// Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_control_ListAccessPoints.html.
func (p *probe) listAccessPoints(ctx context.Context, account string) (points []controltypes.AccessPoint, err error) {
	in := &s3control.ListAccessPointsInput{AccountId: &account, Bucket: &p.b.Name}
	points = []controltypes.AccessPoint{}
	for {
		page, err := note(p, askOf(ctx, p.audit, "ListAccessPoints of "+p.b.Name, p.b.control().ListAccessPoints, in))
		if err != nil || page.AccessPointList == nil {
			return nil, err
		}
		if points = append(points, page.AccessPointList...); value(page.NextToken) == "" {
			return points, nil
		}
		in.NextToken = page.NextToken
	}
}

// blocked says whether the access point has all four blocks on. Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_control_GetAccessPoint.html.
func (p *probe) blocked(ctx context.Context, account, name string) outcome {
	out, err := note(p, askOf(ctx, p.audit, "GetAccessPoint "+name, p.b.control().GetAccessPoint, &s3control.GetAccessPointInput{AccountId: &account, Name: &name}))
	switch {
	case err != nil:
		return p.undecided(err)
	case out.PublicAccessBlockConfiguration == nil:
		return unknown("not known: the answer holds no public access block of access point %s", name)
	}
	c := out.PublicAccessBlockConfiguration
	if off := blocksOff(c.BlockPublicAcls, c.IgnorePublicAcls, c.BlockPublicPolicy, c.RestrictPublicBuckets); len(off) > 0 {
		return fail("access point %s (%s) has blocks off: %s", name, strings.ToLower(fmt.Sprint(out.NetworkOrigin)), strings.Join(off, ", "))
	}
	return pass("access point %s has all blocks on", name)
}

// noPointPolicy is AWS's answer when an access point has no policy.
const noPointPolicy = "NoSuchAccessPointPolicy"

// notPublic says whether the policy of the access point makes it public.
// Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_control_GetAccessPointPolicyStatus.html.
func (p *probe) notPublic(ctx context.Context, account, name string) outcome {
	out, err := note(p, askOf(ctx, p.audit, "GetAccessPointPolicyStatus "+name, p.b.control().GetAccessPointPolicyStatus, &s3control.GetAccessPointPolicyStatusInput{AccountId: &account, Name: &name}))
	switch {
	case code(err) == noPointPolicy:
		return pass("access point %s has no policy", name)
	case err != nil:
		return p.undecided(err)
	case out.PolicyStatus == nil:
		return unknown("not known: the answer does not say whether the policy of access point %s is public", name)
	case out.PolicyStatus.IsPublic:
		o := fail("the policy of access point %s makes it public", name)
		o.grave = Critical
		return o
	}
	return pass("the policy of access point %s is not public", name)
}
