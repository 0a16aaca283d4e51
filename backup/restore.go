package backup

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/weaviate-drill/weaviate-drill/backup/bucket"
	"github.com/weaviate-drill/weaviate-drill/internal/weaviate"
)

// Where a backup is restored from.
const (
	InPlace = "in-place" // where it lies; Weaviate writes a restore_config.json beside it
	ByCopy  = "copy"     // a server-side copy of it; where it lies nothing is written
)

// RestoreOptions say how a backup is restored.
type RestoreOptions struct {
	DrillID          string                                 // of a form that Weaviate allows for ids; everything below <copy path>/<drill id> is the drill's
	From             string                                 // InPlace or ByCopy
	Copy             weaviate.Location                      // for ByCopy: bucket ("": the backup's own, or another that the same client reaches) and path
	NodeMapping      map[string]string                      // old node name to new; nil when the names are the same
	Include, Exclude []string                               // collections; they exclude each other
	Roles, Users     bool                                   // bring back those of the backup, which replace all that are there
	CPUPercentage    int                                    // 1 to 80; 0: the server's default
	Timeout          time.Duration                          // of Run; 0: none
	Progress         func(Progress)                         // of Copy and Run; nil: not called
	Began            func(Footprint)                        // called once the restore runs, with a Footprint that is exact, to be kept instead of the one from before; nil: not called
	Logs             func(context.Context, io.Writer) error // the restored server's log so far, as sandbox.Instance has it; nil: there is none
	Log              *slog.Logger                           // nil: nothing is logged
}

// Restoration is one restore of one backup for a drill: Interlock, Copy, Footprint, Run, in this order, and at the end CleanUp. It is used once.
type Restoration struct {
	bucket    *bucket.Bucket
	catalogue *Catalogue
	id        string
	options   RestoreOptions
	footprint *Footprint
	now       func() time.Time
}

// NewRestoration prepares the restore of the catalogue's backup, which lies in b. It makes no request.
func NewRestoration(b *bucket.Bucket, c *Catalogue, o RestoreOptions) *Restoration {
	return &Restoration{bucket: b, catalogue: c, id: c.Backup().ID, options: o, now: time.Now}
}

// place is where the restore reads and writes: the backup's own place, or the copy's.
func (r *Restoration) place() *bucket.Bucket {
	if r.options.From != ByCopy {
		return r.bucket
	}
	return elsewhere(r.bucket, r.location())
}

func elsewhere(b *bucket.Bucket, l weaviate.Location) *bucket.Bucket {
	o := b.Options
	o.Name, o.Path = l.Bucket, l.Path
	return &bucket.Bucket{Client: b.Client, Options: o}
}

