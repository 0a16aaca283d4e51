package verify

import (
	"time"

	"github.com/weaviate-drill/weaviate-drill/internal/weaviate"
)

// rules are the time rules of one comparison. Times are the servers' own, in Unix milliseconds.
type rules struct {
	capture int64 // the capture point; 0 when there is none, and then no difference is explained by time
	end     int64 // of the backup; 0: not known
	margin  int64 // by which the clocks of the nodes may differ, and a write near the capture point may have been under way
}

func newRules(capture time.Time, skew time.Duration) rules {
	if capture.IsZero() {
		return rules{}
	}
	return rules{capture: capture.UnixMilli(), margin: skew.Milliseconds()}
}

// latest is the time after which nothing was captured: a busy server may get to a shard seconds after the capture point, and surely has before the end of the backup.
func (r rules) latest() int64 { return max(r.capture, r.end) + r.margin }

// until adds when the backup ended; zero: that is not known.
func (r rules) until(end time.Time) rules {
	if !end.IsZero() {
		r.end = end.UnixMilli()
	}
	return r
}

// The reasons that judge gives, one for each branch.
const (
	ruleEqual            = "both sides are equal, bit for bit"
	ruleSameWrite        = "both sides hold the same write (same creation and update time), and their content differs"
	ruleUpdatedAfter     = "updated on the source after the capture point, or within the margin before it"
	ruleNotExplained     = "differs, and the source's last write is older than the capture point"
	ruleCreatedAfter     = "created on the source after the capture point, or within the margin before it, when a write may have been under way"
	ruleLost             = "last written on the source before the capture point, and not restored"
	ruleLostUpdated      = "created on the source before the capture point, whatever was written to it later, and not restored"
	ruleWrittenRestored  = "its last write on the restored side is later than the capture point: it cannot come from the backup"
	ruleDeletedOrRisen   = "restored and not on the source: deleted there after the capture point, or risen from an earlier deletion; only an inventory from before the backup could tell"
	ruleNoCaptureDiffers = "differs, and without a capture point no later write can explain it"
	ruleNoCaptureLost    = "not restored, and without a capture point no later write can explain it"
	ruleNoCaptureExtra   = "not on the source, and without a capture point no deletion can explain it"
)

// judge gives the verdict on one object from both its sides, one of which may be nil. It reads the identity and times of the objects; equal says whether all else is the same too.
func (r rules) judge(source, restored *weaviate.Object, equal bool) (Verdict, string) {
	switch {
	case source != nil && restored != nil:
		switch {
		case equal:
			return Match, ruleEqual
		case source.Created == restored.Created && source.Updated == restored.Updated:
			return Corrupt, ruleSameWrite
		case r.capture == 0:
			return Corrupt, ruleNoCaptureDiffers
		case restored.Updated > r.latest():
			return Corrupt, ruleWrittenRestored
		case r.late(source):
			return Drift, ruleUpdatedAfter
		default:
			return Corrupt, ruleNotExplained
		}
	case source != nil:
		switch {
		case r.capture == 0:
			return Lost, ruleNoCaptureLost
		case source.Created > r.capture-r.margin: // also when an older object of this id was deleted or imported again: then it is created anew
			return Drift, ruleCreatedAfter
		case r.late(source):
			return Lost, ruleLostUpdated
		default:
			return Lost, ruleLost
		}
	default:
		switch {
		case r.capture == 0:
			return Unexpected, ruleNoCaptureExtra
		case restored.Updated > r.latest():
			return Unexpected, ruleWrittenRestored
		default:
			return Unverifiable, ruleDeletedOrRisen
		}
	}
}

// late says whether the last write to this object of the source may have come after the capture point. No difference of any other is ever drift.
func (r rules) late(source *weaviate.Object) bool {
	return r.capture != 0 && source.Updated > r.capture-r.margin
}

// add counts one verdict.
func (v *Verdicts) add(verdict Verdict) { *v.of(verdict)++ }

// of is the count of a verdict.
func (v *Verdicts) of(verdict Verdict) *int64 {
	switch verdict {
	case Match:
		return &v.Match
	case Drift:
		return &v.Drift
	case Lost:
		return &v.Lost
	case Corrupt:
		return &v.Corrupt
	case Unexpected:
		return &v.Unexpected
	default:
		return &v.Unverifiable
	}
}

func (v *Verdicts) sum(w Verdicts) {
	v.Match += w.Match
	v.Drift += w.Drift
	v.Lost += w.Lost
	v.Corrupt += w.Corrupt
	v.Unexpected += w.Unexpected
	v.Unverifiable += w.Unverifiable
}
