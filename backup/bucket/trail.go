package bucket

import (
	"context"
	"slices"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	trailtypes "github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"
)

const dataEventsTerraform = `resource "aws_cloudtrail" "account" { # one for an account: where there is one, add the selectors to it
  name                       = "account"
  s3_bucket_name             = "LOG-TARGET"
  is_multi_region_trail      = true
  enable_log_file_validation = true
  advanced_event_selector {
    name = "management"
    field_selector {
      field  = "eventCategory"
      equals = ["Management"]
    }
  }
  advanced_event_selector {
    name = "backups"
    field_selector {
      field  = "eventCategory"
      equals = ["Data"]
    }
    field_selector {
      field  = "resources.type"
      equals = ["AWS::S3::Object"]
    }
    field_selector {
      field       = "resources.ARN"
      starts_with = ["arn:aws:s3:::BUCKET/"]
    }
  }
}`

var (
	accountTrail = Check{
		ID: "cloudtrail", Title: "CloudTrail logs the account, in all regions, with validation", Severity: Medium,
		Why: "Without a trail nobody can tell who switched off versioning, changed the bucket's policy, or scheduled the deletion of a key; and a log that can be changed unseen proves nothing.",
		How: "One trail logs (GetTrailStatus: IsLogging, and no error of delivery), is of all regions, and has log file validation (DescribeTrails). Trails of the organization count, when they may be seen. That a trail logs management events, as it does unless its selectors leave them out, is not looked at.",
		Remediation: `aws cloudtrail create-trail --name account --s3-bucket-name LOG-TARGET --is-multi-region-trail --enable-log-file-validation && aws cloudtrail start-logging --name account ` +
			`# LOG-TARGET: a bucket of its own, whose policy lets cloudtrail.amazonaws.com write; a trail that is there takes the same options: aws cloudtrail update-trail`,
		Terraform: "resource \"aws_cloudtrail\" \"account\" {\n  name                       = \"account\"\n  s3_bucket_name             = \"LOG-TARGET\"\n  is_multi_region_trail      = true\n  enable_log_file_validation = true\n}",
		Reference: "https://docs.aws.amazon.com/awscloudtrail/latest/userguide/best-practices-security.html",
		Actions:   []string{"cloudtrail:DescribeTrails", "cloudtrail:GetTrailStatus"},
	}
	dataEvents = Check{
		ID: "cloudtrail-data-events", Title: "CloudTrail logs who reads and writes backups", Severity: Low,
		Why: "A trail logs no access to objects by itself: without data events nobody can tell who read a backup, or overwrote one.",
		How: "The event selectors of trails that log cover reads and writes of all objects below the path, in the classic or the advanced form (GetEventSelectors). What a further field narrows is not counted. Server access logs are s3-access-logging.",
		Remediation: `aws cloudtrail put-event-selectors --trail-name TRAIL --advanced-event-selectors '[{"Name":"management","FieldSelectors":[{"Field":"eventCategory","Equals":["Management"]}]},` +
			`{"Name":"backups","FieldSelectors":[{"Field":"eventCategory","Equals":["Data"]},` +
			`{"Field":"resources.type","Equals":["AWS::S3::Object"]},{"Field":"resources.ARN","StartsWith":["arn:aws:s3:::BUCKET/"]}]}]' # replaces all selectors of the trail: where get-event-selectors gives others, add them; each data event is paid for`,
		Terraform: dataEventsTerraform,
		Reference: "https://docs.aws.amazon.com/AmazonS3/latest/userguide/enable-cloudtrail-logging-for-s3.html",
		Actions:   []string{"cloudtrail:DescribeTrails", "cloudtrail:GetTrailStatus", "cloudtrail:GetEventSelectors"},
	}
)

// trails are all trails that the region sees, each with its status.
type trails struct {
	list   answer[cloudtrail.DescribeTrailsOutput]
	status []answer[cloudtrail.GetTrailStatusOutput]
}

func (a *audit) describeTrails(ctx context.Context) trails {
	client := a.b.cloudTrail()
	t := trails{list: askOf(ctx, a, "DescribeTrails", client.DescribeTrails, &cloudtrail.DescribeTrailsInput{})}
	if t.list.err != nil {
		return t
	}
	t.status = make([]answer[cloudtrail.GetTrailStatusOutput], len(t.list.out.TrailList))
	var wg sync.WaitGroup
	for i, trail := range t.list.out.TrailList {
		wg.Go(func() {
			t.status[i] = askOf(ctx, a, "GetTrailStatus "+value(trail.TrailARN), client.GetTrailStatus, &cloudtrail.GetTrailStatusInput{Name: trail.TrailARN})
		})
	}
	wg.Wait()
	return t
}

// seen are the trails of the account, with their statuses as evidence; or the outcome when there are none to look at.
func (p *probe) seen() (trails, *outcome) {
	if o := p.elsewhere(); o != nil {
		return trails{}, o
	}
	t := p.trails()
	out, err := note(p, t.list)
	var o outcome
	switch {
	case err != nil:
		o = p.undecided(err)
	case len(out.TrailList) == 0:
		o = fail("there is no trail")
	default:
		for _, s := range t.status {
			p.calls = append(p.calls, s.call)
		}
		return t, nil
	}
	return t, &o
}

func decideAccountTrail(_ context.Context, p *probe) outcome {
	t, o := p.seen()
	if o != nil {
		return *o
	}
	var all []outcome
	for i, trail := range t.list.out.TrailList {
		one := judgeTrail(p, trail, t.status[i])
		if one.status == Pass {
			return one
		}
		all = append(all, one)
	}
	if i := slices.IndexFunc(all, func(o outcome) bool { return o.status == Unknown }); i >= 0 { // it may be the one
		return all[i]
	}
	return worst(all)
}

