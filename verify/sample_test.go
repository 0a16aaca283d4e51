package verify

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/google/uuid"

	"github.com/weaviate-drill/weaviate-drill/backup/bucket"
	"github.com/weaviate-drill/weaviate-drill/internal/servertest"
	"github.com/weaviate-drill/weaviate-drill/internal/weaviate"
)

// skewed are ids that are anything but random: most one after the other, the rest in a few narrow clusters.
func skewed(n int) []uuid.UUID {
	random := rand.New(rand.NewPCG(5, 6))
	ids := make([]uuid.UUID, n)
	for i := range ids {
		binary.BigEndian.PutUint64(ids[i][8:], uint64(i))
		if i >= n*3/4 {
			ids[i][0] = byte(0x20 * (i % 5))
			binary.BigEndian.PutUint32(ids[i][2:], random.Uint32())
		}
	}
	slices.SortFunc(ids, func(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) })
	return ids
}

const bins = 20

// uneven is the chi-square statistic of how often each twentieth of the ids, in their order, was drawn.
func uneven(drawn []int, n int) (statistic float64) {
	var hits [bins]float64
	for _, i := range drawn {
		hits[i*bins/n]++
	}
	expected := float64(len(drawn)) / bins
	for _, h := range hits {
		statistic += (h - expected) * (h - expected) / expected
	}
	return statistic
}

// One in a thousand uniform draws is more uneven (chi-square, 19 degrees of freedom). Draws without replacement are a little more even than that.
const tooUneven = 43.82

func TestDrawIsUniformOverSkewedIDs(t *testing.T) {
	const n, size, rounds = 2000, 100, 200
	ids := skewed(n)
	at := map[uuid.UUID]int{}
	for i, id := range ids {
		at[id] = i
	}
	parts := []*part{{collection: "A", tenant: "big"}, {collection: "A", tenant: "small"}}
	owner := func(i int) *part { return parts[min(1, i/(n-n/10))] }
	var drawn, probed []int
	for seed := range uint64(rounds) {
		d := draw{n: size, first: map[*part]candidate{}}
		ranks := []func(uuid.UUID) uint64{parts[0].ranks(seed), parts[1].ranks(seed)}
		for i, id := range ids {
			d.add(candidate{ranks[slices.Index(parts, owner(i))](id), id, owner(i)})
		}
		got, _ := d.take()
		if len(got) != size || d.population != n {
			t.Fatalf("%d of %d drawn", len(got), d.population)
		}
		for _, o := range got {
			drawn = append(drawn, at[o.id])
		}
		// What this test is for: the object after a random point in UUID space is no uniform draw.
		random := rand.New(rand.NewPCG(seed, 9))
		for range size {
			var point uuid.UUID
			binary.BigEndian.PutUint64(point[:], random.Uint64())
			i, _ := slices.BinarySearchFunc(ids, point, func(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) })
			probed = append(probed, min(i, n-1))
		}
	}
	if x := uneven(drawn, n); x > tooUneven {
		t.Errorf("chi-square %.1f", x)
	}
	if x := uneven(probed, n); x < 10*tooUneven {
		t.Errorf("the test would let a biased draw pass: chi-square %.1f", x)
	}
}

func TestDrawLooksAtEveryTenant(t *testing.T) {
	for _, c := range []struct{ tenants, size, extra int }{{5, 20, 4}, {30, 20, 20}, {1, 20, 0}} {
		var parts []*part
		d := draw{n: c.size, first: map[*part]candidate{}}
		for i := range c.tenants {
			p := &part{collection: "A", tenant: fmt.Sprint(i)}
			parts = append(parts, p)
			for j := range 100 {
				r := uint64(1_000_000*i + j) // all that are drawn belong to the first
				d.add(candidate{r, uuid.UUID{0: byte(j)}, p})
			}
		}
		drawn, extra := d.take()
		if len(drawn) != c.size || len(extra) != c.extra || slices.ContainsFunc(drawn, func(o candidate) bool { return o.part != parts[0] }) {
			t.Errorf("%+v: %d drawn, %d besides", c, len(drawn), len(extra))
		}
		for i, o := range extra {
			if o.part != parts[i+1] || o.rank != uint64(1_000_000*(i+1)) {
				t.Errorf("%+v: %+v", c, o)
			}
		}
	}
}

