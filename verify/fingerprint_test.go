package verify

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/weaviate-drill/weaviate-drill/internal/servertest"
	"github.com/weaviate-drill/weaviate-drill/internal/weaviate"
)

func fingerprint(t testing.TB, c *weaviate.Conn, o FingerprintOptions) *Fingerprint {
	t.Helper()
	f, err := TakeFingerprint(t.Context(), c, o)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// timeless is the file without the times at which it was taken.
func timeless(t testing.TB, f *Fingerprint) string {
	t.Helper()
	g := *f
	g.Began, g.Ended = time.Time{}, time.Time{}
	raw, err := g.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func TestFingerprint(t *testing.T) {
	server := servertest.Weaviate(t, servertest.Bucket(t, "backups"), nil)
	c := servertest.Dial(t, server)
	fill(t, c)
	do(t, c, http.MethodPut, "/schema/Note/tenants", []object{{"name": "globex", "activityStatus": "COLD"}})
	var last, total int64
	f := fingerprint(t, c, FingerprintOptions{Concurrency: 3, Questions: true, Progress: func(done, all int64) { last, total = done, all }})
	if f.Objects() != 980 || last != 980 || total != 980 || f.ServerVersion != servertest.WeaviateVersion || f.Ended.Before(f.Began) || f.Aliases["News"] != "Article" {
		t.Errorf("%d objects, progress %d of %d, %+v", f.Objects(), last, total, f.Aliases)
	}
	t.Run("deterministic", func(t *testing.T) {
		if a, b := timeless(t, f), timeless(t, fingerprint(t, c, FingerprintOptions{MaxRate: 1e6, Questions: true})); a != b {
			t.Errorf("the same data, and two fingerprints: %s and %s", cut(a), cut(b))
		}
		raw, err := f.Encode()
		if err != nil {
			t.Fatal(err)
		}
		again, err := ParseFingerprint(raw)
		if err != nil {
			t.Fatal(err)
		}
		if timeless(t, f) != timeless(t, again) || !again.Began.Equal(f.Began) || again.size != int64(len(raw)) {
			t.Error("what is read is another than was written")
		}
	})
	t.Run("collections, tenants and ranges", func(t *testing.T) {
		article := f.collection("Article").part("")
		if article.Count != 600 || article.Prefix != 6 || !article.listed() || len(article.Ranges) < 60 {
			t.Errorf("Article: %d objects, %d leading bits, %d ranges", article.Count, article.Prefix, len(article.Ranges))
		}
		note := f.collection("Note")
		if names := len(note.Parts); names != 3 || note.part("acme").Count != 100 || note.part("hollow").Unread != "" || len(note.part("hollow").Ranges) != 0 {
			t.Errorf("Note: %+v", note.Parts)
		}
		if cold := note.part("globex"); cold.Activity != "COLD" || !strings.Contains(cold.Unread, "activates nothing") || cold.Ranges != nil {
			t.Errorf("a COLD tenant: %+v", cold)
		}
		if list, err := c.Tenants(t.Context(), "Note"); err != nil || list[1].Active() {
			t.Errorf("the fingerprint activated a tenant: %+v, %v", list, err)
		}
		if !f.collection("Media").REST || f.collection("Article").REST || len(f.collection("Article").Samples) != fingerprintSamples {
			t.Error("ways of reading or samples")
		}
		var objects int64
		var sum totals
		for _, o := range scan(t, c, weaviate.Range{Collection: "Article"}) {
			d := new(digester).digest(&o)
			if !article.has(o.ID, d) {
				t.Errorf("object %s is not listed", o.ID)
			}
			r := article.at(rangeOf(o.ID, article.Prefix))
			if o.Updated < r.Oldest || o.Updated > r.Newest {
				t.Errorf("object %s, written at %d, is in a range from %d to %d", o.ID, o.Updated, r.Oldest, r.Newest)
			}
			objects++
			sum.add(d)
		}
		if whole := article.coarse(0)[0]; objects != 600 || whole != sum {
			t.Errorf("%d objects sum up to %v, the ranges to %v", objects, sum, whole)
		}
	})
	t.Run("every change is seen in its range alone", func(t *testing.T) {
		before := f
		for _, change := range []struct {
			what, collection, tenant, id string
			do                           func()
		}{
			{"a property", "Article", "", id("Article", 1), func() {
				do(t, c, http.MethodPatch, "/objects/Article/"+id("Article", 1), object{"class": "Article", "properties": object{"words": 2}})
			}},
			{"a vector", "Product", "", id("Product", 6), func() {
				do(t, c, http.MethodPatch, "/objects/Product/"+id("Product", 6), object{"class": "Product", "vectors": object{"tokens": [][]float32{{1, 2, 3, 4, 5, 6, 7, 8}}}})
			}},
			{"nothing but the time", "Media", "", id("Media", 3), func() {
				o := scan(t, c, weaviate.Range{Collection: "Media", From: uuid.MustParse(id("Media", 3)), To: weaviate.Next(uuid.MustParse(id("Media", 3)))})[0]
				do(t, c, http.MethodPatch, "/objects/Media/"+id("Media", 3), object{"class": "Media", "properties": object{"size": 3.25}})
				if p := scan(t, c, weaviate.Range{Collection: "Media", From: o.ID, To: weaviate.Next(o.ID)})[0]; !bytes.Equal(o.Properties, p.Properties) {
					t.Fatal("more than the time was changed")
				}
			}},
			{"an object that is gone", "Note", "acme", id("Note", 10), func() { do(t, c, http.MethodDelete, "/objects/Note/"+id("Note", 10)+"?tenant=acme", nil) }},
		} {
			change.do()
			after := fingerprint(t, c, FingerprintOptions{})
			var changed []string
			for _, collection := range after.Collections {
				for _, p := range collection.Parts {
					old := before.collection(collection.Name).part(p.Tenant)
					was, is := old.coarse(p.Prefix), p.coarse(p.Prefix)
					for i := range is {
						if was[i] != is[i] {
							changed = append(changed, fmt.Sprint(collection.Name, p.Tenant, i))
						}
					}
				}
			}
			part := after.collection(change.collection).part(change.tenant)
			if want := fmt.Sprint(change.collection, change.tenant, rangeOf(uuid.MustParse(change.id), part.Prefix)); !slices.Equal(changed, []string{want}) {
				t.Errorf("%s: the ranges %v differ, want %s", change.what, changed, want)
			}
			before = after
		}
	})
	t.Run("left out", func(t *testing.T) {
		if g := fingerprint(t, c, FingerprintOptions{Excluded: []string{"Article"}}); len(g.Collections) != 5 || g.collection("Article") != nil {
			t.Errorf("%d collections", len(g.Collections))
		}
	})
	t.Run("a server that is gone", func(t *testing.T) {
		server.Kill()
		if _, err := TakeFingerprint(t.Context(), c, FingerprintOptions{}); !errors.Is(err, weaviate.ErrUnreachable) {
			t.Error(err)
		}
	})
}

// scan reads a range.
func scan(t testing.TB, c *weaviate.Conn, r weaviate.Range) (all []weaviate.Object) {
	t.Helper()
	err := merge(t.Context(), c.Scan(r), none{}, func(o, _ *weaviate.Object) { all = append(all, *o) })
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// The example of docs/fingerprint.md.
func TestDigestIsAsDocumented(t *testing.T) {
	o := weaviate.Object{ID: uuid.MustParse("00112233-4455-6677-8899-aabbccddeeff"), Created: 1767323045000, Updated: 1767323045123, Properties: []byte{0}, Vectors: []weaviate.Vector{{Name: "image", Bytes: []byte{0, 0, 0x80, 0x3f}}}}
	got, _ := new(digester).digest(&o).MarshalText()
	if want := "3a86bef2fdf08f347a1c045ea16e1c371c9248cb13d529aa62f93761ff3347d4"; string(got) != want {
		t.Errorf("the digest is %s", got)
	}
}

func genDigest(t *rapid.T) (d Digest) {
	copy(d[:], rapid.SliceOfN(rapid.Byte(), len(d), len(d)).Draw(t, "digest"))
	return d
}

func TestSumsDoNotDependOnOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		list := rapid.SliceOfN(rapid.Custom(genDigest), 1, 20).Draw(t, "list")
		var whole, shuffled, left, right, twice totals
		for _, d := range list {
			whole.add(d)
		}
		for _, d := range rapid.Permutation(list).Draw(t, "shuffled") {
			shuffled.add(d)
		}
		at := rapid.IntRange(0, len(list)).Draw(t, "at")
		for _, d := range list[:at] {
			left.add(d)
		}
		for _, d := range list[at:] {
			right.add(d)
		}
		left.merge(right)
		if whole != shuffled || whole != left {
			t.Fatalf("%v, in another order %v, in two halves %v", whole, shuffled, left)
		}
		twice = whole
		twice.add(list[0])
		if text, err := twice.Sum.MarshalText(); err != nil {
			t.Fatal(err)
		} else if read := new(Sum); read.UnmarshalText(text) != nil || *read != twice.Sum {
			t.Fatalf("%s is read as %v", text, read)
		}
		if sumOf(list[0]) != (Sum{}) && twice.Sum == whole.Sum {
			t.Fatal("one more digest is not seen")
		}
	})
}

