package backup

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/weaviate-drill/weaviate-drill/backup/bucket"
	"github.com/weaviate-drill/weaviate-drill/internal/weaviate"
)

// Errors that callers decide on.
var (
	ErrFailed       = errors.New("ended without success")     // FAILED, CANCELED that this call did not ask for, or a SUCCESS that is none
	ErrTimeout      = errors.New("not finished in time")      //
	ErrNoCollection = errors.New("no such collection")        // a wildcard that matches none: Weaviate would take all instead
	ErrExists       = errors.New("the id is taken")           // backup ids are used once, even those of canceled backups
	ErrOver         = errors.New("it has ended already with") // nothing is left to cancel
)

// The statuses that are decided on here (Weaviate 1.38.5, entities/backup/status.go).
const (
	statusStarted    = "STARTED"
	statusFinalizing = "FINALIZING" // a restore applies the schema and cannot be cancelled any more
	statusCancelling = "CANCELLING"
	statusCanceled   = "CANCELED"
)

// CreateOptions say which backup is made and how it is followed.
type CreateOptions struct {
	Request  weaviate.BackupRequest // ID "": a new one. Location: where the bucket or path of Create differs from the server's own
	Timeout  time.Duration          // 0: none
	Progress func(Progress)         // nil: not called
	Log      *slog.Logger           // nil: nothing is logged
}

// NewID makes the id of a backup or a drill, such as drill-20261124-222655-k3f9x2. Ids sort by time; Weaviate allows a to z, 0 to 9, _ and - in them.
func NewID(now time.Time) string {
	return "drill-" + now.UTC().Format("20060102-150405") + "-" + strings.ToLower(rand.Text()[:6])
}

// Create starts a backup and follows it to its end. When the server is busy with another backup, that one is followed instead (Attached).
//
// When ctx ends or the timeout is reached, the backup that this call started is cancelled, never one that it attached to; the error is then ctx's or ErrTimeout.
// A backup that ends otherwise than with SUCCESS, or without a descriptor of every node, is ErrFailed; what is known is in the result all the same.
func Create(ctx context.Context, conn *weaviate.Conn, b *bucket.Bucket, o CreateOptions) (CreateResult, error) {
	r := o.Request
	if r.ID == "" {
		r.ID = NewID(time.Now())
	}
	result := CreateResult{ID: r.ID, Posted: time.Now()}
	if err := matchSome(ctx, conn, r.Include); err != nil {
		return result, fmt.Errorf("backup %s: %w", r.ID, err)
	}
	// What is found at this id from now on was written after the POST: a status can only be that of the new backup.
	switch d, err := ReadDescriptor(ctx, b, r.ID); {
	case err == nil || errors.Is(err, ErrMalformed):
		return result, fmt.Errorf("backup %s: %w: %s is there%s; choose another id", r.ID, ErrExists, b.URL(r.ID, configObject), prefixed(" with status ", d.Status))
	case !errors.Is(err, ErrNoSuchBackup):
		return result, bucket.Explain(err)
	}
	// The POST is not cut short: whether it started a backup would remain unknown.
	result.Posted = time.Now()
	started, err := conn.CreateBackup(context.WithoutCancel(ctx), r)
	if other := inProgress(err); other != "" {
		logger(o.Log).Info("another backup is under way: following that one", "backup", other)
		return follow(ctx, conn, b, other, o, settleTimeout) // the server knows it, and may not have written of it yet
	}
	if errors.Is(err, weaviate.ErrUnreachable) {
		return result, fmt.Errorf("%w; whether it was started is not known%s", err, afterCancel(ctx, conn, b, r.ID, r.Location))
	}
	if err != nil {
		return result, err
	}
	logger(o.Log).Info("backup started", "backup", r.ID, "collections", len(started.Collections))
	f := follower{conn: conn, bucket: b, options: o, location: r.Location, own: true, result: result}
	err = f.follow(ctx, time.Now())
	return f.result, err
}

