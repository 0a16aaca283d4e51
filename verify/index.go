package verify

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/weaviate-drill/weaviate-drill/internal/weaviate"
)

// Index is what the indexes of the restored side answered, held against its own objects. A comparison of objects cannot see a vector index that was emptied, an inverted index that was lost, or a broken index of ids:
// counts and the enumeration stay perfect (weaviate issues 9892 and 12653).
type Index struct {
	Options     IndexOptions        `json:"options"`
	Confidence  float64             `json:"confidence,omitempty"` // of the bounds in Collections; 0.95 is 95 %
	Collections []IndexedCollection `json:"collections"`
	Failed      int64               `json:"failed"`             // questions that an index of the restored side answers wrongly
	Failures    []IndexFailure      `json:"failures,omitempty"` // at most 20 of a kind and a collection or tenant, and Options.MaxDifferences in all
	Stored      *StoredAnswers      `json:"stored,omitempty"`   // nil: the source itself was asked
	Skipped     []string            `json:"skipped,omitempty"`  // what no question is asked of, and why
	Notes       []string            `json:"notes,omitempty"`    // findings for the source
	Unknown     []string            `json:"unknown,omitempty"`  // what could not be asked or judged, each with its reason. Anything here makes the outcome inconclusive.
	Duration    time.Duration       `json:"duration"`           // nanoseconds
}

// IndexedCollection is what was asked of the indexes of one collection.
type IndexedCollection struct {
	Name          string          `json:"name"`
	Tenants       int             `json:"tenants,omitempty"`
	TenantsProbed int             `json:"tenantsProbed,omitempty"` // whose neighbours and properties were probed
	ByID          Asked           `json:"byId"`                    // objects that the enumeration gives, asked for by their ids
	Vectors       []VectorIndex   `json:"vectors,omitempty"`
	Properties    []PropertyIndex `json:"properties,omitempty"`
	Entries       []EntryIndex    `json:"entries,omitempty"` // of inverted indexes, in which the same objects are asked for by entries of their own
}

// Inverted sums up what filters and keyword searches answered.
func (c *IndexedCollection) Inverted() (all Asked) {
	for _, p := range c.Properties {
		all.Asked, all.Failed = all.Asked+p.Result.Asked, all.Failed+p.Result.Failed
	}
	return all
}

// Asked counts questions and those that were answered wrongly.
type Asked struct {
	Asked  int64 `json:"asked"`
	Failed int64 `json:"failed"`
}

func (a *Asked) add(failed bool) {
	a.Asked++
	if failed {
		a.Failed++
	}
}

// VectorIndex is what the index of one vector answered.
type VectorIndex struct {
	Name   string `json:"name"` // empty: the unnamed one
	Metric string `json:"metric"`
	// Itself are objects whose own vectors were searched for. One that is not among the 10 nearest to it, or else the 100 nearest, cannot be reached.
	Itself   Asked  `json:"itself"`
	Neither  int64  `json:"neither,omitempty"` // not reached, and not by the index of the source either
	Untold   int64  `json:"untold,omitempty"`  // not reached, and the source cannot tell whether its index does
	Probes   int    `json:"probes"`            // searches whose answers were held against exact search
	Source   Recall `json:"source"`            // counts only neighbours that the source still has as they were restored
	Restored Recall `json:"restored"`

	exhaustive bool   // looks at every vector, so it needs no other to be judged by
	fewer      int64  // searches that found fewer than the source did when a fingerprint was taken
	own        Recall // of the source, then: objects that their own vectors found
}

// Recall is the share of the true nearest neighbours that searches found.
type Recall struct {
	Found int64 `json:"found"`
	Of    int64 `json:"of"`
}

// Share is from 0 to 1, and not a number when nothing was asked.
func (r Recall) Share() float64 { return float64(r.Found) / float64(r.Of) }

func (r Recall) String() string {
	if r.Of == 0 {
		return "not known"
	}
	return fmt.Sprintf("%.3f", r.Share())
}

// PropertyIndex is what filters and keyword searches on one property answered.
type PropertyIndex struct {
	Name   string   `json:"name"`
	Kinds  []string `json:"kinds"` // of questions
	Result Asked    `json:"result"`
}

// IndexFailure is one question that an index of the restored side answers wrongly.
type IndexFailure struct {
	Kind       string  `json:"kind"` // entries, id, itself, recall, neighbour, filter or keyword
	Collection string  `json:"collection"`
	Tenant     string  `json:"tenant,omitempty"`
	ID         string  `json:"id,omitempty"`     // of the object that the question was drawn from
	Vector     string  `json:"vector,omitempty"` // the name of the one that it is about
	Question   string  `json:"question"`
	Source     string  `json:"source"`   // its answer
	Restored   string  `json:"restored"` // its answer
	Want       string  `json:"want"`     // what the restored objects say
	Verdict    Verdict `json:"verdict"`
	Rule       string  `json:"rule"` // one sentence: why this verdict
}

