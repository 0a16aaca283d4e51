package kubernetes

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"

	"github.com/weaviate-drill/weaviate-drill/backup/sandbox"
)

// leaseName is what the Lease is called in the tool's namespace. It stays there, without a holder, so that nobody needs the right to delete it.
const leaseName = "weaviate-drill"

// term is how long a lock lasts.
type term struct {
	lease time.Duration // without a renewal; then another may take it
	renew time.Duration // the holder tries that long before it gives up
	retry time.Duration // between renewals, and between looks of who waits
}

// A drill of hours does not end because the API server is away for less than what all else here waits for it, which is grace. A dead drill then keeps the next one waiting for little
// longer; the difference is what a drill that lost its lock has to stop in. A living one shows within some retries.
var defaultTerm = term{lease: grace + 15*time.Second, renew: grace, retry: 2 * time.Second}

// Lock holds a Lease in the tool's namespace.
func (p place) Lock(ctx context.Context, drillID string) (held context.Context, release func(context.Context) error, err error) {
	c, err := p.dial()
	if err != nil {
		return nil, nil, err
	}
	return c.lock(ctx, holder(drillID)+p.owner(), defaultTerm)
}

// holder begins the identity of who holds the Lease; the owner follows.
func holder(drillID string) string { return drillID + " of " }

func (c *cluster) lock(ctx context.Context, identity string, t term) (context.Context, func(context.Context) error, error) {
	// The drill cleans up after its context has ended, and holds the lock until that is done.
	running, stop := context.WithCancelCause(context.WithoutCancel(ctx))
	l := &lock{stop: stop, began: time.Now(), LeaseLock: resourcelock.LeaseLock{
		LeaseMeta: metav1.ObjectMeta{Namespace: c.home, Name: leaseName}, Client: c.CoordinationV1(), Labels: map[string]string{LabelManagedBy: managedBy},
		LockConfig: resourcelock.ResourceLockConfig{Identity: identity},
	}}
	taken, over := make(chan struct{}), make(chan struct{})
	elector, err := leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
		Lock: l, Name: leaseName, LeaseDuration: t.lease, RenewDeadline: t.renew, RetryPeriod: t.retry,
		Callbacks: leaderelection.LeaderCallbacks{OnStartedLeading: func(context.Context) { close(taken) }, OnStoppedLeading: func() { close(over) }},
	})
	if err != nil {
		stop(nil)
		return nil, nil, fmt.Errorf("kubernetes sandbox: %w", err)
	}
	go elector.Run(running)
	release := func(ctx context.Context) error {
		stop(errReleased)
		select {
		case <-over: // nothing renews it any more
		case <-ctx.Done():
			return fmt.Errorf("kubernetes sandbox: the lease %s: %w", l.Describe(), context.Cause(ctx))
		}
		if err := l.giveUp(ctx); err != nil {
			return fmt.Errorf("kubernetes sandbox: the lease %s could not be given up and keeps other drills out until it expires, in %v: %w", l.Describe(), t.lease, err)
		}
		return nil
	}
	select {
	case <-taken:
	case <-over:
		return nil, nil, fmt.Errorf("kubernetes sandbox: %w", context.Cause(running))
	case <-ctx.Done():
		return nil, nil, errors.Join(fmt.Errorf("kubernetes sandbox: waiting for the lease %s: %w", l.Describe(), context.Cause(ctx)), release(context.WithoutCancel(ctx)))
	}
	held, lose := context.WithCancelCause(ctx)
	go func() {
		<-over
		switch why := context.Cause(running); {
		case why == nil:
			lose(fmt.Errorf("kubernetes sandbox: %w: the lease %s was not renewed for %v: %w", sandbox.ErrLockLost, l.Describe(), t.renew, l.failed))
		case !errors.Is(why, errReleased):
			lose(fmt.Errorf("kubernetes sandbox: %w", why))
		}
	}()
	return held, release, nil
}

var errReleased = errors.New("released")

// lock is a Lease that looks at what an election does with it, and ends the election when its outcome is certain: the elector itself would wait on, whoever has the Lease and
// whatever the API server says.
type lock struct {
	resourcelock.LeaseLock
	stop   context.CancelCauseFunc
	began  time.Time
	held   bool
	seen   []byte // the record of another holder
	failed error  // of the last request that did
}

func (l *lock) Get(ctx context.Context) (*resourcelock.LeaderElectionRecord, []byte, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	record, raw, err := l.LeaseLock.Get(ctx)
	switch {
	case apierrors.IsNotFound(err): // the elector makes it
	case err != nil:
		l.fails(err)
	case record.HolderIdentity == "" || record.HolderIdentity == l.Identity():
	case l.held:
		l.stop(fmt.Errorf("%w: %s took the lease %s", sandbox.ErrLockLost, record.HolderIdentity, l.Describe()))
	case l.seen == nil:
		l.seen = raw
	case !bytes.Equal(l.seen, raw):
		l.stop(fmt.Errorf("%w: %s, since %s (lease %s)", sandbox.ErrBusy, record.HolderIdentity, record.AcquireTime.UTC().Format(time.RFC3339), l.Describe()))
	}
	return record, raw, err
}

func (l *lock) Create(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	return l.write(ctx, record, l.LeaseLock.Create)
}

func (l *lock) Update(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	return l.write(ctx, record, l.LeaseLock.Update)
}

func (l *lock) write(ctx context.Context, record resourcelock.LeaderElectionRecord, do func(context.Context, resourcelock.LeaderElectionRecord) error) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	err := do(ctx, record)
	switch {
	case err == nil:
		l.held = true
	case !apierrors.IsConflict(err) && !apierrors.IsAlreadyExists(err): // else another was faster, and the elector looks again
		l.fails(err)
	}
	return err
}

// fails ends the election when there is nothing to wait for. What was held is not given up for an error: the elector tries until it must.
func (l *lock) fails(err error) {
	l.failed = err
	if !l.held && (!lost(err) || time.Since(l.began) > grace) {
		l.stop(fmt.Errorf("the lease %s that keeps other drills out: %w", l.Describe(), err))
	}
}

// giveUp frees the Lease, if it is still this holder's, so that the next one need not wait.
func (l *lock) giveUp(ctx context.Context) error {
	if !l.held {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	record, _, err := l.LeaseLock.Get(ctx)
	if apierrors.IsNotFound(err) || err == nil && record.HolderIdentity != l.Identity() {
		return nil
	}
	if err != nil {
		return err
	}
	now := metav1.Now()
	return l.LeaseLock.Update(ctx, resourcelock.LeaderElectionRecord{LeaderTransitions: record.LeaderTransitions, LeaseDurationSeconds: 1, AcquireTime: now, RenewTime: now})
}

// living says whether the drill holds the Lease and has renewed it lately, as far as the clocks of its machine and this one agree.
func (c *cluster) living(ctx context.Context, drillID string, now time.Time) (bool, error) {
	lease, err := c.CoordinationV1().Leases(c.home).Get(ctx, leaseName, metav1.GetOptions{})
	if apierrors.IsNotFound(err) || apierrors.IsForbidden(err) { // then no drill of this tool ever had it
		return false, nil
	}
	if err != nil {
		return false, err
	}
	record := resourcelock.LeaseSpecToLeaderElectionRecord(&lease.Spec)
	return strings.HasPrefix(record.HolderIdentity, holder(drillID)) && now.Sub(record.RenewTime.Time) < 2*defaultTerm.lease, nil
}
