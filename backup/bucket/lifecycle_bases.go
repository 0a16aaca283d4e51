package bucket

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

var (
	lifecycleBases = Check{
		ID: "s3-lifecycle-bases", Title: "No incremental backup loses its base too soon", Severity: High,
		Why: "S3 has no notion of a chain: a rule by age takes the base first, because it is the oldest, and every incremental backup that borrows from it is lost on that day, however new it is. Nothing tells so before a restore is tried.",
		How: "When an enabled rule takes backups away or freezes them, every object of every backup is listed, and the rules are evaluated for each: an incremental backup that can be restored from for less than the retention that is asked for (policy.retention), counted " +
			"from its capture point, because a base goes before it, fails; so does one whose base is gone already. All objects of a base count, because the listing does not tell which are borrowed. " +
			"That needs s3:GetObject for the descriptors; an auditor who may read no object learns that this is unknown.",
		Remediation: `aws s3api get-bucket-lifecycle-configuration --bucket BUCKET --query '{Rules:Rules}' > lifecycle.json; "${EDITOR:-vi}" lifecycle.json && ` +
			`aws s3api put-bucket-lifecycle-configuration --bucket BUCKET --lifecycle-configuration file://lifecycle.json # expire after the retention and the length of a chain together`,
		Reference: lifecycleReference + "intro-lifecycle-rules.html",
		Actions:   []string{"s3:GetLifecycleConfiguration", "s3:ListBucket"},
	}
	lifecycleRTO = Check{
		ID: "s3-lifecycle-rto", Title: "No transition breaks the recovery time objective", Severity: Medium,
		Why: "Objects in GLACIER and DEEP_ARCHIVE have to be thawed before a restore can begin. A standard retrieval takes up to 5 and up to 12 hours, a bulk one up to 12 and 48: mostly longer than the objective for the whole recovery.",
		How: "The time of a standard retrieval from each class that an enabled rule moves backups to is added to the recovery time of the last drill that measured one, and the sum held against objectives.rto. " +
			"Without an objective, or a rule that moves backups to such a class, there is nothing to hold.",
		Remediation: `aws s3api get-bucket-lifecycle-configuration --bucket BUCKET --query '{Rules:Rules}' > lifecycle.json; "${EDITOR:-vi}" lifecycle.json && ` +
			`aws s3api put-bucket-lifecycle-configuration --bucket BUCKET --lifecycle-configuration file://lifecycle.json # GLACIER_IR is read at once`,
		Reference: lifecycleReference + "restoring-objects-retrieval-options.html",
		Actions:   []string{"s3:GetLifecycleConfiguration"},
	}
	lifecycleIdle = Check{
		ID: "s3-lifecycle-idle", Title: "Every rule does something, and nothing is left behind", Severity: Low,
		Why: "A rule that never fires (a prefix misspelt, an age that another rule is always faster than, versions where there are none) is a retention that somebody believes in. What no rule removes is paid for month by month: old versions, and parts of uploads that were cut off.",
		How: "Of each enabled rule: is there a key below its prefix, does no other rule that selects the same or more expire objects before its own time comes, is versioning on where it is about old versions. Then, where no rule over all backups removes them, the first 10,000 versions below the path " +
			"are listed and the bytes of those old ones that no rule expires are summed, and the first 1,000 uploads are listed and those older than 7 days counted (their size is not in the listing; MinIO lists uploads only by their whole key).",
		Remediation: putLifecycle + "; rules that do nothing are mended, or left out",
		Terraform:   lifecycleTerraform,
		Reference:   lifecycleReference + "lifecycle-conflicts.html",
		Actions:     []string{"s3:GetLifecycleConfiguration", "s3:GetBucketVersioning", "s3:ListBucket", "s3:ListBucketVersions", "s3:ListBucketMultipartUploads"},
	}
)

// Held is a backup in the bucket, as s3-lifecycle-bases judges it.
type Held struct {
	ID, Base string
	Captured time.Time
	Lost     string    // why it cannot be restored from already; empty: it can
	Doubt    string    // why that and what follows is not known
	Until    time.Time // when the first object of it or of a base is taken away or frozen; zero: never
	Own      time.Time // the same without its bases
	Why      string    // the object and the rule
}

