package drill

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/weaviate-drill/weaviate-drill/backup"
	"github.com/weaviate-drill/weaviate-drill/backup/bucket"
	"github.com/weaviate-drill/weaviate-drill/backup/sandbox"
	"github.com/weaviate-drill/weaviate-drill/internal/weaviate"
	"github.com/weaviate-drill/weaviate-drill/rto"
	"github.com/weaviate-drill/weaviate-drill/rto/evidence"
	"github.com/weaviate-drill/weaviate-drill/verify"
	"github.com/weaviate-drill/weaviate-drill/verify/tracer"
)

// Options are what a run needs beside its configuration. The zero value is good.
type Options struct {
	Tool evidence.Tool
	// Sandbox overrides the one of the configuration.
	Sandbox sandbox.Sandbox
	// KeepOnFailure leaves the sandbox up when the drill did not pass.
	KeepOnFailure bool
	// Backedup, when set, is called between the backup and its check: the demo does its damage here.
	Backedup func(ctx context.Context, b *bucket.Bucket, backupID string) error
	// Progress, when set, is told what happens; calls do not overlap.
	Progress func(Progress)
	Log      *slog.Logger // nil: silent
}

// Progress is how far a phase is.
type Progress struct {
	Phase       rto.Phase
	Done, Total int64  // both 0 when the phase begins; Total 0: not known
	Unit        string // "bytes" or "objects"
	Detail      string
}

// step is one phase of a drill.
type step struct {
	phase rto.Phase
	least verify.Level // below which it is no part of a drill
	do    func(*run, context.Context) error
	skip  func(*Config) bool // nil: never
}

// steps are the drill. An error ends it, and the teardown follows whatever happened.
var steps = []step{
	{rto.Preflight, verify.LevelCatalogue, (*run).preflight, nil},
	{rto.Posture, verify.LevelCatalogue, (*run).posture, nil},
	{rto.FingerprintBefore, verify.LevelSample, (*run).fingerprintBefore, (*Config).noFingerprints},
	{rto.Backup, verify.LevelCatalogue, (*run).backUp, nil},
	{rto.FingerprintAfter, verify.LevelSample, (*run).fingerprintAfter, (*Config).noFingerprints},
	{rto.Catalogue, verify.LevelCatalogue, (*run).checkCatalogue, nil},
	{rto.Archive, verify.LevelArchive, (*run).checkArchive, func(c *Config) bool { return c.Backup.SkipArchiveCheck }},
	{rto.Copy, verify.LevelStructure, (*run).copyBackup, func(c *Config) bool { return c.Restore.From != backup.ByCopy }},
	{rto.Provision, verify.LevelStructure, (*run).provision, nil},
	{rto.Restore, verify.LevelStructure, (*run).restore, nil},
	{rto.Index, verify.LevelStructure, (*run).awaitIndex, nil},
	{rto.FirstAnswer, verify.LevelStructure, (*run).firstAnswer, nil},
	{rto.Verify, verify.LevelStructure, (*run).verify, nil},
	{rto.SelfTest, verify.LevelStructure, (*run).selfTest, func(c *Config) bool { return !c.Verify.SelfTest }},
}

// takes says whether the step is part of a drill with a configuration.
func (s step) takes(c *Config) bool {
	return c.Verify.Level.AtLeast(s.least) && (s.skip == nil || !s.skip(c))
}

// run is one drill under way.
type run struct {
	Options
	config *Config
	store  *evidence.Store
	record *evidence.Record

	journal     *evidence.Journal
	source      *weaviate.Conn
	bucket      *bucket.Bucket
	place       sandbox.Sandbox // nil: nothing is restored
	catalogue   *backup.Catalogue
	restoration *backup.Restoration
	footprint   *backup.Footprint
	traced      string              // the tracer collection that may be on the source; "": none
	before      *verify.Fingerprint // of the source; nil: none was taken
	after       *verify.Fingerprint
	tracer      *tracer.Tracer // nil: none are written, or the backup does not have them
	impact      *backup.Impact // nil: the backup is not of this drill's making
	instance    sandbox.Instance
	restored    *weaviate.Conn
	unlock      func(context.Context) error // nil: nothing is locked
	giveUp      context.CancelCauseFunc     // ends the drill for a reason that no phase would see
	clean       bool                        // nothing is left to be undone
}

