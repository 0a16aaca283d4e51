// Package rto measures how long a recovery takes and how much it loses, and holds both against the documented objectives.
package rto

import "time"

// Phase is one step of a drill.
type Phase string

// The phases, in the order in which a drill goes through them.
const (
	Preflight         Phase = "preflight"          // connect to the source and the bucket, interlock
	Posture           Phase = "posture"            // audit of the bucket
	FingerprintBefore Phase = "fingerprint before" // of the source, for the comparison
	Backup            Phase = "backup"             // a new backup, create to end
	FingerprintAfter  Phase = "fingerprint after"
	Catalogue         Phase = "catalogue"    // the backup's objects as S3 lists them
	Archive           Phase = "archive"      // every chunk read to its end
	Copy              Phase = "copy"         // server-side copy, when restore.from is copy
	Provision         Phase = "provision"    // sandbox up; the recovery clock starts with it
	Restore           Phase = "restore"      // POST of the restore to its end
	Index             Phase = "index"        // every shard loaded and READY, indexing queues empty
	FirstAnswer       Phase = "first answer" // first verified answer of the restored service
	Verify            Phase = "verify"       // comparison; never part of the RTO
	SelfTest          Phase = "self-test"    // the restored copy damaged on purpose, and compared again
	Teardown          Phase = "teardown"     // sandbox down, bucket left as it was found
)

// Span is one phase as it happened.
type Span struct {
	Phase Phase     `json:"phase"`
	Began time.Time `json:"began"`
	Ended time.Time `json:"ended"` // zero while under way, and for ever when the drill died in it
	Error string    `json:"error,omitempty"`
}

// Duration is zero for a span that has not ended.
func (s Span) Duration() time.Duration {
	if s.Ended.IsZero() {
		return 0
	}
	return s.Ended.Sub(s.Began)
}

// Timeline lists the phases of a drill in the order in which they began.
type Timeline []Span

// Span returns the first span of a phase that ended without error.
func (t Timeline) Span(p Phase) (Span, bool) {
	for _, s := range t {
		if s.Phase == p && !s.Ended.IsZero() && s.Error == "" {
			return s, true
		}
	}
	return Span{}, false
}
