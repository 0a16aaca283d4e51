package verify

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/weaviate-drill/weaviate-drill/internal/weaviate"
)

func TestTokenizers(t *testing.T) {
	for _, c := range []struct{ tokenization, text, want string }{
		{"word", "Hello, (beautiful) wörld-2!", "hello|beautiful|wörld|2"},
		{"word", "!!", ""},
		{"lowercase", " Hello, (beautiful)\twörld ", "hello,|(beautiful)|wörld"},
		{"whitespace", "Hello,  World", "Hello,|World"},
		{"field", "\n Hello World ", "Hello World"},
		{"trigram", "A-b c!d", "abc|bcd"},
		{"trigram", "ab", ""},
	} {
		if got := strings.Join(tokenizers[c.tokenization](c.text), "|"); got != c.want {
			t.Errorf("%s of %q: %q, want %q", c.tokenization, c.text, got, c.want)
		}
	}
}

func TestTokenToAskFor(t *testing.T) {
	s := indexSchema{}
	s.inverted.Stopwords.Additions = []string{"harbour"}
	for _, c := range []struct{ tokenization, text, want string }{
		{"word", "their winter harbour", "winter"}, {"word", "The of their", ""}, {"word", "größer ab", "ab"}, {"field", "two words", "two words"}, {"whitespace", "no-word of it", ""}, {"word", "", ""},
	} {
		if got := s.token(&indexedProperty{Tokenization: c.tokenization}, []string{c.text}); got != c.want {
			t.Errorf("%s of %q: %q, want %q", c.tokenization, c.text, got, c.want)
		}
	}
}