func judgeTrail(p *probe, trail trailtypes.Trail, status answer[cloudtrail.GetTrailStatusOutput]) outcome {
	var lacks []string
	for _, need := range []struct {
		has  *bool
		what string
	}{{trail.IsMultiRegionTrail, "is of one region"}, {trail.LogFileValidationEnabled, "has no log file validation"}} {
		if !value(need.has) {
			lacks = append(lacks, need.what)
		}
	}
	name := value(trail.Name)
	if len(lacks) > 0 {
		return fail("trail %s %s", name, strings.Join(lacks, ", "))
	}
	switch {
	case status.err != nil:
		return p.undecided(status.err)
	case !value(status.out.IsLogging):
		return fail("trail %s is switched off", name)
	case value(status.out.LatestDeliveryError) != "":
		return fail("trail %s cannot deliver its logs: %s", name, oneLine(value(status.out.LatestDeliveryError)))
	}
	return pass("trail %s logs all regions, with log file validation", name)
}

func decideDataEvents(ctx context.Context, p *probe) outcome {
	t, o := p.seen()
	if o != nil {
		return *o
	}
	client := p.b.cloudTrail()
	selectors := make([]answer[cloudtrail.GetEventSelectorsOutput], len(t.status))
	var wg sync.WaitGroup
	for i, trail := range t.list.out.TrailList {
		if t.status[i].err == nil && value(t.status[i].out.IsLogging) {
			wg.Go(func() {
				selectors[i] = askOf(ctx, p.audit, "GetEventSelectors "+value(trail.TrailARN), client.GetEventSelectors, &cloudtrail.GetEventSelectorsInput{TrailName: trail.TrailARN})
			})
		}
	}
	wg.Wait()
	var by []string
	var all logged
	unsure := unknown("") // of the first trail that says nothing
	below := p.b.arn(p.b.prefix())
	for i, trail := range t.list.out.TrailList {
		var err error
		if t.status[i].err != nil {
			err = t.status[i].err
		} else if selectors[i].call.Request == "" {
			continue // switched off
		} else {
			var out *cloudtrail.GetEventSelectorsOutput
			if out, err = note(p, selectors[i]); err == nil {
				if one := covers(out, below); one != (logged{}) {
					all = logged{all.reads || one.reads, all.writes || one.writes}
					by = append(by, value(trail.Name))
				}
			}
		}
		if err != nil && unsure.detail == "" {
			unsure = p.undecided(err)
		}
	}
	switch {
	case all.reads && all.writes:
		return pass("reads and writes of the backups are logged by trail %s", strings.Join(by, ", "))
	case unsure.detail != "":
		return unsure
	case all == logged{}:
		return fail("no trail logs data events of all backups")
	case all.reads:
		return fail("trail %s logs reads of the backups, and none logs writes", strings.Join(by, ", "))
	}
	return fail("trail %s logs writes of the backups, and none logs reads", strings.Join(by, ", "))
}

// logged is what is logged of all objects below an ARN.
type logged struct{ reads, writes bool }

const s3Objects = "AWS::S3::Object"

// covers evaluates both forms of selectors. Sources: https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_DataResource.html and API_AdvancedFieldSelector.html.
func covers(out *cloudtrail.GetEventSelectorsOutput, below string) (l logged) {
	above := func(prefix string) bool { return strings.HasPrefix(below, prefix) }
	for _, s := range out.EventSelectors {
		covered := slices.ContainsFunc(s.DataResources, func(d trailtypes.DataResource) bool {
			return value(d.Type) == s3Objects && slices.ContainsFunc(d.Values, above)
		})
		l.reads = l.reads || covered && s.ReadWriteType != trailtypes.ReadWriteTypeWriteOnly
		l.writes = l.writes || covered && s.ReadWriteType != trailtypes.ReadWriteTypeReadOnly
	}
	for _, s := range out.AdvancedEventSelectors {
		one, category, kind, narrowed := logged{true, true}, false, false, false
		for _, f := range s.FieldSelectors {
			plain := len(f.StartsWith)+len(f.EndsWith)+len(f.NotEquals)+len(f.NotStartsWith)+len(f.NotEndsWith) == 0
			switch field := value(f.Field); {
			case field == "eventCategory" && plain:
				category = slices.Contains(f.Equals, "Data")
			case field == "resources.type" && plain:
				kind = slices.Contains(f.Equals, s3Objects)
			case field == "readOnly" && plain:
				one = logged{reads: slices.Contains(f.Equals, "true"), writes: slices.Contains(f.Equals, "false")}
			case field == "resources.ARN" && len(f.Equals)+len(f.EndsWith)+len(f.NotEquals)+len(f.NotStartsWith)+len(f.NotEndsWith) == 0:
				narrowed = narrowed || !slices.ContainsFunc(f.StartsWith, above)
			case field == "resources.ARN" && len(f.Equals)+len(f.EndsWith)+len(f.NotEquals)+len(f.StartsWith)+len(f.NotEndsWith) == 0:
				narrowed = narrowed || slices.ContainsFunc(f.NotStartsWith, func(prefix string) bool { return above(prefix) || strings.HasPrefix(prefix, below) })
			default:
				narrowed = true
			}
		}
		if category && kind && !narrowed {
			l = logged{l.reads || one.reads, l.writes || one.writes}
		}
	}
	return l
}
