package verify

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/weaviate-drill/weaviate-drill/internal/weaviate"
)

// SelfTest is what the comparison made of damage that was done on purpose to a restored copy: the proof that it notices. What can be done to a copy through Weaviate's API is done; docs/detection.md has the rest.
type SelfTest struct {
	Level    Level         `json:"level"` // of the comparison that had to notice
	Seed     uint64        `json:"seed"`  // that the victims were drawn with
	Trials   []Trial       `json:"trials"`
	Skipped  []string      `json:"skipped,omitempty"` // kinds of damage that were not done, each with the reason
	Duration time.Duration `json:"duration"`          // nanoseconds
}

// Trial is one damage.
type Trial struct {
	Kind    string  `json:"kind"`   // "object removed"
	Victim  string  `json:"victim"` // what was damaged, and nothing else was by this trial
	Noticed bool    `json:"noticed"`
	Verdict Verdict `json:"verdict,omitempty"` // that the comparison gave; empty: none
	Says    string  `json:"says"`              // what the comparison said of the victim, or what was wanted of it
}

// Score is how many damages were noticed, of how many.
func (s *SelfTest) Score() (noticed, of int) {
	for _, t := range s.Trials {
		if t.Noticed {
			noticed++
		}
	}
	return noticed, len(s.Trials)
}

// Outcome is Passed when every damage was noticed and there was one, and Inconclusive otherwise: what a comparison says that does not notice proves nothing, neither good nor bad.
func (s *SelfTest) Outcome() Outcome {
	if noticed, of := s.Score(); noticed < of || of == 0 {
		return Inconclusive
	}
	return Passed
}

// Summary says in one line why a self-test did not pass.
func (s *SelfTest) Summary() string {
	noticed, of := s.Score()
	if of == 0 {
		return "the self-test could do no damage, so nothing shows that the comparison would notice any"
	}
	var missed []string
	for _, t := range s.Trials {
		if !t.Noticed {
			missed = append(missed, fmt.Sprintf("%s (%s)", t.Kind, t.Victim))
		}
	}
	return fmt.Sprintf("the comparison noticed %d of %d damages done on purpose, at level %s; not noticed: %s", noticed, of, s.Level, strings.Join(missed, ", "))
}

// ErrNotDamageable is that a self-test was asked for where it must not be done, or proves nothing.
var ErrNotDamageable = errors.New("no self-test can be done")

// RunSelfTest damages the restored copy in every way that Weaviate's API allows, each time another victim drawn with the seed (0: drawn itself), and compares again as o says: each damage must be noticed with the right
// verdict. It DESTROYS the restored copy: call it only for one that is thrown away afterwards. ordinary is the comparison of the undamaged copy; when that did not pass there is nothing to prove, and the error
// wraps ErrNotDamageable. Victims are equal on both sides before, and were last written before the capture point. Whole tenants and collections are removed last, and are looked for at level counts, which the
// levels from there on contain. Indexes cannot be damaged through the API, so nothing above level full is compared. The source is only read.
func RunSelfTest(ctx context.Context, source, restored *weaviate.Conn, ordinary *Result, o Options, seed uint64) (*SelfTest, error) {
	switch {
	case source.Endpoint.URL == restored.Endpoint.URL:
		return nil, fmt.Errorf("%w: the copy is the source", ErrNotDamageable)
	case ordinary.Outcome() != Passed:
		return nil, fmt.Errorf("%w: the comparison of the undamaged copy %s, and must pass first", ErrNotDamageable, ordinary.Outcome())
	}
	if seed == 0 {
		seed = rand.Uint64() | 1
	}
	o.Ledger = nil // what was found before the damage says nothing about it
	o.MaxDifferences = max(o.MaxDifferences, 1000)
	if o.Level.AtLeast(LevelIndex) {
		o.Level = LevelFull
	}
	began := time.Now()
	s := &saboteur{
		source: source, restored: restored, rules: newRules(o.CapturePoint, max(o.ClockSkew, time.Second)), random: rand.New(rand.NewPCG(seed, seed)), used: map[uuid.UUID]bool{},
		options: o, result: &SelfTest{Level: ordinary.Level, Seed: seed},
	}
	if err := s.survey(ctx, ordinary); err != nil {
		return nil, err
	}
	for _, stage := range [][]sabotage{single, {tenantRemoved}, {collectionRemoved}} {
		if err := s.run(ctx, stage); err != nil {
			return nil, err
		}
		o.Level = LevelCounts
		s.options = o
	}
	s.result.Duration = time.Since(began)
	return s.result, nil
}

// saboteur is one self-test under way.
type saboteur struct {
	source, restored *weaviate.Conn
	options          Options
	rules            rules
	random           *rand.Rand
	places           []place
	used             map[uuid.UUID]bool // victims
	result           *SelfTest
}

// place is where victims are: a collection, or one tenant of it.
type place struct {
	collection weaviate.Collection
	tenant     string
}

func (p place) String() string {
	return (&part{collection: p.collection.Name, tenant: p.tenant}).where()
}

// sabotage is one kind of damage. do returns what must be noticed. An error that is not fatal is that this data, or this server, does not allow it.
type sabotage struct {
	kind string
	do   func(ctx context.Context, s *saboteur) (wanted, error)
}

// wanted is what a comparison must say of a victim.
type wanted struct {
	victim  string
	verdict Verdict
	found   func(r *Result) (Verdict, string) // what it says; no verdict: nothing
}