// allTypes has a property of each type and kind of index.
func allTypes(t testing.TB) *indexSchema {
	var properties []string
	for _, p := range []string{"text", "int", "number", "boolean", "date", "uuid", "text[]", "int[]", "number[]", "boolean[]", "date[]", "uuid[]", "geoCoordinates"} {
		properties = append(properties, fmt.Sprintf(`{"name": %q, "dataType": [%q], "tokenization": "word", "indexRangeFilters": true}`, strings.ReplaceAll(p, "[]", "s"), p))
	}
	raw := `{"properties": [` + strings.Join(properties, ",") + `], "invertedIndexConfig": {"indexNullState": true, "indexPropertyLength": true, "indexTimestamps": true}}`
	s, err := readIndexSchema(weaviate.Collection{Name: "A", Schema: json.RawMessage(raw)})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestEveryQuestionHoldsItsOwnObject: whatever an object looks like, it belongs in the answers to the questions that are drawn from it, also when these were stored.
func TestEveryQuestionHoldsItsOwnObject(t *testing.T) {
	schema := allTypes(t)
	rapid.Check(t, func(t *rapid.T) {
		date := rapid.Custom(func(t *rapid.T) string {
			return fmt.Sprintf("20%02d-11-%02dT10:00:0%d.%03dZ", rapid.IntRange(10, 30).Draw(t, "year"), rapid.IntRange(1, 30).Draw(t, "day"), rapid.IntRange(0, 9).Draw(t, "second"), rapid.IntRange(1, 999).Draw(t, "ms"))
		})
		id := rapid.Custom(func(t *rapid.T) string {
			return uuid.NewSHA1(uuid.Nil, []byte(rapid.String().Draw(t, "id"))).String()
		})
		// A whole number comes from REST as an int.
		number := rapid.Map(rapid.IntRange(-1000, 1000), func(n int) float64 { return float64(n) + 0.25 })
		text := rapid.StringMatching(`[A-Za-zäé!?,. -]{0,20}`)
		all := map[string]any{
			"text": text.Draw(t, "text"), "int": rapid.Int64().Draw(t, "int"), "number": number.Draw(t, "number"), "boolean": rapid.Bool().Draw(t, "boolean"), "date": date.Draw(t, "date"), "uuid": id.Draw(t, "uuid"),
			"texts": rapid.SliceOf(text).Draw(t, "texts"), "ints": rapid.SliceOf(rapid.Int64()).Draw(t, "ints"), "numbers": rapid.SliceOf(number).Draw(t, "numbers"), "dates": rapid.SliceOf(date).Draw(t, "dates"),
			"booleans": rapid.SliceOf(rapid.Bool()).Draw(t, "booleans"), "uuids": rapid.SliceOf(id).Draw(t, "uuids"),
		}
		for name := range all {
			if rapid.Bool().Draw(t, "left out") {
				delete(all, name)
			}
		}
		raw, err := json.Marshal(map[string]any{"id": uuid.Max, "creationTimeUnix": rapid.Int64Range(0, 1<<41).Draw(t, "created"), "lastUpdateTimeUnix": rapid.Int64Range(0, 1<<41).Draw(t, "updated"), "properties": all})
		if err != nil {
			t.Fatal(err)
		}
		object, err := weaviate.ParseObject(raw)
		if err != nil {
			t.Fatal(err)
		}
		questions := schema.questions(&object, Probe{Collection: "A", Object: object.ID})
		if _, there := all["int"]; there && len(questions) < 5 { // its value, its range, that it is not null, and two times
			t.Fatalf("only %d questions", len(questions))
		}
		for _, q := range questions {
			stored, err := json.Marshal(q)
			if err != nil {
				t.Fatal(err)
			}
			var again Probe
			if err := json.Unmarshal(stored, &again); err != nil || again.String() != q.String() {
				t.Fatalf("stored as %s: %v", stored, err)
			}
			m, ok := again.matcher()
			if !ok {
				t.Fatalf("%s is not understood", q.String())
			}
			if m.match(&object, valuesOf(&object).of(m.property)) == no {
				t.Fatalf("%s does not hold its own object %s", q.String(), raw)
			}
		}
		of := valuesOf(&object)
		for _, e := range schema.entriesOf(&object, of, func(n int) int { return rapid.IntRange(0, n-1).Draw(t, "pick") }, true) {
			probe := Probe{Object: object.ID, Where: &e.condition}
			if i := slices.IndexFunc(schema.properties, func(p indexedProperty) bool { return p.Name == e.property && p.base == "text" }); i >= 0 {
				probe.Tokenization = "word"
			}
			if e.kind == entryKeyword {
				probe.Where, probe.Keyword = nil, &Keyword{e.property, e.token}
			}
			if m, ok := probe.matcher(); !ok || e.property != created && e.property != updated && m.match(&object, of.of(m.property)) != yes {
				t.Fatalf("%s is no sure entry of its own object %s", e.String(), raw)
			}
		}
	})
}

func TestTenantsInTurns(t *testing.T) {
	var parts []*part
	for i := range probedTenants + 5 {
		parts = append(parts, &part{collection: "A", tenant: fmt.Sprint(i)})
	}
	var drawn []candidate
	for i, p := range parts {
		for j := range 1 + 3*(i%2) {
			drawn = append(drawn, candidate{uint64(10*i + j), uuid.UUID{byte(i), byte(j)}, p})
		}
	}
	order, tenants := inTurns(drawn)
	if tenants != probedTenants || len(order) != probedTenants/2*5 {
		t.Fatalf("%d objects of %d tenants", len(order), tenants)
	}
	for i, d := range order[:probedTenants] {
		if d.part != parts[i] || d.id[1] != 0 {
			t.Errorf("%d: %+v", i, d)
		}
	}
	if d := order[probedTenants]; d.part != parts[1] || d.id[1] != 1 {
		t.Errorf("%+v", d)
	}
}

func TestMatcher(t *testing.T) {
	list := func(v ...any) *scalars { return &scalars{all: v, list: true} }
	one := func(v ...any) *scalars { return &scalars{all: v} }
	where := func(property string, o weaviate.Operator, kind, value string) Probe {
		return Probe{Where: &weaviate.Condition{Property: property, Operator: o, Type: kind, Value: value}, Tokenization: "word"}
	}
	for _, c := range []struct {
		probe Probe
		v     *scalars
		want  certainty
	}{
		{where("a", weaviate.Equal, "text", "river"), one("Granite River"), yes},
		{where("a", weaviate.Equal, "text", "river"), one("rivers"), no},
		{where("a", weaviate.ContainsAny, "text", "river"), list("x", "River"), yes},
		{where("a", weaviate.Equal, "int", "5"), one(int64(5)), yes},
		{where("a", weaviate.Equal, "int", "9007199254740993"), one(int64(9007199254740992)), no},
		{where("a", weaviate.Equal, "number", "0.1"), one(0.1), yes},
		{where("a", weaviate.Equal, "number", "0"), one(math.Copysign(0, -1)), maybe},
		{where("a", weaviate.Equal, "date", "2026-01-01T00:00:00Z"), one("2026-01-01T01:00:00.000+01:00"), yes},
		{where("a", weaviate.GreaterOrEqual, "int", "5"), one(int64(4)), no},
		{where("a", weaviate.GreaterOrEqual, "int", "5"), one(), no},
		{where("a", weaviate.GreaterOrEqual, "number", "5.5"), one(5.5), yes},
		{where("a", weaviate.GreaterOrEqual, "date", "2026-01-01T00:00:00Z"), one("2026-01-01T00:00:00.000000001Z"), yes},
		{where("a", weaviate.IsNull, "boolean", "true"), one(), yes},
		{where("a", weaviate.IsNull, "boolean", "true"), one("x"), no},
		{where("a", weaviate.IsNull, "boolean", "true"), one(""), maybe},
		{where("a", weaviate.IsNull, "boolean", "false"), one("!!"), maybe},
		{where("a", weaviate.IsNull, "boolean", "true"), list(), maybe},
		{where("len(a)", weaviate.Equal, "int", "4"), one("größ"), yes},
		{where("len(a)", weaviate.Equal, "int", "2"), one("!!"), maybe},
		{where("len(a)", weaviate.Equal, "int", "2"), list("!!", ""), yes},
		{where("a", weaviate.Within, "geoCoordinates", "52.5,13.4"), one(weaviate.Place{Latitude: 52.505, Longitude: 13.4}), maybe},
		{where("a", weaviate.Within, "geoCoordinates", "52.5,13.4"), one(weaviate.Place{Latitude: 52.52, Longitude: 13.4}), no},
		{Probe{Keyword: &Keyword{"a", "abc"}, Tokenization: "trigram"}, one("zz-A b!c"), yes},
	} {
		m, ok := c.probe.matcher()
		if !ok || m.property != "a" {
			t.Errorf("%s is not understood", c.probe.String())
			continue
		}
		if got := m.match(&weaviate.Object{ID: uuid.Max}, c.v); got != c.want {
			t.Errorf("%s of %v: %d, want %d", c.probe.String(), c.v, got, c.want)
		}
	}
	for _, bad := range []Probe{where("a", weaviate.Equal, "number", "x"), where("len(a)", weaviate.Equal, "int", "x"), where("a", weaviate.Within, "geoCoordinates", "1"), {Keyword: &Keyword{"a", "x"}, Tokenization: "gse"}} {
		if _, ok := bad.matcher(); ok {
			t.Errorf("%s is understood", bad.String())
		}
	}
}

func vector(name string, rows ...[]float32) weaviate.Vector {
	v := weaviate.Vector{Name: name, Multi: len(rows) > 1}
	if v.Multi {
		v.Bytes = binary.LittleEndian.AppendUint16(nil, uint16(len(rows[0])))
	}
	for _, row := range rows {
		for _, f := range row {
			v.Bytes = binary.LittleEndian.AppendUint32(v.Bytes, math.Float32bits(f))
		}
	}
	return v
}

func TestDistances(t *testing.T) {
	for _, c := range []struct {
		metric string
		a, b   weaviate.Vector
		want   float64
	}{
		{"cosine", vector("", []float32{2, 0}), vector("", []float32{0, 3}), 1},
		{"cosine", vector("", []float32{2, 0}), vector("", []float32{5, 0}), 0},
		{"dot", vector("", []float32{1, 2, 3, 4, 5}), vector("", []float32{5, 4, 3, 2, 1}), -35},
		{"l2-squared", vector("", []float32{1, 2}), vector("", []float32{4, -2}), 25},
		{"manhattan", vector("", []float32{1, 2}), vector("", []float32{4, -2}), 7},
		{"hamming", vector("", []float32{1, 2, 3}), vector("", []float32{1, 0, 4}), 2},
		{"dot", vector("", []float32{1, 0}, []float32{0, 1}), vector("", []float32{2, 3}, []float32{5, 1}, []float32{0, 0}), -8},
	} {
		n := Near{Metric: c.metric, Multi: c.a.Multi}
		if got, ok := n.distance(rowsOf(c.a, c.metric), rowsOf(c.b, c.metric)); !ok || math.Abs(float64(got)-c.want) > 1e-6 {
			t.Errorf("%s of %v and %v: %g, want %g", c.metric, c.a, c.b, got, c.want)
		}
	}
	n := Near{Metric: "dot"}
	if _, ok := n.distance(rowsOf(vector("", []float32{1}), "dot"), rowsOf(vector("", []float32{1, 2}), "dot")); ok {
		t.Error("vectors of different lengths have a distance")
	}
}

func TestNearestAreThoseOfASort(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		distances := rapid.SliceOf(rapid.Float32Range(0, 4)).Draw(t, "distances")
		k := rapid.IntRange(1, 12).Draw(t, "k")
		var n nearest
		for _, d := range distances {
			n = n.with(ranked{distance: d}, k)
		}
		slices.Sort(distances)
		var got []float32
		for _, r := range n {
			got = append(got, r.distance)
		}
		if !slices.Equal(got, distances[:min(k, len(distances))]) {
			t.Fatalf("%v of %v", got, distances)
		}
	})
}

