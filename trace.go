package drill

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/weaviate-drill/weaviate-drill/backup"
	"github.com/weaviate-drill/weaviate-drill/backup/sandbox"
	"github.com/weaviate-drill/weaviate-drill/internal/weaviate"
	"github.com/weaviate-drill/weaviate-drill/rto"
	"github.com/weaviate-drill/weaviate-drill/rto/evidence"
	"github.com/weaviate-drill/weaviate-drill/verify/tracer"
)

// traces says whether a drill writes tracers: to a backup of its own that is then restored.
func (c *Config) traces() bool {
	return c.Tracer.Enabled && c.Backup.ID == NewBackup && c.Verify.Level.Restores()
}

// watched is a source while a backup of it is made.
type watched struct {
	queue int64
	began time.Time
	reads *backup.Reads
}

// watch refuses a source whose queue of vectors is too long. Then it begins to write tracers and to probe, and waits until it is known how the source fares without a backup.
func (r *run) watch(ctx context.Context) (w watched, err error) {
	if w.queue, err = backup.CheckQueue(ctx, r.source, r.config.Backup.MaxQueue); err != nil {
		return w, err
	}
	if r.config.traces() {
		if err := r.trace(ctx); err != nil {
			return w, err
		}
	}
	leftOut := func(collection string) bool { // all of them, for a drill that has no right to read objects
		return collection == r.traced || r.config.leavesOut(collection) || !r.config.Verify.Level.Restores()
	}
	if w.reads, err = backup.StartReads(ctx, r.source, leftOut); err != nil {
		return w, err
	}
	w.began = time.Now()
	r.Progress(Progress{Phase: rto.Backup, Detail: fmt.Sprintf("see for %s how fast the source answers without a backup", r.config.Backup.Baseline)})
	select {
	case <-ctx.Done():
		w.reads.Stop()
		return w, ctx.Err()
	case <-time.After(r.config.Backup.Baseline):
		return w, nil
	}
}

// trace begins to write tracers. The journal knows of their collection before it is made.
func (r *run) trace(ctx context.Context) (err error) {
	r.traced = r.config.Tracer.Collection
	if err := r.journal.Write(ctx, r.leftover()); err != nil {
		return err
	}
	o := tracer.Options{Collection: r.traced, DrillID: r.record.ID, Rate: r.config.Tracer.Rate, Limit: r.config.Tracer.Limit}
	if r.tracer, err = tracer.Create(ctx, r.source, o); err != nil {
		return fmt.Errorf("source: %w", err)
	}
	r.note("collection %s was made on the source for tracer objects; it is in the backup, whatever backup.include says", r.traced)
	r.tracer.Start(ctx)
	return nil
}

// tracerTrail is how long tracers are still written when the backup is made, so that none is missing for want of being written.
const tracerTrail = time.Second

// unwatch ends what watch began, and keeps what it found for the record.
func (r *run) unwatch(ctx context.Context, w watched, made backup.CreateResult) error {
	ended := time.Now()
	reads := w.reads.Stop()
	if r.tracer != nil {
		select {
		case <-ctx.Done():
		case <-time.After(tracerTrail):
		}
	}
	if err := r.untrace(ctx); err != nil {
		return err
	}
	if made.Attached {
		r.tracer = nil // the backup was begun before their collection was made, perhaps
		return nil
	}
	r.impact = &backup.Impact{Queue: w.queue}
	if w.reads.What != "" {
		r.impact.Reads = backup.Split(w.reads.What, [][]backup.Probe{reads}, w.began, made.Posted, ended)
	}
	if r.tracer != nil {
		var writes [][]backup.Probe
		for _, shard := range r.tracer.Samples() {
			var list []backup.Probe
			for _, s := range shard {
				list = append(list, backup.Probe(s))
			}
			writes = append(writes, list)
		}
		if last := r.tracer.Ended(); last.Before(ended) { // the limit was reached, and that none came later is no gap
			ended = last
		}
		r.impact.Writes = backup.Split("tracers", writes, w.began, made.Posted, ended)
	}
	for _, p := range []backup.Probes{r.impact.Reads, r.impact.Writes} {
		if p.Stalled() {
			r.note("while the backup was made, the source did not answer for %s (%s), and before for %s at most: make backups in quiet hours", rto.Human(p.During.Gap), p.What, rto.Human(p.Before.Gap))
		}
	}
	return nil
}

