package verify

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/weaviate-drill/weaviate-drill/internal/secret"
	"github.com/weaviate-drill/weaviate-drill/internal/servers"
	"github.com/weaviate-drill/weaviate-drill/internal/servertest"
	"github.com/weaviate-drill/weaviate-drill/internal/weaviate"
)

// TestStoredAnswers takes fingerprints of a source that is written to all the while, ends that source, and wants its restored copy to pass level index by them; then each index of the copy is damaged, and each must be noticed.
func TestStoredAnswers(t *testing.T) {
	b := servertest.Bucket(t, "backups")
	server := servertest.Weaviate(t, b, nil)
	source := servertest.Dial(t, server)
	text := []object{{"name": "text", "dataType": []string{"text"}}, {"name": "size", "dataType": []string{"int"}}}
	for _, class := range []object{
		{"class": "Graph", "vectorizer": "none", "properties": text}, {"class": "Flat", "vectorizer": "none", "vectorIndexType": "flat", "properties": text}, {"class": "Keys", "vectorizer": "none", "properties": text},
		{"class": "Media", "vectorizer": "none", "properties": append(slices.Clone(text), object{"name": "picture", "dataType": []string{"blob"}}, object{"name": "day", "dataType": []string{"date"}})},
		{"class": "Tenants", "vectorizer": "none", "properties": text, "multiTenancyConfig": object{"enabled": true}},
	} {
		do(t, source, http.MethodPost, "/schema", class)
	}
	do(t, source, http.MethodPost, "/schema/Tenants/tenants", []object{{"name": "acme"}, {"name": "globex"}})
	r := rand.New(rand.NewPCG(1, 2))
	one := func(class string, i int) object {
		o := object{"class": class, "id": id(class, i), "vector": floats(r, 16), "properties": object{"text": fmt.Sprintf("lantern number%d", i%40), "size": i % 50}}
		switch class {
		case "Tenants":
			o["tenant"] = []string{"acme", "globex"}[i%2]
		case "Media":
			o["properties"].(object)["picture"], o["properties"].(object)["day"] = "AAEC", "2026-01-02T03:04:05Z"
		}
		return o
	}
	for _, class := range []string{"Graph", "Flat", "Keys", "Media", "Tenants"} {
		var all []object
		for i := range 300 {
			all = append(all, one(class, i))
		}
		batch(t, source, all)
	}
	writes := func(from int) {
		time.Sleep(2 * pastSkew)
		for _, class := range []string{"Graph", "Tenants"} {
			for i := from; i < from+20; i++ {
				batch(t, source, []object{one(class, i), one(class, 1000+i)})
			}
		}
		do(t, source, http.MethodDelete, "/objects/Graph/"+id("Graph", from+30), nil)
		time.Sleep(2 * pastSkew)
	}
	time.Sleep(settle)
	before := fingerprint(t, source, FingerprintOptions{Questions: true})
	if again := fingerprint(t, source, FingerprintOptions{Concurrency: 3, Questions: true}); timeless(t, before) != timeless(t, again) {
		t.Errorf("the same data, and two fingerprints:\n%+v\n%+v", before.Collections, again.Collections)
	}
	writes(0)
	capture := backUp(t, source, "answers")
	writes(100)
	after := fingerprint(t, source, FingerprintOptions{Questions: true})
	server.Stop(10 * time.Second)

	dir := t.TempDir()
	start := func() (*servers.Weaviate, *weaviate.Conn) {
		env := servers.SourceEnv(servertest.MinIO(t), b.Name, b.Path, secret.New(servertest.APIKey))
		w, err := servers.StartWeaviate(t.Context(), servers.WeaviateOptions{Dir: dir, Nodes: []string{"node1"}, APIKey: secret.New(servertest.APIKey), Env: env})
		must(t, err)
		t.Cleanup(w.Kill)
		return w, servertest.Dial(t, w)
	}
	copied, restored := start()
	restore(t, restored, "answers")
	options := Options{CapturePoint: capture, ClockSkew: pastSkew, Level: LevelIndex, Seed: 7, Index: IndexOptions{Sample: 100, Probes: 30}, Before: before, After: after}

	good := compareAlone(t, restored, options)
	if s := good.Index.Stored; good.Outcome() != Passed || s.Verdicts.Match < 200 || s.Verdicts.Bad() > 0 || s.Verdicts.Total() != total(s.Rules) || s.Rules[ruleStoredSame] == 0 || s.Rules[ruleStoredRight] == 0 {
		mustComplain(t, good.Index)
		t.Errorf("an undamaged copy: %s, stored %+v", good.Summary(), s)
	}
	for _, c := range good.Index.Collections {
		if v := c.Vectors[0]; (v.Source.Of == 0) != (c.Name == "Flat") || v.Restored.Share() < 0.95 || c.ByID.Asked != 100 || c.Inverted().Asked == 0 {
			t.Errorf("%s: %+v", c.Name, c)
		}
	}
	older := *after
	older.Collections = slices.Clone(after.Collections)
	for i := range older.Collections {
		older.Collections[i].Questions, older.Collections[i].Unasked = nil, nil
	}
	without := options
	without.Before, without.After = nil, &older
	if r := compareAlone(t, restored, without); r.Index.Outcome() != Inconclusive || r.Index.Stored != nil || !strings.Contains(r.Index.Unknown[0], "recall cannot be held against the source's") {
		t.Errorf("fingerprints from before there were questions: %s, %q", r.Index.Outcome(), r.Index.Unknown)
	}

	copied.Stop(20 * time.Second)
	data := filepath.Join(dir, "node1", "data")
	for _, f := range files(t, data, "graph/*/main.hnsw.commitlog.d/*", "tenants/acme/main.hnsw.commitlog.d/*") {
		must(t, os.Truncate(f, 0))
	}
	for _, f := range files(t, data, "graph/*/lsm/property_text_searchable", "media/*/lsm/property_size", "tenants/globex/lsm/property_text", "flat/*/lsm/vectors") {
		must(t, os.RemoveAll(f))
	}
	breakKey(t, files(t, data, "keys/*/lsm/objects/*.db")[0], id("Keys", 42))
	_, restored = start()
	options.Index.Sample = 400 // so that the one object of Keys is asked for
	for what, o := range map[string]Options{"two fingerprints": options, "one": {CapturePoint: capture, ClockSkew: pastSkew, Level: LevelIndex, Seed: 7, Index: options.Index, After: after}} {
		bad := compareAlone(t, restored, o)
		mustComplain(t, bad.Index, "Flat: recall", "Graph: entries", "Graph: keyword in text", "Graph: recall", "Keys: id", "Media: entries", "Media: filter size =", "Media: filter size >=",
			"Tenants/globex: entries", "Tenants/globex: filter text =", "Tenants: recall")
		if s := bad.Index.Stored; bad.Verdicts.Bad() != 0 || s.Verdicts.Corrupt < 50 || s.Rules[ruleStoredTooFew] == 0 {
			t.Errorf("%s: %+v, stored %+v", what, bad.Verdicts, s)
		}
	}
}