func TestMissed(t *testing.T) {
	id := func(i byte) uuid.UUID { return uuid.UUID{i} }
	exact := nearest{{id: id(1), distance: 0}, {id: id(2), distance: 1}, {id: id(3), distance: 2}}
	answer := func(ids ...byte) (out []weaviate.Neighbour) {
		for _, i := range ids {
			out = append(out, weaviate.Neighbour{ID: id(i)})
		}
		return out
	}
	for _, c := range []struct {
		what     string
		answer   []weaviate.Neighbour
		furthest float32
		hits     int
		missed   []byte
	}{
		{"all", answer(1, 2, 3), 2, 3, nil},
		{"one is lost", answer(1, 3, 9), 3, 2, []byte{2}},
		{"too few", answer(1), 0, 1, []byte{2, 3}},
		{"nothing", nil, 0, 0, []byte{1, 2, 3}},
		{"later writes lie nearer", answer(1, 8, 9), 0.5, 1, nil},
		{"another is as near as the last", answer(1, 2, 9), 2, 2, nil},
	} {
		hits, missed := exact.missed(c.answer, 3, c.furthest)
		var got []byte
		for _, m := range missed {
			got = append(got, m.id[0])
		}
		if hits != c.hits || !slices.Equal(got, c.missed) {
			t.Errorf("%s: %d hits, missed %v", c.what, hits, got)
		}
	}
}

