package verify

import "time"

// Verdict is what is known of one object after a comparison.
type Verdict string

// An object ends in exactly one of these.
const (
	Match        Verdict = "match"        // both sides equal, bit for bit
	Drift        Verdict = "drift"        // differs, explained by a write after the capture point
	Lost         Verdict = "lost"         // on the source, last written before the capture point, not restored
	Corrupt      Verdict = "corrupt"      // on both sides, and the difference is not explained by a later write
	Unexpected   Verdict = "unexpected"   // restored, and cannot have been in the backup
	Unverifiable Verdict = "unverifiable" // differs, and nothing that is known can tell why
)

// Verdicts counts objects by verdict.
type Verdicts struct {
	Match        int64 `json:"match"`
	Drift        int64 `json:"drift"`
	Lost         int64 `json:"lost"`
	Corrupt      int64 `json:"corrupt"`
	Unexpected   int64 `json:"unexpected"`
	Unverifiable int64 `json:"unverifiable"`
}

// Bad is the number of objects that fail a drill: lost, corrupt or unexpected.
func (v Verdicts) Bad() int64 { return v.Lost + v.Corrupt + v.Unexpected }

// Total is the number of objects judged.
func (v Verdicts) Total() int64 { return v.Match + v.Drift + v.Bad() + v.Unverifiable }

// Difference is one object that did not match, with the rule that gave its verdict.
type Difference struct {
	Collection  string    `json:"collection"`
	Tenant      string    `json:"tenant,omitempty"`
	ID          string    `json:"id"`
	Verdict     Verdict   `json:"verdict"`
	Rule        string    `json:"rule"`             // one sentence: why this verdict
	Fields      []string  `json:"fields,omitempty"` // what differs: "properties.title", "vectors.default", "lastUpdateTime"
	Detail      string    `json:"detail,omitempty"` // the first differing field, both values, cut to a line
	SourceTime  time.Time `json:"sourceTime,omitzero"`
	RestoreTime time.Time `json:"restoreTime,omitzero"`
}

// StructureDifference is one difference outside the objects: schema, alias, tenant, count.
type StructureDifference struct {
	Kind     string  `json:"kind"`  // collection, schema, alias, tenant, count, shard, copy, range, role, permission, assignment, user
	Where    string  `json:"where"` // "Article", "Article/tenant-1", "Article.vectorIndexConfig.efConstruction"
	Source   string  `json:"source"`
	Restored string  `json:"restored"`
	Verdict  Verdict `json:"verdict"` // drift, lost, corrupt, unexpected or unverifiable
	Rule     string  `json:"rule"`
}

// Collection is the outcome for one collection.
type Collection struct {
	Name          string   `json:"name"`
	Tenants       int      `json:"tenants,omitempty"`
	SourceCount   int64    `json:"sourceCount"` // as the server aggregates it, exact; 0 for both sides at level structure, where nothing is counted
	RestoredCount int64    `json:"restoredCount"`
	SourceRead    int64    `json:"sourceRead"` // objects that were judged; at level sample those that were drawn, and those whose id or times differ
	RestoredRead  int64    `json:"restoredRead"`
	Verdicts      Verdicts `json:"verdicts"`
}

// Sampling says how a random subset was drawn and what it proves. No Sampling: no subset was.
type Sampling struct {
	Requested  int     `json:"requested"`            // objects of each collection
	MaxBad     float64 `json:"maxBad,omitempty"`     // share of bad objects that the size was chosen by
	Confidence float64 `json:"confidence,omitempty"` // of each of the bounds
	Seed       uint64  `json:"seed"`
	Drawn      int64   `json:"drawn"`                // objects whose content was compared, over all collections
	Method     string  `json:"method"`               // how they were drawn
	Bounds     []Bound `json:"bounds,omitempty"`     // none for a collection of which something could not be read
	Conclusion string  `json:"conclusion,omitempty"` // what can be concluded and what cannot
}

// Bound is what the sample of one collection proves of its population: the objects whose id and times are the same on both sides, or all objects where all were compared, in both cases without those that
// writes after the capture point explain. What the ids and times alone show, such as a lost object, is judged of every object and needs no bound.
type Bound struct {
	Collection string  `json:"collection"`
	Population int64   `json:"population"`
	Drawn      int64   `json:"drawn"`  // uniformly from the population
	Bad        int64   `json:"bad"`    // of the drawn
	Extra      int64   `json:"extra"`  // compared besides, one of a tenant, and left out of the bound
	MaxBad     float64 `json:"maxBad"` // share of the population that is bad at most; exact when all was drawn
	known      bool
}

// Result is everything a comparison found.
type Result struct {
	Level           Level                 `json:"level"`
	CapturePoint    time.Time             `json:"capturePoint"`
	ClockSkew       time.Duration         `json:"clockSkew"` // margin of the time rules, in nanoseconds
	Sampling        *Sampling             `json:"sampling,omitempty"`
	Index           *Index                `json:"index,omitempty"` // at level index
	Collections     []Collection          `json:"collections"`
	Copies          []Copies              `json:"copies,omitempty"` // of collections that are replicated, at level full and above
	Structure       []StructureDifference `json:"structure,omitempty"`
	Differences     []Difference          `json:"differences,omitempty"` // at most Options.MaxDifferences; Verdicts has the totals
	Access          *AccessCompared       `json:"access,omitempty"`      // nil: roles and users were not compared
	Verdicts        Verdicts              `json:"verdicts"`
	Rules           map[string]int64      `json:"rules,omitempty"`  // objects by the reason of their verdict: each is in one
	Ranges          *RangeCounts          `json:"ranges,omitempty"` // nil: there was no fingerprint of the source
	VectorsCompared int64                 `json:"vectorsCompared"`
	BytesRead       int64                 `json:"bytesRead"`
	// CompletenessHorizon is the latest time t such that every source object last written at or before t came back equal: one millisecond before
	// the oldest write that did not. When every source object came back, it is the newest write on the source or the capture point, whichever is later.
	// Deletions leave no time and do not count. Set at level full only.
	CompletenessHorizon time.Time `json:"completenessHorizon,omitzero"`
	// FreshnessHorizon is the newest write that came back. Set at level full only.
	FreshnessHorizon time.Time     `json:"freshnessHorizon,omitzero"`
	Duration         time.Duration `json:"duration"` // nanoseconds
	// Notes say what was left out on purpose or does not bear on the outcome.
	Notes []string `json:"notes,omitempty"`
	// Unknown lists what could not be looked at, each with its reason. Anything here makes the outcome inconclusive.
	Unknown []string `json:"unknown,omitempty"`
}
