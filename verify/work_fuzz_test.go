package verify

import (
	"encoding/json"
	"testing"

	"github.com/weaviate-drill/weaviate-drill/internal/weaviate"
)

// FuzzLedger reads a plan and a batch of results as they may lie in a store, damaged or not: both are taken or refused, no item counts twice, and what is not done is named.
func FuzzLedger(f *testing.F) {
	c, err := newComparison(nil, nil, Options{Ledger: &memory{}}, 1)
	if err != nil {
		f.Fatal(err)
	}
	c.byName["A"] = &Collection{Name: "A", SourceCount: 20_000}
	parts := []*part{{collection: "A", tenant: "t", onSource: true, onRestored: true, sourceCount: 20_000, sourceSize: new(weaviate.Size)}, {collection: "A", tenant: "u"}}
	raw, err := c.planOf(parts, terms{Level: LevelFull, Parts: 2})
	if err != nil {
		f.Fatal(err)
	}
	batch, err := json.Marshal(results{digest(raw), []finished{{1, outcome{SourceSeen: 5, SourceRead: 5, Verdicts: Verdicts{Match: 4, Lost: 1}, Bad: []Difference{{ID: "x", Verdict: Lost}}}}}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw, batch)
	f.Add(raw[:len(raw)/2], batch)
	f.Add(raw, batch[:len(batch)/2])
	f.Add([]byte(`{"schema":"weaviate-drill/comparison/v1","result":{},"parts":[{"collection":"B","onSource":true,"sourceCount":-1}]}`), []byte(`{"done":[{"item":0},{"item":0},{"item":-1},{"item":9}]}`))
	f.Fuzz(func(t *testing.T, raw, batch []byte) {
		var kept plan
		if json.Unmarshal(raw, &kept) != nil {
			kept = plan{}
		}
		// A batch is of a plan by its digest, which no fuzzer guesses.
		var b results
		if json.Unmarshal(batch, &b) == nil {
			b.Plan = digest(raw)
			batch, _ = json.Marshal(b)
		}
		o := Options{Ledger: &memory{plan: raw, batches: [][]byte{batch, batch}}}
		c, err := newComparison(nil, nil, o, 1)
		if err != nil {
			t.Fatal(err)
		}
		c.work = &work{ledger: c.Ledger, part: -1}
		parts, err := c.load(t.Context(), raw, kept.Terms)
		if err != nil {
			return
		}
		done, seen := map[int]int64{}, int64(0)
		for _, f := range b.Done {
			if _, twice := done[f.Item]; f.Item >= 0 && f.Item < len(c.work.done) && !twice {
				done[f.Item] = f.SourceSeen
				seen += f.SourceSeen
			}
		}
		var counted int64
		for _, p := range parts {
			counted += p.sourceSeen
		}
		if counted != seen {
			t.Fatalf("%d objects were counted of %d", counted, seen)
		}
		before := len(c.result.Unknown)
		c.nameUndone(parts)
		if undone := len(c.work.done) - len(done); (undone > 0) != (len(c.result.Unknown) > before) {
			t.Fatalf("%d items are not done, and named are %q", undone, c.result.Unknown[before:])
		}
	})
}