// Follow follows a backup that is under way to its end, or tells how it ended. It never cancels it. Errors are those of Create, and ErrNoSuchBackup.
func Follow(ctx context.Context, conn *weaviate.Conn, b *bucket.Bucket, id string, o CreateOptions) (CreateResult, error) {
	return follow(ctx, conn, b, id, o, 0)
}

// follow gives the backup some time to be seen.
func follow(ctx context.Context, conn *weaviate.Conn, b *bucket.Bucket, id string, o CreateOptions, patience time.Duration) (CreateResult, error) {
	f := follower{conn: conn, bucket: b, options: o, location: o.Request.Location, result: CreateResult{ID: id, Attached: true, Posted: time.Now()}}
	d, err := ReadDescriptor(ctx, b, id)
	for began := time.Now(); errors.Is(err, ErrNoSuchBackup) && time.Since(began) < patience && sleep(ctx, closeLook) == nil; {
		d, err = ReadDescriptor(ctx, b, id)
	}
	if err != nil {
		return f.result, bucket.Explain(err)
	}
	err = f.follow(ctx, d.StartedAt)
	return f.result, err
}

// Cancel cancels a backup and waits until its descriptor says so. It wraps ErrNoSuchBackup (the server itself answers 204 for an unknown id), and
// ErrTimeout when ctx ends first: a backup whose node was killed takes the request and remains STARTED for ever.
func Cancel(ctx context.Context, conn *weaviate.Conn, b *bucket.Bucket, id string, l weaviate.Location) error {
	d, err := ReadDescriptor(ctx, b, id)
	if err != nil {
		return bucket.Explain(err)
	}
	if !weaviate.Final(d.Status) {
		if err := conn.CancelBackup(ctx, id, l); err != nil {
			return err
		}
	}
	for !weaviate.Final(d.Status) {
		if sleep(ctx, closeLook) != nil {
			return fmt.Errorf("backup %s: cancelling it is %w: the server accepted, and it still reads %s since %s; if its node was killed, it remains so for ever and can be ignored",
				id, ErrTimeout, d.Status, d.StartedAt.UTC().Format(timeFormat))
		}
		now, err := ReadDescriptor(ctx, b, id)
		if err != nil && ctx.Err() == nil {
			return bucket.Explain(err)
		}
		if err == nil {
			d = now
		}
	}
	if d.Status != statusCanceled {
		return fmt.Errorf("backup %s: nothing to cancel: %w %s", id, ErrOver, d.Status)
	}
	return nil
}

// afterCancel cancels a backup that this program started, and says for an error message how that went.
func afterCancel(ctx context.Context, conn *weaviate.Conn, b *bucket.Bucket, id string, l weaviate.Location) string {
	ctx, stop := afterwards(ctx)
	defer stop()
	switch err := Cancel(ctx, conn, b, id, l); {
	case err == nil:
		return "; it was cancelled"
	case errors.Is(err, ErrNoSuchBackup):
		return "; nothing of it is in the bucket"
	default:
		return "; cancelling it: " + err.Error()
	}
}

// busy finds the id in Weaviate's refusal of a second backup, which comes as 422 from the coordinator itself and as 500 when a node is busy for another coordinator.
var busy = regexp.MustCompile(`backup ([a-z0-9_-]+) already in progress`)

func inProgress(err error) string {
	if err != nil {
		if found := busy.FindStringSubmatch(err.Error()); found != nil {
			return found[1]
		}
	}
	return ""
}

// matchSome refuses an include with a wildcard that matches no collection: Weaviate 1.38.5 drops it, and takes all collections when nothing else is left.
func matchSome(ctx context.Context, conn *weaviate.Conn, include []string) error {
	if !slices.ContainsFunc(include, isWildcard) {
		return nil
	}
	collections, err := conn.Collections(ctx)
	if err != nil {
		return err
	}
	names := make([]string, len(collections))
	for i, c := range collections {
		names[i] = c.Name
	}
	return matchNames(include, names)
}

func matchNames(include, names []string) error {
	for _, pattern := range include {
		matches := func(name string) bool { ok, _ := path.Match(pattern, name); return ok }
		if isWildcard(pattern) && !slices.ContainsFunc(names, matches) {
			return fmt.Errorf("include %q: %w matches it; there are %s", pattern, ErrNoCollection, cmp.Or(strings.Join(names, ", "), "none"))
		}
	}
	return nil
}

