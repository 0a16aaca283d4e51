package bucket

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// Lifecycle is the lifecycle of a bucket, to be asked what it does to single objects. The zero value has no rule.
type Lifecycle struct {
	rules   []lifecycleRule // those that are enabled
	minimum types.TransitionDefaultMinimumObjectSize
}

// Lifecycle reads the bucket's lifecycle. A bucket that has none is no error; for the others see Explain.
func (b *Bucket) Lifecycle(ctx context.Context) (Lifecycle, error) {
	out, err := b.Client.GetBucketLifecycleConfiguration(ctx, &s3.GetBucketLifecycleConfigurationInput{Bucket: &b.Name}, rooted("LifecycleConfiguration"))
	if code(err) == noLifecycle {
		return Lifecycle{}, nil
	}
	if err != nil {
		return Lifecycle{}, fmt.Errorf("bucket %s: %w", b.Name, Explain(err))
	}
	return newLifecycle(out, b.prefix()), nil
}

func newLifecycle(out *s3.GetBucketLifecycleConfigurationOutput, backups string) Lifecycle {
	rules := slices.DeleteFunc(lifecycleOf(out.Rules, backups), func(r lifecycleRule) bool { return !r.enabled() })
	return Lifecycle{rules: rules, minimum: out.TransitionDefaultMinimumObjectSize}
}

// Version is a version of an object as a lifecycle sees it.
type Version struct {
	Key          string
	Bytes        int64
	Tags         map[string]string // a listing does not tell them; Weaviate 1.38.5 sets none
	LastModified time.Time
	StorageClass string // empty: STANDARD
	// Noncurrent is when the version's successor was written; zero for the current version.
	Noncurrent time.Time
	Newer      int // how many noncurrent versions of the object are newer than this one
}

// Change is what a rule does to an object, and from when on. S3 acts some time after that, and charges as if it had acted at once.
type Change struct {
	At    time.Time
	Class string // the storage class that the object is moved to; empty: it expires
	Rule  string // id of the rule, or "rule N", counted from 1, when it has none
}

// Thaw is how long a standard retrieval takes at most after the change; zero when the object can be read at once, or is gone.
func (c Change) Thaw() time.Duration { return thaws[types.TransitionStorageClass(c.Class)] }

// Takes says whether the object can no longer be read at once after the change.
func (c Change) Takes() bool { return c.Class == "" || c.Thaw() > 0 }

func (c Change) String() string {
	does := "expires"
	if c.Class != "" {
		does = "moves to " + c.Class
	}
	return fmt.Sprintf("%s on %s by %s", does, c.At.UTC().Format(time.DateOnly), c.Rule)
}

// Fate is all that the rules do to an object if nobody touches it, in the order of time. An expiry is the last; what would come after it, or at the same time, is not done.
// A move only leads to a colder class, and of several at one time the coldest is made.
// Sources: https://docs.aws.amazon.com/AmazonS3/latest/userguide/intro-lifecycle-rules.html, https://docs.aws.amazon.com/AmazonS3/latest/userguide/lifecycle-conflicts.html,
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/lifecycle-transition-general-considerations.html.
func (l Lifecycle) Fate(v Version) []Change {
	var expiry *Change
	var moves []Change
	for _, r := range l.rules {
		if !r.match(v) {
			continue
		}
		if at, ok := r.expiry(v); ok && (expiry == nil || at.Before(expiry.At)) {
			expiry = &Change{At: at, Rule: r.name()}
		}
		for class, at := range r.moves(v) {
			if !l.tooSmall(r, v, class) {
				moves = append(moves, Change{At: at, Class: string(class), Rule: r.name()})
			}
		}
	}
	slices.SortFunc(moves, func(x, y Change) int {
		return cmp.Or(x.At.Compare(y.At), cmp.Compare(coldness(y.Class), coldness(x.Class)), cmp.Compare(x.Rule, y.Rule))
	})
	var fate []Change
	class := v.StorageClass
	for _, m := range moves {
		if coldness(m.Class) > coldness(class) && (expiry == nil || m.At.Before(expiry.At)) {
			fate, class = append(fate, m), m.Class
		}
	}
	if expiry != nil {
		fate = append(fate, *expiry)
	}
	return fate
}

