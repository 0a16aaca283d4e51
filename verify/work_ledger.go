package verify

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strings"
	"sync"
	"time"

	"github.com/weaviate-drill/weaviate-drill/internal/weaviate"
)

// Ledger keeps what a comparison has done, so that another process can go on with it, or do a share of it. Any number of processes may use one at the same time.
type Ledger interface {
	// Settle keeps a plan unless there is one already, and returns the one that is kept.
	Settle(ctx context.Context, plan []byte) ([]byte, error)
	// Plan returns the plan, nil when there is none.
	Plan(ctx context.Context) ([]byte, error)
	// Keep adds a batch of results. After it has returned, that outlives the process and the machine.
	Keep(ctx context.Context, batch []byte) error
	// Kept hands each batch to take.
	Kept(ctx context.Context, take func(batch []byte) error) error
}

// Errors that callers decide on.
var (
	ErrOther  = errors.New("that is another comparison") // what the ledger keeps was made under other terms
	ErrNoPlan = errors.New("nothing is kept of it")      // neither a plan nor results
	ErrWhole  = errors.New("cannot be split or resumed") // the level
)

// terms are what must be the same in all processes that work on a comparison.
type terms struct {
	Source       string    `json:"source"`
	Restored     string    `json:"restored"`
	Backup       string    `json:"backup,omitempty"`
	CapturePoint time.Time `json:"capturePoint,omitzero"`
	Level        Level     `json:"level"`
	Parts        int       `json:"parts"`
	Options      string    `json:"options"` // digest of all options that bear on the result
}

// differ says what in t is not as in other, "" when nothing is.
func (t terms) differ(other terms) string {
	for _, x := range []struct {
		what      string
		now, then any
	}{
		{"the source", t.Source, other.Source},
		{"the restored Weaviate", t.Restored, other.Restored},
		{"the backup", t.Backup, other.Backup},
		{"the capture point", t.CapturePoint.UTC().Format(time.RFC3339Nano), other.CapturePoint.UTC().Format(time.RFC3339Nano)},
		{"the level", t.Level, other.Level},
		{"the number of parts", t.Parts, other.Parts},
	} {
		if x.now != x.then {
			return fmt.Sprintf("%s is %v and was %v", x.what, x.now, x.then)
		}
	}
	if t.Options != other.Options {
		return "the options of the comparison are others than they were"
	}
	return ""
}

// plan is a comparison whose objects are still to be read: what was found besides them, and what there is to read. The items follow from it.
type plan struct {
	Schema string    `json:"schema"`
	Terms  terms     `json:"terms"`
	Seed   uint64    `json:"seed"`
	Result *Result   `json:"result"` // so far
	Parts  []planned `json:"parts"`
	Absent []planned `json:"absent,omitempty"` // the values of comparison.absent
}

const planSchema = "weaviate-drill/comparison/v1"

// maxParts bounds what a damaged plan can make of memory; it is far more than machines share a comparison.
const maxParts = 1 << 20

// planned is a part as a plan holds it.
type planned struct {
	Collection    string  `json:"collection"`
	Tenant        string  `json:"tenant,omitempty"`
	REST          bool    `json:"rest,omitempty"`
	OnSource      bool    `json:"onSource,omitempty"`
	OnRestored    bool    `json:"onRestored,omitempty"`
	SourceCount   int64   `json:"sourceCount,omitempty"`
	RestoredCount int64   `json:"restoredCount,omitempty"`
	Estimated     bool    `json:"estimated,omitempty"`
	Incomplete    bool    `json:"incomplete,omitempty"`
	Missing       string  `json:"missing,omitempty"`
	MissingKind   string  `json:"missingKind,omitempty"`
	NothingSeen   Verdict `json:"nothingSeen,omitempty"`
}

func plannedOf(p *part) planned {
	return planned{p.collection, p.tenant, p.rest, p.onSource, p.onRestored, p.sourceCount, p.restoredCount, p.estimated, p.incomplete, p.missing, p.missingKind, p.verdictWhenNothingSeen}
}

func (p planned) part(source, restored *weaviate.Size) *part {
	return &part{
		collection: p.Collection, tenant: p.Tenant, rest: p.REST, onSource: p.OnSource, onRestored: p.OnRestored, sourceSize: source, restoredSize: restored, sourceCount: p.SourceCount,
		restoredCount: p.RestoredCount, estimated: p.Estimated, incomplete: p.Incomplete, missing: p.Missing, missingKind: p.MissingKind, verdictWhenNothingSeen: p.NothingSeen,
	}
}

