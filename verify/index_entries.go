package verify

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/google/uuid"

	"github.com/weaviate-drill/weaviate-drill/internal/weaviate"
)

// An index of values that lost a part of its entries answers most questions rightly. So each object of the sample is asked for by one entry of its own in each of them: for all filters at once, and one by one only
// what was not found. What is found clean bounds the share of entries that can be lost, as a sample of objects does.

// The kinds of entries. Each lies in a bucket of its own.
const (
	entryID      = "id" // by which filters find an object; a read by id goes another way
	entryValue   = "value"
	entryRange   = "range" // of a property with indexRangeFilters
	entryNull    = "null"
	entryLength  = "length"
	entryKeyword = "keyword"
)

// EntryIndex is what the sampled objects' own entries in one inverted index answered.
type EntryIndex struct {
	Property string `json:"property"`
	Kind     string `json:"kind"` // value, range, null, length, keyword or, of the property _id, id
	Entries  Asked  `json:"entries"`
	Neither  int64  `json:"neither,omitempty"` // not found, and not by the index of the source either
	// MaxLost is the largest share of the objects whose entry can be lost, with Options.Confidence. Of an object with several values or tokens that is one of them, drawn at random. 1: nothing follows, as when which
	// tenants are asked was drawn first.
	MaxLost float64 `json:"maxLost"`
}

// entry is one of an object. Either condition or token is set.
type entry struct {
	property, kind string
	condition      weaviate.Condition
	token          string
}

func (e *entry) String() string {
	if e.kind == entryKeyword {
		return fmt.Sprintf("keyword %q in %s", e.token, e.property)
	}
	return "filter " + e.condition.String()
}

// entriesOf are those of one object, each surely in its index. Of several values or tokens pick, which is given how many there are, chooses one. nulls says whether to ask for what an object does not have: of one that
// is older than the property there is no entry, which only a source can tell.
func (s *indexSchema) entriesOf(o *weaviate.Object, values values, pick func(n int) int, nulls bool) (out []entry) {
	for i := range s.properties {
		p := &s.properties[i]
		v := values.of(p.Name)
		add := func(kind, property string, operator weaviate.Operator, dataType, value string) {
			out = append(out, entry{property: p.Name, kind: kind, condition: weaviate.Condition{Property: property, Operator: operator, Type: dataType, Value: value}})
		}
		if p.base == "geoCoordinates" {
			continue // its index is an approximate one
		}
		if len(v.all) == 0 {
			if _, written := values[p.Name]; s.inverted.IndexNullState && nulls && !written { // 1.38.5 has no entry of a null that was written
				add(entryNull, p.Name, weaviate.IsNull, "boolean", "true")
			}
			continue
		}
		if v.all[0] == "" && len(v.all) == 1 || p.base == "text" && !v.list && len(v.tokens(p.Tokenization)) == 0 {
			continue // not every version of the server keeps anything of it
		}
		if s.inverted.IndexNullState {
			add(entryNull, p.Name, weaviate.IsNull, "boolean", "false")
		}
		if s.inverted.IndexPropertyLength && (p.list || p.base == "text") {
			add(entryLength, "len("+p.Name+")", weaviate.Equal, "int", strconv.Itoa(v.length()))
		}
		equal := weaviate.Equal
		if p.list {
			equal = weaviate.ContainsAny
		}
		if p.base == "text" {
			tokens := s.askable(p, v.texts())
			if len(tokens) == 0 {
				continue
			}
			token := tokens[pick(len(tokens))]
			if p.filterable() {
				add(entryValue, p.Name, equal, "text", token)
			}
			if p.searchable() {
				out = append(out, entry{property: p.Name, kind: entryKeyword, token: token})
			}
			continue
		}
		value := v.all[pick(len(v.all))]
		if f, is := value.(float64); is && f == 0 {
			continue // some versions of the server tell the negative one from the other
		}
		if p.filterable() {
			add(entryValue, p.Name, equal, p.base, written(value))
		}
		if p.rangeable() {
			add(entryRange, p.Name, weaviate.GreaterOrEqual, p.base, written(value))
		}
	}
	if s.inverted.IndexTimestamps {
		for _, at := range []struct {
			property string
			ms       int64
		}{{created, o.Created}, {updated, o.Updated}} {
			out = append(out, entry{property: at.property, kind: entryValue, condition: weaviate.Condition{Property: at.property, Operator: weaviate.Equal, Type: "date", Value: stamp(at.ms)}})
		}
	}
	return out
}

// entries collects what the sampled objects of one collection answer.
type entries struct {
	*indexer
	schema *indexSchema
	last   uint64 // the rank of the last object that was drawn; others were added so that each tenant has one

	population int64 // objects that were drawn from; 0: those of some tenants only
	whole      bool  // all of them were

	mu      sync.Mutex
	tallies map[tallied]*entryTally
}

// tallied is one index of one part.
type tallied struct {
	part           *part
	property, kind string
}

// entryTally counts entries.
type entryTally struct {
	all, drawn Asked
	neither    int64
	first      IndexFailure // the lowest id of what is lost
}