// WithBackups sets what finds the backups, those that ended with success. Without it, s3-lifecycle-bases is unknown where it needs them.
func WithBackups(find func(context.Context) ([]Held, error)) Option {
	return func(a *audit) { a.held = find }
}

// WithRTO sets the recovery time objective, and the time that the last drill measured: zero when none did. Without it, s3-lifecycle-rto has nothing to judge by.
func WithRTO(objective, measured time.Duration) Option {
	return func(a *audit) { a.objective, a.measured = objective, measured }
}

func decideLifecycleBases(ctx context.Context, p *probe) outcome {
	out, err := note(p, p.lifecycle())
	if code(err) == noLifecycle {
		return pass("no lifecycle, so no backup loses its base to a rule")
	}
	if err != nil {
		return p.undecided(err)
	}
	if !slices.ContainsFunc(lifecycleOf(out.Rules, p.b.prefix()), func(r lifecycleRule) bool { return r.enabled() && r.reach >= some && len(r.losses()) > 0 }) {
		return pass("no enabled rule removes or freezes a backup, so none loses its base to one")
	}
	if p.held == nil {
		return unknown("not known: the backups were not looked at")
	}
	held, err := p.held(ctx)
	if err != nil {
		return unknown("not known: %v", Explain(err))
	}
	p.calls = append(p.calls, Call{Request: "ListObjectsV2 and GetObject of each backup_config.json in " + p.b.Name, Answer: count(int32(len(held)), "backup") + " that ended with success"})
	var bad, later, doubts []string
	incremental := 0
	for _, h := range held {
		if h.Base == "" {
			continue
		}
		incremental++
		switch {
		case h.Lost != "":
			bad = append(bad, fmt.Sprintf("%s cannot be restored: %s", h.ID, h.Lost))
		case h.Doubt != "":
			doubts = append(doubts, fmt.Sprintf("%s: %s", h.ID, h.Doubt))
		case h.Until.IsZero() || h.Until.Equal(h.Own):
		case h.Until.Before(h.Captured.Add(p.retention)):
			bad = append(bad, fmt.Sprintf("%s is lost %s after its capture point: %s", h.ID, days(int32(h.Until.Sub(h.Captured)/(24*time.Hour))), h.Why))
		default:
			later = append(later, fmt.Sprintf("%s until %s (%s)", h.ID, h.Until.UTC().Format(time.DateOnly), h.Why))
		}
	}
	wanted := days(int32(p.retention / (24 * time.Hour)))
	switch {
	case len(bad) > 0:
		return fail("%d of %d incremental backups are lost with a base within %s: %s", len(bad), incremental, wanted, list(bad))
	case len(doubts) > 0:
		return unknown("not known of %d of %d incremental backups: %s", len(doubts), incremental, list(doubts))
	case incremental == 0:
		return notApplicable("no backup builds on another")
	case len(later) > 0:
		return pass("%d incremental backups keep their bases for %s; restorable is %s", incremental, wanted, list(later))
	}
	return pass("%d incremental backups keep their bases as long as themselves", incremental)
}

func decideLifecycleRTO(_ context.Context, p *probe) outcome {
	out, err := note(p, p.lifecycle())
	if code(err) == noLifecycle {
		return pass("no lifecycle, so no rule freezes a backup")
	}
	if err != nil {
		return p.undecided(err)
	}
	var bad, good []string
	for _, r := range lifecycleOf(out.Rules, p.b.prefix()) {
		if !r.enabled() || r.reach < some {
			continue
		}
		for _, t := range r.Transitions {
			thaw, frozen := thaws[t.StorageClass]
			if !frozen {
				continue
			}
			text := fmt.Sprintf("%s moves backups to %s %s, whence a restore takes up to %s", r, t.StorageClass, when(t.Days, t.Date), brief(thaw))
			if p.measured > 0 {
				text += fmt.Sprintf(" and the %s that the last drill took, together %s", brief(p.measured), brief(thaw+p.measured))
			}
			if thaw+p.measured > p.objective {
				bad = append(bad, text)
			} else {
				good = append(good, text)
			}
		}
	}
	switch {
	case len(bad)+len(good) == 0:
		return pass("no enabled rule moves backups to a class that has to be thawed")
	case p.objective == 0:
		return notApplicable("no recovery time objective is known to hold it against: %s", list(bad))
	case len(bad) > 0:
		return fail("the recovery time objective of %s cannot be met from then on: %s", brief(p.objective), list(bad))
	case p.measured == 0:
		return unknown("not known: no measured recovery time is at hand; %s, and the objective is %s", list(good), brief(p.objective))
	}
	return pass("the recovery time objective is %s: %s", brief(p.objective), list(good))
}

