package verify

import (
	"context"
	"slices"

	"github.com/google/uuid"

	"github.com/weaviate-drill/weaviate-drill/internal/weaviate"
)

// StoredAnswers says what became of the questions whose answers fingerprints of the source hold. Each is in one verdict: match, corrupt or unverifiable.
type StoredAnswers struct {
	Verdicts Verdicts         `json:"verdicts"`
	Rules    map[string]int64 `json:"rules"` // questions by the reason of their verdict
}

// The reasons for verdicts on such questions.
const (
	ruleStoredSame    = "answered as the restored objects say, and as the source answered"
	ruleStoredRight   = "answered as the restored objects say; the source answered otherwise, and objects were written there between the fingerprint and the capture point, or did not come back"
	ruleStoredBetter  = "answered as the restored objects say; the source had the same objects and answered otherwise, so its own index was at fault"
	ruleStoredOpen    = "the source had the same objects and answered otherwise, and the objects do not tell which is right"
	ruleStoredAlike   = "answered otherwise than the restored objects say, and so it was on the source"
	ruleStoredFewer   = "finds fewer of the true neighbours than the source did, within what the margin and chance allow of all searches together"
	ruleStoredTooFew  = "finds fewer of the true neighbours than the source did, more than the margin and chance allow of all searches together"
	ruleStoredAsMany  = "finds as many of the true neighbours as the source did"
	ruleStoredMoved   = "finds true neighbours, and the source had none of them so when it answered"
	ruleStoredAnother = "not asked: the object that the question was drawn from did not come back as the fingerprint has it; what that means, the verdict on the object says"
	ruleStoredRefused = "the source gave no answer"
	ruleStoredSchema  = "not asked: the restored collection has no such index; what that means, the comparison of the schemas says"
)

// storedAnswer is where the answer to a probe was kept.
type storedAnswer struct {
	answer *FingerprintAnswer
	part   *part // of the restored side
	moment int   // of the fingerprints: before or after the backup
}

// untouched says whether the part came back just as the fingerprint has it, so that its indexes must answer the same.
func (s *storedAnswer) untouched() bool {
	p, v := s.part, s.part.verdicts
	same := s.moment == 1 || slices.Equal(p.past.totals[0], p.past.totals[1])
	return same && !p.incomplete && v.Match == v.Total() && v.Match == p.past.both[s.moment].Count
}

// has says whether the fingerprint has an object as it was restored. Where it does not list its objects, the time of the last write tells, which does not see what was written on the source after the capture point.
func (x *indexer) has(ctx context.Context, q *question, m ranked) (bool, error) {
	p := q.stored.part
	if !p.past.listed {
		return x.before(m.updated, q), nil
	}
	o, err := readOne(ctx, x.restored, p, m.id, p.rest)
	if err != nil || o == nil {
		return false, x.unread(p, err)
	}
	return p.past.both[q.stored.moment].has(o.ID, new(digester).digest(o)), nil
}

// rule books the verdict on a question whose answer was kept.
func (x *indexer) rule(verdict Verdict, rule string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.index.Stored == nil {
		x.index.Stored = &StoredAnswers{Rules: map[string]int64{}}
	}
	x.index.Stored.Verdicts.add(verdict)
	x.index.Stored.Rules[rule]++
}

// ruleRefused does so for one that neither side answers.
func (x *indexer) ruleRefused(q *question) {
	if q.stored != nil {
		x.rule(Unverifiable, ruleStoredRefused)
	}
}

// ruleInverted does so for a filter or keyword search. wrong is why the restored side answers otherwise than its objects say, when it does; alike: and so did the source.
func (x *indexer) ruleInverted(q *question, t *truth, wrong string, alike bool) {
	s := q.stored
	switch {
	case s == nil:
	case wrong != "" && !alike:
		x.rule(Corrupt, wrong)
	case wrong != "":
		x.rule(Match, ruleStoredAlike)
	case !q.answered():
		x.rule(Unverifiable, ruleStoredRefused)
	case q.alike():
		x.rule(Match, ruleStoredSame)
	case !s.untouched():
		x.rule(Match, ruleStoredRight)
	case t.possible > 0:
		x.rule(Unverifiable, ruleStoredOpen)
		x.unknown("%s: %s: restored %s, source %s: %s", q.where(), q, q.inWords(&q.restored), q.inWords(&q.Answer), ruleStoredOpen)
	default:
		x.rule(Match, ruleStoredBetter)
		x.note("%s: %s: restored %s, source %s: %s", q.where(), q, q.inWords(&q.restored), q.inWords(&q.Answer), ruleStoredBetter)
	}
}

// ruleNear does so for a search by vector. That it found fewer than the source did is judged for all searches together, see ruleFewer.
func (x *indexer) ruleNear(q *question, wrong string, restored, source Recall) (fewer int64) {
	switch {
	case q.stored == nil:
	case wrong != "":
		x.rule(Corrupt, wrong)
	case !q.answered():
		x.rule(Unverifiable, ruleStoredRefused)
	case source.Of == 0:
		x.rule(Unverifiable, ruleStoredMoved)
	case restored.Found*source.Of < source.Found*restored.Of:
		return 1
	default:
		x.rule(Match, ruleStoredAsMany)
	}
	return 0
}

func (x *indexer) ruleFewer(verdict Verdict, searches int64) {
	rule := map[Verdict]string{Match: ruleStoredFewer, Corrupt: ruleStoredTooFew}[verdict]
	for range searches {
		x.rule(verdict, rule)
	}
}