func isWildcard(name string) bool { return strings.ContainsAny(name, "*?") }

func logger(l *slog.Logger) *slog.Logger {
	if l == nil {
		return slog.New(slog.DiscardHandler)
	}
	return l
}

// prefixed is "" for an empty text.
func prefixed(prefix, text string) string {
	if text == "" {
		return ""
	}
	return prefix + text
}

// follower follows one backup.
type follower struct {
	conn     *weaviate.Conn
	bucket   *bucket.Bucket
	options  CreateOptions
	location weaviate.Location
	own      bool // started by this call: to be cancelled by it too
	result   CreateResult
	stored   atomic.Int64 // bytes listed so far
	total    atomic.Int64 // estimate
}

func (f *follower) follow(ctx context.Context, began time.Time) error {
	id := f.result.ID
	limit, stop := within(ctx, f.options.Timeout)
	defer stop()
	if f.options.Progress != nil {
		go f.size(limit)
	}
	w := watch{
		ask: func(ctx context.Context) (weaviate.BackupStatus, error) {
			return f.conn.BackupStatus(ctx, id, f.location)
		},
		began: began, anyTime: !f.own,
		seen: func(s weaviate.BackupStatus) {
			if f.result.Status != s.Status {
				logger(f.options.Log).Debug("backup status", "backup", id, "status", s.Status)
			}
			f.result.Status, f.result.Error = s.Status, s.Error
			if f.options.Progress != nil {
				f.options.Progress(Progress{Status: s.Status, Bytes: f.stored.Load(), Total: f.total.Load(), Elapsed: time.Since(f.result.Posted)})
			}
		},
	}
	var err error
	if f.result.Noticed, err = w.end(limit); err != nil {
		return f.broken(ctx, err)
	}
	return f.conclude(ctx)
}

// broken words why the following ended before the backup did.
func (f *follower) broken(ctx context.Context, err error) error {
	id := f.result.ID
	if errors.Is(err, ErrTimeout) {
		err = fmt.Errorf("%w: %s after %s%s", err, f.result.Status, f.options.Timeout, f.whatHangs(ctx))
	} else if ctx.Err() == nil {
		return fmt.Errorf("backup %s: %w; it may still be under way", id, err)
	}
	if !f.own {
		return fmt.Errorf("backup %s: %w; it was begun by another call, and goes on", id, err)
	}
	return fmt.Errorf("backup %s: %w%s", id, err, afterCancel(ctx, f.conn, f.bucket, id, f.location))
}

// whatHangs tells what is known of a backup that does not end: unhealthy nodes, nodes whose part is missing, when it last grew.
func (f *follower) whatHangs(ctx context.Context) string {
	ctx, stop := afterwards(ctx)
	defer stop()
	text := sickNodes(ctx, f.conn)
	d, err := ReadDescriptor(ctx, f.bucket, f.result.ID)
	if err != nil {
		return text + "; " + bucket.Explain(err).Error()
	}
	objects, err := listObjects(ctx, f.bucket, f.result.ID)
	if err != nil {
		return text + "; " + bucket.Explain(err).Error()
	}
	for node := range sorted(d.Nodes) {
		if _, ok := objects[f.bucket.Key(f.result.ID, node, nodeObject)]; !ok {
			text += fmt.Sprintf("; node %s has not finished its part", node)
		}
	}
	return text + fmt.Sprintf("; its last object was written at %s", newest(objects).UTC().Format(timeFormat))
}

// sickNodes names the nodes that are not healthy.
func sickNodes(ctx context.Context, conn *weaviate.Conn) string {
	nodes, err := conn.Nodes(ctx)
	if err != nil {
		return "; its nodes cannot be asked: " + err.Error()
	}
	text := ""
	for _, n := range nodes {
		if n.Status != "HEALTHY" {
			text += fmt.Sprintf("; node %s is %s", n.Name, n.Status)
		}
	}
	return text
}

