package drill

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
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

// preflight connects to everything, tidies up after drills that died, and refuses where a drill could do harm.
func (r *run) preflight(ctx context.Context) (err error) {
	if r.bucket, err = bucket.Open(ctx, r.config.Bucket.Options()); err != nil {
		return err
	}
	r.record.Bucket.Region, r.record.Bucket.Endpoint = r.bucket.Region, r.bucket.Endpoint
	if err := r.bucket.Reachable(ctx); err != nil {
		return err
	}
	if r.config.asksSource() {
		if err := r.connectSource(ctx); err != nil {
			return fmt.Errorf("source: %w", err)
		}
	}
	if err := Missing(r.config.examine(ctx, found{source: r.source, bucket: r.bucket, place: r.place})); err != nil {
		return err
	}
	if place, can := r.place.(sandbox.Locker); can {
		var held context.Context
		if held, r.unlock, err = place.Lock(ctx, r.record.ID); err != nil {
			return fmt.Errorf("sandbox: %w", err)
		}
		context.AfterFunc(held, func() { r.giveUp(fmt.Errorf("%w: %w", errGivenUp, context.Cause(held))) })
	}
	if r.place == nil { // nothing is changed; a drill that restores tidies up
		return nil
	}
	notes, err := TidyUp(ctx, r.config, r.store, r.bucket, r.place)
	r.record.Notes = append(r.record.Notes, notes...)
	if errors.Is(err, ErrExpired) {
		r.note("%s", oneLine(err))
		err = nil
	}
	if err == nil && r.config.traces() {
		_, err = tracer.Free(ctx, r.source, r.config.Tracer.Collection)
	}
	return err
}

func (r *run) connectSource(ctx context.Context) error {
	endpoint, err := r.config.Source.Endpoint()
	if err != nil {
		return err
	}
	if r.source, err = weaviate.Dial(ctx, endpoint); err != nil {
		return err
	}
	return r.describeSource(ctx)
}

func (r *run) describeSource(ctx context.Context) error {
	meta, err := r.source.Meta(ctx)
	if err != nil {
		return err
	}
	nodes, err := r.source.Nodes(ctx)
	if err != nil {
		return err
	}
	collections, err := r.source.Collections(ctx)
	if err != nil {
		return err
	}
	s := &r.record.Source
	*s = evidence.Source{URL: r.config.Source.URL, Version: meta.Version, Modules: slices.Sorted(maps.Keys(meta.Modules))}
	for _, n := range nodes {
		s.Nodes = append(s.Nodes, n.Name)
	}
	for _, c := range collections {
		if _, own := tracer.Owner(c); !own { // nor is another drill's, which will be gone
			s.Collections = append(s.Collections, c.Name)
		}
	}
	if len(nodes) == 0 {
		r.note("the source lists no node: its credentials may lack read_nodes")
	}
	return nil
}

func (r *run) posture(ctx context.Context) error {
	now := time.Now()
	options := append(r.config.LifecycleOptions(ctx, r.bucket, r.store, now), r.config.BesideOptions(ctx, r.bucket)...)
	findings, err := bucket.Audit(ctx, r.bucket, now, options...)
	if err != nil {
		return err
	}
	r.record.Posture = r.judge(findings, now)
	for _, f := range bucket.Violations(r.record.Posture, r.config.Policy.FailOn) {
		r.record.Fail(evidence.Policy, rto.Posture, fmt.Sprintf("%s is %s (%s): %s", f.Check, f.Status, f.Severity, f.Detail))
	}
	return nil
}

func (r *run) judge(findings []bucket.Finding, now time.Time) []bucket.Finding {
	judged, idle := r.config.Policy.Judge(findings, now)
	for _, sentence := range idle {
		r.note("%s", sentence)
	}
	return judged
}

// The values of backup.id that are no ids.
const (
	NewBackup    = "new"
	LatestBackup = backup.Latest
)