// End is the first change after which the object can no longer be read at once, if there is one.
func (l Lifecycle) End(v Version) (Change, bool) {
	fate := l.Fate(v)
	if i := slices.IndexFunc(fate, Change.Takes); i >= 0 {
		return fate[i], true
	}
	return Change{}, false
}

// match says whether the rule selects v.
func (r lifecycleRule) match(v Version) bool {
	f := r.selector
	for _, t := range f.tags {
		if is, there := v.Tags[value(t.Key)]; !there || is != value(t.Value) {
			return false
		}
	}
	return f.selectsKey(v.Key) && (f.greater == nil || v.Bytes > *f.greater) && (f.less == nil || v.Bytes < *f.less)
}

// expiry is when the rule expires v.
func (r lifecycleRule) expiry(v Version) (time.Time, bool) {
	if n := r.NoncurrentVersionExpiration; !v.Noncurrent.IsZero() {
		if n == nil || v.Newer < int(value(n.NewerNoncurrentVersions)) {
			return time.Time{}, false
		}
		return due(v.Noncurrent, value(n.NoncurrentDays)), true
	}
	if e := r.Expiration; e != nil && (e.Date != nil || e.Days != nil) {
		return eligible(v.LastModified, e.Days, e.Date), true
	}
	return time.Time{}, false
}

// moves are the classes that the rule moves v to, with the times.
func (r lifecycleRule) moves(v Version) map[types.TransitionStorageClass]time.Time {
	if len(r.Transitions)+len(r.NoncurrentVersionTransitions) == 0 { // no map for each of a million objects
		return nil
	}
	at := map[types.TransitionStorageClass]time.Time{}
	if v.Noncurrent.IsZero() {
		for _, t := range r.Transitions {
			if t.Date != nil || t.Days != nil {
				at[t.StorageClass] = eligible(v.LastModified, t.Days, t.Date)
			}
		}
		return at
	}
	for _, t := range r.NoncurrentVersionTransitions {
		if v.Newer >= int(value(t.NewerNoncurrentVersions)) {
			at[t.StorageClass] = due(v.Noncurrent, value(t.NoncurrentDays))
		}
	}
	return at
}

// smallObject is what AWS does not move unless a rule filters by size, depending on the lifecycle's TransitionDefaultMinimumObjectSize
// (https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketLifecycleConfiguration.html). A server that does not send it has no such minimum.
const smallObject = 128 << 10

func (l Lifecycle) tooSmall(r lifecycleRule, v Version, to types.TransitionStorageClass) bool {
	if v.Bytes >= smallObject || r.selector.greater != nil || r.selector.less != nil {
		return false
	}
	return l.minimum == types.TransitionDefaultMinimumObjectSizeAllStorageClasses128k ||
		l.minimum == types.TransitionDefaultMinimumObjectSizeVariesByStorageClass && thaws[to] == 0
}

// eligible is when an action by age or date comes to an object. A date goes on to apply to what is written after it.
func eligible(written time.Time, age *int32, date *time.Time) time.Time {
	if date == nil {
		return due(written, value(age))
	}
	if written.After(*date) {
		return written.UTC()
	}
	return date.UTC()
}

// due adds days, and rounds up to the next midnight UTC: an object written on the 15th at 10:30 is 3 days old on the 19th at 00:00.
// Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/intro-lifecycle-rules.html, "Lifecycle rules based on an object's age".
func due(from time.Time, days int32) time.Time {
	return from.UTC().Add((time.Duration(days) + 1) * 24 * time.Hour).Truncate(24 * time.Hour)
}

// classes are in the order in which S3 moves objects, from warm to cold.
// Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/lifecycle-transition-general-considerations.html.
var classes = []string{"STANDARD", "STANDARD_IA", "INTELLIGENT_TIERING", "ONEZONE_IA", "GLACIER_IR", "GLACIER", "DEEP_ARCHIVE"}

// coldness ranks a class. Another server's tier is colder than all: objects move there once, and stay.
func coldness(class string) int {
	switch i := slices.Index(classes, class); {
	case class == "":
		return 0
	case i < 0:
		return len(classes)
	default:
		return i
	}
}