func TestConclusion(t *testing.T) {
	sampled := func(name string, drawn, bad int64, confidence float64) Bound {
		b := Bound{Collection: name, Population: 1_000_000, Drawn: drawn, Bad: bad, known: true}
		b.reach(confidence)
		return b
	}
	all := Bound{Collection: "Few", Population: 40, Drawn: 40, known: true}
	all.reach(0.95)
	const missed = "; the ids and times of all objects were compared, but single objects with damaged content can be missed"
	for _, c := range []struct {
		s      Sampling
		bounds []Bound
		want   string
	}{
		{Sampling{Confidence: 0.95, MaxBad: 0.001}, []Bound{sampled("A", 2995, 0, 0.95)}, "0 of 2995 drawn objects differ: with 95 % confidence at most 0.1 % of the objects of A that came back are bad" + missed},
		{Sampling{Confidence: 0.99, MaxBad: 0.0001}, []Bound{sampled("A", 46050, 0, 0.99)}, "0 of 46050 drawn objects differ: with 99 % confidence at most 0.0097 % of the objects of A that came back are bad" + missed},
		{Sampling{Confidence: 0.95, MaxBad: 0.001}, []Bound{sampled("A", 2995, 3, 0.95)}, "3 of 2995 drawn objects differ: with 95 % confidence at most 0.26 % of the objects of A that came back are bad, more than the 0.1 % asked for" + missed},
		{Sampling{Confidence: 0.95, MaxBad: 0.001}, []Bound{sampled("A", 2000, 0, 0.95)}, "0 of 2000 drawn objects differ: with 95 % confidence at most 0.15 % of the objects of A that came back are bad, more than the 0.1 % asked for" + missed},
		{Sampling{Confidence: 0.95}, []Bound{sampled("A", 299, 0, 0.95), sampled("B", 299, 1, 0.95), all},
			"1 of 598 drawn objects differ: with 95 % confidence at most 1.6 % of the objects of each of 2 collections, taken for itself, that came back are bad; all 40 objects of the smaller collections were compared" + missed},
		{Sampling{Confidence: 0.95}, []Bound{all}, "no sample was needed: what could be read was compared as a whole"},
		{Sampling{Confidence: 0.95}, []Bound{{Collection: "A"}}, "no object could be compared, so nothing can be concluded"},
	} {
		for _, b := range c.bounds {
			c.s.add(b)
		}
		if c.s.conclude(); c.s.Conclusion != c.want {
			t.Errorf("got  %s\nwant %s", c.s.Conclusion, c.want)
		}
	}
}