// backUp makes a backup, or finds the one that is to be drilled.
func (r *run) backUp(ctx context.Context) error {
	var id string
	var err error
	created := r.config.Backup.ID == NewBackup
	if created {
		if id, created, err = r.create(ctx); err != nil {
			return err
		}
	} else if id, err = backup.Resolve(ctx, r.bucket, r.config.Backup.ID); err != nil {
		return err
	}
	if r.catalogue, err = backup.ReadCatalogue(ctx, r.bucket, id); err != nil {
		return err
	}
	if r.place != nil {
		if err := r.config.fits(r.catalogue); err != nil {
			return err
		}
	}
	objects := r.catalogue.Objects()
	d := r.catalogue.Backup()
	chosen, leftOut, err := r.config.Chosen(d.Collections())
	if err != nil {
		return err
	}
	if len(leftOut) == 0 {
		chosen = nil
	}
	b := &evidence.Backup{
		ID: id, Created: created, CapturePoint: d.StartedAt, ReportedEnd: d.CompletedAt, Compression: d.Compression(), ServerVersion: d.ServerVersion,
		Bytes: d.PreCompressionSizeBytes, Collections: d.Collections(), Objects: objects,
	}
	for _, base := range r.catalogue.Chain[1:] {
		b.Chain = append(b.Chain, base.ID)
	}
	b.End, b.Impact = r.catalogue.End(), r.impact
	r.record.Backup = b
	if created {
		if err := r.store.PutInventory(ctx, Inventory(r.bucket, r.catalogue)); err != nil {
			return err
		}
	}
	if r.Backedup != nil {
		if err := r.Backedup(ctx, r.bucket, id); err != nil {
			return err
		}
		// What was read is no longer what is there.
		if r.catalogue, err = backup.ReadCatalogue(ctx, r.bucket, id); err != nil {
			return err
		}
	}
	if r.place == nil {
		return nil
	}
	r.restoration = backup.NewRestoration(r.bucket, r.catalogue, backup.RestoreOptions{
		DrillID: r.record.ID, From: r.config.Restore.From, Copy: weaviate.Location(r.config.Restore.Copy), Timeout: r.config.Restore.Timeout,
		Include: chosen, Roles: r.config.Restore.Roles == restoreAll, Users: r.config.Restore.Users == restoreAll,
		NodeMapping: r.config.Restore.NodeMapping, Progress: r.bytes, Log: r.Log, Logs: r.logs, Began: func(f backup.Footprint) { r.restoreBegan(ctx, f) },
	})
	// Asked again before the sandbox starts and before the restore: reading the archive can take hours, and waiting for them only to be refused is no use.
	return r.restoration.Interlock(ctx)
}

// Inventory lists a backup's objects, to be kept when it was made.
func Inventory(b *bucket.Bucket, c *backup.Catalogue) evidence.Inventory {
	return evidence.Inventory{Bucket: b.Name, Path: b.Path, BackupID: c.Backup().ID, Taken: time.Now().UTC(), Objects: c.Objects()}
}

// create makes a backup, or follows the one that is already being made.
func (r *run) create(ctx context.Context) (id string, created bool, err error) {
	w, err := r.watch(ctx)
	if err != nil {
		return "", false, err
	}
	defer w.reads.Stop()
	made, err := backup.Create(ctx, r.source, r.bucket, backup.CreateOptions{
		Request: r.backupRequest(), Timeout: r.config.Backup.Timeout, Progress: r.bytes, Log: r.Log,
	})
	if err != nil {
		return "", false, err
	}
	if err := r.unwatch(ctx, w, made); err != nil {
		return "", false, err
	}
	if made.Attached {
		r.note("backup %s was already being made; the drill waited for it and drills it instead of one of its own", made.ID)
	}
	return made.ID, !made.Attached, nil
}

// bytes passes on how far the phase under way is.
func (r *run) bytes(b backup.Progress) {
	r.Progress(Progress{Phase: r.record.Timeline[len(r.record.Timeline)-1].Phase, Done: b.Bytes, Total: b.Total, Unit: "bytes", Detail: b.Status})
}

// errBroken is a backup that cannot be trusted. Restoring it would prove nothing more.
var errBroken = errors.New("the backup is damaged")

// errUnrestorable is a backup that looked whole, and whose restore failed.
var errUnrestorable = errors.New("the backup could not be restored")

// checkCatalogue holds the descriptors against the listings, and these against what was recorded when the backup was made. An object that was written again since is a failure, but not the end: what comes
// back from it is still to be compared.
func (r *run) checkCatalogue(ctx context.Context) error {
	result, err := r.catalogue.Check(ctx)
	if err != nil {
		return err
	}
	broken := len(result.Problems)
	r.record.Catalogue = &result
	known, err := r.store.Inventory(ctx, r.bucket.Name, r.bucket.Path, r.record.Backup.ID)
	if err != nil {
		return err
	}
	if known == nil {
		r.note("no inventory from when backup %s was made is in the evidence, so whether its objects were written again since is not known", r.record.Backup.ID)
	} else {
		result.Problems = append(result.Problems, backup.CompareObjects(known.Objects, r.catalogue.Objects())...)
	}
	for _, p := range result.Problems[broken:] {
		r.record.Fail(evidence.DataFailed, rto.Catalogue, p.String())
	}
	if r.record.Backup.Created {
		for _, name := range r.record.Source.Collections {
			if !r.config.leavesOut(name) && !slices.Contains(result.Collections, name) {
				r.record.Fail(evidence.DataFailed, rto.Catalogue, fmt.Sprintf(
					"collection %s was on the source before the backup and is not in it: the source's credentials may lack manage_backups for it", name))
			}
		}
	}
	return r.broken(result.Problems[:broken])
}

