package main

import (
	"fmt"

	"github.com/spf13/cobra"

	drill "github.com/weaviate-drill/weaviate-drill"
)

func (a *app) gcCommand() *cobra.Command {
	return &cobra.Command{
		Use: "gc", Short: "Tidy up after drills that died",
		Long: `Finds drills that were killed before they could clean up, by their journals in the evidence, removes their sandboxes and
their tracer collections, and leaves the bucket as those drills found it. Every run does this first. Drills that are still running are left alone.`,
		Example: "  weaviate-drill gc",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			s, err := a.setting(c)
			if err != nil {
				return err
			}
			place, err := s.config.OpenSandbox()
			if err != nil {
				return err
			}
			notes, err := drill.TidyUp(c.Context(), s.config, s.store, s.bucket, place)
			for _, n := range notes {
				if _, printErr := fmt.Fprintln(a.stdout, n); printErr != nil {
					return printErr
				}
			}
			return err
		},
	}
}
