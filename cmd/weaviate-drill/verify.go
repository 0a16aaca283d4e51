package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	drill "github.com/weaviate-drill/weaviate-drill"
	"github.com/weaviate-drill/weaviate-drill/backup"
	"github.com/weaviate-drill/weaviate-drill/internal/weaviate"
	"github.com/weaviate-drill/weaviate-drill/rto"
	"github.com/weaviate-drill/weaviate-drill/rto/evidence"
	"github.com/weaviate-drill/weaviate-drill/rto/report"
	"github.com/weaviate-drill/weaviate-drill/verify"
)

type verifyOptions struct {
	backupID     string
	capturePoint string
	fingerprints []string
	compare      comparisonFlags
	work         workFlags
}

func (a *app) verifyCommand() *cobra.Command {
	var o verifyOptions
	c := &cobra.Command{
		Use: "verify", Short: "Compare two Weaviates that are running",
		Long: `Compares a restored Weaviate (sandbox.external in the configuration) with the source, and says of every difference
whether writes after the backup explain it. The capture point comes from the backup (--backup-id) or is given; without
one, both sides must be the same. The source is only read. Inactive tenants of the restored side are activated. The
checks of the configuration (verify.checks) are asked of the restored side.

At level full and above, what was compared is kept in the evidence until the result is told: after a crash or an
interruption --resume goes on. Parts (--parts) run on as many machines, keep what they did, and end with status 0
whatever they found; --reduce makes the result of them.

Fingerprints that the evidence has of the backup are used. With --fingerprint the restored side is held against
fingerprints alone, and no source is asked: one from before and one from after the backup prove most.`,
		Example: `  weaviate-drill verify --backup-id latest
  weaviate-drill verify --capture-point 2026-11-24T03:00:00Z --level counts
  weaviate-drill verify                  # two Weaviates that nobody writes to
  weaviate-drill verify --resume         # the same command again, after it was broken off
  weaviate-drill verify --backup-id latest --fingerprint evidence   # the source is gone
  weaviate-drill verify --comparison c1 --parts 3 --part 0   # a third of the work; then --comparison c1 --reduce`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return a.verify(c, o) },
	}
	flags := c.Flags()
	flags.StringVar(&o.backupID, "backup-id", "", "`id` of the backup that was restored, or \"latest\"")
	flags.StringVar(&o.capturePoint, "capture-point", "", "the `instant` whose writes were restored (RFC 3339)")
	flags.StringArrayVar(&o.fingerprints, "fingerprint", nil, "judge by the fingerprint in `file` instead of the source, or by \"evidence\": those kept of --backup-id (may be repeated)")
	o.compare.add(c, verify.LevelStructure)
	o.work.add(c)
	c.MarkFlagsMutuallyExclusive("backup-id", "capture-point")
	for _, split := range []string{"resume", "parts", "reduce"} {
		c.MarkFlagsMutuallyExclusive("fingerprint", split)
	}
	return c
}

func (a *app) verify(c *cobra.Command, o verifyOptions) error {
	form, err := a.resultForm()
	if err != nil {
		return err
	}
	cfg, err := a.config()
	if err != nil {
		return err
	}
	if cfg.Sandbox.External == nil {
		return fmt.Errorf("%w: %s: sandbox.external is missing: it says where the restored Weaviate is", drill.ErrConfig, a.configFile)
	}
	o.compare.override(&cfg.Verify)
	if err := cfg.Validate(); err != nil {
		return err
	}
	if level := cfg.Verify.Level; !level.Restores() {
		return fmt.Errorf("%w: verify.level: %s compares nothing: give --level one of %s, or look at a backup by weaviate-drill backup check", drill.ErrConfig, level, verify.LevelNames(verify.LevelStructure))
	}
	if err := o.work.check(c, cfg.Verify.Level); err != nil {
		return err
	}
	options := cfg.VerifyOptions()
	if options.CapturePoint, err = o.captured(); err != nil {
		return err
	}
	if o.backupID != "" {
		b, err := openBucket(c, cfg)
		if err != nil {
			return err
		}
		id, err := backup.Resolve(c.Context(), b, o.backupID)
		if err != nil {
			return err
		}
		d, err := backup.ReadDescriptor(c.Context(), b, id)
		if err != nil {
			return err
		}
		options.Backup, options.CapturePoint, options.BackupEnd = id, d.StartedAt, d.CompletedAt
		if options.Included, options.Excluded, err = cfg.Chosen(d.Collections()); err != nil {
			return err
		}
	}
	if len(o.fingerprints) > 0 {
		err = a.fingerprints(c.Context(), cfg, o.fingerprints, &options)
	} else if cfg.Verify.Fingerprint {
		err = keptFingerprints(c.Context(), cfg, &options)
	}
	if err != nil {
		return err
	}
	restored, err := dial(c, "sandbox.external", *cfg.Sandbox.External)
	if err != nil {
		return err
	}
	defer restored.Close()
	nodes, hangUp, err := cfg.DialExternalNodes(c.Context())
	defer hangUp()
	if err != nil {
		return fmt.Errorf("sandbox.external_nodes: %w", err)
	}
	options.Nodes = nodes
	options.Log = a.log
	options.Progress = func(done, total int64) {
		a.progress.show(drill.Progress{Phase: rto.Verify, Done: done, Total: total, Unit: "objects"})
	}
	result, done, err := a.compareBy(c, o, cfg, restored, options)
	if err != nil || result == nil {
		return err
	}
	checks, err := verify.RunChecks(c.Context(), restored, cfg.OwnChecks())
	if err != nil {
		return err
	}
	a.close()
	if err := report.Comparison(a.stdout, form, result, checks, a.look()); err != nil {
		return err
	}
	done()
	status := evidence.Passed
	switch result.Outcome() {
	case verify.Failed:
		status = evidence.DataFailed
	case verify.Inconclusive:
		status = evidence.Inconclusive
	}
	for _, check := range checks {
		switch check.Outcome {
		case verify.CheckFail:
			status = status.Worst(evidence.DataFailed)
		case verify.CheckUnknown:
			status = status.Worst(evidence.Inconclusive)
		}
	}
	return outcome(status)
}

// compareBy holds the restored side against fingerprints or against the source, as compare does.
func (a *app) compareBy(c *cobra.Command, o verifyOptions, cfg *drill.Config, restored *weaviate.Conn, options verify.Options) (*verify.Result, func(), error) {
	if len(o.fingerprints) > 0 {
		result, err := verify.CompareFingerprint(c.Context(), restored, options)
		return result, func() {}, err
	}
	source, err := dial(c, "source", cfg.Source.Server)
	if err != nil {
		return nil, nil, err
	}
	defer source.Close()
	return a.compare(c.Context(), o.work, cfg, source, restored, options)
}

func (o verifyOptions) captured() (time.Time, error) {
	if o.capturePoint == "" {
		return time.Time{}, nil
	}
	at, err := time.Parse(time.RFC3339, o.capturePoint)
	if err != nil {
		return at, fmt.Errorf("%w: --capture-point %s is not an instant such as 2026-11-24T03:00:00Z", drill.ErrConfig, o.capturePoint)
	}
	return at, nil
}
