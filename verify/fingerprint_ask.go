package verify

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/google/uuid"

	"github.com/weaviate-drill/weaviate-drill/internal/weaviate"
)

// What bounds the questions of a fingerprint. They are no option, so that two fingerprints ask the same.
const (
	fingerprintQuestions = 1 << 13 // of all collections together
	collectionQuestions  = 256
)

// askedOfSource is how much of level index a fingerprint asks: one value of each property and operator, since on the restored side more can be asked when the objects are there to tell what is right.
var askedOfSource = IndexOptions{Probes: 50, Neighbours: 10, Values: 1}

// FingerprintQuestion is one that the indexes answered. It is drawn from a sampled object and holds nothing of it: who restores the object has its vector and its values, and so the question.
type FingerprintQuestion struct {
	Tenant string    `json:"tenant,omitempty"`
	Object uuid.UUID `json:"object"`       // one of the samples
	What   string    `json:"what"`         // near, keyword, or the operator of a filter
	Of     string    `json:"of,omitempty"` // the vector, empty for the unnamed one, or the property
	FingerprintAnswer
}

// FingerprintAnswer is what an index answered, in a form that does not depend on the order in which shards are read.
type FingerprintAnswer struct {
	Count int64 `json:"count,omitempty"` // of a filter: objects that the index has
	// Full: as many were found as were asked for, 10 neighbours or 20 objects. Which of the others are among these is chance, so Found has of neighbours those that are nearer than Furthest, and else the question's own object.
	Full     bool    `json:"full,omitempty"`
	Found    []byte  `json:"found,omitempty"` // ids of 16 bytes each, sorted
	Furthest float32 `json:"furthest,omitempty"`
	Refused  string  `json:"refused,omitempty"` // why there is no answer
}

// kept is an answer as a fingerprint keeps it.
func (a *Answer) kept(p *Probe) *FingerprintAnswer {
	if a.Error != "" {
		return &FingerprintAnswer{Refused: a.Error}
	}
	k := &FingerprintAnswer{Count: a.Count, Full: len(a.Found) >= p.Limit}
	ids := make([]uuid.UUID, 0, len(a.Found))
	if k.Full && p.Near != nil {
		if k.Furthest = a.Found[len(a.Found)-1].Distance; math.IsInf(float64(k.Furthest), 0) || math.IsNaN(float64(k.Furthest)) {
			return &FingerprintAnswer{Refused: "the distance is no number"}
		}
	}
	for _, f := range a.Found {
		if !k.Full || p.Near != nil && f.Distance < k.Furthest || p.Near == nil && f.ID == p.Object {
			ids = append(ids, f.ID)
		}
	}
	slices.SortFunc(ids, func(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) })
	for _, id := range ids {
		k.Found = append(k.Found, id[:]...)
	}
	return k
}

// answer is what was kept, as the answer to a probe. What was left out of a full one stands in it without a name.
func (k *FingerprintAnswer) answer(p *Probe) Answer {
	a := Answer{Count: k.Count, Error: k.Refused}
	for id := range slices.Chunk(k.Found, len(uuid.UUID{})) {
		a.Found = append(a.Found, weaviate.Neighbour{ID: uuid.UUID(id)})
	}
	for k.Full && len(a.Found) < p.Limit {
		a.Found = append(a.Found, weaviate.Neighbour{Distance: k.Furthest})
	}
	return a
}

func (k *FingerprintAnswer) equal(other *FingerprintAnswer) bool {
	return k.Count == other.Count && k.Full == other.Full && bytes.Equal(k.Found, other.Found) && k.Furthest == other.Furthest && k.Refused == other.Refused
}

func byQuestion(a, b FingerprintQuestion) int {
	return cmp.Or(cmp.Compare(a.Tenant, b.Tenant), bytes.Compare(a.Object[:], b.Object[:]), cmp.Compare(a.Of, b.Of), cmp.Compare(a.What, b.What))
}

// sample finds a sampled object; nil: it is none.
func (c *FingerprintCollection) sample(tenant string, id uuid.UUID) *FingerprintSample {
	i, there := slices.BinarySearchFunc(c.Samples, FingerprintSample{Tenant: tenant, ID: id}, bySample)
	if !there {
		return nil
	}
	return &c.Samples[i]
}

// checkQuestions believes of the questions nothing that cannot be.
func (c *FingerprintCollection) checkQuestions() error {
	if len(c.Questions) > collectionQuestions || !slices.IsSortedFunc(c.Questions, byQuestion) {
		return fmt.Errorf("its %d questions are too many or out of order", len(c.Questions))
	}
	for i := range c.Questions {
		q := &c.Questions[i]
		most := foundMost
		if q.What == "near" {
			most = askedOfSource.Neighbours
		}
		if c.sample(q.Tenant, q.Object) == nil || i > 0 && byQuestion(c.Questions[i-1], *q) == 0 || q.Count < 0 || len(q.Found)%len(uuid.UUID{}) != 0 || len(q.Found)/len(uuid.UUID{}) > most {
			return fmt.Errorf("question %d, %q of %q, contradicts itself", i, q.What, q.Of)
		}
	}
	return nil
}