// Run restores into the empty Weaviate behind conn, from the POST to the end. It runs the interlock again just before. When ctx ends or the timeout is
// reached, the restore is cancelled; the error is then ctx's or ErrTimeout. A restore that ends otherwise than with SUCCESS is ErrFailed, and so is a SUCCESS of
// which the server's log says that a shard stayed empty. After any error the Weaviate is to be thrown away.
//
// The server answers a question about a restore from restore_config.json, which may be an earlier restore's. Only what differs from the one that was there
// before the POST is believed; that needs no clocks to agree.
func (r *Restoration) Run(ctx context.Context, conn *weaviate.Conn) (RestoreResult, error) {
	result := RestoreResult{From: r.options.From}
	if err := matchNames(r.options.Include, r.catalogue.Backup().Collections()); err != nil {
		return result, fmt.Errorf("restore of %s: %w", r.id, err)
	}
	if err := r.Interlock(ctx); err != nil {
		return result, err
	}
	before, err := r.Footprint(ctx)
	if err != nil {
		return result, err
	}
	current, err := readRestoreConfig(ctx, r.place(), r.id)
	if err != nil {
		return result, err
	}
	if !same(current, before.Previous) {
		return result, fmt.Errorf("%w: %s was written since the drill looked at it: somebody restores backup %s; wait until that has ended",
			ErrRefused, r.place().URL(r.id, restoreObject), r.id)
	}
	request := weaviate.RestoreRequest{ID: r.id, Include: r.options.Include, Exclude: r.options.Exclude, NodeMapping: r.options.NodeMapping, CPUPercentage: r.options.CPUPercentage, Roles: r.options.Roles, Users: r.options.Users}
	if r.options.From == ByCopy {
		request.Location = r.location()
	}
	result.Posted = time.Now()
	started, err := r.start(ctx, conn, request, before.Previous)
	if err != nil {
		result.Cause = r.cause(ctx, tellingWords...)
		return result, fmt.Errorf("restore of %s could not be started: %w%s", r.id, err, prefixed("; the cause: ", result.Cause))
	}
	result.Status, result.Collections = started.Status, slices.Sorted(slices.Values(started.Collections))
	logger(r.options.Log).Info("restore started", "backup", r.id, "collections", len(result.Collections))
	w := watch{
		ask: func(ctx context.Context) (weaviate.BackupStatus, error) {
			return conn.RestoreStatus(ctx, r.id, request.Location)
		},
		began: time.Now(),
		seen: func(s weaviate.BackupStatus) {
			if result.Status != s.Status {
				logger(r.options.Log).Debug("restore status", "backup", r.id, "status", s.Status)
			}
			result.Status, result.Error = s.Status, s.Error
			if r.options.Progress != nil {
				r.options.Progress(Progress{Status: s.Status, Elapsed: time.Since(result.Posted)})
			}
		},
	}
	limit, stop := within(ctx, r.options.Timeout)
	defer stop()
	err = r.begun(limit, before.Previous)
	if err == nil {
		result.Noticed, err = w.end(limit)
	}
	if err == nil {
		err = r.conclude(limit, &result)
	}
	if err == nil {
		return result, nil
	}
	return result, r.broken(ctx, conn, request.Location, &result, err)
}

// start asks the server to restore. When its answer is lost with the connection, such as that of a port-forward, restore_config.json tells whether the restore began; when it did not, the server is asked again.
func (r *Restoration) start(ctx context.Context, conn *weaviate.Conn, request weaviate.RestoreRequest, before *RestoreConfig) (weaviate.BackupStatus, error) {
	lost := false
	for began := time.Now(); ; lost = true {
		// The POST is not cut short: whether it started a restore would remain unknown.
		started, err := conn.Restore(context.WithoutCancel(ctx), request)
		underWay := lost && errors.Is(err, weaviate.ErrUnprocessable) // the one of which the answer was lost
		if !errors.Is(err, weaviate.ErrUnreachable) && !underWay || time.Since(began) > lostTimeout {
			return started, err
		}
		logger(r.options.Log).Warn("the answer to the start of the restore was lost", "backup", r.id, "error", err)
		_, awaited := r.await(ctx, func(c *RestoreConfig) bool { return !same(c, before) })
		if awaited == nil {
			return weaviate.BackupStatus{Status: statusStarted}, nil
		}
		if !errors.Is(awaited, ErrTimeout) || ctx.Err() != nil {
			return started, fmt.Errorf("%w; whether it began is not known: %w", err, awaited)
		}
	}
}

// lostTimeout is how long the way to the server may be cut when a restore is started.
const lostTimeout = time.Minute

func same(x, y *RestoreConfig) bool {
	if x == nil || y == nil {
		return x == y
	}
	return bytes.Equal(x.Content, y.Content)
}

// begun waits until restore_config.json is another than before, which it is when the POST answers, and remembers it as the drill's own. The server was seen
// to answer STARTED and do nothing.
func (r *Restoration) begun(ctx context.Context, before *RestoreConfig) error {
	c, err := r.await(ctx, func(c *RestoreConfig) bool { return !same(c, before) })
	if errors.Is(err, ErrTimeout) && ctx.Err() == nil {
		return fmt.Errorf("%w: the server answered STARTED and wrote no %s: nothing is being restored (is the bucket the one that the sandbox was started with?)",
			ErrFailed, r.place().URL(r.id, restoreObject))
	}
	if err != nil {
		return err
	}
	r.footprint.Wrote = c.descriptor.StartedAt
	if r.options.Began != nil {
		r.options.Began(*r.footprint)
	}
	return nil
}

