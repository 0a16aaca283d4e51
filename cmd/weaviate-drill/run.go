package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	drill "github.com/weaviate-drill/weaviate-drill"
	"github.com/weaviate-drill/weaviate-drill/rto/evidence"
	"github.com/weaviate-drill/weaviate-drill/rto/report"
	"github.com/weaviate-drill/weaviate-drill/verify"
)

type runOptions struct {
	backupID string
	version  string
	compare  comparisonFlags
	dryRun   bool
	keep     bool
	reports  []string
	selfTest bool
}

func (a *app) runCommand() *cobra.Command {
	var o runOptions
	c := &cobra.Command{
		Use:   "run",
		Short: "Perform a whole drill",
		Long: `Performs one drill: audits the bucket, makes a backup (or takes an existing one), checks it in S3,
restores it into an isolated Weaviate, compares every object with the source, measures RTO and
RPO against the documented objectives, removes the sandbox, and stores a record of all that.

The production backup is not changed. What a restore writes beside it is removed again.`,
		Example: `  weaviate-drill run
  weaviate-drill run --backup-id latest --report drill.html --report drill.xml
  weaviate-drill run --confidence 99 --max-bad 0.01%
  weaviate-drill run --backup-id latest --level archive   # reads the backup to its end, restores nothing
  weaviate-drill run --backup-id latest --weaviate-version 1.38.12
  weaviate-drill run --dry-run`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return a.run(c, o) },
	}
	flags := c.Flags()
	flags.StringVar(&o.backupID, "backup-id", "", "`id` of an existing backup to drill, \"latest\", or \"new\"")
	flags.StringVar(&o.version, "weaviate-version", "", "restore into Weaviate `version` instead of the backup's own: the drill of an upgrade")
	o.compare.add(c, verify.LevelCatalogue)
	flags.BoolVar(&o.selfTest, "selftest", false, "at the end, damage the restored copy on purpose and require that it is noticed")
	flags.BoolVar(&o.dryRun, "dry-run", false, "print what would be done and which permissions it needs, and change nothing")
	flags.BoolVar(&o.keep, "keep-on-failure", false, "leave the sandbox up when the drill does not pass; it holds production data")
	flags.StringArrayVar(&o.reports, "report", nil, "also write the report to `file`: "+extensionList()+" (may be repeated)")
	return c
}

func (a *app) run(c *cobra.Command, o runOptions) error {
	cfg, err := a.config()
	if err != nil {
		return err
	}
	override(o.backupID, &cfg.Backup.ID)
	override(o.version, &cfg.Sandbox.Version)
	o.compare.override(&cfg.Verify)
	override(o.selfTest, &cfg.Verify.SelfTest)
	if err := cfg.Validate(); err != nil {
		return err
	}
	if o.selfTest && !cfg.Verify.Level.Restores() {
		return fmt.Errorf("%w: at level %s nothing is restored that a self-test could damage", drill.ErrConfig, cfg.Verify.Level)
	}
	if o.dryRun {
		return a.plan(cfg)
	}
	if err := reportable(o.reports); err != nil {
		return err
	}
	events := a.jobEvents()
	show := func(now drill.Progress) {
		a.progress.show(now)
		events.show(now)
	}
	record, err := drill.Run(c.Context(), cfg, drill.Options{Tool: tool(), KeepOnFailure: o.keep, Progress: show, Log: a.log})
	events.end(record, err)
	return a.finish(record, err, o.reports)
}

// comparisonFlags are those of the commands that compare.
type comparisonFlags struct {
	level      string
	sample     int
	maxBad     string
	confidence float64
	seed       uint64
}

func (f *comparisonFlags) add(c *cobra.Command, least verify.Level) {
	flags := c.Flags()
	flags.StringVar(&f.level, "level", "", "`level`, how much is proved: "+verify.LevelNames(least))
	flags.IntVar(&f.sample, "sample", 0, "compare the content of `n` random objects of each collection instead of all")
	flags.StringVar(&f.maxBad, "max-bad", "", "compare as many random objects as it takes to bound the `share` of bad ones, such as 0.1%")
	flags.Float64Var(&f.confidence, "confidence", 0, "confidence of that bound in `percent` (default 95)")
	flags.Uint64Var(&f.seed, "seed", 0, "`seed` of the sample, to draw the same one again")
	c.MarkFlagsMutuallyExclusive("sample", "max-bad")
}

// override puts what was given over the configuration. A sample that is asked for is taken, unless another level is.
func (f *comparisonFlags) override(v *drill.Verify) {
	if f.sample > 0 || f.maxBad != "" {
		v.Sample, v.MaxBad = f.sample, f.maxBad
	}
	if f.sample > 0 || f.maxBad != "" || f.confidence != 0 {
		v.Level = verify.LevelSample
	}
	override(verify.Level(f.level), &v.Level)
	override(f.confidence, &v.Confidence)
	override(f.seed, &v.Seed)
}

// finish prints the report of a drill, writes the files that were asked for, and gives the exit status.
func (a *app) finish(record *evidence.Record, err error, files []string) error {
	a.close()
	if record == nil {
		return err
	}
	if printErr := report.Write(a.stdout, a.output, record, a.look()); printErr != nil && err == nil {
		err = printErr
	}
	for _, file := range files {
		if writeErr := writeReport(file, record); writeErr != nil && err == nil {
			err = writeErr
		}
	}
	if err != nil && record.Status == evidence.Passed {
		return err
	}
	if err != nil { // the drill's own outcome weighs more than a report that could not be written
		fmt.Fprintln(a.stderr, "weaviate-drill:", err)
	}
	return outcome(record.Status)
}

// extensions choose a report's form by the name of its file.
var extensions = []struct{ extension, format string }{
	{".html", "html"}, {".md", "markdown"}, {".json", "json"}, {".xml", "junit"}, {".txt", "table"}, {".sarif", "sarif"},
}

func extensionList() string {
	var list []string
	for _, e := range extensions {
		list = append(list, e.extension)
	}
	return strings.Join(list, ", ")
}

func formatOf(file string) (string, error) {
	for _, e := range extensions {
		if strings.EqualFold(filepath.Ext(file), e.extension) {
			return e.format, nil
		}
	}
	return "", fmt.Errorf("%w: report file %s: its name must end in one of %s", drill.ErrConfig, file, extensionList())
}

// reportable refuses a name before the drill, and not after it.
func reportable(files []string) error {
	for _, f := range files {
		if _, err := formatOf(f); err != nil {
			return err
		}
	}
	return nil
}

func writeReport(file string, record *evidence.Record) error {
	format, err := formatOf(file)
	if err != nil {
		return err
	}
	return writeFile(file, func(w io.Writer) error { return report.Write(w, format, record, report.Options{}) })
}

// writeFile writes a file as a whole or not at all. Only its owner may read it: reports can show values of objects.
func writeFile(file string, write func(io.Writer) error) error {
	f, err := os.CreateTemp(filepath.Dir(file), "."+filepath.Base(file)+"-*")
	if err != nil {
		return fmt.Errorf("write %s: %w", file, err)
	}
	defer os.Remove(f.Name()) // does nothing once it is renamed
	err = write(f)
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(f.Name(), file)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", file, err)
	}
	return nil
}