func TestFingerprintQuestionsStayWithinTheirBounds(t *testing.T) {
	biggest := FingerprintQuestion{Object: uuid.Max, What: string(weaviate.Within), FingerprintAnswer: FingerprintAnswer{Count: math.MaxInt64, Found: make([]byte, (foundMost-1)*16)}}
	if raw, err := json.Marshal(biggest); err != nil || len(raw) > 700 { // as docs/fingerprint.md says
		t.Errorf("a question takes %d bytes, %v", len(raw), err)
	}
	var probes []Probe
	for range 300 {
		probes = append(probes, Probe{Near: &Near{}}, Probe{Keyword: &Keyword{}})
	}
	for _, tt := range []struct{ near, other, most, wantNear, wantOther int }{{300, 300, 256, 128, 128}, {300, 20, 256, 236, 20}, {10, 300, 256, 10, 246}, {10, 20, 256, 10, 20}, {5, 5, 1, 0, 1}, {5, 5, 0, 0, 0}} {
		var some []Probe
		for i := range probes {
			if p := probes[i]; p.Near != nil && i/2 < tt.near || p.Near == nil && i/2 < tt.other {
				some = append(some, p)
			}
		}
		taken, left := mixed(some, tt.most)
		near := 0
		for _, p := range taken {
			if p.Near != nil {
				near++
			}
		}
		if near != tt.wantNear || len(taken)-near != tt.wantOther || left != len(some)-len(taken) {
			t.Errorf("%+v: %d near of %d, %d left", tt, near, len(taken), left)
		}
	}
}
