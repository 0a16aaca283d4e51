package drill

import (
	"context"

	"github.com/weaviate-drill/weaviate-drill/rto"
	"github.com/weaviate-drill/weaviate-drill/rto/evidence"
	"github.com/weaviate-drill/weaviate-drill/verify"
)

// noFingerprints says whether a drill takes none: there is none to take from before a backup that exists.
func (c *Config) noFingerprints() bool { return c.Backup.ID != NewBackup || !c.Verify.Fingerprint }

// FingerprintOptions are what the configuration says of a fingerprint, given the names of the source's collections.
func (c *Config) FingerprintOptions(collections []string) verify.FingerprintOptions {
	o := verify.FingerprintOptions{Concurrency: c.Verify.Concurrency, MaxRate: float64(c.Verify.MaxRate), Questions: c.Verify.Level.AtLeast(verify.LevelIndex)}
	for _, name := range collections {
		if c.leavesOut(name) {
			o.Excluded = append(o.Excluded, name)
		}
	}
	return o
}

// fingerprintBefore describes what the source holds. That it cannot be done is no end of the drill: then the comparison has to do without.
func (r *run) fingerprintBefore(ctx context.Context) (err error) {
	r.before, err = r.fingerprint(ctx, rto.FingerprintBefore)
	return err
}

// fingerprintAfter does so again, and keeps both.
func (r *run) fingerprintAfter(ctx context.Context) (err error) {
	if !r.record.Backup.Created {
		r.before = nil
		r.note("the backup was under way before the fingerprint of the source was taken, so that says nothing of it")
		return nil
	}
	if r.before == nil {
		return nil
	}
	if r.after, err = r.fingerprint(ctx, rto.FingerprintAfter); err != nil {
		return err
	}
	for moment, f := range map[evidence.Moment]*verify.Fingerprint{evidence.Before: r.before, evidence.After: r.after} {
		if f == nil {
			continue
		}
		if _, err := r.store.PutFingerprint(ctx, r.bucket.Name, r.bucket.Path, r.record.Backup.ID, moment, f); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) fingerprint(ctx context.Context, p rto.Phase) (*verify.Fingerprint, error) {
	o := r.config.FingerprintOptions(r.record.Source.Collections)
	o.Progress = func(done, total int64) {
		r.Progress(Progress{Phase: p, Done: done, Total: total, Unit: "objects"})
	}
	f, err := verify.TakeFingerprint(ctx, r.source, o)
	if err != nil && ctx.Err() == nil {
		r.note("%s: none was taken: %v", p, err)
		return nil, nil
	}
	return f, err
}

// knownFingerprints finds those that were kept when an existing backup was made.
func (r *run) knownFingerprints(ctx context.Context) (err error) {
	if r.record.Backup.Created || !r.config.Verify.Fingerprint {
		return nil
	}
	r.before, r.after, err = r.store.Fingerprints(ctx, r.bucket.Name, r.bucket.Path, r.record.Backup.ID)
	return err
}