// work is a comparison's place in a ledger.
type work struct {
	ledger      Ledger
	part, parts int    // this process does the items whose number leaves part when divided by parts
	plan        []byte // encoded
	settled     bool   // the ledger has it
	done        []bool // by item, before this process

	mu      sync.Mutex
	waiting []finished // to be kept
}

// results are some finished items.
type results struct {
	Plan string     `json:"plan"` // its digest
	Done []finished `json:"done"`
}

// finished is an item with what it came to.
type finished struct {
	Item int `json:"item"`
	outcome
}

func digest(raw []byte) string {
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:])
}

// prepare does all that comes before the objects are read, or takes it from the ledger.
func (c *comparison) prepare(ctx context.Context, part, parts int) ([]*part, error) {
	if c.Ledger == nil || !c.Level.AtLeast(LevelFull) {
		return c.structure(ctx)
	}
	c.work = &work{ledger: c.Ledger, part: part, parts: parts}
	terms, err := c.terms(ctx, parts)
	if err != nil {
		return nil, err
	}
	raw, err := c.Ledger.Plan(ctx)
	if err != nil {
		return nil, err
	}
	if raw != nil {
		return c.load(ctx, raw, terms)
	}
	found, err := c.structure(ctx)
	if err != nil {
		return nil, err
	}
	if c.work.plan, err = c.planOf(found, terms); err != nil {
		return nil, err
	}
	if parts == 1 {
		c.work.begin(found)
		return found, nil // it is settled when there is something to keep
	}
	if raw, err = c.Ledger.Settle(ctx, c.work.plan); err != nil {
		return nil, err
	}
	// Another part may have been first: from here on all work by the same plan.
	return c.load(ctx, raw, terms)
}

// terms asks who the two sides are.
func (c *comparison) terms(ctx context.Context, parts int) (t terms, err error) {
	t = terms{Backup: c.Backup, CapturePoint: c.CapturePoint, Level: c.Level, Parts: parts}
	bearing, err := json.Marshal(c.asGiven)
	if err != nil {
		return t, fmt.Errorf("verify: options: %w", err)
	}
	t.Options = digest(bearing)
	if t.Source, err = identity(ctx, c.source); err != nil {
		return t, &sideError{"source", err}
	}
	if t.Restored, err = identity(ctx, c.restored); err != nil {
		return t, &sideError{"restored", err}
	}
	return t, nil
}

// identity tells one Weaviate from another: by its address, version and nodes.
func identity(ctx context.Context, conn *weaviate.Conn) (string, error) {
	meta, err := conn.Meta(ctx)
	if err != nil {
		return "", err
	}
	nodes, err := conn.NodeNames(ctx)
	if err != nil && !errors.Is(err, weaviate.ErrForbidden) {
		return "", err
	}
	return fmt.Sprintf("%s (Weaviate %s, nodes %s)", conn.Endpoint.URL, meta.Version, strings.Join(nodes, " ")), nil
}

func (c *comparison) planOf(parts []*part, t terms) ([]byte, error) {
	result := *c.result
	for _, entry := range c.byName {
		result.Collections = append(result.Collections, *entry)
	}
	p := plan{Schema: planSchema, Terms: t, Seed: c.Seed, Result: &result}
	for _, x := range parts {
		p.Parts = append(p.Parts, plannedOf(x))
	}
	for _, x := range c.absent {
		p.Absent = append(p.Absent, plannedOf(x))
	}
	return json.Marshal(p)
}

// load takes the place of structure: it puts the comparison where a plan and the results that are kept left it.
func (c *comparison) load(ctx context.Context, raw []byte, t terms) ([]*part, error) {
	var p plan
	if err := json.Unmarshal(raw, &p); err != nil || p.Schema != planSchema || p.Result == nil || p.Terms.Parts < 1 || p.Terms.Parts > maxParts {
		return nil, fmt.Errorf("verify: the plan that is kept of the comparison is in form %q or damaged (%v): begin a new comparison", p.Schema, err)
	}
	if t.Parts == 0 { // of whatever number
		t.Parts = p.Terms.Parts
	}
	if difference := t.differ(p.Terms); difference != "" {
		return nil, fmt.Errorf("verify: %w: %s", ErrOther, difference)
	}
	c.work.plan, c.work.settled, c.work.parts = raw, true, t.Parts
	c.Seed, c.result = p.Seed, p.Result
	for _, entry := range p.Result.Collections {
		c.byName[entry.Name] = &entry
	}
	c.result.Collections = nil
	sizes := map[string][2]*weaviate.Size{}
	for name := range c.byName {
		sizes[name] = [2]*weaviate.Size{new(weaviate.Size), new(weaviate.Size)}
	}
	restore := func(x planned) *part { return x.part(sizes[x.Collection][0], sizes[x.Collection][1]) }
	for _, x := range p.Absent {
		c.absent[x.Collection] = restore(x)
	}
	parts := make([]*part, len(p.Parts))
	for i, x := range p.Parts {
		parts[i] = restore(x)
		parts[i].past = c.past.of(parts[i])
		c.partial = c.partial || x.Incomplete
	}
	return parts, c.resume(ctx, parts)
}