// settleTimeout bounds the wait for a descriptor that says what the server said: the server sets the status first and writes the object then.
const settleTimeout = 10 * time.Second

// conclude reads from S3 how the backup really ended.
func (f *follower) conclude(ctx context.Context) error {
	id := f.result.ID
	limit, stop := within(ctx, settleTimeout)
	defer stop()
	var d Descriptor
	for {
		var err error
		if d, err = ReadDescriptor(limit, f.bucket, id); err == nil {
			f.result.CapturePoint, f.result.ReportedEnd = d.StartedAt, d.CompletedAt
		}
		switch {
		case ctx.Err() != nil:
			return fmt.Errorf("backup %s: %w; it had ended with %s", id, ctx.Err(), f.result.Status)
		case err == nil && weaviate.Final(d.Status):
			return f.judge(ctx, d)
		case f.result.Status != statusSuccess && err != nil:
			return f.failed(cmp.Or(f.result.Error, "without a reason")) // and the descriptor is not needed to say so
		case errors.Is(err, ErrNoSuchBackup):
			return f.failed(fmt.Sprintf("but there is no %s: are bucket.name and bucket.path those of the server?", f.bucket.URL(id, configObject)))
		case err != nil && limit.Err() == nil:
			return bucket.Explain(err)
		}
		if sleep(limit, closeLook) != nil && ctx.Err() == nil {
			return f.failed(fmt.Sprintf("but %s still reads %s: it could not be written at the end", f.bucket.URL(id, configObject), d.Status))
		}
	}
}

func (f *follower) judge(ctx context.Context, d Descriptor) error {
	id := f.result.ID
	f.result.Status, f.result.Error = d.Status, d.Error
	if d.Status != statusSuccess {
		return f.failed(cmp.Or(d.Error, "without a reason"))
	}
	objects, err := listObjects(ctx, f.bucket, id)
	if err != nil {
		return bucket.Explain(err)
	}
	for node := range sorted(d.Nodes) {
		part, ok := objects[f.bucket.Key(id, node, nodeObject)]
		if !ok { // Weaviate 1.38.5 ignores that it could not be uploaded (backend.go; mended in 1.38.12)
			return f.failed(fmt.Sprintf("but node %s left no %s: its part cannot be restored", node, nodeObject))
		}
		if part.LastModified.After(f.result.End) {
			f.result.End = part.LastModified
		}
	}
	logger(f.options.Log).Info("backup finished", "backup", id, "capture_point", f.result.CapturePoint, "end", f.result.End)
	return nil
}

func (f *follower) failed(words string) error {
	return fmt.Errorf("backup %s, while it was made: %w: the server says %s: %s", f.result.ID, ErrFailed, f.result.Status, words)
}

// Listings that only feed a progress bar take no more than this part of the time.
const (
	sizeEvery = 5 * time.Second
	sizeShare = 20
)

// size keeps the bytes stored so far, and an estimate of the whole. It fails silently: nothing but a progress bar depends on it.
func (f *follower) size(ctx context.Context) {
	f.total.Store(f.estimate(ctx))
	for {
		began := time.Now()
		if objects, err := listObjects(ctx, f.bucket, f.result.ID); err == nil {
			f.stored.Store(sum(objects))
		}
		if sleep(ctx, max(sizeEvery, sizeShare*time.Since(began))) != nil {
			return
		}
	}
}

// estimate is what the newest finished full backup of the same collections and compression takes. An incremental one has no like.
func (f *follower) estimate(ctx context.Context) int64 {
	this, err := ReadDescriptor(ctx, f.bucket, f.result.ID)
	if err != nil || this.BaseBackupID != "" {
		return 0
	}
	list, err := List(ctx, f.bucket)
	if err != nil {
		return 0
	}
	for _, l := range slices.Backward(list) {
		if l.Status == statusSuccess && l.Base == "" && l.Compression == this.compression() && slices.Equal(l.Collections, this.Collections()) {
			objects, _ := listObjects(ctx, f.bucket, l.ID)
			return sum(objects)
		}
	}
	return 0
}