// TestSample damages objects in the backup itself, so that nothing but their content tells.
func TestSample(t *testing.T) {
	const n, size, tenants = 600, 60, 40
	b := servertest.Bucket(t, "backups")
	source := servertest.Dial(t, servertest.Weaviate(t, b, nil))
	text := []object{{"name": "text", "dataType": []string{"text"}}}
	for _, class := range []string{"Clean", "Damaged"} {
		do(t, source, http.MethodPost, "/schema", object{"class": class, "vectorizer": "none", "properties": text})
	}
	do(t, source, http.MethodPost, "/schema", object{"class": "Tenants", "vectorizer": "none", "multiTenancyConfig": object{"enabled": true}, "properties": text})
	var names []object
	for i := range tenants {
		names = append(names, object{"name": fmt.Sprint("tenant", i)})
	}
	do(t, source, http.MethodPost, "/schema/Tenants/tenants", names)
	random := rand.New(rand.NewPCG(7, 8))
	for _, class := range []string{"Clean", "Damaged", "Tenants"} {
		var all []object
		for i, id := range skewed(n) {
			o := object{"class": class, "id": id.String(), "vector": floats(random, 8), "properties": object{"text": fmt.Sprintf("%s %03d whole", class, i)}}
			if class == "Tenants" {
				o["tenant"] = fmt.Sprint("tenant", max(0, i-(n-tenants))) // the first has nearly all, the others one each, tenant0 the rest
			}
			all = append(all, o)
		}
		batch(t, source, all)
	}
	const skew = 100 * time.Millisecond
	time.Sleep(2 * skew)
	capture := backUp(t, source, "sample")
	damage := func(class string, every int) {
		for i := 0; i < n; i += every {
			damageChunk(t, b, "sample", class, fmt.Sprintf("%s %03d whole", class, i), fmt.Sprintf("%s %03d wrong", class, i))
		}
	}
	damage("Damaged", 20)
	restored := servertest.Dial(t, servertest.Weaviate(t, b, nil))
	restore(t, restored, "sample")
	options := func() Options {
		return Options{Level: LevelSample, Sample: size, Seed: 1, CapturePoint: capture, ClockSkew: skew, Included: []string{"Clean", "Damaged", "Tenants"}}
	}

	t.Run("the whole sees the damage, and no more", func(t *testing.T) {
		o := options()
		o.Level = LevelFull
		if r := compare(t, source, restored, o); r.Outcome() != Failed || r.Verdicts != (Verdicts{Match: 3*n - n/20, Corrupt: n / 20}) {
			dump(t, r)
			t.Error(r.Outcome())
		}
	})
	t.Run("clean and skewed", func(t *testing.T) {
		c := drawing(t, source, restored, options())
		var at []int
		ids := skewed(n)
		for seed := range uint64(40) {
			c.Seed = seed
			d, err := c.draw(t.Context(), c.of("Clean"))
			if err != nil {
				t.Fatal(err)
			}
			drawn, _ := d.take()
			for _, o := range drawn {
				i, found := slices.BinarySearchFunc(ids, o.id, func(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) })
				if !found {
					t.Fatalf("%s was drawn and never written", o.id)
				}
				at = append(at, i)
			}
		}
		if x := uneven(at, n); len(at) != 40*size || x > tooUneven {
			t.Errorf("%d objects, chi-square %.1f", len(at), x)
		}
	})
	t.Run("a sample of each", func(t *testing.T) {
		r := compare(t, source, restored, options())
		s := r.Sampling
		if r.Outcome() != Failed || r.Verdicts.Corrupt == 0 || len(s.Bounds) != 3 || s.Seed != 1 || s.Requested != size {
			dump(t, r)
			t.Fatalf("%s, %+v", r.Outcome(), s)
		}
		clean, damaged, tenant := s.Bounds[0], s.Bounds[1], s.Bounds[2]
		if clean.Population != n || clean.Drawn != size || clean.Bad != 0 || clean.Extra != 0 || clean.MaxBad != UpperBound(n, size, 0, 0.95) {
			t.Errorf("%+v", clean)
		}
		if damaged.Bad != r.Verdicts.Corrupt || damaged.MaxBad != UpperBound(n, size, damaged.Bad, 0.95) || damaged.MaxBad < 1./20 {
			t.Errorf("%+v", damaged)
		}
		var seen int // tenants of which something was compared
		for _, p := range drawing(t, source, restored, options()).compared(t, "Tenants") {
			if p.verdicts.Match > 0 {
				seen++
			}
		}
		if tenant.Extra == 0 || seen != tenants {
			t.Errorf("objects of %d tenants were compared: %+v", seen, tenant)
		}
		if s.Drawn != 3*size+tenant.Extra || r.Collections[0].SourceRead != size || r.Collections[0].SourceCount != n || !r.CompletenessHorizon.IsZero() {
			t.Errorf("a sample of %d is given out for more: %+v, complete to %s", size, r.Collections[0], r.CompletenessHorizon)
		}
		if again := compare(t, source, restored, options()); !slices.EqualFunc(r.Differences, again.Differences, func(a, b Difference) bool { return a.ID == b.ID }) {
			t.Error("the same seed draws another sample")
		}
	})
	t.Run("so many that the damage is found", func(t *testing.T) {
		o := options()
		o.Sample, o.MaxBad, o.Confidence = 0, 0.05, 0.95 // 59 objects; one in twenty is bad, so that one draw in twenty may miss it
		found := 0
		for o.Seed = 1; o.Seed <= 10; o.Seed++ {
			r := compare(t, source, restored, o)
			if bad := r.Sampling.Bounds[1].Bad; r.Sampling.Requested != 59 || (bad > 0) != (r.Outcome() == Failed) {
				dump(t, r)
				t.Errorf("seed %d: %s, %+v", o.Seed, r.Outcome(), r.Sampling)
			} else if bad > 0 {
				found++
			}
		}
		if found < 9 {
			t.Errorf("found with %d seeds of 10", found)
		}
	})
	t.Run("small collections as a whole", func(t *testing.T) {
		o := options()
		o.Sample = n / dense
		r := compare(t, source, restored, o)
		if b := r.Sampling.Bounds[1]; b.Population != n || b.Drawn != n || b.Bad != n/20 || b.MaxBad != 1./20 || r.Verdicts.Total() != 3*n {
			t.Errorf("%+v", b)
		}
	})
	t.Run("a pass says what it proves", func(t *testing.T) {
		for _, c := range []*weaviate.Conn{source, restored} {
			do(t, c, http.MethodDelete, "/schema/Damaged", nil)
		}
		o := options()
		o.Included = nil
		o.Seed = 0
		r := compare(t, source, restored, o)
		if r.Outcome() != Passed || r.Sampling.Seed == 0 || !strings.HasPrefix(r.Sampling.Conclusion, "0 of 120 drawn objects differ: with 95 % confidence at most 4.5 % of the objects of each of 2 collections") {
			dump(t, r)
			t.Errorf("%s: %+v", r.Outcome(), r.Sampling)
		}
	})
	t.Run("one lost object is seen, whatever is drawn", func(t *testing.T) {
		lost := skewed(n)[n/2].String()
		do(t, restored, http.MethodDelete, "/objects/Clean/"+lost, nil)
		o := options()
		o.Included = nil
		o.Sample = 1
		if r := compare(t, source, restored, o); r.Outcome() != Failed || r.Verdicts.Lost != 1 || r.find(lost).Rule != ruleLost {
			dump(t, r)
			t.Error(r.Outcome())
		}
	})
}

