package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	drill "github.com/weaviate-drill/weaviate-drill"
	"github.com/weaviate-drill/weaviate-drill/backup/bucket"
	"github.com/weaviate-drill/weaviate-drill/internal/demo"
)

func (a *app) demoCommand() *cobra.Command {
	var corrupt bool
	var dir string
	c := &cobra.Command{
		Use: "demo", Short: "A whole drill on this machine, with nothing to configure",
		Long: `Starts a real Weaviate with 5,000 objects and a real S3 server on loopback ports, performs a whole drill on them, prints its
report and where the HTML report lies, and stops everything again. "make servers" builds the two servers.

With --corrupt one bit of one vector is flipped in the backup. Weaviate restores that backup with SUCCESS and equal counts; the
drill fails and names the one object.`,
		Example: `  weaviate-drill demo
  weaviate-drill demo --corrupt`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return a.demo(c.Context(), dir, corrupt) },
	}
	c.Flags().BoolVar(&corrupt, "corrupt", false, "flip one bit in the backup, and see it found")
	c.Flags().StringVar(&dir, "evidence", "evidence", "`folder` for the record and the HTML report")
	return c
}

func (a *app) demo(ctx context.Context, dir string, corrupt bool) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	a.progress.say("Starting a Weaviate with data, and an S3 server.")
	world, err := demo.Start(ctx, os.Setenv)
	if err != nil {
		return err
	}
	defer world.Stop()
	cfg, err := drill.ParseConfig("demo", world.Config(dir, corrupt))
	if err != nil {
		return err
	}
	options := drill.Options{Tool: tool(), Progress: a.progress.show, Log: a.log}
	if corrupt {
		options.Backedup = func(ctx context.Context, b *bucket.Bucket, id string) error {
			key, err := demo.Damage(ctx, b, id, world.Victim)
			if err == nil {
				a.log.Warn("one bit of one vector was flipped in the backup", "object", world.Victim.ID, "chunk", key)
			}
			return err
		}
	}
	record, err := drill.Run(ctx, cfg, options)
	if record == nil {
		return err
	}
	html := filepath.Join(dir, record.ID+".html")
	err = a.finish(record, err, []string{html})
	fmt.Fprintf(a.stderr, "\nThe report as a page: %s\n", html)
	return err
}
