package bucket

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

const lifecycleReference = "https://docs.aws.amazon.com/AmazonS3/latest/userguide/"

// putLifecycle mends a bucket without any rule; where there are rules, the two of it are added to them.
const putLifecycle = `aws s3api put-bucket-lifecycle-configuration --bucket BUCKET --lifecycle-configuration ` +
	`'{"Rules":[{"ID":"old-versions-and-abandoned-uploads","Status":"Enabled","Filter":{"Prefix":""},` +
	`"NoncurrentVersionExpiration":{"NoncurrentDays":30},"AbortIncompleteMultipartUpload":{"DaysAfterInitiation":7}}]}'` +
	` # replaces all rules: where there are some, add this one to what get-bucket-lifecycle-configuration gives`

const lifecycleTerraform = `resource "aws_s3_bucket_lifecycle_configuration" "backups" { # one for a bucket: where there is one, add the rule to it
  bucket = "BUCKET"
  rule {
    id     = "old-versions-and-abandoned-uploads"
    status = "Enabled"
    filter {}
    noncurrent_version_expiration {
      noncurrent_days = 30
    }
    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }
  }
}`

var (
	lifecycleRules = Check{
		ID: "s3-lifecycle", Title: "A lifecycle looks after the backups", Severity: Medium,
		Why:         "Without an enabled rule over the backups nothing ever leaves the bucket: old versions and abandoned uploads pile up, and retention is nobody's decision.",
		How:         "At least one enabled rule selects keys below the backup prefix as Weaviate writes them (prefix, legacy prefix, size and And filters are evaluated; Weaviate sets no tags, so a rule with a tag filter does not count). The detail says what each rule does to the backups.",
		Remediation: putLifecycle,
		Terraform:   lifecycleTerraform,
		Reference:   lifecycleReference + "object-lifecycle-mgmt.html",
		Actions:     []string{"s3:GetLifecycleConfiguration"},
	}
	lifecycleBackups = Check{
		ID: "s3-lifecycle-backups", Title: "No lifecycle rule takes a backup away too soon", Severity: High,
		Why: "A rule that expires current objects deletes backups, or tears them when it selects by size; a rule that moves them to GLACIER or DEEP_ARCHIVE makes a restore wait for a thaw of hours to days. An incremental backup is lost with its base.",
		How: "No enabled rule that selects backup objects expires them, or moves them to GLACIER or DEEP_ARCHIVE, before they are as old as policy.retention asks (30 days by default), or on a fixed date (after which S3 goes on applying the rule to every new object). GLACIER_IR, the infrequent-access classes and " +
			"INTELLIGENT_TIERING are read at once (optional archive tiers of the last are not looked at). Ages are judged; which later backup still needs a base is looked at by s3-lifecycle-bases.",
		Remediation: `aws s3api get-bucket-lifecycle-configuration --bucket BUCKET --query '{Rules:Rules}' > lifecycle.json; "${EDITOR:-vi}" lifecycle.json && ` +
			`aws s3api put-bucket-lifecycle-configuration --bucket BUCKET --lifecycle-configuration file://lifecycle.json`,
		Reference: lifecycleReference + "intro-lifecycle-rules.html",
		Actions:   []string{"s3:GetLifecycleConfiguration"},
	}
	lifecycleNoncurrent = Check{
		ID: "s3-lifecycle-noncurrent", Title: "Old versions expire", Severity: Low,
		Why:         "On a versioned bucket a deleted backup still lies there, is paid for, and is still personal data, until its noncurrent versions expire.",
		How:         "Versioning was never on, or an enabled rule over all backups has NoncurrentVersionExpiration. The detail says for how long a deleted backup can be brought back.",
		Remediation: putLifecycle,
		Terraform:   lifecycleTerraform,
		Reference:   lifecycleReference + "intro-lifecycle-rules.html",
		Actions:     []string{"s3:GetBucketVersioning", "s3:GetLifecycleConfiguration"},
	}
	lifecycleMultipart = Check{
		ID: "s3-lifecycle-multipart", Title: "Abandoned multipart uploads are removed", Severity: Low,
		Why:         "A backup that was cut off leaves the parts of its chunks behind: they show in no listing and are paid for until somebody aborts the upload.",
		How:         "An enabled rule over all backups has AbortIncompleteMultipartUpload. MinIO takes such a rule and keeps none of it (it removes old parts by a setting of the server), so there the check fails.",
		Remediation: putLifecycle,
		Terraform:   lifecycleTerraform,
		Reference:   lifecycleReference + "mpu-abort-incomplete-mpu-lifecycle-config.html",
		Actions:     []string{"s3:GetLifecycleConfiguration"},
	}
)