// drawingComparison is a comparison that is ready to draw.
type drawingComparison struct {
	*comparison
	parts []*part
}

func drawing(t *testing.T, source, restored *weaviate.Conn, o Options) drawingComparison {
	t.Helper()
	o, err := o.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	c := &comparison{Options: o, source: source, restored: restored, rules: newRules(o.CapturePoint, o.ClockSkew), byName: map[string]*Collection{}, absent: map[string]*part{}, result: &Result{}}
	parts, err := c.structure(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return drawingComparison{c, parts}
}

func (c drawingComparison) of(collection string) (parts []*part) {
	for _, p := range c.parts {
		if p.collection == collection {
			parts = append(parts, p)
		}
	}
	return parts
}

func (c drawingComparison) compared(t *testing.T, collection string) []*part {
	t.Helper()
	parts := c.of(collection)
	if _, err := c.sampleCollection(t.Context(), parts); err != nil {
		t.Fatal(err)
	}
	return parts
}

// damageChunk replaces a text in the one chunk of a backup without compression that holds it.
func damageChunk(t *testing.T, b *bucket.Bucket, id, class, from, to string) {
	t.Helper()
	prefix := b.Key(id, "node1", class) + "/"
	list, err := b.Client.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: &b.Name, Prefix: &prefix})
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range list.Contents {
		got, err := b.Client.GetObject(t.Context(), &s3.GetObjectInput{Bucket: &b.Name, Key: o.Key})
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(got.Body)
		_ = got.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(content, []byte(from)) {
			continue
		}
		content = bytes.ReplaceAll(content, []byte(from), []byte(to))
		if _, err := b.Client.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &b.Name, Key: o.Key, Body: bytes.NewReader(content)}); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Fatalf("no chunk of %s holds %q", class, from)
}