func (r *run) checkArchive(ctx context.Context) error {
	result, err := backup.CheckArchive(ctx, r.bucket, r.catalogue, backup.ArchiveOptions{Progress: func(done, total int64) {
		r.Progress(Progress{Phase: rto.Archive, Done: done, Total: total, Unit: "bytes"})
	}})
	if err != nil {
		return err
	}
	r.record.Archive = &result
	return r.broken(result.Problems)
}

// broken turns problems into the error that ends the drill.
func (r *run) broken(problems []backup.Problem) error {
	if len(problems) == 0 {
		return nil
	}
	more := ""
	if n := len(problems) - 1; n > 0 {
		more = fmt.Sprintf(" (and %d more problems)", n)
	}
	return fmt.Errorf("%w: %s%s", errBroken, problems[0], more)
}

// prepare refuses where the interlock says so, and writes down what will have to be undone.
func (r *run) prepare(ctx context.Context) error {
	if err := r.restoration.Interlock(ctx); err != nil {
		return err
	}
	footprint, err := r.restoration.Footprint(ctx)
	if err != nil {
		return err
	}
	r.footprint = &footprint
	return r.journal.Write(ctx, r.leftover())
}

func (r *run) leftover() leftover {
	return leftover{SandboxKind: r.place.Kind(), Bucket: r.bucket.Name, Path: r.bucket.Path, Footprint: r.footprint, Source: r.config.Source.URL, Tracers: r.traced}
}

// restoreBegan keeps the footprint that has become exact.
func (r *run) restoreBegan(ctx context.Context, f backup.Footprint) {
	r.footprint = &f
	if err := r.journal.Write(ctx, r.leftover()); err != nil {
		r.Log.Warn("the journal could not be written", "error", err)
	}
}

// logs are the restored server's so far.
func (r *run) logs(ctx context.Context, w io.Writer) error { return r.instance.Logs(ctx, w) }

func (r *run) copyBackup(ctx context.Context) error {
	if err := r.prepare(ctx); err != nil {
		return err
	}
	return r.restoration.Copy(ctx)
}

// provision brings up a Weaviate like the one that made the backup.
func (r *run) provision(ctx context.Context) error {
	if r.footprint == nil {
		if err := r.prepare(ctx); err != nil {
			return err
		}
	}
	spec, err := r.spec(ctx)
	if err != nil {
		return err
	}
	if r.instance, err = r.place.Up(ctx, spec); err != nil {
		return fmt.Errorf("sandbox: %w", err)
	}
	r.record.Sandbox.Version, r.record.Sandbox.Nodes = spec.Version, spec.Nodes
	if i, can := r.instance.(sandbox.Measured); can {
		r.record.Sandbox.Steps = i.Steps()
	}
	if r.restored, err = weaviate.Dial(ctx, r.instance.Endpoint()); err != nil {
		return fmt.Errorf("sandbox: %w", err)
	}
	if i, can := r.instance.(sandbox.Disturbable); can {
		go r.guard(ctx, i)
	}
	return nil
}

// guard gives the drill up when the sandbox's surroundings stop a part of it: of a node that was evicted no restore ever ends, and no answer counts. Not being able to look is no reason.
func (r *run) guard(ctx context.Context, i sandbox.Disturbable) {
	const every = 2 * time.Second
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(every):
		}
		if what, err := i.Disturbed(ctx); err == nil && what != "" && ctx.Err() == nil {
			r.giveUp(fmt.Errorf("%w: the sandbox was disturbed: %s", errGivenUp, what))
			return
		}
	}
}