// noLifecycle is AWS's answer when there is no lifecycle configuration.
const noLifecycle = "NoSuchLifecycleConfiguration"

func decideLifecycleRules(_ context.Context, p *probe) outcome {
	out, err := note(p, p.lifecycle())
	if code(err) == noLifecycle {
		return fail("no lifecycle: nothing ever expires, and abandoned uploads and old versions are kept for ever")
	}
	if err != nil {
		return p.undecided(err)
	}
	rules := lifecycleOf(out.Rules, p.b.prefix())
	enabled := false
	for _, r := range rules {
		if enabled = enabled || r.enabled(); r.enabled() && r.reach >= some {
			return pass("%s", describeRules(rules))
		}
	}
	switch {
	case len(rules) == 0:
		return fail("the lifecycle has no rule: nothing ever expires")
	case !enabled:
		return fail("no rule of the lifecycle is enabled: %s", describeRules(rules))
	}
	return fail("no enabled rule selects the backups: %s", describeRules(rules))
}

func decideLifecycleBackups(_ context.Context, p *probe) outcome {
	out, err := note(p, p.lifecycle())
	if code(err) == noLifecycle {
		return pass("no lifecycle, so no rule removes or freezes a backup")
	}
	if err != nil {
		return p.undecided(err)
	}
	var bad, later []string
	for _, r := range lifecycleOf(out.Rules, p.b.prefix()) {
		if !r.enabled() || r.reach < some {
			continue
		}
		for _, l := range r.losses() {
			if l.days == nil || time.Duration(*l.days)*24*time.Hour < p.retention {
				bad = append(bad, r.String()+" "+l.what)
			} else {
				later = append(later, r.String()+" "+l.what)
			}
		}
	}
	wanted := days(int32(p.retention / (24 * time.Hour)))
	switch {
	case len(bad) > 0:
		return fail("backups do not stay whole and readable for %s: %s", wanted, list(bad))
	case len(later) > 0:
		return pass("backups stay whole and readable for %s; later %s; an incremental backup is lost with its base", wanted, list(later))
	}
	return pass("no enabled rule removes or freezes a backup")
}

func decideLifecycleNoncurrent(_ context.Context, p *probe) outcome {
	state, err := note(p, p.versioning())
	if err != nil {
		return p.undecided(err)
	}
	if state.Status == "" {
		return pass("versioning was never on, so there are no old versions")
	}
	out, err := note(p, p.lifecycle())
	if code(err) == noLifecycle {
		return fail("no lifecycle: old versions of deleted backups are kept, and paid for, for ever")
	}
	if err != nil {
		return p.undecided(err)
	}
	for _, r := range lifecycleOf(out.Rules, p.b.prefix()) {
		if n := r.NoncurrentVersionExpiration; r.enabled() && r.reach == all && n != nil {
			return pass("%s %s: for that long a deleted backup can be brought back", r, noncurrent(n))
		}
	}
	return fail("no enabled rule over all backups expires old versions: those of deleted backups are kept, and paid for, for ever")
}