// Where is the collection, or the tenant of it.
func (f IndexFailure) Where() string {
	return (&part{collection: f.Collection, tenant: f.Tenant}).where()
}

// String names the place, the question and both answers.
func (f IndexFailure) String() string {
	return fmt.Sprintf("%s: %s: %s (%s)", f.Where(), f.Question, f.Answers(), f.Rule)
}

// Answers are those of both sides, and the right one.
func (f IndexFailure) Answers() string {
	return fmt.Sprintf("restored %s, source %s, right is %s", f.Restored, f.Source, f.Want)
}

// Outcome judges the indexes. Nothing asked is never a pass.
func (x *Index) Outcome() Outcome {
	var asked int64
	for _, c := range x.Collections {
		asked += c.ByID.Asked + c.Inverted().Asked
		for _, v := range c.Vectors {
			asked += int64(v.Probes) + v.Itself.Asked
		}
	}
	switch {
	case x.Failed > 0:
		return Failed
	case len(x.Unknown) > 0 || asked == 0:
		return Inconclusive
	}
	return Passed
}

// Summary says in one line why the indexes are no pass, and nothing when they are.
func (x *Index) Summary() string {
	switch {
	case x.Failed > 0:
		return fmt.Sprintf("%d questions to the indexes are answered wrongly, the first: %s", x.Failed, x.Failures[0])
	case len(x.Unknown) > 0:
		return fmt.Sprintf("%d things about the indexes are not known, the first: %s", len(x.Unknown), x.Unknown[0])
	case x.Outcome() != Passed:
		return "no question was asked of the indexes"
	}
	return ""
}

// indexer looks at the indexes of the restored side.
type indexer struct {
	Options
	restored *weaviate.Conn
	source   *weaviate.Conn                               // nil: gone
	past     *past                                        // that is asked in its place
	wait     func(ctx context.Context, objects int) error // before the source is asked

	mu          sync.Mutex
	index       Index
	collections map[string]*IndexedCollection
	listed      map[[3]string]int // failures by kind, collection and tenant
}

func newIndexer(restored, source *weaviate.Conn, o Options, wait func(context.Context, int) error) *indexer {
	return &indexer{Options: o, restored: restored, source: source, wait: wait, index: Index{Options: o.Index, Confidence: o.Confidence}, collections: map[string]*IndexedCollection{}, listed: map[[3]string]int{}}
}

// conclude judges the recall of each vector, and puts everything in order.
func (x *indexer) conclude() *Index {
	index := &x.index
	for _, c := range x.collections {
		for i := range c.Vectors {
			x.judgeRecall(c, &c.Vectors[i])
		}
		byName := func(a, b string) int { return cmp.Compare(a, b) }
		slices.SortFunc(c.Vectors, func(a, b VectorIndex) int { return byName(a.Name, b.Name) })
		slices.SortFunc(c.Properties, func(a, b PropertyIndex) int { return byName(a.Name, b.Name) })
		slices.SortFunc(c.Entries, func(a, b EntryIndex) int {
			return cmp.Or(cmp.Compare(a.Property, b.Property), cmp.Compare(a.Kind, b.Kind))
		})
		index.Collections = append(index.Collections, *c)
	}
	slices.SortFunc(index.Collections, func(a, b IndexedCollection) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortStableFunc(index.Failures, func(a, b IndexFailure) int {
		return cmp.Or(cmp.Compare(a.Collection, b.Collection), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.Question, b.Question), cmp.Compare(a.ID, b.ID))
	})
	slices.Sort(index.Skipped)
	slices.Sort(index.Notes)
	slices.Sort(index.Unknown)
	return index
}