// entered is a sampled object with its entries.
type entered struct {
	id      uuid.UUID
	updated int64 // ms
	values  values
	entries []entry
	drawn   bool
	hidden  bool // no filter finds it by its id, so it cannot be told from others
}

// own is one entry of an object.
type own struct {
	*entered
	entry
}

// conditionsMost bounds one request.
const conditionsMost = 1000

// of are the entries of an object. Of several values or tokens of a property one is drawn.
func (x *entries) of(p *part, o *weaviate.Object) *entered {
	rank := p.ranks(x.Seed)(o.ID)
	e := &entered{id: o.ID, updated: o.Updated, values: valuesOf(o), drawn: rank <= x.last}
	e.entries = append(x.schema.entriesOf(o, e.values, rand.New(rand.NewPCG(rank, x.Seed)).IntN, x.source != nil), entry{property: "_id", kind: entryID, condition: weaviate.HasID(o.ID)})
	return e
}

// ask asks the restored side for the entries of objects of one part.
func (x *entries) ask(ctx context.Context, p *part, objects []*entered) error {
	most := 1
	for _, o := range objects {
		most = max(most, len(o.entries))
	}
	for some := range slices.Chunk(objects, max(1, conditionsMost/most)) {
		if err := x.filters(ctx, p, some); err != nil {
			return err
		}
	}
	return x.keywords(ctx, p, objects)
}

// filters asks for all entries of each object at once, and only of those that are not found so for one after the other.
func (x *entries) filters(ctx context.Context, p *part, objects []*entered) error {
	claims := make([]weaviate.Claim, len(objects))
	for i, o := range objects {
		claims[i].ID = o.id
		for _, e := range o.entries {
			if e.kind != entryKeyword {
				claims[i].Says = append(claims[i].Says, e.condition)
			}
		}
	}
	found, err := x.restored.Holding(ctx, p.collection, p.tenant, claims)
	if err != nil {
		return x.unread(p, err)
	}
	var groups [][]own
	at := map[[2]string]int{}
	lost := map[uuid.UUID]bool{}
	for _, o := range objects {
		for _, e := range slices.Backward(o.entries) { // the id first
			switch key := [2]string{e.property, e.kind}; {
			case e.kind == entryKeyword:
			case found[o.id]:
				x.count(p, []own{{o, e}}, false, nil)
			default:
				if _, there := at[key]; !there {
					at[key], groups = len(groups), append(groups, nil)
				}
				groups[at[key]] = append(groups[at[key]], own{o, e})
				lost[o.id] = true
			}
		}
	}
	for _, group := range groups {
		missed, err := x.settle(ctx, p, slices.DeleteFunc(group, func(o own) bool { return o.hidden }))
		if err != nil {
			return err
		}
		for _, o := range missed {
			delete(lost, o.id)
			o.hidden = o.hidden || o.kind == entryID
		}
	}
	for id := range lost {
		x.unknown("%s: a filter by all entries of %s does not find it, and by each of them it is found", p.where(), id)
	}
	return nil
}

// keywords asks for the keywords of each property. Objects share a request as long as each can be found by its own token only.
func (x *entries) keywords(ctx context.Context, p *part, objects []*entered) error {
	for _, property := range x.schema.properties {
		var groups []*keywordGroup
		for _, o := range objects {
			at := slices.IndexFunc(o.entries, func(e entry) bool { return e.kind == entryKeyword && e.property == property.Name })
			if at < 0 || o.hidden {
				continue
			}
			if mine := (own{o, o.entries[at]}); !slices.ContainsFunc(groups, func(g *keywordGroup) bool { return g.take(mine, property.Tokenization) }) {
				groups = append(groups, &keywordGroup{[]own{mine}, []string{mine.token}})
			}
		}
		for _, g := range groups {
			if _, err := x.settle(ctx, p, g.members); err != nil {
				return err
			}
		}
	}
	return nil
}

// keywordGroup are objects that one search asks for. Of the tokens that it looks for, each object has only its own.
type keywordGroup struct {
	members []own
	tokens  []string
}

// take adds an object, or says that it does not fit: the token of another would find it, or its token another, or the server would split the tokens in one query into others.
func (g *keywordGroup) take(o own, tokenization string) bool {
	has := func(o own, token string) bool {
		return slices.Contains(o.values.of(o.property).tokens(tokenization), token)
	}
	if slices.ContainsFunc(g.tokens, func(t string) bool { return t != o.token && has(o, t) }) {
		return false
	}
	if !slices.Contains(g.tokens, o.token) {
		more := append(slices.Clone(g.tokens), o.token)
		if slices.ContainsFunc(g.members, func(m own) bool { return has(m, o.token) }) || !slices.Equal(tokenizers[tokenization](strings.Join(more, " ")), more) {
			return false
		}
		g.tokens = more
	}
	g.members = append(g.members, o)
	return true
}

