package main

import (
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weaviate-drill/weaviate-drill/rto/evidence"
	"github.com/weaviate-drill/weaviate-drill/rto/report"
)

func (a *app) reportCommand() *cobra.Command {
	var file string
	c := &cobra.Command{
		Use: "report [ID]", Short: "Render a stored record again",
		Long: `Renders the record of a drill ("latest", the default, or its id) from the evidence, in any form: ` + strings.Join(report.Formats(), ", ") + `.
Everything in a report comes from the record alone, so it can be made again years later. It exits with 0 whatever the drill found.`,
		Example: `  weaviate-drill report
  weaviate-drill report drill-20261124-222655-k3f9x2 --output html --file drill.html
  weaviate-drill report latest --output junit > drill.xml`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			id := "latest"
			if len(args) > 0 {
				id = args[0]
			}
			store, err := a.evidence(c)
			if err != nil {
				return err
			}
			record, err := store.Get(c.Context(), id)
			if err != nil {
				return err
			}
			if file == "" {
				return report.Write(a.stdout, a.output, record, a.look())
			}
			return writeFile(file, func(w io.Writer) error { return report.Write(w, a.output, record, report.Options{}) })
		},
	}
	c.Flags().StringVar(&file, "file", "", "write to `file` instead of standard output")
	return c
}

func (a *app) evidence(c *cobra.Command) (*evidence.Store, error) {
	cfg, err := a.config()
	if err != nil {
		return nil, err
	}
	return cfg.OpenEvidence(c.Context())
}