// brief is a duration without the zeros at its end: 5h0m0s is 5h.
func brief(d time.Duration) string {
	return strings.Replace(strings.Replace(d.Round(time.Second).String(), "m0s", "m", 1), "h0m", "h", 1)
}

// What the check looks at, at most.
const (
	idleRules    = 20
	versionPages = 10
	abandoned    = 7 * 24 * time.Hour
)

func decideLifecycleIdle(ctx context.Context, p *probe) outcome {
	out, err := note(p, p.lifecycle())
	if code(err) == noLifecycle {
		out, err = &s3.GetBucketLifecycleConfigurationOutput{}, nil
	}
	if err != nil {
		return p.undecided(err)
	}
	state, err := note(p, p.versioning())
	if err != nil {
		return p.undecided(err)
	}
	l := newLifecycle(out, p.b.prefix())
	faults := idle(l.rules, state.Status != "")
	var failures []error
	for i, r := range l.rules {
		if i == idleRules {
			break
		}
		if prefix := r.selector.prefix; prefix != "" && !strings.HasPrefix(p.sample, prefix) {
			one := int32(1)
			page, err := note(p, ask(ctx, p.audit, "ListObjectsV2 of "+prefix+" in", p.b.Client.ListObjectsV2, &s3.ListObjectsV2Input{Bucket: &p.b.Name, Prefix: &prefix, MaxKeys: &one}, rooted(listing)))
			if err != nil {
				failures = append(failures, err)
			} else if len(page.Contents) == 0 {
				faults = append(faults, r.String()+" selects nothing: no key begins so")
			}
		}
	}
	everywhere := func(does func(lifecycleRule) bool) bool {
		return slices.ContainsFunc(l.rules, func(r lifecycleRule) bool { return r.reach == all && does(r) })
	}
	if state.Status != "" && !everywhere(func(r lifecycleRule) bool { return r.NoncurrentVersionExpiration != nil }) {
		found, err := p.leftVersions(ctx, l)
		faults, failures = append(faults, found...), append(failures, err)
	}
	if !everywhere(func(r lifecycleRule) bool { return r.AbortIncompleteMultipartUpload != nil }) {
		found, err := p.leftUploads(ctx)
		faults, failures = append(faults, found...), append(failures, err)
	}
	if len(faults) > 0 {
		return fail("%s", list(faults))
	}
	for _, err := range failures {
		if err != nil {
			return p.undecided(err)
		}
	}
	return pass("%s, each of which can do something, and nothing was found that no rule removes", count(int32(len(l.rules)), "enabled rule"))
}

// idle tells what the rules will never do.
func idle(rules []lifecycleRule, versioned bool) (faults []string) {
	add := func(r lifecycleRule, format string, args ...any) {
		faults = append(faults, r.String()+" never "+fmt.Sprintf(format, args...))
	}
	for i, r := range rules {
		if !versioned && (r.NoncurrentVersionExpiration != nil || len(r.NoncurrentVersionTransitions) > 0) && r.Expiration == nil && r.Transitions == nil && r.AbortIncompleteMultipartUpload == nil {
			add(r, "does anything: it is about old versions, and versioning was never on")
		}
		for j, other := range rules {
			sooner := value(other.Expiration).Days
			if sooner == nil || !other.selector.covers(r.selector) {
				continue
			}
			if e := r.Expiration; i != j && e != nil && e.Days != nil && *sooner < *e.Days {
				add(r, "expires anything: %s does so %s before", other.name(), days(*e.Days-*sooner))
			}
			for _, t := range r.Transitions {
				if t.Days != nil && *sooner <= *t.Days {
					add(r, "moves anything to %s: %s has expired it by then", t.StorageClass, other.name())
				}
			}
		}
	}
	return faults
}

