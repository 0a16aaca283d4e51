package verify

import (
	"slices"
	"time"
)

// FingerprintInfo says which fingerprint was used.
type FingerprintInfo struct {
	Began   time.Time `json:"began"`
	Ended   time.Time `json:"ended"`
	Objects int64     `json:"objects"`
	Bytes   int64     `json:"bytes,omitempty"` // as it is stored
}

// RangeCounts says what fingerprints of the source contributed to a comparison. A range that is quiet has the same objects in the fingerprint from before the backup and in that from after it, with the same
// times. Since the capture point lies in between, these objects must come back exactly so; besides them only such can, and by their times, as were written and removed in between. In a busy range objects are judged one by one.
type RangeCounts struct {
	Before  *FingerprintInfo `json:"before,omitempty"`
	After   *FingerprintInfo `json:"after,omitempty"`
	Quiet   int64            `json:"quiet"` // ranges; those in which nobody has an object are not counted
	Busy    int64            `json:"busy"`
	Equal   int64            `json:"equal"`   // of both kinds: they came back as the later fingerprint has them
	Damaged int64            `json:"damaged"` // something in them is lost, corrupt or unexpected for what the fingerprints say
}

func (r *RangeCounts) sum(s RangeCounts) {
	r.Quiet += s.Quiet
	r.Busy += s.Busy
	r.Equal += s.Equal
	r.Damaged += s.Damaged
}

// The reasons for which fingerprints give a verdict.
const (
	rulePastEqual     = "its range came back as the fingerprint from after the backup has it: what differs was changed on the source since, or written and changed while the backup was made"
	rulePastAfter     = "restored as the fingerprint from after the backup has it, and changed on the source since"
	rulePastBefore    = "restored as the fingerprint from before the backup has it, and deleted on the source since: while the backup was made, or later"
	rulePastWritten   = "written after the fingerprint from before the backup was begun and not after the capture point, and deleted on the source since: while the backup was made, or later"
	rulePastNeither   = "neither the fingerprint from before the backup nor that from after it has it so, and it says that it was written before both"
	rulePastLost      = "unchanged from the fingerprint before the backup to that after it, and not restored"
	rulePastUnclear   = "its range did not come back as both fingerprints have it, and what of it differs cannot be told: they do not list its objects"
	rulePastMissing   = "objects that are unchanged from the fingerprint before the backup to that after it did not come back"
	rulePastOtherwise = "nothing was written there between the fingerprint before the backup and that after it, and it came back otherwise"

	ruleAloneEqual   = "its range came back as the fingerprint has it"
	ruleAloneListed  = "the fingerprint lists this object with this content"
	ruleAloneBefore  = "restored as the fingerprint from before the backup has it: it was changed or deleted while the backup was made"
	ruleAloneWritten = "written while the backup was made, between the fingerprints: nothing holds its content"
	ruleAloneNeither = "no fingerprint has an object of this id with this content, and it says that it was written before them"
	ruleAloneLater   = "its last write is later than the capture point: it cannot come from the backup"
	ruleAloneUnclear = "its range did not come back as the fingerprint has it, and what of it differs cannot be told"
	ruleAloneOnly    = "; there is no second fingerprint, so a write before or after the backup may explain it"
)

// past is what the fingerprints from before and after the backup hold of the source. With only one of them it stands for both, and nothing that differs from it is certain.
type past struct {
	before, after *Fingerprint
	single        bool
	written       int64 // ms: what says it was last written earlier is in the fingerprint from before the backup, or was there no more
}

// newPast is nil without any fingerprint.
func newPast(o Options) *past {
	p := past{before: o.Before, after: o.After}
	switch {
	case p.before == nil && p.after == nil:
		return nil
	case p.before == nil:
		p.before, p.single = p.after, true
	case p.after == nil:
		p.after, p.single = p.before, true
	}
	p.written = p.before.Began.Add(-o.ClockSkew).UnixMilli()
	return &p
}

// counts begins those of a result.
func (p *past) counts(o Options) *RangeCounts {
	info := func(f *Fingerprint) *FingerprintInfo {
		if f == nil {
			return nil
		}
		return &FingerprintInfo{f.Began, f.Ended, f.Objects(), f.size}
	}
	return &RangeCounts{Before: info(o.Before), After: info(o.After)}
}

// collections finds a collection in both, nil where it was not.
func (p *past) collections(name string) (before, after *FingerprintCollection) {
	return p.before.collection(name), p.after.collection(name)
}

// at is when a fingerprint was begun: what was written earlier, its questions were answered with.
func (p *past) at(moment int) time.Time {
	return [2]time.Time{p.before.Began, p.after.Began}[moment]
}

// pastPart is what the fingerprints hold of a part.
type pastPart struct {
	*past
	both    [2]*FingerprintPart // before and after
	prefix  int
	totals  [2][]totals         // by range
	listed  bool                // all objects, by the first bytes of their digests
	samples []FingerprintSample // the same in both
}

// of is what the fingerprints hold of a part; nil when one of them does not know its objects, or knows them as another way of reading gives them. A part that is on the source needs both.
func (p *past) of(x *part) *pastPart {
	if p == nil || x.onSource && p.single {
		return nil
	}
	before, after := p.collections(x.collection)
	out := &pastPart{past: p, both: [2]*FingerprintPart{before.part(x.tenant), after.part(x.tenant)}}
	for i, f := range out.both {
		if f == nil || f.Unread != "" || [2]*FingerprintCollection{before, after}[i].REST != x.rest {
			return nil
		}
	}
	out.prefix = min(out.both[0].Prefix, out.both[1].Prefix)
	out.listed = true
	for i, f := range out.both {
		out.totals[i] = f.coarse(out.prefix)
		out.listed = out.listed && f.listed()
	}
	for _, s := range after.Samples {
		if i, there := slices.BinarySearchFunc(before.Samples, s, bySample); there && before.Samples[i] == s && s.Tenant == x.tenant {
			out.samples = append(out.samples, s)
		}
	}
	return out
}
