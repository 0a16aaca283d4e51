package main

import (
	"cmp"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"

	"github.com/mattn/go-isatty"
	"github.com/spf13/cobra"
	"k8s.io/klog/v2"

	drill "github.com/weaviate-drill/weaviate-drill"
	"github.com/weaviate-drill/weaviate-drill/backup/bucket"
	"github.com/weaviate-drill/weaviate-drill/rto/evidence"
	"github.com/weaviate-drill/weaviate-drill/rto/report"
)

// app is one run of the program: the global flags, and what follows from them.
type app struct {
	stdout, stderr io.Writer
	configFile     string
	output         string
	logLevel       string
	logFormat      string
	noColor        bool
	quiet          bool

	started  bool // the command line was understood, and a command runs
	log      *slog.Logger
	progress *progress
}

// outputs are the forms of results on stdout. The commands report and audit have more.
var outputs = []string{"table", "json", "markdown"}

func (a *app) command() *cobra.Command {
	root := &cobra.Command{
		Use:   "weaviate-drill",
		Short: "Prove that Weaviate backups can be restored",
		Long: `A backup that has never been restored is a hope. weaviate-drill restores it into an isolated
Weaviate, proves that what came back is what was there, measures how long that took and how
much was lost, and leaves evidence that an auditor accepts.`,
		Example: `  weaviate-drill demo                    # see it work on this machine, nothing to configure
  weaviate-drill run --dry-run           # what a drill would do, and the permissions it needs
  weaviate-drill run                     # a whole drill, as drill.yaml says
  weaviate-drill report latest --output html --file drill.html`,
		SilenceUsage: true, SilenceErrors: true,
		PersistentPreRunE: func(c *cobra.Command, _ []string) error {
			if err := c.ValidateFlagGroups(); err != nil { // cobra itself looks at them later, when the command counts as understood
				return err
			}
			return a.start()
		},
	}
	flags := root.PersistentFlags()
	flags.StringVarP(&a.configFile, "config", "c", "drill.yaml", "configuration `file`")
	flags.StringVarP(&a.output, "output", "o", "table", "`form` of the result on standard output: "+strings.Join(outputs, ", "))
	flags.StringVar(&a.logLevel, "log-level", "info", "least `level` that is logged: debug, info, warn, error")
	flags.StringVar(&a.logFormat, "log-format", "text", "`form` of the log on standard error: text, json")
	flags.BoolVar(&a.noColor, "no-color", false, "no colours, also where NO_COLOR is not set")
	flags.BoolVarP(&a.quiet, "quiet", "q", false, "neither progress nor log lines below error")
	root.AddCommand(a.runCommand(), a.auditCommand(), a.backupCommand(), a.verifyCommand(), a.fingerprintCommand(), a.reportCommand(), a.historyCommand(), a.selfTestCommand(), a.doctorCommand(), a.gcCommand(), a.demoCommand(), a.versionCommand())
	describeExits(root)
	return root
}

// start makes the log and the progress display from the flags.
func (a *app) start() error {
	if a.output != "table" && !slices.Contains(report.Formats(), a.output) {
		return fmt.Errorf("--output %s is not known: use one of %s", a.output, strings.Join(outputs, ", "))
	}
	var level slog.Level
	if err := level.UnmarshalText([]byte(a.logLevel)); err != nil {
		return fmt.Errorf("--log-level %s is not known: use debug, info, warn or error", a.logLevel)
	}
	if a.quiet {
		level = slog.LevelError
	}
	var to = a.stderr
	if !a.quiet && terminal(a.stderr) && a.logFormat == "text" {
		a.progress = newProgress(a.stderr)
		to = a.progress.bars // log lines appear above the bar
		level = max(level, slog.LevelWarn)
	}
	options := &slog.HandlerOptions{Level: level}
	switch a.logFormat {
	case "text":
		a.log = slog.New(slog.NewTextHandler(to, options))
	case "json":
		a.log = slog.New(slog.NewJSONHandler(to, options))
	default:
		return fmt.Errorf("--log-format %s is not known: use text or json", a.logFormat)
	}
	klog.SetSlogLogger(a.log) // of client-go, which would write to standard error in a form of its own
	if a.progress == nil {
		a.progress = &progress{log: a.log}
	}
	a.started = true
	return nil
}

func (a *app) close() {
	if a.progress != nil {
		a.progress.close()
	}
}

// resultForm refuses the forms that a command does not have; without any named those are all but outputs.
func (a *app) resultForm(forms ...string) (string, error) {
	if len(forms) == 0 {
		forms = outputs
	}
	if !slices.Contains(forms, a.output) {
		return "", fmt.Errorf("%w: this command has no --output %s: use one of %s", drill.ErrConfig, a.output, strings.Join(forms, ", "))
	}
	return a.output, nil
}

func (a *app) config() (*drill.Config, error) {
	c, err := drill.LoadConfig(a.configFile)
	if err != nil {
		return nil, err
	}
	for _, w := range c.Warnings() {
		a.log.Warn(w)
	}
	return c, nil
}

// setting is what a command that looks into the bucket works with.
type setting struct {
	form   string // of the result
	config *drill.Config
	store  *evidence.Store
	bucket *bucket.Bucket // can be listed
}

// setting takes the forms that resultForm takes.
func (a *app) setting(c *cobra.Command, forms ...string) (s setting, err error) {
	if s.form, err = a.resultForm(forms...); err != nil {
		return s, err
	}
	if s.config, err = a.config(); err != nil {
		return s, err
	}
	if s.store, err = s.config.OpenEvidence(c.Context()); err != nil {
		return s, err
	}
	s.bucket, err = openBucket(c, s.config)
	return s, err
}

// openBucket also proves that it can be listed.
func openBucket(c *cobra.Command, cfg *drill.Config) (*bucket.Bucket, error) {
	b, err := bucket.Open(c.Context(), cfg.Bucket.Options())
	if err != nil {
		return nil, err
	}
	return b, b.Reachable(c.Context())
}

// look is how reports are rendered on standard output.
func (a *app) look() report.Options {
	return report.Options{Color: !a.noColor && os.Getenv("NO_COLOR") == "" && terminal(a.stdout), Width: width(a.stdout)}
}

func terminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && isatty.IsTerminal(f.Fd())
}

func tool() evidence.Tool {
	v := readVersion()
	return evidence.Tool{Version: v.Version, Commit: v.Commit, Go: v.Go}
}

// override lets a flag that was given win over the configuration.
func override[T comparable](flag T, into *T) {
	*into = cmp.Or(flag, *into)
}
