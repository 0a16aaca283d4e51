package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	drill "github.com/weaviate-drill/weaviate-drill"
	"github.com/weaviate-drill/weaviate-drill/backup"
	"github.com/weaviate-drill/weaviate-drill/rto"
	"github.com/weaviate-drill/weaviate-drill/rto/evidence"
	"github.com/weaviate-drill/weaviate-drill/verify"
)

type fingerprintOptions struct {
	backupID string
	out      string
}

func (a *app) fingerprintCommand() *cobra.Command {
	var o fingerprintOptions
	c := &cobra.Command{
		Use: "fingerprint", Short: "Describe what the source holds, for a day when it has changed or is gone",
		Long: `Reads all objects of the source once and writes a fingerprint: schema, aliases, roles, tenants, exact counts, sums and
digests, and what its indexes answer to a few questions. From that a restored Weaviate can be judged later (verify
--fingerprint). It holds no content of objects and no keys. No tenant is activated, so what an inactive one holds is
not in it.

With --backup-id it is kept in the evidence, where drills of that backup find it: as the one from before, while there
is no backup of that id, and as the one from after, once it is complete. A drill that makes a backup takes both itself.`,
		Example: `  weaviate-drill fingerprint --out source.json
  weaviate-drill fingerprint --backup-id nightly-20261125   # once before the backup is made, and once after`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return a.fingerprint(c, o) },
	}
	flags := c.Flags()
	flags.StringVar(&o.backupID, "backup-id", "", "keep it in the evidence, for the backup of this `id`")
	flags.StringVar(&o.out, "out", "", "write it to `file` instead of standard output")
	c.MarkFlagsMutuallyExclusive("backup-id", "out")
	return c
}

func (a *app) fingerprint(c *cobra.Command, o fingerprintOptions) error {
	if o.backupID != "" {
		s, err := a.setting(c)
		if err != nil {
			return err
		}
		moment, err := s.moment(c.Context(), o.backupID)
		if err != nil {
			return err
		}
		f, err := a.takeFingerprint(c, s.config)
		if err != nil {
			return err
		}
		if again, err := s.moment(c.Context(), o.backupID); err != nil || again != moment {
			return fmt.Errorf("backup %s was begun while the fingerprint was taken, which so is neither from before nor from after it (%v): nothing is kept", o.backupID, err)
		}
		where, err := s.store.PutFingerprint(c.Context(), s.bucket.Name, s.bucket.Path, o.backupID, moment, f)
		if err != nil {
			return err
		}
		return a.tellFingerprint(f, fmt.Sprintf("kept as the one from %s backup %s in %s", moment, o.backupID, where))
	}
	cfg, err := a.config()
	if err != nil {
		return err
	}
	f, err := a.takeFingerprint(c, cfg)
	if err != nil {
		return err
	}
	raw, err := f.Encode()
	if err != nil {
		return err
	}
	write := func(w io.Writer) error {
		_, err := w.Write(raw)
		return err
	}
	if o.out == "" {
		a.close()
		return write(a.stdout)
	}
	if err := writeFile(o.out, write); err != nil {
		return err
	}
	return a.tellFingerprint(f, "written to "+o.out)
}

// moment is whether a fingerprint that is taken now is one from before or from after a backup.
func (s setting) moment(ctx context.Context, backupID string) (evidence.Moment, error) {
	switch _, err := backup.Resolve(ctx, s.bucket, backupID); {
	case err == nil:
		return evidence.After, nil
	case errors.Is(err, backup.ErrNoSuchBackup) && backupID != backup.Latest:
		return evidence.Before, nil
	default:
		return "", err
	}
}

func (a *app) takeFingerprint(c *cobra.Command, cfg *drill.Config) (*verify.Fingerprint, error) {
	source, err := dial(c, "source", cfg.Source.Server)
	if err != nil {
		return nil, err
	}
	defer source.Close()
	list, err := source.Collections(c.Context())
	if err != nil {
		return nil, err
	}
	names := make([]string, len(list))
	for i, collection := range list {
		names[i] = collection.Name
	}
	o := cfg.FingerprintOptions(names)
	o.Questions = true // nobody can ask them when the source is gone
	o.Progress = func(done, total int64) {
		a.progress.show(drill.Progress{Phase: rto.FingerprintBefore, Done: done, Total: total, Unit: "objects"})
	}
	return verify.TakeFingerprint(c.Context(), source, o)
}

func (a *app) tellFingerprint(f *verify.Fingerprint, what string) error {
	a.close()
	_, err := fmt.Fprintf(a.stdout, "fingerprint of %d objects in %d collections %s\n", f.Objects(), len(f.Collections), what)
	return err
}

// fromEvidence stands for the fingerprints that the evidence has of a backup.
const fromEvidence = "evidence"

// fingerprints reads those of --fingerprint, and tells by the capture point which of them is from before the backup and which from after it.
func (a *app) fingerprints(ctx context.Context, cfg *drill.Config, names []string, o *verify.Options) error {
	if len(names) == 1 && names[0] == fromEvidence {
		if err := keptFingerprints(ctx, cfg, o); err != nil {
			return err
		}
		if o.Before == nil && o.After == nil {
			return fmt.Errorf("%w: --fingerprint %s: there is none of backup %q (--backup-id)", drill.ErrConfig, fromEvidence, o.Backup)
		}
		return nil
	}
	for _, name := range names {
		raw, err := os.ReadFile(name)
		if err != nil {
			return fmt.Errorf("%w: --fingerprint: %w", drill.ErrConfig, err)
		}
		f, err := verify.ParseFingerprint(raw)
		if err != nil {
			return fmt.Errorf("%w: --fingerprint %s: %w", drill.ErrConfig, name, err)
		}
		into, moment := &o.Before, evidence.Before
		switch {
		case o.CapturePoint.IsZero() && len(names) > 1:
			return fmt.Errorf("%w: two fingerprints say more than one only with the capture point between them: give --backup-id or --capture-point", drill.ErrConfig)
		case !o.CapturePoint.IsZero() && f.Began.After(o.CapturePoint):
			into, moment = &o.After, evidence.After
		case !o.CapturePoint.IsZero() && f.Ended.After(o.CapturePoint):
			return fmt.Errorf("%w: --fingerprint %s was taken while the backup was: it is neither from before nor from after the capture point", drill.ErrConfig, name)
		}
		if *into != nil {
			return fmt.Errorf("%w: two fingerprints are from %s the capture point: give one of them", drill.ErrConfig, moment)
		}
		*into = f
	}
	return nil
}

// keptFingerprints finds those that the evidence has of the backup that is compared.
func keptFingerprints(ctx context.Context, cfg *drill.Config, o *verify.Options) error {
	if o.Backup == "" {
		return nil
	}
	store, err := cfg.OpenEvidence(ctx)
	if err != nil {
		return err
	}
	o.Before, o.After, err = store.Fingerprints(ctx, cfg.Bucket.Name, cfg.Bucket.Path, o.Backup)
	return err
}