// untrace ends the writing of tracers and removes their collection from the source.
func (r *run) untrace(ctx context.Context) error {
	if r.tracer != nil {
		r.tracer.Stop()
	}
	if r.traced == "" {
		return nil
	}
	if _, err := tracer.Remove(ctx, r.source, r.traced, r.record.ID); err != nil {
		return fmt.Errorf("the tracer collection %s could not be removed from the source: %w", r.traced, err)
	}
	r.traced = ""
	return nil
}

// judgeTracers looks for the tracers in the restored data.
func (r *run) judgeTracers(ctx context.Context) error {
	if r.tracer == nil {
		return nil
	}
	b := tracer.Backup{StartedAt: r.record.Backup.CapturePoint, ClockSkew: r.config.Verify.ClockSkew}
	if i := slices.IndexFunc(r.record.Timeline, func(s rto.Span) bool { return s.Phase == rto.Provision }); i >= 0 {
		b.Decided = r.record.Timeline[i].Began
	}
	result, err := r.tracer.Judge(ctx, r.restored, b)
	if err != nil {
		return err
	}
	r.record.Tracer = result
	if failure := result.Failure(); failure != "" {
		r.record.Fail(evidence.DataFailed, rto.Verify, failure)
	}
	if unknown := result.Unknown(); unknown != "" {
		r.record.Fail(evidence.Inconclusive, rto.Verify, unknown)
	}
	return nil
}

// removeTracers removes what a drill that died left on the source.
func (c *Config) removeTracers(ctx context.Context, collection, drillID string) (notes []string, err error) {
	source, err := c.openSource(ctx)
	if err != nil {
		return nil, err
	}
	defer source.Close()
	removed, err := tracer.Remove(ctx, source, collection, drillID)
	if removed && err == nil {
		notes = []string{fmt.Sprintf("removed the tracer collection %s of drill %s from the source", collection, drillID)}
	}
	return notes, err
}

// backupRequest is that of the configuration, with the tracers in it.
func (r *run) backupRequest() weaviate.BackupRequest {
	request := r.config.BackupRequest(r.record.ID)
	if r.traced != "" && len(request.Include) > 0 {
		request.Include = append(slices.Clone(request.Include), r.traced)
	}
	return request
}

// examineTracers looks whether the name of their collection is free. What a drill that died left is removed by the next.
func (c *Config) examineTracers(ctx context.Context, a *area, source *weaviate.Conn) {
	name := fmt.Sprintf("the name %s is free for tracers", c.Tracer.Collection)
	switch owner, err := tracer.Free(ctx, source, c.Tracer.Collection); {
	case owner != "":
		a.add(name, sandbox.Unknown, oneLine(err), "")
	case errors.Is(err, tracer.ErrTaken):
		a.fail(name, err, "")
	case err != nil:
		a.add(name, sandbox.Unknown, "not known: "+oneLine(err), "")
	default:
		a.add(name, sandbox.Pass, "the source has no collection of that name", "")
	}
}

func (c *Config) examineTracerRights(a *area, access weaviate.Access) {
	for _, need := range tracer.Permissions(c.Tracer.Collection) {
		name := need.Action + " on collection " + c.Tracer.Collection
		if access.Allows(need) {
			a.add(name, sandbox.Pass, fmt.Sprintf("a role of user %q has it", access.User), "")
			continue
		}
		raw, _ := json.Marshal(need) // strings alone: it cannot fail
		a.add(name, sandbox.Fail, fmt.Sprintf("no role of user %q has it", access.User), fmt.Sprintf("give a role of user %q the permission %s, or set tracer.enabled: false", access.User, raw))
	}
}