// One bit anywhere, and content that wanders from one object to another, give another sum.
func TestSumsSeeWhatChanges(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		object := rapid.Custom(func(t *rapid.T) weaviate.Object {
			o := weaviate.Object{Created: rapid.Int64().Draw(t, "created"), Updated: rapid.Int64().Draw(t, "updated"), Properties: rapid.SliceOfN(rapid.Byte(), 1, 40).Draw(t, "properties")}
			copy(o.ID[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "id"))
			for _, name := range rapid.SliceOfN(rapid.StringMatching("[a-c]?"), 1, 3).Draw(t, "vectors") {
				o.Vectors = append(o.Vectors, weaviate.Vector{Name: name, Multi: rapid.Bool().Draw(t, "multi"), Bytes: rapid.SliceOfN(rapid.Byte(), 1, 16).Draw(t, "bytes")})
			}
			return o
		})
		sum := func(list ...weaviate.Object) (s totals) {
			for _, o := range list {
				s.add(new(digester).digest(&o))
			}
			return s
		}
		a, b := object.Draw(t, "a"), object.Draw(t, "b")
		was := sum(a, b)
		flipped := func(bytes []byte) []byte {
			out := slices.Clone(bytes)
			out[rapid.IntRange(0, len(out)-1).Draw(t, "byte")] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
			return out
		}
		c := a
		switch rapid.IntRange(0, 5).Draw(t, "what") {
		case 0:
			c.ID = uuid.UUID(flipped(a.ID[:]))
		case 1:
			c.Created ^= 1 << rapid.IntRange(0, 63).Draw(t, "bit")
		case 2:
			c.Updated ^= 1 << rapid.IntRange(0, 63).Draw(t, "bit")
		case 3:
			c.Properties = flipped(a.Properties)
		case 4:
			c.Vectors = slices.Clone(a.Vectors)
			c.Vectors[0].Bytes = flipped(a.Vectors[0].Bytes)
		case 5:
			c.Vectors = slices.Clone(a.Vectors)
			c.Vectors[0].Multi = !c.Vectors[0].Multi
		}
		if sum(c, b) == was || sum(b) == was || sum(a, a, b) == was {
			t.Fatal("a change is not seen")
		}
		if !bytes.Equal(a.Properties, b.Properties) && a.ID != b.ID {
			x, y := a, b
			x.Properties, y.Properties = b.Properties, a.Properties
			if sum(x, y) == was {
				t.Fatal("properties that were swapped are not seen")
			}
		}
	})
}

