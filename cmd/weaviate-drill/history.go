package main

import (
	"github.com/spf13/cobra"

	"github.com/weaviate-drill/weaviate-drill/rto/report"
)

func (a *app) historyCommand() *cobra.Command {
	return &cobra.Command{
		Use: "history", Short: "List the drills in the evidence",
		Long:    "Lists all drills in the evidence, the oldest first, each with its outcome, RTO and RPO.",
		Example: "  weaviate-drill history --output markdown",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			form, err := a.resultForm()
			if err != nil {
				return err
			}
			store, err := a.evidence(c)
			if err != nil {
				return err
			}
			list, err := store.List(c.Context())
			if err != nil {
				return err
			}
			return report.History(a.stdout, form, list, a.look())
		},
	}
}