// settle asks for entries of one index and counts them. It returns those that the restored side does not find.
func (x *entries) settle(ctx context.Context, p *part, group []own) (lost []own, err error) {
	if lost, err = notFound(ctx, x.restored, p, group); err != nil {
		return nil, x.unread(p, err)
	}
	source, err := x.onSourceToo(ctx, p, lost)
	if err != nil {
		return nil, err
	}
	x.count(p, slices.DeleteFunc(slices.Clone(group), func(o own) bool { return slices.Contains(lost, o) }), false, nil)
	x.count(p, lost, true, source)
	return lost, nil
}

// notFound are those of a group that a side does not find by their entries in one index.
func notFound(ctx context.Context, conn *weaviate.Conn, p *part, group []own) ([]own, error) {
	if len(group) == 0 {
		return nil, nil
	}
	var found map[uuid.UUID]bool
	var err error
	if first := group[0]; first.kind == entryKeyword {
		var tokens []string
		var ids []uuid.UUID
		for _, o := range group {
			ids = append(ids, o.id)
			if !slices.Contains(tokens, o.token) {
				tokens = append(tokens, o.token)
			}
		}
		found, err = conn.KeywordAmong(ctx, p.collection, p.tenant, first.property, strings.Join(tokens, " "), ids)
	} else {
		claims := make([]weaviate.Claim, len(group))
		for i, o := range group {
			claims[i] = weaviate.Claim{ID: o.id, Says: []weaviate.Condition{o.condition}}
		}
		found, err = conn.Holding(ctx, p.collection, p.tenant, claims)
	}
	return slices.DeleteFunc(slices.Clone(group), func(o own) bool { return found[o.id] }), err
}

// onSourceToo asks the source for entries that the restored side lost: found is true or false where it has the object as it was restored, and of others it says nothing.
func (x *entries) onSourceToo(ctx context.Context, p *part, lost []own) (found map[uuid.UUID]bool, err error) {
	if x.source == nil || len(lost) == 0 {
		return nil, nil
	}
	if x.wait != nil {
		if err := x.wait(ctx, len(lost)); err != nil {
			return nil, err
		}
	}
	missed, err := notFound(ctx, x.source, p, lost)
	if err != nil {
		if fatal(err) {
			return nil, &sideError{"source", err}
		}
		return nil, nil
	}
	found = map[uuid.UUID]bool{}
	for _, o := range lost {
		found[o.id] = true
	}
	for _, o := range missed {
		delete(found, o.id)
		there, err := x.onSource(ctx, p, o.id)
		if err != nil {
			return nil, err
		}
		if there != nil && there.Updated == o.updated {
			found[o.id] = false
		}
	}
	return found, nil
}

// count counts entries of one part. When they are lost, source says what the source has of them: what it does not find either is no fault of the restore.
func (x *entries) count(p *part, group []own, lost bool, source map[uuid.UUID]bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, o := range group {
		key := tallied{p, o.property, o.kind}
		t := x.tallies[key]
		if t == nil {
			t = &entryTally{}
			x.tallies[key] = t
		}
		there, known := source[o.id]
		neither := lost && known && !there
		t.all.add(lost && !neither)
		if o.drawn {
			t.drawn.add(lost && !neither)
		}
		switch id := o.id.String(); {
		case neither:
			t.neither++
		case lost && (t.all.Failed == 1 || id < t.first.ID):
			t.first = IndexFailure{Kind: "entries", Collection: p.collection, Tenant: p.tenant, ID: id, Question: o.String(), Source: "not known", Restored: "not found", Want: "found", Verdict: Corrupt}
			if there {
				t.first.Source = "found"
			}
		}
	}
}

// conclude makes one failure of what is lost in an index of a part, and bounds what can be lost of each index.
func (x *entries) conclude(collection string) {
	all, drawn := map[[2]string]*EntryIndex{}, map[[2]string]*Asked{}
	for at, t := range x.tallies {
		key := [2]string{at.property, at.kind}
		if all[key] == nil {
			all[key], drawn[key] = &EntryIndex{Property: at.property, Kind: at.kind}, &Asked{}
		}
		all[key].Entries.sum(t.all)
		drawn[key].sum(t.drawn)
		all[key].Neither += t.neither
		if t.all.Failed > 0 {
			t.first.Rule = fmt.Sprintf("its inverted index lost the entries of %d of %d objects that were asked for by their own, this one among them", t.all.Failed, t.all.Asked)
			x.fail(t.first)
		}
	}
	for key, e := range all {
		d := drawn[key]
		switch {
		case x.population == 0:
			e.MaxLost = 1
		case x.whole:
			e.MaxLost = float64(e.Entries.Failed) / float64(e.Entries.Asked)
		default:
			e.MaxLost = UpperBound(x.population, d.Asked, d.Failed, x.Confidence)
		}
		if e.Neither > 0 {
			x.note("%s: %d of %d entries of %s (%s) are not in the inverted index, nor in that of the source: the backup brought back what was there", collection, e.Neither, e.Entries.Asked, e.Property, e.Kind)
		}
	}
	x.in(collection, func(c *IndexedCollection) {
		for _, e := range all {
			c.Entries = append(c.Entries, *e)
		}
	})
}
