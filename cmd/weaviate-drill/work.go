package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	drill "github.com/weaviate-drill/weaviate-drill"
	"github.com/weaviate-drill/weaviate-drill/internal/weaviate"
	"github.com/weaviate-drill/weaviate-drill/rto/evidence"
	"github.com/weaviate-drill/weaviate-drill/verify"
)

// completionIndex is where Kubernetes tells a pod of an Indexed Job which one it is.
const completionIndex = "JOB_COMPLETION_INDEX"

// workFlags are those of a comparison that goes on where it was broken off, or is split.
type workFlags struct {
	comparison string
	resume     bool
	part       int
	parts      int // 0: not split
	reduce     bool
}

func (f *workFlags) add(c *cobra.Command) {
	flags := c.Flags()
	flags.BoolVar(&f.resume, "resume", false, "go on with a comparison that was broken off, the newest or that of --comparison; give the other flags again")
	flags.StringVar(&f.comparison, "comparison", "", "`id` by which what was compared is found in the evidence; parts need one of your own, new for each comparison")
	flags.IntVar(&f.parts, "parts", 0, "do one of `n` parts of the comparison and keep it in the evidence")
	flags.IntVar(&f.part, "part", 0, "which one, from 0; without it "+completionIndex+" of the environment says so")
	flags.BoolVar(&f.reduce, "reduce", false, "put the parts together to the result")
	c.MarkFlagsMutuallyExclusive("resume", "parts", "reduce")
}

// check looks at the flags before anything else is done.
func (f *workFlags) check(c *cobra.Command, level verify.Level) error {
	given := c.Flags().Changed
	switch {
	case !f.resume && !f.reduce && !given("parts"):
		if given("comparison") || given("part") {
			return fmt.Errorf("%w: --comparison and --part say nothing without --resume, --parts or --reduce", drill.ErrConfig)
		}
		return nil
	case !level.AtLeast(verify.LevelFull):
		return fmt.Errorf("%w: level %s cannot be split or resumed: only the objects of level %s and above are compared piece by piece", drill.ErrConfig, level, verify.LevelFull)
	case f.comparison == "" && !f.resume:
		return fmt.Errorf("%w: --comparison is missing: all parts and --reduce need the same id, and each comparison a new one", drill.ErrConfig)
	case !given("parts"):
		return nil
	}
	if !given("part") {
		var err error
		if f.part, err = strconv.Atoi(os.Getenv(completionIndex)); err != nil {
			return fmt.Errorf("%w: --part is missing, and %s says no number", drill.ErrConfig, completionIndex)
		}
	}
	if f.part < 0 || f.part >= f.parts {
		return fmt.Errorf("%w: there is no part %d of %d: parts are numbered from 0", drill.ErrConfig, f.part, f.parts)
	}
	return nil
}

// ledger finds what is kept of the comparison, or names a new one.
func (f *workFlags) ledger(ctx context.Context, cfg *drill.Config) (*evidence.Comparison, error) {
	store, err := cfg.OpenEvidence(ctx)
	if err != nil {
		return nil, err
	}
	id := f.comparison
	switch {
	case id != "":
	case f.resume:
		ids, err := store.Comparisons(ctx)
		if err != nil {
			return nil, err
		}
		if len(ids) == 0 {
			return nil, fmt.Errorf("%w: there is nothing to resume: no comparison that was broken off is in the evidence", drill.ErrConfig)
		}
		id = ids[len(ids)-1]
	default:
		id = "verify-" + time.Now().UTC().Format("20060102-150405") + "-" + strings.ToLower(rand.Text()[:6])
	}
	kept, err := store.Comparison(id)
	if err != nil {
		return nil, fmt.Errorf("%w: --comparison: %w", drill.ErrConfig, err)
	}
	if f.resume {
		if plan, err := kept.Plan(ctx); err != nil {
			return nil, err
		} else if plan == nil {
			return nil, fmt.Errorf("%w: there is nothing to resume: no comparison %s is in the evidence", drill.ErrConfig, id)
		}
	}
	return kept, nil
}

// compare compares as the flags say. It returns no result for a part, which is told here; and a function to call when the result has been told, which removes what was kept.
func (a *app) compare(ctx context.Context, f workFlags, cfg *drill.Config, source, restored *weaviate.Conn, o verify.Options) (r *verify.Result, done func(), err error) {
	if !o.Level.AtLeast(verify.LevelFull) {
		r, err = verify.Compare(ctx, source, restored, o)
		return r, func() {}, err
	}
	kept, err := f.ledger(ctx, cfg)
	if err != nil {
		return nil, nil, err
	}
	o.Ledger = kept
	switch {
	case f.parts > 0:
		shared, err := verify.Share(ctx, source, restored, o, f.part, f.parts)
		if err != nil {
			return nil, nil, err
		}
		a.close()
		return nil, nil, a.tellShared(kept.ID(), shared)
	case f.reduce:
		r, err = verify.Reduce(ctx, source, restored, o)
	default:
		r, err = verify.Compare(ctx, source, restored, o)
		if plan, _ := kept.Plan(context.WithoutCancel(ctx)); err != nil && plan != nil {
			a.close()
			fmt.Fprintf(a.stderr, "weaviate-drill: what was compared is kept: go on with the same command and --resume --comparison %s\n", kept.ID())
		}
	}
	return r, func() {
		if f.reduce && len(r.Unknown) > 0 {
			return // a part may be lacking, and run again
		}
		if err := kept.Remove(ctx); err != nil {
			a.log.Warn("what was kept of the comparison could not be removed", "comparison", kept.ID(), "error", err)
		}
	}, err
}

// tellShared says what a part did.
func (a *app) tellShared(id string, s *verify.Shared) error {
	if a.output == "json" {
		encoder := json.NewEncoder(a.stdout)
		encoder.SetIndent("", "  ")
		return encoder.Encode(s)
	}
	v := s.Verdicts
	_, err := fmt.Fprintf(a.stdout, "Part %d of %d of comparison %s is done: %d pieces of work, %d of them before.\n%d objects: %d match, %d drift, %d lost, %d corrupt, %d unexpected, %d unverifiable.\n",
		s.Part, s.Parts, id, s.Items, s.Before, v.Total(), v.Match, v.Drift, v.Lost, v.Corrupt, v.Unexpected, v.Unverifiable)
	return err
}