// spec describes the sandbox that the backup needs.
func (r *run) spec(ctx context.Context) (sandbox.Spec, error) {
	d := r.catalogue.Backup()
	s := sandbox.Spec{DrillID: r.record.ID, Version: cmp.Or(r.config.Sandbox.Version, d.ServerVersion), Outlive: r.KeepOnFailure}
	for name, node := range d.Nodes {
		s.Nodes = append(s.Nodes, cmp.Or(r.config.Restore.NodeMapping[name], name))
		s.Bytes = max(s.Bytes, node.PreCompressionSizeBytes)
	}
	slices.Sort(s.Nodes)
	s.Waiting = func(cause string) { r.Progress(Progress{Phase: rto.Provision, Detail: cause}) }
	for _, m := range r.record.Source.Modules {
		if !strings.HasPrefix(m, "backup-") && !strings.HasPrefix(m, "offload-") {
			s.Modules = append(s.Modules, m)
		}
	}
	var err error
	s.S3, err = r.config.sandboxS3(ctx, r.bucket)
	return s, err
}

func (r *run) restore(ctx context.Context) error {
	result, err := r.restoration.Run(ctx, r.restored)
	r.record.Restore = &result
	if errors.Is(err, backup.ErrFailed) {
		err = fmt.Errorf("%w: %w", errUnrestorable, err)
	}
	if err != nil && ctx.Err() == nil {
		r.keepLogs(ctx)
		r.noteDisturbance(ctx)
	}
	return err
}

// noteDisturbance says what the sandbox's surroundings did to it, where its kind can tell: an evicted node explains a restore that never ends.
func (r *run) noteDisturbance(ctx context.Context) {
	place, can := r.instance.(sandbox.Disturbable)
	if !can {
		return
	}
	if what, err := place.Disturbed(ctx); err != nil {
		r.note("whether the sandbox was disturbed is not known: %v", err)
	} else if what != "" {
		r.note("the sandbox was disturbed: %s", what)
	}
}

// keepLogs puts the end of the restored server's log into the record.
func (r *run) keepLogs(ctx context.Context) {
	var all bytes.Buffer
	if err := r.logs(ctx, &all); err != nil {
		r.note("the log of the sandbox could not be read: %v", err)
		return
	}
	const most = 200
	lines := strings.Split(strings.TrimSpace(all.String()), "\n")
	r.record.Logs = lines[max(0, len(lines)-most):]
}

func (r *run) awaitIndex(ctx context.Context) error {
	return verify.WaitIndexed(ctx, r.restored, r.config.Verify.IndexTimeout, func(shards int, queue int64) {
		r.Progress(Progress{Phase: rto.Index, Detail: fmt.Sprintf("%d shards not ready, %d vectors queued", shards, queue)})
	})
}

// firstAnswer ends the clock of the recovery. A wrong answer is a failure, and the comparison that follows says what else is wrong.
func (r *run) firstAnswer(ctx context.Context) error {
	_, err := verify.FirstAnswer(ctx, r.restored)
	if errors.Is(err, verify.ErrNoAnswer) {
		r.record.Timeline[len(r.record.Timeline)-1].Error = oneLine(err)
		r.record.Fail(StatusOf(err), rto.FirstAnswer, oneLine(err))
		return nil
	}
	return err
}

func (r *run) verify(ctx context.Context) error {
	var err error
	if r.record.Sandbox.Fidelity, err = r.compareSandbox(ctx); err != nil {
		return fmt.Errorf("sandbox: %w", err)
	}
	if err := r.judgeTracers(ctx); err != nil {
		return err
	}
	o, err := r.verifyOptions()
	if err != nil {
		return err
	}
	o.Progress = func(done, total int64) {
		r.Progress(Progress{Phase: rto.Verify, Done: done, Total: total, Unit: "objects"})
	}
	if err := r.knownFingerprints(ctx); err != nil {
		return err
	}
	o.Before, o.After = r.before, r.after
	nodes, done, err := r.nodes(ctx)
	defer done()
	if err != nil {
		return fmt.Errorf("sandbox: %w", err)
	}
	o.Nodes = nodes
	result, err := verify.Compare(ctx, r.source, r.restored, o)
	if err != nil {
		return err
	}
	r.record.Verification = result
	r.tryIsolation(ctx)
	switch result.Outcome() {
	case verify.Failed:
		r.record.Fail(evidence.DataFailed, rto.Verify, result.Summary())
	case verify.Inconclusive:
		r.record.Fail(evidence.Inconclusive, rto.Verify, result.Summary())
	}
	return r.ownChecks(ctx)
}

// verifyOptions are what this drill compares by.
func (r *run) verifyOptions() (verify.Options, error) {
	o := r.config.VerifyOptions()
	o.CapturePoint, o.Log = r.record.Backup.CapturePoint, r.Log
	o.NodeMapping, o.BackupEnd, o.Captured = r.config.Restore.NodeMapping, r.record.Backup.End, r.catalogue.Tenants()
	var err error
	if o.Included, o.Excluded, err = r.config.Chosen(r.record.Catalogue.Collections); err != nil {
		return o, err
	}
	for _, name := range r.record.Source.Collections {
		if r.config.leavesOut(name) && !slices.Contains(r.record.Catalogue.Collections, name) {
			o.Excluded = append(o.Excluded, name)
		}
	}
	return o, nil
}

