package main

import (
	"github.com/spf13/cobra"

	drill "github.com/weaviate-drill/weaviate-drill"
	"github.com/weaviate-drill/weaviate-drill/verify"
)

func (a *app) selfTestCommand() *cobra.Command {
	o := runOptions{backupID: drill.LatestBackup, selfTest: true}
	c := &cobra.Command{
		Use:   "selftest",
		Short: "Prove that a drill would notice damage",
		Long: `Performs a drill of an existing backup and then damages the restored copy on purpose, in the sandbox and nowhere
else: objects, vectors, properties, settings, aliases, tenants and a collection are changed, removed or added, each
time another one drawn at random. A second comparison must notice every one with the right verdict. The score is in
the record and in all reports.

A damage that is not noticed is exit status 6 (inconclusive): what such a comparison says proves nothing. The source
is only read, and an external sandbox is never damaged. "run --selftest" does the same at the end of any drill.`,
		Example: `  weaviate-drill selftest
  weaviate-drill selftest --backup-id nightly-2026-11-24 --level sample --report selftest.html`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return a.run(c, o) },
	}
	flags := c.Flags()
	flags.StringVar(&o.backupID, "backup-id", o.backupID, "`id` of the backup to restore, \"latest\", or \"new\"")
	o.compare.add(c, verify.LevelStructure)
	flags.StringArrayVar(&o.reports, "report", nil, "also write the report to `file`: "+extensionList()+" (may be repeated)")
	return c
}