// survey finds the places whose objects both sides have. Tenants that are not active on the source stay out: asking for their objects could activate them.
func (s *saboteur) survey(ctx context.Context, ordinary *Result) error {
	list, err := s.restored.Collections(ctx)
	if err != nil {
		return &sideError{"restored", err}
	}
	collections := byName(list)
	for _, c := range ordinary.Collections {
		if c.SourceCount == 0 || c.RestoredCount == 0 {
			continue
		}
		collection := collections[c.Name]
		if !collection.MultiTenant {
			s.places = append(s.places, place{collection, ""})
			continue
		}
		tenants, err := s.source.Tenants(ctx, c.Name)
		if err != nil {
			return &sideError{"source", err}
		}
		for _, t := range tenants {
			if t.Active() {
				s.places = append(s.places, place{collection, t.Name})
			}
		}
	}
	return nil
}

// run does the damages of one stage, compares, and sees which were noticed.
func (s *saboteur) run(ctx context.Context, stage []sabotage) error {
	type done struct {
		kind string
		wanted
	}
	var all []done
	for _, each := range stage {
		w, err := each.do(ctx, s)
		switch {
		case err != nil && (fatal(err) || ctx.Err() != nil):
			return fmt.Errorf("self-test, %s: %w", each.kind, err)
		case err != nil:
			s.result.Skipped = append(s.result.Skipped, fmt.Sprintf("%s: %v", each.kind, err))
		default:
			all = append(all, done{each.kind, w})
		}
	}
	if len(all) == 0 {
		return nil
	}
	r, err := Compare(ctx, s.source, s.restored, s.options)
	if err != nil {
		return fmt.Errorf("self-test: %w", err)
	}
	for _, d := range all {
		t := Trial{Kind: d.kind, Victim: d.victim}
		t.Verdict, t.Says = d.found(r)
		if t.Noticed = t.Verdict == d.verdict; !t.Noticed {
			t.Says = fmt.Sprintf("wanted %s; said: %s", d.verdict, text(t.Says))
		}
		s.result.Trials = append(s.result.Trials, t)
	}
	return nil
}

// victim is an object that is the same on both sides.
type victim struct {
	place
	object weaviate.Object // as REST gives it
}

func (v victim) String() string { return v.place.String() + ", object " + v.object.ID.String() }

// errNoVictim is that nothing here can be damaged in some way.
var errNoVictim = errors.New("no object, or nothing else, that this can be done to was found")

// draw draws an object that is fit: equal on both sides, last written before the capture point, and no victim yet. Places are drawn alike, however many objects they have.
func (s *saboteur) draw(ctx context.Context, fit func(victim) bool) (victim, error) {
	const tries = 64
	for range tries {
		if len(s.places) == 0 {
			break
		}
		v := victim{place: s.places[s.random.IntN(len(s.places))]}
		var from uuid.UUID
		for i := range from {
			from[i] = byte(s.random.Uint32())
		}
		page, err := s.restored.Scan(weaviate.Range{Collection: v.collection.Name, Tenant: v.tenant, From: from, Most: 1, IDs: true}).Next(ctx)
		if len(page) == 0 { // beyond the last one
			page, err = s.restored.Scan(weaviate.Range{Collection: v.collection.Name, Tenant: v.tenant, Most: 1, IDs: true}).Next(ctx)
		}
		if len(page) == 0 {
			if err != nil && fatal(err) {
				return v, &sideError{"restored", err}
			}
			continue
		}
		id := page[0].ID
		if s.used[id] {
			continue
		}
		if v.object, err = s.restored.Object(ctx, v.collection.Name, v.tenant, id); err != nil {
			return v, &sideError{"restored", err}
		}
		before, err := s.source.Object(ctx, v.collection.Name, v.tenant, id)
		if errors.Is(err, weaviate.ErrNotFound) {
			continue
		}
		if err != nil {
			return v, &sideError{"source", err}
		}
		if s.rules.late(&before) || !before.Equal(&v.object) || !fit(v) {
			continue
		}
		s.used[id] = true
		return v, nil
	}
	return victim{}, errNoVictim
}

// wants is what must be said of an object: the verdict, and where the content is compared that every one of these fields differs.
func (s *saboteur) wants(v victim, verdict Verdict, fields ...string) wanted {
	return wanted{v.String(), verdict, func(r *Result) (Verdict, string) {
		for _, d := range r.Differences {
			if d.Collection != v.collection.Name || d.Tenant != v.tenant || d.ID != v.object.ID.String() {
				continue
			}
			for _, f := range fields {
				if r.Level.AtLeast(LevelFull) && !slices.Contains(d.Fields, f) {
					return "", fmt.Sprintf("that it differs in %s, and not in %s", strings.Join(d.Fields, ", "), f)
				}
			}
			if d.Detail != "" {
				return d.Verdict, d.Detail
			}
			return d.Verdict, d.Rule
		}
		return "", "nothing of it"
	}}
}

// wantsStructure is what must be said of something that is no object.
func wantsStructure(kind, where string, verdict Verdict) wanted {
	return wanted{kind + " " + where, verdict, func(r *Result) (Verdict, string) {
		for _, d := range r.Structure {
			if d.Kind == kind && d.Where == where {
				return d.Verdict, fmt.Sprintf("source %s, restored %s", d.Source, d.Restored)
			}
		}
		return "", "nothing of it"
	}}
}
