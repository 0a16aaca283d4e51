package bucket

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

var (
	replicationRules = Check{
		ID: "s3-replication", Title: "Backups are replicated to another bucket", Severity: Low,
		Why: "Whoever owns the one bucket, and whatever befalls its region, has all the backups there are.",
		How: "An enabled replication rule selects all that is below the path, by its prefix alone: Weaviate sets no tags. The detail tells where to, and whether deletions go along. That the replica is in another Region, or account, is not looked at.",
		Remediation: `aws s3api put-bucket-replication --bucket BUCKET --replication-configuration '{"Role":"ROLE-ARN","Rules":[{"ID":"backups","Status":"Enabled","Priority":1,"Filter":{"Prefix":""},"DeleteMarkerReplication":{"Status":"Disabled"},` +
			`"Destination":{"Bucket":"arn:aws:s3:::REPLICA"}}]}' # ROLE-ARN: a role that S3 takes, and that may read here and write to REPLICA; needs versioning on both sides. ` +
			`Objects under SSE-KMS are replicated only with SourceSelectionCriteria.SseKmsEncryptedObjects and a key for the replica (Destination.EncryptionConfiguration)`,
		Terraform: `resource "aws_s3_bucket_replication_configuration" "backups" { # needs versioning on both sides, and under SSE-KMS source_selection_criteria and encryption_configuration
  bucket = "BUCKET"
  role   = "ROLE-ARN" # which S3 takes, and may read here and write to the replica
  rule {
    id     = "backups"
    status = "Enabled"
    filter {}
    delete_marker_replication {
      status = "Disabled"
    }
    destination {
      bucket = "arn:aws:s3:::REPLICA"
    }
  }
}`,
		Reference: "https://docs.aws.amazon.com/AmazonS3/latest/userguide/replication.html",
		Actions:   []string{"s3:GetReplicationConfiguration"},
	}
	objectReplication = Check{
		ID: "s3-object-replication", Title: "Every object of the backups has arrived at the replica", Severity: Medium,
		Why:         "A backup of which one object did not arrive cannot be restored from the replica, and a rule replicates nothing that was written before it.",
		How:         "Where there is a replication rule, HeadObject says COMPLETED (or REPLICA) of every object below the path; PENDING for up to an hour is the lag that the detail tells. FAILED, PENDING for longer, and no status at all fail. The auditor of deploy/iam may not look at objects; each drill looks.",
		Remediation: `aws s3api get-bucket-replication --bucket BUCKET # correct the rule, then replicate what is there by S3 Batch Replication: https://docs.aws.amazon.com/AmazonS3/latest/userguide/s3-batch-replication-batch.html`,
		Reference:   "https://docs.aws.amazon.com/AmazonS3/latest/userguide/replication-status.html",
		Actions:     []string{"s3:GetReplicationConfiguration", "s3:GetObject", "s3:ListBucket"},
	}
)

const noReplication = "ReplicationConfigurationNotFoundError"

// patience is how long an object may wait for its replication. Most take minutes; source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/replication-time-control.html.
const patience = time.Hour

func decideReplication(_ context.Context, p *probe) outcome {
	out, err := note(p, p.replication())
	if code(err) == noReplication {
		return fail("no replication: the bucket holds the only copy of the backups")
	}
	if err != nil {
		return p.undecided(err)
	}
	var others []string
	if c := out.ReplicationConfiguration; c != nil {
		for i, r := range c.Rules {
			name := cmp.Or(value(r.ID), fmt.Sprint(i+1))
			switch covers, what := replicates(r, p.b.prefix()); {
			case r.Status != types.ReplicationRuleStatusEnabled:
				others = append(others, fmt.Sprintf("rule %q is disabled", name))
			case !covers:
				others = append(others, fmt.Sprintf("rule %q selects %s", name, what))
			case r.Destination == nil:
				others = append(others, fmt.Sprintf("rule %q has no destination", name))
			default:
				return pass("rule %q replicates the backups to %s%s", name, value(r.Destination.Bucket), deletions(r))
			}
		}
	}
	if len(others) == 0 {
		return fail("the replication has no rule: the bucket holds the only copy of the backups")
	}
	return fail("no enabled rule replicates all backups: %s", list(others))
}

// replicates says whether a rule selects everything that begins with backups, and else what.
func replicates(r types.ReplicationRule, backups string) (bool, string) {
	prefix := value(r.Prefix) //nolint:staticcheck // rules written by the first version of the API are still answered so
	tagged := false
	if f := r.Filter; f != nil {
		prefix, tagged = cmp.Or(value(f.Prefix), prefix), f.Tag != nil
		if f.And != nil {
			prefix, tagged = cmp.Or(value(f.And.Prefix), prefix), len(f.And.Tags) > 0
		}
	}
	if tagged {
		return false, "tagged objects"
	}
	return strings.HasPrefix(backups, prefix), "keys that begin with " + prefix
}

func deletions(r types.ReplicationRule) string {
	if d := r.DeleteMarkerReplication; d != nil && d.Status == types.DeleteMarkerReplicationStatusEnabled {
		return ", and deletions too: a backup that is deleted here is hidden there"
	}
	return ""
}

func decideObjectReplication(_ context.Context, p *probe) outcome {
	_, err := note(p, p.replication())
	if code(err) == noReplication {
		return notApplicable("the bucket is not replicated")
	}
	if err != nil {
		return p.undecided(err)
	}
	all, o := p.eachObject()
	if all == nil {
		return o
	}
	var failed, late, never []object
	var lag time.Duration
	for _, o := range all.looked {
		waited := p.now.Sub(o.modified)
		switch {
		case o.foreign:
			never = append(never, o)
		case o.copied == types.ReplicationStatusFailed:
			failed = append(failed, o)
		case o.copied == types.ReplicationStatusPending && waited > patience:
			late = append(late, o)
		case o.copied == types.ReplicationStatusPending:
			lag = max(lag, waited)
		case o.copied == "":
			never = append(never, o)
		}
	}
	var faults []string
	for _, f := range []struct {
		what string
		of   []object
	}{{"FAILED to replicate", failed}, {"wait for replication for more than an hour", late}, {"have no replication status, as what no rule selects or was written before it", never}} {
		if len(f.of) > 0 {
			faults = append(faults, f.what+": "+all.those(f.of))
		}
	}
	switch {
	case len(faults) > 0:
		return fail("%s", strings.Join(faults, "; "))
	case lag > 0:
		return pass("%s below %q: replicated, or waiting for it for no longer than %s", all.extent(), p.b.prefix(), lag.Round(time.Second))
	}
	return pass("%s below %q: every one is replicated", all.extent(), p.b.prefix())
}

func (a *audit) askReplication(ctx context.Context) answer[s3.GetBucketReplicationOutput] {
	return ask(ctx, a, "GetBucketReplication", a.b.Client.GetBucketReplication, &s3.GetBucketReplicationInput{Bucket: &a.b.Name}, rooted("ReplicationConfiguration"))
}