// judgeRecall fails an index that finds fewer of the true neighbours than that of the source, by more than the margin and what chance explains: two approximate indexes with the same recall p differ in n
// neighbours by more than 1.64 times the square root of 2 p (1-p) / n once in twenty times, as when one of them was built anew.
func (x *indexer) judgeRecall(c *IndexedCollection, v *VectorIndex) {
	where := fmt.Sprintf("%s, vector %q", c.Name, v.Name)
	if v.Neither > 0 {
		x.note("%s: %d objects cannot be reached by their own vectors, on the source as little: the backup brought back what was there", where, v.Neither)
	}
	if v.Untold > 0 {
		reached := Recall{v.Itself.Asked - v.Untold, v.Itself.Asked}
		if v.own.Found < v.own.Of && v.own.Share()-reached.Share() <= chance(v.own, reached) {
			x.note("%s: %d of %d objects cannot be reached by their own vectors; on the source it was %d of %d when the fingerprint was taken: the backup brought back what was there", where, v.Untold, reached.Of, v.own.Of-v.own.Found, v.own.Of)
		} else {
			x.unknown("%s: %d objects cannot be reached by their own vectors, and the source no longer has them so, to be asked the same", where, v.Untold)
		}
	}
	if v.Probes == 0 {
		return
	}
	wanted, rule := v.Source, "against exact search, recall is lower than on the source by more than %g and the %.3f that chance explains"
	if v.exhaustive && wanted.Of == 0 {
		wanted, rule = Recall{v.Restored.Of, v.Restored.Of}, "an index that looks at every vector misses true neighbours, more than %g and the %.3f that chance explains"
	}
	if wanted.Of == 0 || v.Restored.Of == 0 {
		x.unknown("%s: recall cannot be held against the source's, which no longer has what was asked for, or gave no answer", where)
		return
	}
	source, restored := wanted.Share(), v.Restored.Share()
	chance := chance(wanted, v.Restored)
	if allowed := x.Index.RecallMargin + chance; source-restored > allowed {
		x.ruleFewer(Corrupt, v.fewer)
		x.fail(IndexFailure{
			Kind: "recall", Collection: c.Name, Vector: v.Name, Question: fmt.Sprintf("recall@%d of vector %q, %d searches", x.Index.Neighbours, v.Name, v.Probes),
			Source: v.Source.String(), Restored: v.Restored.String(), Want: fmt.Sprintf("at least %.3f", source-allowed), Verdict: Corrupt, Rule: fmt.Sprintf(rule, x.Index.RecallMargin, chance),
		})
		return
	}
	x.ruleFewer(Match, v.fewer)
	if restored < poorRecall {
		x.note("%s: recall is %s, and %s on the source: the backup brought back what was there, and a search there misses as much", where, v.Restored, v.Source)
	}
}

// chance is by how much two shares differ once in twenty times though what they were drawn from is the same.
func chance(a, b Recall) float64 {
	pooled := float64(a.Found+b.Found) / float64(a.Of+b.Of)
	return 1.64 * math.Sqrt(pooled*(1-pooled)*(1/float64(a.Of)+1/float64(b.Of)))
}

// poorRecall is what an index that works hardly ever falls below, unless its vectors are compressed hard: worth a note.
const poorRecall = 0.9

// listedMost bounds the failures of one kind that are listed of a collection or tenant, so that thousands of one kind do not hide the one of another.
const listedMost = 20

func (x *indexer) fail(f IndexFailure) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.index.Failed++
	kind := [3]string{f.Kind, f.Collection, f.Tenant}
	if x.listed[kind]++; x.listed[kind] <= listedMost && len(x.index.Failures) < x.MaxDifferences {
		x.index.Failures = append(x.index.Failures, f)
	}
}

func (x *indexer) unknown(format string, args ...any) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.index.Unknown = append(x.index.Unknown, fmt.Sprintf(format, args...))
}

func (x *indexer) note(format string, args ...any) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.index.Notes = append(x.index.Notes, fmt.Sprintf(format, args...))
}

// in calls do with the entry of a collection, one at a time.
func (x *indexer) in(collection string, do func(*IndexedCollection)) {
	x.mu.Lock()
	defer x.mu.Unlock()
	c := x.collections[collection]
	if c == nil {
		c = &IndexedCollection{Name: collection}
		x.collections[collection] = c
	}
	do(c)
}

func (c *IndexedCollection) vector(name, metric string) *VectorIndex {
	i := slices.IndexFunc(c.Vectors, func(v VectorIndex) bool { return v.Name == name })
	if i < 0 {
		i, c.Vectors = len(c.Vectors), append(c.Vectors, VectorIndex{Name: name, Metric: metric})
	}
	return &c.Vectors[i]
}

func (c *IndexedCollection) property(name string) *PropertyIndex {
	i := slices.IndexFunc(c.Properties, func(p PropertyIndex) bool { return p.Name == name })
	if i < 0 {
		i, c.Properties = len(c.Properties), append(c.Properties, PropertyIndex{Name: name})
	}
	return &c.Properties[i]
}

func (c *IndexedCollection) entries(property, kind string) *EntryIndex {
	i := slices.IndexFunc(c.Entries, func(e EntryIndex) bool { return e.Property == property && e.Kind == kind })
	if i < 0 {
		i, c.Entries = len(c.Entries), append(c.Entries, EntryIndex{Property: property, Kind: kind})
	}
	return &c.Entries[i]
}