func TestFingerprintsStayWithinTheirBounds(t *testing.T) {
	many := func(n int, objects int64) []int64 { return slices.Repeat([]int64{objects}, n) }
	for _, tt := range []struct {
		what   string
		counts []int64
		ranges int // at most
		listed int // parts
	}{
		{"nothing", nil, 0, 0},
		{"one collection", []int64{1_000_000}, 4096, 1},
		{"a few objects", []int64{17}, 2, 1},
		{"a hundred thousand small tenants", many(100_000, 5), 100_000, 100_000},
		{"more tenants than ranges", many(fingerprintRanges+1, 5), fingerprintRanges + 1, 0},
		{"a thousand big tenants and small ones", append(many(1000, 1_000_000), many(1000, 100)...), fingerprintRanges, 1004},
		{"too many for any list", []int64{math.MaxInt32}, 4096, 0},
	} {
		prefixes, listed := layOut(tt.counts)
		ranges, members, lists := 0, int64(0), 0
		for i, p := range prefixes {
			ranges += 1 << p
			if listed[i] {
				lists++
				members += tt.counts[i]
			}
			if p > fingerprintPrefix {
				t.Errorf("%s: %d leading bits", tt.what, p)
			}
		}
		if ranges > tt.ranges || members > fingerprintMembers || tt.listed > 0 && lists != tt.listed {
			t.Errorf("%s: %d ranges (at most %d), %d members in %d lists", tt.what, ranges, tt.ranges, members, lists)
		}
	}
}

