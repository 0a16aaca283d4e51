package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	drill "github.com/weaviate-drill/weaviate-drill"
	"github.com/weaviate-drill/weaviate-drill/backup/bucket"
	"github.com/weaviate-drill/weaviate-drill/rto/evidence"
	"github.com/weaviate-drill/weaviate-drill/rto/report"
)

func (a *app) auditCommand() *cobra.Command {
	var explain string
	var list bool
	c := &cobra.Command{
		Use: "audit", Short: "Check how the bucket of the backups is configured",
		Long: `Checks the bucket: encryption, versioning, lifecycle, public access, transport, object lock, logging.
Beside it: the source's volumes, CloudTrail, the identities in use, and what a restore may do.
It changes nothing. What an S3-compatible server does not support is said as such and is never a pass.

The result takes the forms ` + strings.Join(report.AuditFormats(), ", ") + `: SARIF 2.1.0 is for code scanning,
OCSF 1.5.0 (Compliance Finding) for a SIEM, JUnit for CI.

A finding that failed, is unknown, or of which the waiver expired fails the audit (exit status 3) when it is as severe as policy.fail_on.
A bucket that cannot be listed cannot be audited (exit status 4).

Only the sections bucket, policy, objectives and evidence of the configuration are used, and what says which volumes
the source has (source.volumes, sandbox.kubernetes.twin) and how a restore gets its rights (restore.from, sandbox). --list and --explain use none: they tell
of each check what it is, why, how it is decided, how to mend it, and the same in other catalogues (CIS, NIST,
ISO 27001, SOC 2, PCI DSS, HIPAA, DORA), as docs/checks.md does.`,
		Example: `  weaviate-drill audit
  weaviate-drill audit --output sarif > audit.sarif
  weaviate-drill audit --explain s3-object-lock`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			switch {
			case list:
				return a.listChecks()
			case c.Flags().Changed("explain"):
				return a.explainCheck(explain)
			}
			return a.audit(c)
		},
	}
	c.Flags().StringVar(&explain, "explain", "", "say what the check with this `id` is, and how to mend it, instead of an audit")
	c.Flags().BoolVar(&list, "list", false, "list the checks, instead of an audit")
	c.MarkFlagsMutuallyExclusive("explain", "list")
	if err := c.RegisterFlagCompletionFunc("explain", completeChecks); err != nil {
		panic(err) // the flag is not there
	}
	return c
}

func (a *app) audit(c *cobra.Command) error {
	s, err := a.setting(c, report.AuditFormats()...)
	if err != nil {
		return err
	}
	began := time.Now()
	options := append(s.config.LifecycleOptions(c.Context(), s.bucket, s.store, began), s.config.BesideOptions(c.Context(), s.bucket)...)
	if s.config.Policy.Auditor {
		options = append(options, bucket.AsAuditor())
	}
	findings, err := bucket.Audit(c.Context(), s.bucket, began, options...)
	if err != nil {
		return err
	}
	policy := s.config.Policy
	findings, idle := policy.Judge(findings, began)
	for _, sentence := range idle {
		a.log.Warn(sentence)
	}
	b := s.bucket.Options
	record := &evidence.Record{
		Tool: tool(), Began: began, Ended: time.Now(), Bucket: evidence.Bucket{Name: b.Name, Path: b.Path, Region: b.Region, Endpoint: b.Endpoint}, Posture: findings, FailOn: policy.FailOn,
	}
	if err := report.Audit(a.stdout, s.form, record, a.look()); err != nil {
		return err
	}
	if n := len(bucket.Violations(findings, policy.FailOn)); n > 0 {
		a.log.Warn(fmt.Sprintf("findings that the policy does not allow (fail_on: %s): %d", policy.FailOn, n))
		return outcome(evidence.Policy)
	}
	return nil
}

func (a *app) listChecks() error {
	form, err := a.resultForm()
	if err != nil {
		return err
	}
	return report.Checks(a.stdout, form, bucket.Checks(), a.look())
}

func (a *app) explainCheck(id string) error {
	form, err := a.resultForm()
	if err != nil {
		return err
	}
	check, err := bucket.CheckOf(id)
	if err != nil {
		return fmt.Errorf("%w: --explain: %w", drill.ErrConfig, err)
	}
	return report.Explain(a.stdout, form, check, a.look())
}

// completeChecks completes the id of a check, and says what passes it.
func completeChecks(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
	var ids []cobra.Completion
	for _, c := range bucket.Checks() {
		ids = append(ids, cobra.CompletionWithDesc(c.ID, c.Title))
	}
	return ids, cobra.ShellCompDirectiveNoFileComp
}