// covers says whether s selects all that other does.
func (s selector) covers(other selector) bool {
	for _, t := range s.tags {
		if !slices.ContainsFunc(other.tags, func(o types.Tag) bool { return value(o.Key) == value(t.Key) && value(o.Value) == value(t.Value) }) {
			return false
		}
	}
	return s.selectsKey(other.prefix) && (s.greater == nil || other.greater != nil && *other.greater >= *s.greater) && (s.less == nil || other.less != nil && *other.less <= *s.less)
}

// leftVersions sums up the old versions below the path that no rule expires. What a rule keeps by number is kept on purpose.
func (p *probe) leftVersions(ctx context.Context, l Lifecycle) ([]string, error) {
	in := &s3.ListObjectVersionsInput{Bucket: &p.b.Name, Prefix: new(p.b.prefix())}
	var bytes, seen int64
	var key string
	var successor time.Time
	more := true
	for range versionPages {
		if !more {
			break
		}
		page, err := note(p, ask(ctx, p.audit, "ListObjectVersions of "+p.b.prefix()+" in", p.b.Client.ListObjectVersions, in, rooted("ListVersionsResult")))
		if err != nil {
			return nil, err
		}
		for _, v := range stack(page) {
			if v.key != key {
				key, successor = v.key, time.Time{}
			}
			if !successor.IsZero() {
				if fate := l.Fate(Version{Key: v.key, Bytes: v.bytes, LastModified: v.written, StorageClass: v.class, Noncurrent: successor, Newer: math.MaxInt}); v.bytes > 0 && (len(fate) == 0 || fate[len(fate)-1].Class != "") {
					bytes, seen = bytes+v.bytes, seen+1
				}
			}
			successor = v.written
		}
		in.KeyMarker, in.VersionIdMarker, more = page.NextKeyMarker, page.NextVersionIdMarker, value(page.IsTruncated)
	}
	if seen == 0 {
		return nil, nil
	}
	text := fmt.Sprintf("%d old versions with %d bytes stay for ever: no rule expires them", seen, bytes)
	if more {
		text += fmt.Sprintf(" (among the first %d versions; there are more)", versionPages*1000)
	}
	return []string{text}, nil
}

// stacked is a version, or a delete marker, which has no bytes.
type stacked struct {
	key, class string
	bytes      int64
	written    time.Time
}

// stack puts versions and delete markers of a page together, the newest of each key first.
func stack(page *s3.ListObjectVersionsOutput) []stacked {
	var all []stacked
	for _, v := range page.Versions {
		all = append(all, stacked{value(v.Key), string(v.StorageClass), value(v.Size), value(v.LastModified)})
	}
	for _, m := range page.DeleteMarkers {
		all = append(all, stacked{key: value(m.Key), written: value(m.LastModified)})
	}
	slices.SortStableFunc(all, func(x, y stacked) int {
		if c := strings.Compare(x.key, y.key); c != 0 {
			return c
		}
		return y.written.Compare(x.written)
	})
	return all
}

// leftUploads counts the uploads below the path that have been open for long.
func (p *probe) leftUploads(ctx context.Context) ([]string, error) {
	page, err := note(p, ask(ctx, p.audit, "ListMultipartUploads of "+p.b.prefix()+" in", p.b.Client.ListMultipartUploads,
		&s3.ListMultipartUploadsInput{Bucket: &p.b.Name, Prefix: new(p.b.prefix())}, rooted("ListMultipartUploadsResult")))
	if err != nil {
		return nil, err
	}
	left := 0
	for _, u := range page.Uploads {
		if p.now.Sub(value(u.Initiated)) > abandoned {
			left++
		}
	}
	if left == 0 {
		return nil, nil
	}
	return []string{fmt.Sprintf("%s older than 7 days, whose parts stay for ever: no rule aborts them", count(int32(left), "upload"))}, nil
}