// Run performs one drill and stores its record. The record is not nil as soon as anything was done; whatever went wrong with the drill is in it, and its Status is the
// program's exit status. The error is of two kinds: the drill could not begin (no record; it wraps ErrConfig when the configuration is at fault), or its record could not be stored.
func Run(ctx context.Context, cfg *Config, o Options) (*evidence.Record, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Progress == nil {
		o.Progress = func(Progress) {}
	}
	began := time.Now().UTC()
	r := &run{Options: o, config: cfg, record: &evidence.Record{
		Schema: evidence.Schema, ID: backup.NewID(began), Tool: o.Tool, Began: began, Level: cfg.Verify.Level, Objectives: cfg.objectives(), FailOn: cfg.Policy.FailOn,
		Bucket: evidence.Bucket{Name: cfg.Bucket.Name, Path: cfg.Bucket.Path, Region: cfg.Bucket.Region, Endpoint: cfg.Bucket.Endpoint},
	}}
	var err error
	if cfg.Verify.Level.Restores() {
		if r.place = o.Sandbox; r.place == nil {
			if r.place, err = cfg.OpenSandbox(); err != nil {
				return nil, err
			}
		}
		r.record.Sandbox.Kind = r.place.Kind()
	}
	if r.store, err = cfg.OpenEvidence(ctx); err != nil {
		return nil, err
	}
	// From here on the drill can be seen to have died, and what it left can be found.
	ctx, r.giveUp = context.WithCancelCause(ctx)
	defer r.giveUp(nil)
	var held context.Context
	if held, r.journal, err = r.store.Begin(ctx, r.record.ID); err != nil {
		return nil, err
	}
	context.AfterFunc(held, func() { r.giveUp(fmt.Errorf("%w: %w", errGivenUp, context.Cause(held))) })
	r.Log.Info("drill begins", "drill", r.record.ID)
	r.steps(ctx)
	r.giveUp(nil)
	r.assess()
	r.record.Ended = time.Now().UTC()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), keepTimeout) // its own time, because the drill's may be over
	defer cancel()
	where, err := r.keep(ctx)
	if r.clean { // else the journal stays, and the next drill tidies up
		err = errors.Join(err, r.journal.Close(ctx))
	}
	if err != nil {
		return r.record, err
	}
	r.Log.Info("drill ended", "drill", r.record.ID, "status", r.record.Status.String(), "record", where)
	return r.record, nil
}

// keepTimeout bounds the writing of a record to a bucket that does not answer.
const keepTimeout = time.Minute

// keep stores the record; where the evidence does not take it, in the system's temporary folder, and the error says so.
func (r *run) keep(ctx context.Context) (string, error) {
	where, err := r.store.Put(ctx, r.record)
	if err == nil {
		return where, nil
	}
	dir, other := os.MkdirTemp("", "weaviate-drill-record-")
	if other == nil {
		var spare *evidence.Store
		if spare, other = evidence.Open(dir); other == nil {
			where, other = spare.Put(ctx, r.record)
		}
	}
	if other != nil {
		return "", fmt.Errorf("%w; nor could it be kept elsewhere: %w", err, other)
	}
	return "", fmt.Errorf("%w; the record was kept in %s instead", err, where)
}

// steps goes through the phases. The teardown runs even when one panics.
func (r *run) steps(ctx context.Context) {
	defer func() {
		// Its own time, because the drill's may be over.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), teardownTimeout)
		defer cancel()
		_ = r.phase(ctx, rto.Teardown, (*run).teardown)
	}()
	for _, s := range steps {
		if s.takes(r.config) && r.phase(ctx, s.phase, s.do) != nil {
			return
		}
	}
}

const teardownTimeout = 5 * time.Minute

// phase runs one phase and books it. Its error is a reason in the record.
func (r *run) phase(ctx context.Context, p rto.Phase, do func(*run, context.Context) error) error {
	r.Progress(Progress{Phase: p})
	r.record.Timeline = append(r.record.Timeline, rto.Span{Phase: p, Began: time.Now().UTC()})
	span := &r.record.Timeline[len(r.record.Timeline)-1]
	err := ctx.Err()
	if err == nil {
		err = do(r, ctx)
	}
	span.Ended = time.Now().UTC()
	r.Log.Info("phase ended", "phase", string(p), "duration", span.Duration().Round(time.Millisecond))
	if err == nil {
		return nil
	}
	status, message := StatusOf(err), oneLine(err)
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		status, message = evidence.Interrupted, "interrupted during "+string(p)
		if cause := context.Cause(ctx); errors.Is(cause, errGivenUp) {
			status, message = evidence.NotCarriedOut, oneLine(cause)
		}
	}
	span.Error = message
	r.record.Fail(status, p, message)
	return err
}

// errGivenUp is why a drill ended that nobody interrupted.
var errGivenUp = errors.New("given up")

func (r *run) note(format string, args ...any) {
	r.record.Notes = append(r.record.Notes, fmt.Sprintf(format, args...))
}