// await reads restore_config.json until it is as wanted, for settleTimeout at most (ErrTimeout).
func (r *Restoration) await(ctx context.Context, wanted func(*RestoreConfig) bool) (*RestoreConfig, error) {
	limit, stop := within(ctx, settleTimeout)
	defer stop()
	for {
		c, err := readRestoreConfig(limit, r.place(), r.id)
		switch {
		case err == nil && c != nil && wanted(c):
			return c, nil
		case err != nil && limit.Err() == nil && !errors.Is(err, ErrMalformed): // that may be a write under way
			return nil, err
		}
		if err := sleep(limit, closeLook); err != nil {
			return c, err
		}
	}
}

// conclude judges what the server says at the end.
func (r *Restoration) conclude(ctx context.Context, result *RestoreResult) error {
	url := r.place().URL(r.id, restoreObject)
	c, err := r.await(ctx, func(c *RestoreConfig) bool {
		return !c.descriptor.StartedAt.Equal(r.footprint.Wrote) || weaviate.Final(c.descriptor.Status)
	})
	switch {
	case errors.Is(err, ErrTimeout) && ctx.Err() == nil:
		return r.failed(result, fmt.Sprintf("but %s does not say so", url))
	case err != nil:
		return err
	case !c.descriptor.StartedAt.Equal(r.footprint.Wrote):
		return fmt.Errorf("%w: somebody began to restore backup %s during the drill (%s, restore begun at %s): what became of the drill's own restore is not known",
			ErrRefused, r.id, url, c.descriptor.StartedAt.UTC().Format(timeFormat))
	}
	result.Status, result.Error = c.descriptor.Status, c.descriptor.Error
	if result.ServerEnd, err = r.written(ctx); err != nil {
		return err
	}
	if result.Status != statusSuccess {
		result.Cause = r.cause(ctx, tellingWords...)
		return r.failed(result, cmp.Or(result.Cause, result.Error, "without a reason; its log may tell"))
	}
	if result.Cause = r.cause(ctx, emptyShard); result.Cause != "" {
		return r.failed(result, "but its log tells of a collection that did not come back: "+result.Cause)
	}
	logger(r.options.Log).Info("restore finished", "backup", r.id, "server_end", result.ServerEnd)
	return nil
}

// failed is the error of a restore that ended badly. When the log tells the cause, the server's own words are left to the result: they hide it ("context canceled").
func (r *Restoration) failed(result *RestoreResult, words string) error {
	return fmt.Errorf("restore of %s: %w: the server says %s: %s", r.id, ErrFailed, result.Status, words)
}

// written is when restore_config.json was last written, from a listing, which is finer than the header of an object.
func (r *Restoration) written(ctx context.Context) (time.Time, error) {
	place := r.place()
	page, err := place.Client.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: &place.Name, Prefix: aws.String(place.Key(r.id, restoreObject)), MaxKeys: aws.Int32(1)})
	if err != nil {
		return time.Time{}, bucket.Explain(err)
	}
	if len(page.Contents) == 0 {
		return time.Time{}, nil
	}
	return aws.ToTime(page.Contents[0].LastModified), nil
}

// broken words an error of Run after the POST, and cancels what would go on.
func (r *Restoration) broken(ctx context.Context, conn *weaviate.Conn, l weaviate.Location, result *RestoreResult, err error) error {
	timedOut := errors.Is(err, ErrTimeout)
	if errors.Is(err, ErrFailed) || errors.Is(err, ErrRefused) {
		return err
	}
	after, stop := afterwards(ctx)
	defer stop()
	result.Cause = r.cause(after, tellingWords...)
	text := ""
	if timedOut {
		err = fmt.Errorf("%w: %s after %s", err, result.Status, r.options.Timeout)
		text = sickNodes(after, conn)
	}
	text += prefixed("; the cause: ", result.Cause)
	if ctx.Err() != nil || timedOut {
		if cancelled := conn.CancelRestore(after, r.id, l); cancelled != nil {
			text += "; cancelling it: " + cancelled.Error()
		} else {
			text += "; it was cancelled"
		}
	}
	return fmt.Errorf("restore of %s: %w%s", r.id, err, text)
}