// ownChecks are the user's.
func (r *run) ownChecks(ctx context.Context) error {
	var err error
	r.record.Checks, err = verify.RunChecks(ctx, r.restored, r.config.OwnChecks())
	for _, c := range r.record.Checks {
		switch c.Outcome {
		case verify.CheckFail:
			r.record.Fail(evidence.DataFailed, rto.Verify, fmt.Sprintf("check %s: %s", c.Name, c.Detail))
		case verify.CheckUnknown:
			r.record.Fail(evidence.Inconclusive, rto.Verify, fmt.Sprintf("check %s could not be carried out: %s", c.Name, c.Detail))
		}
	}
	return err
}

// tryIsolation tries how isolated the sandbox is, where its kind can: a finding, as one of the bucket. It takes some seconds, and so stands beside the recovery.
func (r *run) tryIsolation(ctx context.Context) {
	place, can := r.instance.(sandbox.Isolated)
	if !can {
		return
	}
	now := time.Now()
	r.record.Sandbox.Isolation = r.judge(isolationFindings(place.Isolation(ctx)), now)
	for _, f := range bucket.Violations(r.record.Sandbox.Isolation, r.config.Policy.FailOn) {
		r.record.Fail(evidence.Policy, rto.Verify, fmt.Sprintf("%s is %s (%s): %s", f.Check, f.Status, f.Severity, f.Detail))
	}
}

// teardown takes the sandbox down and leaves the bucket as it was found. Everything is tried, whatever fails.
func (r *run) teardown(ctx context.Context) error {
	var failed []error
	if r.restored != nil {
		_ = r.restored.Close()
	}
	if r.source != nil {
		if err := r.untrace(ctx); err != nil {
			failed = append(failed, err)
		}
		_ = r.source.Close()
	}
	if i, can := r.instance.(sandbox.Noted); can {
		r.record.Notes = append(r.record.Notes, i.Notes()...)
	}
	switch {
	case r.instance == nil:
	case r.KeepOnFailure && r.record.Status != evidence.Passed && r.record.Status != evidence.Interrupted:
		r.record.Sandbox.Kept = r.instance.Describe()
	default:
		if err := r.instance.Down(ctx); err != nil {
			failed = append(failed, fmt.Errorf("the sandbox could not be removed and holds production data: %w", err))
		}
	}
	if r.footprint != nil {
		notes, err := backup.CleanUp(ctx, r.bucket, *r.footprint)
		r.record.Notes = append(r.record.Notes, notes...)
		if err != nil {
			failed = append(failed, fmt.Errorf("the bucket could not be left as it was found: %w", err))
		}
	}
	if r.unlock != nil {
		if err := r.unlock(ctx); err != nil {
			r.note("the lock is left to expire: %v", err)
		}
	}
	r.clean = len(failed) == 0
	return errors.Join(failed...)
}

// assess holds what was measured against the objectives.
func (r *run) assess() {
	in := rto.Input{Objectives: r.record.Objectives, Now: time.Now().UTC(), Provided: r.record.Sandbox.Kind == "external"}
	if b := r.record.Backup; b != nil {
		in.CapturePoint = b.CapturePoint
	}
	if v := r.record.Verification; v != nil {
		in.CompletenessHorizon = v.CompletenessHorizon
	}
	if t := r.record.Tracer; t != nil {
		in.TracerPoint = t.CapturePoint
	}
	a := rto.Assess(r.record.Timeline, in)
	r.record.Assessment = a
	for _, j := range a.Judgements {
		switch {
		case j.Met:
		case j.Actual.Known:
			r.record.Fail(evidence.Policy, rto.Verify, fmt.Sprintf("%s objective missed: %s", j.Objective, j.Detail))
		case r.record.Status == evidence.Passed && r.place != nil: // at a level that restores nothing it was not to be measured
			r.record.Fail(evidence.Inconclusive, rto.Verify, fmt.Sprintf("%s was not measured: %s", j.Objective, j.Detail))
		}
	}
	if bucket.Medium.AtLeast(r.config.Policy.FailOn) {
		for _, f := range a.Findings {
			r.record.Fail(evidence.Policy, rto.Posture, "objectives: "+f)
		}
	}
}
