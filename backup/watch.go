package backup

import (
	"context"
	"errors"
	"time"

	"github.com/weaviate-drill/weaviate-drill/internal/weaviate"
)

// Progress is how far a backup, a copy or a restore is. A progress function is called after every look, never by two goroutines at once.
type Progress struct {
	Status string // the server's word; COPYING while a backup is copied
	// Bytes are as stored. A backup: those listed in S3 so far. A restore: always 0, the server does not tell.
	Bytes int64
	// Total is 0 when it is not known. A backup: what the newest finished one of the same collections and compression takes, an estimate.
	Total   int64
	Elapsed time.Duration
}

// A Weaviate coordinator asks its nodes how they stand 2 s after it began, then every 10 s (Weaviate 1.38.5, usecases/backup/coordinator.go, commit), and
// learns of their end only then. So just then the server is asked often, and rarely between: each question makes it read the descriptor in S3.
const (
	firstRound = 2 * time.Second
	nextRound  = 10 * time.Second
	roundLead  = 200 * time.Millisecond // asked often from so much before a round
	roundTrail = time.Second            // until so much after it, plus 0.5 % of the time gone by: rounds drift by the time that each takes
	closeLook  = 100 * time.Millisecond // up to twice that in a longer run
	calmLook   = time.Second
	longRun    = 5 * time.Minute // from here on the rounds are not followed
	longLook   = 2 * time.Second // at most 0.7 % of a long run
)

// patience is how long the server may give no usable answer before that is the outcome: a node restarts, a connection breaks.
const patience = time.Minute

// pause is how long to wait until the next question, so long after the coordinator began. When the end may come at any time (the schema is applied after
// the last round of a restore; the rounds of a backup that somebody else began are not known), it is 1 % of that, 1 s at most.
func pause(since time.Duration, anyTime bool) time.Duration {
	switch {
	case anyTime:
		return min(max(since/100, closeLook), calmLook)
	case since > longRun:
		return longLook
	}
	sinceLead := since - (firstRound - roundLead)
	if sinceLead < 0 {
		return min(calmLook, -sinceLead)
	}
	sinceLead %= nextRound
	if sinceLead < roundLead+roundTrail+since/200 {
		return min(max(since/600, closeLook), 2*closeLook)
	}
	return min(calmLook, nextRound-sinceLead)
}

// watch asks until the server says that an operation has ended.
type watch struct {
	ask     func(context.Context) (weaviate.BackupStatus, error)
	began   time.Time // of the coordinator's rounds, by this program's clock
	anyTime bool      // the rounds are not known
	seen    func(weaviate.BackupStatus)
}

// end returns when it saw the final status. The error is that of stopped, or the server's when it gave no answer for longer than patience, or refuses to
// give one.
func (w watch) end(ctx context.Context) (at time.Time, err error) {
	var last weaviate.BackupStatus
	var silent time.Time
	for {
		s, err := w.ask(ctx)
		at = time.Now()
		switch {
		case ctx.Err() != nil:
			return at, stopped(ctx)
		case err == nil:
			silent, last = time.Time{}, s
			w.seen(s)
			if s.Done() {
				return at, nil
			}
		case errors.Is(err, weaviate.ErrUnauthorized) || errors.Is(err, weaviate.ErrForbidden):
			return at, err
		case silent.IsZero():
			silent = at
		case at.Sub(silent) > patience:
			return at, err
		}
		if err := sleep(ctx, pause(time.Since(w.began), w.anyTime || last.Status == statusFinalizing)); err != nil {
			return at, err
		}
	}
}

// sleep returns stopped(ctx) when ctx ends first.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return stopped(ctx)
	case <-timer.C:
		return nil
	}
}

// within bounds ctx; the cause is ErrTimeout when the bound was reached. Zero is no bound.
func within(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	if d <= 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeoutCause(ctx, d, ErrTimeout)
}

// stopped says why ctx ended: ErrTimeout when the bound of within was reached, else the context's own error.
func stopped(ctx context.Context) error {
	if errors.Is(context.Cause(ctx), ErrTimeout) {
		return ErrTimeout
	}
	return ctx.Err()
}

// afterwards is a context for what must still be done when ctx has ended.
func afterwards(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), afterwardsTimeout)
}

// afterwardsTimeout bounds a cancellation: the coordinator sees it at its next round, at most 10 s later, and needs up to 5 s to ask its nodes.
const afterwardsTimeout = 20 * time.Second
