package bucket

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

var objectRetention = Check{
	ID: "s3-object-retention", Title: "Every object of the backups is locked for as long as it is to be kept", Severity: Medium,
	Why: "The default retention is for new objects: what was written before it can be deleted, and a backup of which one object is gone cannot be restored.",
	How: "Where the bucket has Object Lock, HeadObject says of every object below the path, but for the state of restores (restore_config.json), that it is locked from when it was written for as long as a backup must stay readable, or under legal hold. " +
		"Where it says nothing of a lock, GetObjectRetention tells whether there is none or it may not be seen. The auditor of deploy/iam may not look at objects; each drill looks.",
	Remediation: `aws s3api put-object-retention --bucket BUCKET --key OBJECT --retention '{"Mode":"GOVERNANCE","RetainUntilDate":"DATE"}' # of each such OBJECT; a later date than it has can always be set`,
	Reference:   "https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock-managing.html",
	Actions:     []string{"s3:GetBucketObjectLockConfiguration", "s3:GetObject", "s3:ListBucket", "s3:GetObjectRetention"},
}

func decideObjectRetention(ctx context.Context, p *probe) outcome {
	out, err := note(p, p.lock())
	switch {
	case code(err) == noLock || err == nil && (out.ObjectLockConfiguration == nil || out.ObjectLockConfiguration.ObjectLockEnabled != types.ObjectLockEnabledEnabled):
		return notApplicable("the bucket has no Object Lock")
	case err != nil:
		return p.undecided(err)
	}
	all, o := p.eachObject()
	if all == nil {
		return o
	}
	var open, short, foreign []object
	governed := 0
	for _, o := range all.looked {
		switch {
		case strings.HasSuffix(o.key, "/restore_config.json") || o.held:
		case o.foreign:
			foreign = append(foreign, o)
		case o.mode == "":
			open = append(open, o)
		case o.until.Before(o.modified.Add(p.retention)):
			short = append(short, o)
		case o.mode == types.ObjectLockModeGovernance:
			governed++
		}
	}
	if len(open) > 0 { // the headers are only for who has s3:GetObjectRetention: https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html
		_, err := note(p, ask(ctx, p.audit, "GetObjectRetention "+open[0].key, p.b.Client.GetObjectRetention, &s3.GetObjectRetentionInput{Bucket: &p.b.Name, Key: &open[0].key}))
		if err != nil && code(err) != "NoSuchObjectLockConfiguration" {
			return p.undecided(err)
		}
		if err == nil {
			return unknown("not known: the lock of %s shows when it is asked for by itself, and not among what HeadObject tells", open[0].key)
		}
	}
	wanted := days(int32(p.retention / (24 * time.Hour)))
	var faults []string
	for _, f := range []struct {
		what string
		of   []object
	}{{"are not locked", open}, {"are locked for less than " + wanted, short}, {"cannot be looked at", foreign}} {
		if len(f.of) > 0 {
			faults = append(faults, f.what+": "+all.those(f.of))
		}
	}
	if len(faults) > 0 {
		return fail("%s", strings.Join(faults, "; "))
	}
	lifted := ""
	if governed > 0 {
		lifted = fmt.Sprintf("; of %d whoever has s3:BypassGovernanceRetention can lift it", governed)
	}
	return pass("%s below %q: every one is locked for %s from when it was written%s", all.extent(), p.b.prefix(), wanted, lifted)
}