func TestParseFingerprint(t *testing.T) {
	good := example()
	raw, err := good.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ParseFingerprint(raw); err != nil {
		t.Fatal(err)
	}
	for what, spoil := range map[string]func(f *Fingerprint){
		"another form":                 func(f *Fingerprint) { f.Schema = "x" },
		"an end before its beginning":  func(f *Fingerprint) { f.Ended = f.Began.Add(-1) },
		"a collection out of order":    func(f *Fingerprint) { f.Collections[1].Name = "A" },
		"a definition that is none":    func(f *Fingerprint) { f.Collections[0].Definition = []byte("3") },
		"tenants without multitenancy": func(f *Fingerprint) { f.Collections[1].MultiTenant = false },
		"a tenant twice":               func(f *Fingerprint) { f.Collections[1].Parts[1].Tenant = "a" },
		"too many leading bits":        func(f *Fingerprint) { f.Collections[0].Parts[0].Prefix = 13 },
		"a negative count":             func(f *Fingerprint) { f.Collections[0].Parts[0].Count = -1 },
		"an empty range":               func(f *Fingerprint) { f.Collections[0].Parts[0].Ranges[0].Count = 0 },
		"a range beyond the last":      func(f *Fingerprint) { f.Collections[0].Parts[0].Ranges[1].Index = 2 },
		"ranges out of order":          func(f *Fingerprint) { f.Collections[0].Parts[0].Ranges[1].Index = 0 },
		"an overflow":                  func(f *Fingerprint) { f.Collections[0].Parts[0].Ranges[1].Count = math.MaxInt64 },
		"times the wrong way round":    func(f *Fingerprint) { f.Collections[0].Parts[0].Ranges[0].Newest = 1 },
		"members of another number":    func(f *Fingerprint) { f.Collections[0].Parts[0].Ranges[0].Members = []byte{1, 2, 3} },
		"members out of order":         func(f *Fingerprint) { slices.Reverse(f.Collections[0].Parts[0].Ranges[0].Members) },
		"objects that nobody read":     func(f *Fingerprint) { f.Collections[0].Parts[0].Unread = "x" },
		"samples out of order":         func(f *Fingerprint) { slices.Reverse(f.Collections[0].Samples) },
		"questions out of order":       func(f *Fingerprint) { slices.Reverse(f.Collections[0].Questions) },
		"a question about no sample":   func(f *Fingerprint) { f.Collections[0].Questions[1].Object = uuid.UUID{3} },
		"a question twice":             func(f *Fingerprint) { f.Collections[0].Questions[1] = f.Collections[0].Questions[0] },
		"half an id":                   func(f *Fingerprint) { f.Collections[0].Questions[0].Found = make([]byte, 24) },
		"more neighbours than asked":   func(f *Fingerprint) { f.Collections[0].Questions[0].Found = make([]byte, 11*16) },
		"too many questions": func(f *Fingerprint) {
			f.Collections[0].Questions = slices.Repeat(f.Collections[0].Questions[:1], collectionQuestions+1)
		},
	} {
		f := example()
		spoil(f)
		raw, err := f.Encode()
		if err != nil {
			t.Fatal(what, err)
		}
		if _, err := ParseFingerprint(raw); !errors.Is(err, ErrFingerprint) {
			t.Errorf("%s: %v", what, err)
		}
	}
	for _, raw := range []string{"", "{", `{"schema":"` + FingerprintSchema + `","collections":[{"parts":[{"ranges":[{"sum":"0"}]}]}]}`} {
		if _, err := ParseFingerprint([]byte(raw)); !errors.Is(err, ErrFingerprint) {
			t.Errorf("%q: %v", raw, err)
		}
	}
}