// begin makes room for the marks of what is done, and returns the part of each item.
func (w *work) begin(parts []*part) []*part {
	var of []*part
	for i := range items(parts) {
		of = append(of, i.part)
	}
	w.done = make([]bool, len(of))
	return of
}

// resume takes in the results that are kept. A batch that is damaged, cut in half for example, or of another plan, counts as not there: its items are done again.
func (c *comparison) resume(ctx context.Context, parts []*part) error {
	w := c.work
	of := w.begin(parts)
	plan := digest(w.plan)
	c.total = 0
	for i := range w.mine(items(parts)) {
		c.total += i.expects()
	}
	before := 0
	err := c.Ledger.Kept(ctx, func(raw []byte) error {
		var b results
		if err := json.Unmarshal(raw, &b); err != nil || b.Plan != plan {
			c.Log.Warn("a batch of results is damaged or of another comparison, and its items are compared again", "error", err)
			return nil
		}
		for _, f := range b.Done {
			if f.Item < 0 || f.Item >= len(of) || w.done[f.Item] || !w.isMine(f.Item) {
				continue
			}
			w.done[f.Item] = true
			before++
			c.take(of[f.Item], &f.outcome)
			c.advance(f.SourceSeen)
		}
		return nil
	})
	c.Log.Info("a comparison goes on", "pieces", len(of), "done", before, "objects", c.done)
	return err
}

func (w *work) isMine(number int) bool { return w.part < 0 || number%w.parts == w.part }

// mine are the items that this process is to do.
func (w *work) mine(all iter.Seq[item]) iter.Seq[item] {
	return func(yield func(item) bool) {
		for i := range all {
			if w.isMine(i.number) && !yield(i) {
				return
			}
		}
	}
}

// undone are those of them without a result, which every item has that an earlier process did.
func (w *work) undone(all iter.Seq[item]) iter.Seq[item] {
	return func(yield func(item) bool) {
		for i := range w.mine(all) {
			if !w.done[i.number] && !yield(i) {
				return
			}
		}
	}
}

// A crash loses the items under way, and what was done since the last batch: a second's work, later a fiftieth of all. So there are few batches: 300 after ten hours.
const (
	keepEvery = time.Second
	keepShare = 50
	keepTime  = 30 * time.Second // for one batch; also for the last, when the comparison has been interrupted
)

// compareKept judges every object of the items that are not done. What it leaves behind when it fails can be resumed.
func (c *comparison) compareKept(ctx context.Context, parts []*part) error {
	w := c.work
	working, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	writing, stop := context.WithCancel(ctx)
	defer stop()
	var writer sync.WaitGroup
	writer.Go(func() {
		if err := w.writeOften(writing); err != nil {
			fail(err)
		}
	})
	err := c.each(working, w.undone(items(parts)), func(ctx context.Context, i item) error {
		o, err := c.judgeItem(ctx, i)
		if err == nil {
			c.take(i.part, o)
			w.note(i.number, o)
		}
		return err
	})
	stop()
	writer.Wait()
	if err == nil && !w.settled {
		return nil // it was over before there was a need
	}
	unkept := w.write(ctx)
	if err == nil {
		return unkept
	}
	if unkept != nil {
		c.Log.Warn("what was compared last could not be kept", "error", unkept)
	}
	return err
}

func (w *work) note(number int, o *outcome) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.waiting = append(w.waiting, finished{number, *o})
}

// writeOften writes what is noted, until ctx ends.
func (w *work) writeOften(ctx context.Context) error {
	for began := time.Now(); ; {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(max(keepEvery, time.Since(began)/keepShare)):
		}
		if err := w.write(ctx); err != nil {
			return err
		}
	}
}

