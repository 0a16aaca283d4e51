// Package verify compares a restored Weaviate with the one that was backed up, and says of every difference whether writes after the backup explain it.
package verify

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/weaviate-drill/weaviate-drill/internal/weaviate"
)

const defaultConfidence = 0.95

// Options say what is compared and how hard the servers are worked. The zero value compares everything, and explains no difference by time.
type Options struct {
	// CapturePoint is the instant whose writes the backup holds (startedAt of backup_config.json). Zero: both sides must be the same.
	CapturePoint time.Time
	ClockSkew    time.Duration // margin of the time rules; 0: 1 s
	Level        Level         // default full; from structure on
	Sample       int           // objects drawn of each collection, for level sample; 0: as many as MaxBad asks for, else 1000
	MaxBad       float64       // share of bad objects (0.001: one in a thousand) that a sample without one must rule out; 0: Sample says how many are drawn
	Confidence   float64       // with which a sample bounds the share of bad objects; 0: 0.95
	Seed         uint64        // of the sample; 0: drawn, and recorded in the result
	Concurrency  int           `json:"-"` // ranges compared at once, or eight times as many tenants of a few objects; 0: 2
	MaxRate      float64       `json:"-"` // objects a second read from the source; 0: no bound
	Index        IndexOptions  // for level index
	// MaxDifferences bounds Result.Differences; 0: 1000. Totals are always complete, and failures are listed before drift.
	MaxDifferences int
	// Included are the collections that the backup's catalogue names; nil when that is not known. Excluded were left out of the backup, or of the restore, on purpose.
	Included, Excluded []string
	// Captured is the activity of each tenant of each collection as the backup has it; a collection that is not in it is one of which that is not known.
	Captured map[string]map[string]string
	// BackupEnd is the end of the backup, after which nothing was captured; zero: that is not known, and then each shard must have been captured within ClockSkew of CapturePoint.
	BackupEnd time.Time
	// Roles and Users were restored too, and are compared. A backup holds them as they were at BackupEnd.
	Roles, Users bool
	// Before and After are fingerprints of the source from before and after the backup was made; nil: there is none. What they tell is in RangeCounts.
	Before, After *Fingerprint
	// NodeMapping maps names of source nodes to those of the restored side where they differ.
	NodeMapping map[string]string
	// Nodes are those of the restored side, each reached by itself, so that every copy of replicated data is seen at level full. Where data is replicated and a node is not among them, its copies are unknown.
	Nodes []Node
	// Progress, when set, is told how many of the source's objects are done; calls do not overlap. The total is an estimate while the source is being written to.
	Progress func(done, total int64) `json:"-"`
	Log      *slog.Logger            `json:"-"` // nil: silent
	// Ledger, when set, keeps at level full and above what is done, so that a comparison that was broken off goes on where it was. One that ends within a second leaves nothing in it.
	Ledger Ledger `json:"-"`
	Backup string // its id, by which a comparison that goes on notices another
}

// Draws is how many objects of each collection level sample draws. Small collections are compared as a whole.
func (o Options) Draws() int {
	if o.Sample == 0 && o.MaxBad > 0 {
		return SampleSize(cmp.Or(o.Confidence, defaultConfidence), o.MaxBad)
	}
	return cmp.Or(o.Sample, 1000)
}