func TestJudgeRecall(t *testing.T) {
	for _, c := range []struct {
		what             string
		source, restored Recall
		want             Outcome
		note             bool
	}{
		{"equal", Recall{495, 500}, Recall{495, 500}, Passed, false},
		{"better", Recall{480, 500}, Recall{500, 500}, Passed, false},
		{"within the margin", Recall{500, 500}, Recall{491, 500}, Passed, false},
		{"lower by a bit", Recall{500, 500}, Recall{475, 500}, Failed, false},
		{"as in issue 9892, many searches", Recall{49_500, 50_000}, Recall{48_000, 50_000}, Failed, false},
		{"one of a few", Recall{50, 50}, Recall{48, 50}, Passed, false},
		{"nothing found", Recall{10, 10}, Recall{0, 10}, Failed, false},
		{"low on both sides", Recall{220, 500}, Recall{218, 500}, Passed, true},
		{"the source has none of it", Recall{}, Recall{500, 500}, Inconclusive, false},
	} {
		o, err := (Options{}).withDefaults()
		if err != nil {
			t.Fatal(err)
		}
		x := newIndexer(nil, nil, o, nil)
		x.in("A", func(e *IndexedCollection) {
			v := e.vector("", "cosine")
			v.Probes, v.Source, v.Restored = 50, c.source, c.restored
		})
		index := x.conclude()
		if got := index.Outcome(); got != c.want || len(index.Notes) > 0 != c.note {
			t.Errorf("%s: %s, notes %q, failures %v", c.what, got, index.Notes, index.Failures)
		}
		r := Result{Level: LevelIndex, Verdicts: Verdicts{Match: 1}, Index: index}
		if r.Outcome() != c.want || (r.Summary() == "") != (c.want == Passed) {
			t.Errorf("%s: the comparison as a whole is %s: %s", c.what, r.Outcome(), r.Summary())
		}
	}
	for _, bad := range []IndexOptions{{Sample: -1}, {Probes: -1}, {Values: -1}, {RecallMargin: 1}, {RecallMargin: math.NaN()}} {
		if _, err := (Options{Index: bad}).withDefaults(); err == nil {
			t.Errorf("%+v is taken", bad)
		}
	}
	if r := (Result{Level: LevelIndex, Verdicts: Verdicts{Match: 1}}); r.Outcome() != Inconclusive {
		t.Error("level index passes without having looked at an index")
	}
	if r := (Result{Level: LevelIndex, Verdicts: Verdicts{Match: 1}, Index: &Index{}}); r.Outcome() != Inconclusive || r.Summary() == "" {
		t.Error("no question is a pass")
	}
}