// reaches says whether a search for an object's own vector found it, or nothing but what is as near.
func (a *Answer) reaches(own uuid.UUID) bool {
	return a.has(own) || len(a.Found) > 0 && a.Found[0].ID == uuid.Nil
}

// remembered makes probes of the questions of the fingerprints, with the answers that these hold, and adds of those that were drawn from the restored objects what no fingerprint asked.
func (x *indexer) remembered(ctx context.Context, collection weaviate.Collection, parts []*part, drawn []Probe) ([]Probe, error) {
	schema, err := readIndexSchema(collection)
	if err != nil {
		return nil, err
	}
	of := map[string]*part{}
	for _, p := range parts {
		of[p.tenant] = p
	}
	r := recall{indexer: x, schema: schema, reasons: map[questionKey]string{}, asked: map[[3]string]bool{}}
	before, after := x.past.collections(collection.Name)
	moments := []*FingerprintCollection{before, after}
	if x.past.single {
		moments[0] = nil
	}
	for moment, f := range slices.Backward(moments) { // what was written before the backup and not since, either can be asked for
		if f == nil {
			continue
		}
		for i := range f.Questions {
			if p := of[f.Questions[i].Tenant]; p != nil { // else that it is not there, or cannot be read, is said elsewhere
				if err := r.take(ctx, p, f, moment, &f.Questions[i]); err != nil {
					return nil, err
				}
			}
		}
	}
	for _, reason := range r.reasons {
		if reason != "" {
			x.rule(Unverifiable, reason)
		}
	}
	for _, text := range after.Unasked {
		if !slices.Contains(x.index.Skipped, text) {
			x.index.Skipped = append(x.index.Skipped, text+" (on the source, for the fingerprint)")
		}
	}
	exhaustive := exhaustiveIndexes(collection)
	for _, p := range drawn {
		if r.asked[p.about()] {
			continue
		}
		if p.Near != nil && exhaustive[p.Near.Vector] {
			x.in(p.Collection, func(c *IndexedCollection) { c.vector(p.Near.Vector, p.Near.Metric).exhaustive = true })
		}
		r.probes = append(r.probes, p)
	}
	return r.probes, nil
}

// about is which index a probe asks: of neighbours that of the collection, of which one tenant stands for another, and else that of the tenant.
func (p *Probe) about() [3]string {
	what, of := p.asks()
	if p.Near != nil {
		return [3]string{"", what, of}
	}
	return [3]string{p.Tenant, what, of}
}

type questionKey struct {
	tenant   string
	object   uuid.UUID
	what, of string
}

// recall makes probes of the questions of one collection.
type recall struct {
	*indexer
	schema  *indexSchema
	probes  []Probe
	reasons map[questionKey]string // why a question cannot be asked; "": it is
	asked   map[[3]string]bool     // see Probe.about
	sample  *FingerprintSample     // the one whose object was read last
	object  *weaviate.Object       // nil: it is not as the fingerprint has it
}

// take makes a probe of a question, or notes why it cannot be asked.
func (r *recall) take(ctx context.Context, p *part, f *FingerprintCollection, moment int, q *FingerprintQuestion) error {
	key := questionKey{q.Tenant, q.Object, q.What, q.Of}
	if reason, known := r.reasons[key]; known && reason == "" {
		return nil
	}
	if s := f.sample(q.Tenant, q.Object); s != r.sample { // the questions of one object follow each other
		var err error
		if r.object, err = r.asKept(ctx, p, s); err != nil {
			return r.unread(p, err)
		}
		r.sample = s
	}
	if r.object == nil {
		r.reasons[key] = ruleStoredAnother
		return nil
	}
	probe, there := r.schema.again(r.object, p, q)
	if !there {
		r.reasons[key] = ruleStoredSchema
		return nil
	}
	probe.stored = &storedAnswer{&q.FingerprintAnswer, p, moment}
	probe.Answer = q.answer(&probe)
	probe.Answer.At = r.past.at(moment)
	r.reasons[key], r.asked[probe.about()] = "", true
	r.probes = append(r.probes, probe)
	return nil
}

// asKept reads an object, and answers nil when it is not as the fingerprint has it.
func (r *recall) asKept(ctx context.Context, p *part, s *FingerprintSample) (*weaviate.Object, error) {
	o, err := readOne(ctx, r.restored, p, s.ID, p.rest)
	if err != nil || o == nil || new(digester).digest(o) != s.Digest {
		return nil, err
	}
	if p.rest { // questions are made from the form that gRPC has
		return readOne(ctx, r.restored, p, s.ID, false)
	}
	return o, nil
}

// again is the probe that a question was, when the object still has what it asked for and the collection the index.
func (s *indexSchema) again(o *weaviate.Object, p *part, q *FingerprintQuestion) (probe Probe, there bool) {
	probe = Probe{Collection: p.collection, Tenant: p.tenant, Object: o.ID, written: o.Updated}
	if q.What != "near" {
		same := func(other Probe) bool {
			what, of := other.asks()
			return what == q.What && of == q.Of
		}
		all := s.questions(o, probe)
		i := slices.IndexFunc(all, same)
		if i < 0 {
			return probe, false
		}
		return all[i], true
	}
	index, indexed := s.vectors[q.Of]
	i := slices.IndexFunc(o.Vectors, func(v weaviate.Vector) bool { return v.Name == q.Of })
	if i < 0 || !indexed || !index.answersItself(o.Vectors[i]) {
		return probe, false
	}
	v := o.Vectors[i]
	probe.Near, probe.Limit = &Near{v.Name, index.metric(), v.Multi, v.Bytes}, askedOfSource.Neighbours
	return probe, true
}