func (o Options) withDefaults() (Options, error) {
	o.Level = cmp.Or(o.Level, LevelFull)
	if !o.Level.Restores() {
		return o, fmt.Errorf("verify: level %q compares nothing that was restored: take one of %s", o.Level, LevelNames(LevelStructure))
	}
	if o.ClockSkew < 0 || o.Sample < 0 || o.Concurrency < 0 || o.MaxRate < 0 || o.MaxDifferences < 0 {
		return o, errors.New("verify: a number in the options is negative")
	}
	o.Confidence = cmp.Or(o.Confidence, defaultConfidence)
	if !(o.Confidence > 0 && o.Confidence < 1) || !(o.MaxBad >= 0 && o.MaxBad < 1) || o.MaxBad > 0 && o.Sample > 0 {
		return o, fmt.Errorf("verify: confidence %g and largest share of bad objects %g must lie between 0 and 1, and the latter leaves no choice of the sample (%d)", o.Confidence, o.MaxBad, o.Sample)
	}
	var err error
	if o.Index, err = o.Index.withDefaults(); err != nil {
		return o, err
	}
	o.ClockSkew = cmp.Or(o.ClockSkew, time.Second)
	o.Sample = o.Draws()
	o.Concurrency = cmp.Or(o.Concurrency, 2)
	o.MaxDifferences = cmp.Or(o.MaxDifferences, 1000)
	if o.Seed == 0 {
		o.Seed = rand.Uint64() | 1
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o, nil
}

// comparison is one run of Compare.
type comparison struct {
	Options
	asGiven          Options // but for the defaults: no seed where none was
	work             *work   // nil: nothing is kept
	source, restored *weaviate.Conn
	versions         [2]string // of the two Weaviates
	rules            rules
	past             *past         // nil: there are no fingerprints
	limiter          *rate.Limiter // of the source; nil: none

	mu      sync.Mutex
	result  *Result
	byName  map[string]*Collection
	absent  map[string]*part // collections that were not restored, with the verdicts of all their parts
	bad     first            // lost, corrupt, unexpected, unverifiable
	drift   first
	oldest  int64 // the oldest write on the source that is not on the restored side, ms; 0: none
	newest  [2]int64
	done    int64
	total   int64
	partial bool // something could not be read, so no horizon is known
}

// Compare holds the restored Weaviate against the source. The source is only read, at read consistency ONE, and no tenant of it is ever activated; tenants of the restored side are activated where
// that is needed to read them. An error means that the comparison could not be carried out (a side unreachable, credentials refused, ctx ended); everything else, also what could not be
// looked at, is in the result. Memory use depends on the concurrency and the size of the sample, and not on the amount of data.
func Compare(ctx context.Context, source, restored *weaviate.Conn, o Options) (*Result, error) {
	began := time.Now()
	c, err := newComparison(source, restored, o, 1)
	if err != nil {
		return nil, err
	}
	parts, err := c.prepare(ctx, 0, 1)
	if err != nil {
		return nil, err
	}
	switch {
	case c.Level.AtLeast(LevelFull):
		err = c.compareAll(ctx, parts)
	case c.Level.AtLeast(LevelSample):
		err = c.compareSample(ctx, parts)
	}
	if err != nil {
		return nil, err
	}
	return c.finish(ctx, parts, began)
}

// newComparison is for one of so many processes.
func newComparison(source, restored *weaviate.Conn, o Options, processes int) (*comparison, error) {
	seed := o.Seed
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	o.MaxRate /= float64(processes)
	c := &comparison{
		Options: o, asGiven: o, source: source, restored: restored, rules: newRules(o.CapturePoint, o.ClockSkew).until(o.BackupEnd), byName: map[string]*Collection{}, absent: map[string]*part{},
		result: &Result{Level: o.Level, CapturePoint: o.CapturePoint, ClockSkew: o.ClockSkew}, past: newPast(o), limiter: limiter(o.MaxRate),
	}
	c.asGiven.Seed = seed
	return c, nil
}

// finish makes the result when the objects have been read.
func (c *comparison) finish(ctx context.Context, parts []*part, began time.Time) (*Result, error) {
	if c.Level.AtLeast(LevelFull) {
		if err := c.compareCopies(ctx, parts); err != nil {
			return nil, err
		}
	}
	if err := c.conclude(ctx, parts); err != nil {
		return nil, err
	}
	if c.Level.AtLeast(LevelCounts) {
		if err := c.shards(ctx); err != nil {
			return nil, err
		}
	}
	if c.Level.AtLeast(LevelIndex) {
		if err := c.lookAtIndexes(ctx, parts); err != nil {
			return nil, err
		}
	}
	return c.arrange(began), nil
}

// arrange brings the result into order.
func (c *comparison) arrange(began time.Time) *Result {
	r := c.result
	for _, name := range slices.Sorted(maps.Keys(c.byName)) {
		r.Collections = append(r.Collections, *c.byName[name])
		r.Verdicts.sum(c.byName[name].Verdicts)
	}
	r.Differences = slices.Concat(c.bad.settle(c.MaxDifferences), c.drift.settle(c.MaxDifferences))
	r.Differences = r.Differences[:min(len(r.Differences), c.MaxDifferences)]
	slices.SortStableFunc(r.Structure, func(a, b StructureDifference) int {
		return cmp.Or(cmp.Compare(a.Where, b.Where), cmp.Compare(a.Kind, b.Kind))
	})
	slices.Sort(r.Unknown)
	if c.Level.AtLeast(LevelFull) && !c.partial {
		if c.oldest > 0 {
			r.CompletenessHorizon = time.UnixMilli(c.oldest - 1).UTC()
		} else if c.newest[0] > 0 {
			r.CompletenessHorizon = time.UnixMilli(max(c.newest[0], c.rules.capture)).UTC()
		}
		if c.newest[1] > 0 {
			r.FreshnessHorizon = time.UnixMilli(c.newest[1]).UTC()
		}
	}
	r.Duration = time.Since(began)
	return r
}

// differ notes a difference outside the objects.
func (c *comparison) differ(kind, where, source, restored string, verdict Verdict, rule string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.result.Structure = append(c.result.Structure, StructureDifference{kind, where, cut(source), cut(restored), verdict, rule})
}

func (c *comparison) unknown(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.result.Unknown = append(c.result.Unknown, fmt.Sprintf(format, args...))
}

func (c *comparison) note(format string, args ...any) {
	c.result.Notes = append(c.result.Notes, fmt.Sprintf(format, args...))
}

// fatal says whether an error ends the comparison: nothing more can be learnt from a server that is gone or refuses the credentials.
func fatal(err error) bool {
	return errors.Is(err, weaviate.ErrUnreachable) || errors.Is(err, weaviate.ErrUnauthorized) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// cut shortens a value to a line.
func cut(s string) string {
	const most = 200
	if len(s) <= most {
		return s
	}
	return fmt.Sprintf("%s... (%d bytes)", s[:most], len(s))
}