// write writes what is noted, also when ctx has ended. It is called by one goroutine at a time.
func (w *work) write(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), keepTime)
	defer cancel()
	w.mu.Lock()
	waiting := w.waiting
	w.waiting = nil
	w.mu.Unlock()
	if len(waiting) == 0 {
		return nil
	}
	if !w.settled {
		if _, err := w.ledger.Settle(ctx, w.plan); err != nil {
			return err
		}
		w.settled = true
	}
	raw, err := json.Marshal(results{digest(w.plan), waiting})
	if err != nil {
		return err
	}
	return w.ledger.Keep(ctx, raw)
}

// Share does one of so many shares of a comparison, numbered from 0, and keeps the results in o.Ledger; Reduce makes the whole of them. Shares may run at the same time, each of them any number of times: what
// is done is not done again. MaxRate is divided among them. It looks at the objects and nothing else; the comparison is planned by the first that comes.
func Share(ctx context.Context, source, restored *weaviate.Conn, o Options, part, parts int) (*Shared, error) {
	if part < 0 || part >= parts || parts > maxParts {
		return nil, fmt.Errorf("verify: there is no part %d of %d: parts are numbered from 0, and at most %d", part, parts, maxParts)
	}
	if err := o.splits(); err != nil {
		return nil, err
	}
	began := time.Now()
	c, err := newComparison(source, restored, o, parts)
	if err != nil {
		return nil, err
	}
	found, err := c.prepare(ctx, part, parts)
	if err != nil {
		return nil, err
	}
	s := &Shared{Part: part, Parts: parts}
	for i := range c.work.mine(items(found)) {
		s.Items++
		if c.work.done[i.number] {
			s.Before++
		}
	}
	if err := c.compareKept(ctx, found); err != nil {
		return nil, err
	}
	for _, p := range found {
		s.Verdicts.sum(p.verdicts)
	}
	s.Duration = time.Since(began)
	return s, nil
}

// splits says whether a comparison at this level can be split.
func (o Options) splits() error {
	if o.Level != "" && !o.Level.AtLeast(LevelFull) {
		return fmt.Errorf("verify: level %s %w: only the objects of level %s and above are compared piece by piece", o.Level, ErrWhole, LevelFull)
	}
	if o.Ledger == nil {
		return errors.New("verify: a comparison can only be split with a ledger, in which its parts meet")
	}
	return nil
}

// Shared is what one process did of a comparison.
type Shared struct {
	Part     int           `json:"part"` // from 0
	Parts    int           `json:"parts"`
	Items    int           `json:"items"`    // pieces of work that the part has
	Before   int           `json:"before"`   // of them, those that were done already
	Verdicts Verdicts      `json:"verdicts"` // on the objects of the part
	Duration time.Duration `json:"duration"` // nanoseconds, of this process
}

// Reduce makes the result of a comparison from what its parts kept in o.Ledger: that of Compare, but for Duration and BytesRead. What a part has not done, because it failed or did not run, is named and makes the
// result inconclusive. It wraps ErrNoPlan when no part has begun.
func Reduce(ctx context.Context, source, restored *weaviate.Conn, o Options) (*Result, error) {
	if err := o.splits(); err != nil {
		return nil, err
	}
	began := time.Now()
	c, err := newComparison(source, restored, o, 1)
	if err != nil {
		return nil, err
	}
	raw, err := c.Ledger.Plan(ctx)
	if err != nil {
		return nil, err
	}
	if raw == nil {
		return nil, fmt.Errorf("verify: %w: run its parts first", ErrNoPlan)
	}
	t, err := c.terms(ctx, 0)
	if err != nil {
		return nil, err
	}
	c.work = &work{ledger: c.Ledger, part: -1}
	parts, err := c.load(ctx, raw, t)
	if err != nil {
		return nil, err
	}
	c.nameUndone(parts)
	return c.finish(ctx, parts, began)
}

// nameUndone says of each part of the work what it has not done.
func (c *comparison) nameUndone(parts []*part) {
	type share struct {
		items, undone int
		first         *part
	}
	shares := make([]share, c.work.parts)
	for i := range items(parts) {
		s := &shares[i.number%c.work.parts]
		s.items++
		if c.work.done[i.number] {
			continue
		}
		if s.undone++; s.first == nil {
			s.first = i.part
		}
		i.part.incomplete, c.partial = true, true
		if !i.part.onRestored { // whether it is lost is not known
			delete(c.absent, i.part.collection)
			i.part.onSource = false
		}
	}
	for n, s := range shares {
		if s.undone > 0 {
			c.unknown("part %d of %d has done %d of its %d pieces of work; the first that is lacking is of %s: run that part again, then reduce", n, c.work.parts, s.items-s.undone, s.items, s.first.where())
		}
	}
}
