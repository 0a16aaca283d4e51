package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

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
			s, err := a.setting(c)
			if err != nil {
				return err
			}
			now := time.Now()
			findings, err := bucket.Audit(c.Context(), s.bucket, now)
			if err != nil {
				return err
			}
			findings, idle := s.config.Policy.Judge(findings, now)
			for _, sentence := range idle {
				a.log.Warn(sentence)
			}
			if err := report.Findings(a.stdout, s.form, findings, a.look()); err != nil {
				return err
			}
			if n := len(bucket.Violations(findings, s.config.Policy.FailOn)); n > 0 {
				a.log.Warn(fmt.Sprintf("%d findings at or above %s", n, s.config.Policy.FailOn))
				return outcome(evidence.Policy)
			}
			return nil
		},
	}
}