// questions asks the indexes of each collection, when all its objects were read.
func (t *taking) questions(ctx context.Context) error {
	if !t.Questions {
		return nil
	}
	most := min(collectionQuestions, fingerprintQuestions/max(1, len(t.schemas)))
	for i, schema := range t.schemas {
		if err := t.ask(ctx, schema, &t.f.Collections[i], most); err != nil {
			return err
		}
	}
	return nil
}

// ask draws questions from the sampled objects of a collection, and keeps what the indexes answer, and what is not asked.
func (t *taking) ask(ctx context.Context, schema weaviate.Collection, c *FingerprintCollection, most int) error {
	switch {
	case len(c.Samples) == 0:
		return nil
	case schema.HidesExpired:
		c.Unasked = []string{c.Name + ": its searches hide objects that have expired"}
		return nil
	}
	wait := func(ctx context.Context, objects int) error { return throttle(ctx, t.limiter, objects) }
	parts := map[string]*part{}
	drawn := make([]candidate, len(c.Samples))
	for i, s := range c.Samples {
		if parts[s.Tenant] == nil {
			parts[s.Tenant] = &part{collection: c.Name, tenant: s.Tenant}
		}
		p := parts[s.Tenant]
		drawn[i] = candidate{p.ranks(0)(s.ID), s.ID, p}
	}
	slices.SortFunc(drawn, byRank)
	exhaustive, asked := exhaustiveIndexes(schema), askedOfSource
	if !slices.Contains(slices.Collect(maps.Values(exhaustive)), false) {
		asked.Probes = asked.Values // no vector to search for, so fewer objects to read
	}
	probes, unasked, err := probesOf(ctx, t.conn, schema, drawn, asked, wait)
	if err != nil {
		return t.unaskable(c, err)
	}
	probes = slices.DeleteFunc(probes, func(p Probe) bool {
		return p.written != c.sample(p.Tenant, p.Object).Updated || p.Near != nil && exhaustive[p.Near.Vector]
	})
	probes, left := mixed(probes, most)
	if left > 0 {
		unasked = append(unasked, fmt.Sprintf("%s: %d more questions: no more than %d are asked", c.Name, left, most))
	}
	if err := AskProbes(ctx, t.conn, probes, t.Concurrency, wait); err != nil {
		return t.unaskable(c, err)
	}
	for i := range probes {
		p := &probes[i]
		q := FingerprintQuestion{Tenant: p.Tenant, Object: p.Object, FingerprintAnswer: *p.Answer.kept(p)}
		q.What, q.Of = p.asks()
		c.Questions = append(c.Questions, q)
	}
	slices.SortStableFunc(c.Questions, byQuestion)
	c.Questions = slices.CompactFunc(c.Questions, func(a, b FingerprintQuestion) bool { return byQuestion(a, b) == 0 })
	slices.Sort(unasked)
	c.Unasked = unasked
	return nil
}

// unaskable keeps why nothing could be asked. A server that is gone leaves no fingerprint.
func (t *taking) unaskable(c *FingerprintCollection, err error) error {
	if fatal(err) {
		return err
	}
	c.Unasked = []string{c.Name + ": " + cut(err.Error())}
	return nil
}

// mixed takes so many probes, as many for vectors as for properties where there are more of both, and says how many are left.
func mixed(probes []Probe, most int) (taken []Probe, left int) {
	var near, other []Probe
	for _, p := range probes {
		if p.Near != nil {
			near = append(near, p)
		} else {
			other = append(other, p)
		}
	}
	n := min(len(near), max(most/2, most-len(other)))
	taken = append(near[:n:n], other[:min(len(other), most-n)]...)
	return taken, len(probes) - len(taken)
}

// exhaustiveIndexes are the vectors that are searched by looking at every one, as it is. Their index finds all true neighbours or is damaged, so no other answer is needed to judge it, and each would cost as much as reading all.
func exhaustiveIndexes(c weaviate.Collection) map[string]bool {
	type config struct {
		VectorIndexType   string
		VectorIndexConfig map[string]json.RawMessage
	}
	var schema struct {
		config
		VectorConfig map[string]config
	}
	_ = json.Unmarshal(c.Schema, &schema) // Collections has read it before
	all := map[string]config{"": schema.config}
	for name, config := range schema.VectorConfig {
		all[name] = config
	}
	out := map[string]bool{}
	for name, config := range all {
		out[name] = config.VectorIndexType == "flat"
		for _, compression := range []string{"bq", "pq", "rq", "sq"} {
			var is struct{ Enabled bool }
			_ = json.Unmarshal(config.VectorIndexConfig[compression], &is)
			out[name] = out[name] && !is.Enabled
		}
	}
	return out
}
