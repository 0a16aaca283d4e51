package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	drill "github.com/weaviate-drill/weaviate-drill"
	"github.com/weaviate-drill/weaviate-drill/backup/bucket"
	"github.com/weaviate-drill/weaviate-drill/rto/evidence"
	"github.com/weaviate-drill/weaviate-drill/rto/report"
)

func (a *app) auditCommand() *cobra.Command {
	return &cobra.Command{
		Use: "audit", Short: "Check how the bucket of the backups is configured",
		Long: `Checks the bucket: encryption, versioning, lifecycle, public access, transport, object lock, logging.
It only reads. What an S3-compatible server does not support is said as such and is never a pass.

Only the sections bucket and policy of the configuration are used. docs/checks.md describes each check.`,
		Example: `  weaviate-drill audit
  weaviate-drill audit --output markdown > audit.md`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			form, err := a.resultForm()
			if err != nil {
				return err
			}
			cfg, err := a.config()
			if err != nil {
				return err
			}
			b, err := a.openBucket(c, cfg)
			if err != nil {
				return err
			}
			now := time.Now()
			findings, err := bucket.Audit(c.Context(), b, now)
			if err != nil {
				return err
			}
			findings = bucket.ApplyWaivers(findings, cfg.Policy.Waivers, now)
			if err := report.Findings(a.stdout, form, findings, a.look()); err != nil {
				return err
			}
			if n := len(bucket.Violations(findings, cfg.Policy.FailOn)); n > 0 {
				a.log.Warn(fmt.Sprintf("%d findings at or above %s", n, cfg.Policy.FailOn))
				return outcome(evidence.Policy)
			}
			return nil
		},
	}
}

// openBucket also proves that it can be listed.
func (a *app) openBucket(c *cobra.Command, cfg *drill.Config) (*bucket.Bucket, error) {
	b, err := bucket.Open(c.Context(), cfg.Bucket.Options())
	if err != nil {
		return nil, err
	}
	return b, b.Reachable(c.Context())
}
