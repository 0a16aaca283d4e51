package evidence

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// S3 has no locks that die with a process. So a drill writes its lock file anew every so often, and is dead when that has not happened a few times in a row. 360 small writes an hour cost less than a fifth of a cent
// (at 0.005 USD for 1,000, as https://aws.amazon.com/s3/pricing/ says for us-east-1); and a minute is about as long as what outlives a killed process in a cluster anyway.
const (
	renewEvery = 10 * time.Second
	missed     = 6 // renewals in a row: one that waits for a slow server does not count as a death
)

// heartbeat is a journal in a bucket.
type heartbeat struct {
	p     *inBucket
	id    string
	token string                  // tells this drill's lock file from another's
	drop  context.CancelCauseFunc // ends what Begin calls held
	stop  context.CancelFunc      // ends the renewals
	done  chan struct{}           // closed when they have ended

	mu            sync.Mutex
	lock, journal string // ETags of what was written last; empty: nothing
	lost          error
	released      bool
}

func (p *inBucket) begin(ctx context.Context, id string) (held context.Context, _ hold, err error) {
	if err := p.mustRefuse(ctx); err != nil {
		return nil, nil, err
	}
	h := &heartbeat{p: p, id: id, token: rand.Text(), done: make(chan struct{})}
	h.lock, err = p.put(ctx, lockFile(id), []byte(h.token), h.token, "")
	if errors.Is(err, errTaken) {
		idle, err := p.idle(ctx, id)
		if err != nil {
			return nil, nil, err
		}
		if d, there := idle[id]; there && !p.isDead(d) {
			return nil, nil, running(id)
		}
		return nil, nil, left(id)
	}
	if err != nil {
		return nil, nil, err
	}
	held, h.drop = context.WithCancelCause(ctx)
	beating, stop := context.WithCancel(context.WithoutCancel(ctx)) // a drill that is interrupted has still to tidy up
	h.stop = stop
	go h.beat(beating)
	return held, h, nil
}

func (h *heartbeat) beat(ctx context.Context) {
	defer close(h.done)
	tick := time.NewTicker(h.p.every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			call, cancel := context.WithTimeout(ctx, h.p.every)
			_ = h.renew(call) // one that fails is followed by the next
			cancel()
		}
	}
}

// renew shows that the drill lives.
func (h *heartbeat) renew(ctx context.Context) error {
	return h.put(ctx, lockFile(h.id), []byte(h.token), h.token, &h.lock)
}

// write is preceded by a renewal, so that nobody takes the drill for dead meanwhile.
func (h *heartbeat) write(ctx context.Context, raw []byte) error {
	if err := h.renew(ctx); err != nil {
		return err
	}
	return h.put(ctx, journalFile(h.id), raw, rand.Text(), &h.journal)
}

// put writes over what this drill wrote last. When that is not there any more, the journal is lost for good.
func (h *heartbeat) put(ctx context.Context, name string, raw []byte, token string, etag *string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.lost != nil {
		return h.lost
	}
	now, err := h.p.put(ctx, name, raw, token, *etag)
	if errors.Is(err, errTaken) {
		h.lost = fmt.Errorf("evidence: %s: %w", h.p.at(name), ErrLost)
		h.drop(h.lost)
		return h.lost
	}
	if err == nil {
		*etag = now
	}
	return err
}

func (h *heartbeat) release(ctx context.Context) error {
	h.stop()
	<-h.done
	h.drop(nil)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.released || h.lost != nil { // what is there now is another's
		return nil
	}
	h.released = true
	return h.p.removeJournal(ctx, h.id)
}

// removeJournal takes the lock file last: while it is there, the journal can be found.
func (p *inBucket) removeJournal(ctx context.Context, id string) error {
	return p.drop(ctx, journalFile(id), lockFile(id))
}

func (p *inBucket) dead(ctx context.Context) ([]string, error) {
	idle, err := p.idle(ctx, "")
	if err != nil {
		return nil, err
	}
	maps.DeleteFunc(idle, func(id string, d time.Duration) bool { return !p.isDead(d) || checkID(id) != nil })
	return slices.Sorted(maps.Keys(idle)), nil
}

func (p *inBucket) forget(ctx context.Context, id string) error {
	idle, err := p.idle(ctx, id)
	if err != nil {
		return err
	}
	d, there := idle[id]
	if !there {
		return nil
	}
	if !p.isDead(d) {
		return running(id)
	}
	return p.removeJournal(ctx, id)
}

func (p *inBucket) isDead(idle time.Duration) bool { return idle > missed*p.every }

// idle tells how long ago each lock file whose name begins so was last written. The server's clock alone counts: it dates both the objects and the answer.
func (p *inBucket) idle(ctx context.Context, begin string) (map[string]time.Duration, error) {
	idle := map[string]time.Duration{}
	prefix := p.prefix(runningDir)
	pages := s3.NewListObjectsV2Paginator(p.b.Client, &s3.ListObjectsV2Input{Bucket: &p.b.Name, Prefix: aws.String(prefix + begin)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, p.fault(runningDir, err)
		}
		now, dated := middleware.GetServerTime(page.ResultMetadata)
		if !dated {
			return nil, fmt.Errorf("evidence: the S3 server of %s sends no Date, so whether a drill lives cannot be known: set evidence.s3 to a server that does, or evidence.dir to a folder", p.at(""))
		}
		for _, o := range page.Contents {
			if id, ok := strings.CutSuffix(strings.TrimPrefix(aws.ToString(o.Key), prefix), lockExtension); ok {
				idle[id] = now.Sub(aws.ToTime(o.LastModified))
			}
		}
	}
	return idle, nil
}