// example is a small fingerprint with one of everything.
func example() *Fingerprint {
	at := time.Date(2026, 11, 25, 3, 0, 0, 0, time.UTC)
	r := func(index int, members ...uint32) FingerprintRange {
		out := FingerprintRange{Index: index, totals: totals{int64(len(members)), Sum{1, 2, 3, 4}}, Oldest: 5, Newest: 7}
		for _, m := range members {
			out.Members = binary.BigEndian.AppendUint32(out.Members, m)
		}
		return out
	}
	return &Fingerprint{Schema: FingerprintSchema, ServerVersion: "1.38.5", Began: at, Ended: at.Add(time.Second), Aliases: map[string]string{"X": "Article"}, Collections: []FingerprintCollection{
		{
			Name: "Article", Definition: []byte(`{"class":"Article"}`), Parts: []FingerprintPart{{Count: 3, Prefix: 1, Ranges: []FingerprintRange{r(0, 1, 0x01000002), r(1, 9)}}},
			Samples: []FingerprintSample{{ID: uuid.UUID{1}}, {ID: uuid.UUID{2}}},
			Questions: []FingerprintQuestion{
				{Object: uuid.UUID{1}, What: "near", FingerprintAnswer: FingerprintAnswer{Full: true, Found: make([]byte, 32), Furthest: 0.5}}, {Object: uuid.UUID{2}, What: "=", Of: "title", FingerprintAnswer: FingerprintAnswer{Count: 7}},
			},
		},
		{Name: "Note", Definition: []byte(`{"class":"Note"}`), MultiTenant: true, Parts: []FingerprintPart{{Tenant: "a", Activity: "HOT"}, {Tenant: "b", Activity: "COLD", Unread: "inactive"}}},
	}}
}

func FuzzParseFingerprint(f *testing.F) {
	raw, err := example().Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Add([]byte(`{"schema":"weaviate-drill/fingerprint/v1"}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		parsed, err := ParseFingerprint(raw)
		if err != nil {
			if !errors.Is(err, ErrFingerprint) {
				t.Fatal(err)
			}
			return
		}
		for _, c := range parsed.Collections {
			for i := range c.Parts {
				p := &c.Parts[i]
				p.has(uuid.Max, Digest{})
				if n := len(p.members(p.Prefix, 0)); p.listed() && len(p.Ranges) > 0 && p.Ranges[0].Index == 0 && int64(n) != p.coarse(p.Prefix)[0].Count {
					t.Fatalf("%d members of %d objects", n, p.coarse(p.Prefix)[0].Count)
				}
			}
		}
		written, err := parsed.Encode()
		if err != nil {
			t.Fatal(err)
		}
		again, err := ParseFingerprint(written)
		if err != nil {
			t.Fatalf("%v: %s", err, written)
		}
		if rewritten, err := again.Encode(); err != nil || !bytes.Equal(written, rewritten) {
			t.Fatalf("%v\n%s\n%s", err, written, rewritten)
		}
	})
}

func TestSchemasAreKeptWithoutSecrets(t *testing.T) {
	got, err := definition(weaviate.Collection{Name: "A", Schema: []byte(`{"class":"A","moduleConfig":{"text2vec-x":{"apiKey":"hush","tokenization":"word","nested":[{"accessToken":"hush"}],"key":3}}}`)})
	if err != nil || strings.Contains(string(got), "hush") || !strings.Contains(string(got), "word") || !strings.Contains(string(got), "[redacted]") {
		t.Errorf("%s, %v", got, err)
	}
}