func decideLifecycleMultipart(_ context.Context, p *probe) outcome {
	out, err := note(p, p.lifecycle())
	if code(err) == noLifecycle {
		return fail("no lifecycle: the parts of backups that were cut off are kept, unseen and paid for, for ever")
	}
	if err != nil {
		return p.undecided(err)
	}
	for _, r := range lifecycleOf(out.Rules, p.b.prefix()) {
		if m := r.AbortIncompleteMultipartUpload; r.enabled() && r.reach == all && m != nil && m.DaysAfterInitiation != nil {
			return pass("%s aborts uploads %s after they began", r, days(*m.DaysAfterInitiation))
		}
	}
	return fail("no enabled rule over all backups aborts incomplete uploads: the parts of backups that were cut off are kept, unseen and paid for")
}

// reach is how much of the backups a rule's filter selects.
type reach int

const (
	none reach = iota // other keys, or tagged objects: Weaviate 1.38.5 sets no tags (modules/backup-s3/client.go, PutObjectOptions)
	some              // some backups, or some objects of a backup
	all
)

// lifecycleRule is a rule as it bears on the backups.
type lifecycleRule struct {
	types.LifecycleRule
	number   int // counted from 1
	selector selector
	reach    reach
	filter   string // the filter in words; empty when it selects everything
}

func lifecycleOf(rules []types.LifecycleRule, backups string) []lifecycleRule {
	out := make([]lifecycleRule, len(rules))
	for i, r := range rules {
		f := selectorOf(r)
		out[i] = lifecycleRule{LifecycleRule: r, number: i + 1, selector: f}
		out[i].reach, out[i].filter = f.reach(backups)
	}
	return out
}

// selector is what a filter asks of an object: all of it.
type selector struct {
	prefix        string
	tags          []types.Tag
	greater, less *int64 // bytes, exclusive
}

// selectorOf reads every form of filter.
// Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/intro-lifecycle-filters.html.
func selectorOf(r types.LifecycleRule) selector {
	prefix := r.Prefix //nolint:staticcheck // rules written by the first version of the API are still answered so
	var s selector
	if f := r.Filter; f != nil {
		prefix = cmp.Or(f.Prefix, prefix)
		s.greater, s.less = f.ObjectSizeGreaterThan, f.ObjectSizeLessThan
		if f.Tag != nil {
			s.tags = []types.Tag{*f.Tag}
		}
		if f.And != nil {
			prefix, s.tags = cmp.Or(f.And.Prefix, prefix), append(s.tags, f.And.Tags...)
			s.greater, s.less = cmp.Or(f.And.ObjectSizeGreaterThan, s.greater), cmp.Or(f.And.ObjectSizeLessThan, s.less)
		}
	}
	s.prefix = value(prefix)
	return s
}

func (s selector) selectsKey(key string) bool { return strings.HasPrefix(key, s.prefix) }

// reach evaluates the filter against the keys that begin with backups, and tells it in words.
func (s selector) reach(backups string) (reach, string) {
	reached := all
	var words []string
	if s.prefix != "" {
		words = append(words, "keys that begin with "+s.prefix)
		switch {
		case s.selectsKey(backups):
		case strings.HasPrefix(s.prefix, backups):
			reached = some
		default:
			reached = none
		}
	}
	for _, size := range []struct {
		words string
		bytes *int64
	}{{"larger", s.greater}, {"smaller", s.less}} {
		if size.bytes != nil {
			words = append(words, fmt.Sprintf("objects %s than %d bytes", size.words, *size.bytes))
			reached = min(reached, some)
		}
	}
	for _, t := range s.tags {
		words = append(words, fmt.Sprintf("objects tagged %s=%s", value(t.Key), value(t.Value)))
		reached = none
	}
	return reached, strings.Join(words, ", ")
}

func (r lifecycleRule) enabled() bool { return r.Status == types.ExpirationStatusEnabled }

// name is the rule's id, or its number.
func (r lifecycleRule) name() string {
	if id := value(r.ID); id != "" {
		return fmt.Sprintf("rule %q", id)
	}
	return fmt.Sprintf("rule %d", r.number)
}

func (r lifecycleRule) String() string {
	name := r.name()
	if r.filter != "" {
		name += " (" + r.filter + ")"
	}
	return name
}

