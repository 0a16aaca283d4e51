package main

import (
	"github.com/spf13/cobra"

	drill "github.com/weaviate-drill/weaviate-drill"
	"github.com/weaviate-drill/weaviate-drill/rto/report"
)

func (a *app) doctorCommand() *cobra.Command {
	return &cobra.Command{
		Use: "doctor", Short: "Check everything that a drill needs, before one",
		Long: `Tries what a drill with this configuration is going to do, without changing anything: whether the source answers,
lets the tool in, and its roles allow what is needed; each right on the bucket, by a call that cannot be carried
out where it would write; whether the sandbox can be made; whether the evidence can be kept. It prints what is
missing, and the permission, statement or manifest line that grants it. Every run does this first.

What could not be decided is listed as unknown. It is never a pass, and keeps no drill from beginning.`,
		Example: `  weaviate-drill doctor
  weaviate-drill doctor --output json | jq '.[] | select(.result == "fail")'`,
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
			a.progress.say("looking at the source, the bucket, the sandbox and the evidence")
			checks, err := cfg.Doctor(c.Context())
			if err != nil {
				return err
			}
			needs := make([]report.Need, len(checks))
			for i, check := range checks {
				needs[i] = report.Need{Area: check.Area, Check: check.Check}
			}
			a.close()
			if err := report.Needs(a.stdout, form, needs, a.look()); err != nil {
				return err
			}
			return outcome(drill.StatusOf(drill.Missing(checks)))
		},
	}
}