// loss is something that a rule does to current objects after which they cannot be restored from at once. days is nil when it happens on a date.
type loss struct {
	what string
	days *int32
}

func (r lifecycleRule) losses() []loss {
	var out []loss
	if e := r.Expiration; e != nil && (e.Date != nil || e.Days != nil) {
		out = append(out, loss{"expires them " + when(e.Days, e.Date), e.Days})
	}
	for _, t := range r.Transitions {
		if thaw, ok := thaws[t.StorageClass]; ok {
			out = append(out, loss{fmt.Sprintf("moves them to %s %s, whence a restore takes up to %d hours more", t.StorageClass, when(t.Days, t.Date), thaw/time.Hour), t.Days})
		}
	}
	return out
}

// thaws are the classes that cannot be read at once, with the longest time of a standard retrieval: 3 to 5 hours, and within 12. A bulk retrieval takes up to 12 and 48.
// Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/restoring-objects-retrieval-options.html.
var thaws = map[types.TransitionStorageClass]time.Duration{
	types.TransitionStorageClassGlacier:     5 * time.Hour,
	types.TransitionStorageClassDeepArchive: 12 * time.Hour,
}

// describeRules says what each rule does to the backups.
func describeRules(rules []lifecycleRule) string {
	lines := make([]string, len(rules))
	for i, r := range rules {
		switch does := r.effects(); {
		case !r.enabled():
			lines[i] = r.String() + " is disabled"
		case r.reach == none:
			lines[i] = r.String() + " selects no backup as Weaviate writes it"
		case len(does) == 0:
			lines[i] = r.String() + " does nothing to backups"
		default:
			lines[i] = r.String() + " " + strings.Join(does, " and ")
		}
	}
	return list(lines)
}

func (r lifecycleRule) effects() []string {
	var out []string
	if e := r.Expiration; e != nil && (e.Date != nil || e.Days != nil) {
		out = append(out, "expires backups "+when(e.Days, e.Date))
	}
	for _, t := range r.Transitions {
		out = append(out, fmt.Sprintf("moves backups to %s %s", t.StorageClass, when(t.Days, t.Date)))
	}
	if n := r.NoncurrentVersionExpiration; n != nil {
		out = append(out, noncurrent(n))
	}
	for _, t := range r.NoncurrentVersionTransitions {
		out = append(out, fmt.Sprintf("moves old versions to %s after %s", t.StorageClass, days(value(t.NoncurrentDays))))
	}
	if m := r.AbortIncompleteMultipartUpload; m != nil && m.DaysAfterInitiation != nil {
		out = append(out, "aborts uploads "+days(*m.DaysAfterInitiation)+" after they began")
	}
	if e := r.Expiration; e != nil && value(e.ExpiredObjectDeleteMarker) {
		out = append(out, "removes delete markers that hide nothing")
	}
	return out
}

func noncurrent(n *types.NoncurrentVersionExpiration) string {
	text := "expires old versions after " + days(value(n.NoncurrentDays))
	if n.NewerNoncurrentVersions != nil {
		text += fmt.Sprintf(", except the newest %d", *n.NewerNoncurrentVersions)
	}
	return text
}

// when is the time of an action: an age, or a date from which on it is applied every day. Source:
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/intro-lifecycle-rules.html, "Lifecycle rules based on a specific date".
func when(age *int32, date *time.Time) string {
	if date != nil {
		return "on " + date.UTC().Format(time.DateOnly) + " and every new one from then on"
	}
	return days(value(age)) + " after they were written"
}

func days(n int32) string { return count(n, "day") }

func count(n int32, unit string) string {
	if n == 1 {
		return "1 " + unit
	}
	return fmt.Sprintf("%d %ss", n, unit)
}

// list joins at most ten lines; a lifecycle can have a thousand rules.
func list(lines []string) string {
	const most = 10
	if len(lines) > most {
		return strings.Join(lines[:most], "; ") + fmt.Sprintf("; and %d more", len(lines)-most)
	}
	return strings.Join(lines, "; ")
}

// value is what p points to, or the zero value.
func value[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}
