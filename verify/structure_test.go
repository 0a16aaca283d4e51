package verify

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/weaviate-drill/weaviate-drill/internal/servertest"
	"github.com/weaviate-drill/weaviate-drill/internal/weaviate"
)

// diffSchemas compares two schemas that servers of the two versions wrote.
func diffSchemas(a, b string, versions ...string) []StructureDifference {
	c := &comparison{result: &Result{}}
	copy(c.versions[:], versions)
	c.compareSchema(weaviate.Collection{Name: "A", Schema: json.RawMessage(a)}, weaviate.Collection{Name: "A", Schema: json.RawMessage(b)})
	return c.result.Structure
}

// What servers write differently and means the same.
func TestSchemasThatMeanTheSame(t *testing.T) {
	for name, pair := range map[string][2]string{
		"order of properties": {`{"properties":[{"name":"a"},{"name":"b","nestedProperties":[{"name":"c"},{"name":"d"}]}]}`, `{"properties":[{"name":"b","nestedProperties":[{"name":"d"},{"name":"c"}]},{"name":"a"}]}`},
		"null, empty, absent": {`{"invertedIndexConfig":{"stopwords":{"additions":null,"removals":[]}},"description":null}`, `{"invertedIndexConfig":{"stopwords":{"additions":[]}}}`},
		"order of sets":       {`{"stopwords":{"additions":["x","y"]},"properties":[{"name":"r","dataType":["B","A"]}]}`, `{"stopwords":{"additions":["y","x"]},"properties":[{"name":"r","dataType":["A","B"]}]}`},
		"younger settings": {
			`{"vectorIndexConfig":{"ef":-1},"properties":[{"name":"a"}],"replicationConfig":{"factor":1}}`,
			`{"vectorIndexConfig":{"ef":-1,"rq":{"enabled":false,"bits":8,"rescoreLimit":20},"multivector":{"enabled":false,"aggregation":"maxSim","muvera":{"enabled":false,"ksim":4}}},"properties":[{"name":"a","indexRangeFilters":false}],"replicationConfig":{"factor":1,"asyncEnabled":false}}`,
		},
	} {
		if d := append(diffSchemas(pair[0], pair[1]), diffSchemas(pair[1], pair[0])...); len(d) > 0 {
			t.Errorf("%s: %+v", name, d)
		}
	}
}

// What looks alike and differs: each is a path and two values.
func TestSchemasThatDiffer(t *testing.T) {
	const rule = "only one of the two versions, 1.38.5 and 1.40.0, writes this setting, and what its absence means in the other is not known here"
	for name, test := range map[string]struct {
		source, restored string
		versions         []string
		want             StructureDifference
	}{
		"a younger setting that is not at rest": {`{"vectorIndexConfig":{"ef":-1}}`, `{"vectorIndexConfig":{"ef":-1,"rq":{"enabled":true,"bits":8}}}`, nil,
			StructureDifference{"schema", "A.vectorIndexConfig.rq", "(missing)", `{"bits":8,"enabled":true}`, Unexpected, schemaRule}},
		"a setting lost":             {`{"x":{"y":7,"z":1}}`, `{"x":{"z":1}}`, nil, StructureDifference{"schema", "A.x.y", "7", "(missing)", Lost, schemaRule}},
		"a setting of one version":   {`{"x":{"z":1}}`, `{"x":{"y":7,"z":1}}`, []string{"1.38.5", "1.40.0"}, StructureDifference{"schema", "A.x.y", "(missing)", "7", Unverifiable, rule}},
		"a property of one version":  {`{"properties":[{"name":"a"},{"name":"b"}]}`, `{"properties":[{"name":"a"}]}`, []string{"1.38.5", "1.40.0"}, StructureDifference{"schema", "A.properties.b", `{"name":"b"}`, "(missing)", Lost, schemaRule}},
		"a list whose order matters": {`{"x":["a","b"]}`, `{"x":["b","a"]}`, nil, StructureDifference{"schema", "A.x", `["a","b"]`, `["b","a"]`, Corrupt, schemaRule}},
		"a number's last digit":      {`{"x":1000000000000000001}`, `{"x":1000000000000000002}`, nil, StructureDifference{"schema", "A.x", "1000000000000000001", "1000000000000000002", Corrupt, schemaRule}},
		"of a nested property": {`{"properties":[{"name":"o","nestedProperties":[{"name":"n","tokenization":"word"}]}]}`, `{"properties":[{"name":"o","nestedProperties":[{"name":"n","tokenization":"field"}]}]}`, nil,
			StructureDifference{"schema", "A.properties.o.nestedProperties.n.tokenization", `"word"`, `"field"`, Corrupt, schemaRule}},
	} {
		if got := diffSchemas(test.source, test.restored, test.versions...); len(got) != 1 || got[0] != test.want {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// leftOut are all collections but those given, so that a comparison on the shared source is of these alone.
func leftOut(t testing.TB, c *weaviate.Conn, but ...string) (names []string) {
	t.Helper()
	list, err := c.Collections(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, each := range list {
		if !slices.Contains(but, each.Name) {
			names = append(names, each.Name)
		}
	}
	return names
}

// Each setting that two real servers can be given differently is noticed, with its path and both values.
func TestStructureOfRealServers(t *testing.T) {
	server, b := servertest.Source(t)
	source, restored := servertest.Dial(t, server), servertest.Dial(t, servertest.Weaviate(t, b, nil))
	with := func(change object) object {
		class := object{"class": "Set", "vectorizer": "none", "description": "as it was", "properties": []object{{"name": "text", "dataType": []string{"text"}}}}
		maps.Copy(class, change)
		return class
	}
	for _, test := range []struct {
		where            string
		change           object
		source, restored string
	}{
		{"Set.description", object{"description": "another"}, `"as it was"`, `"another"`},
		{"Set.vectorIndexConfig.efConstruction", object{"vectorIndexConfig": object{"efConstruction": 64}}, "128", "64"},
		{"Set.vectorIndexConfig.distance", object{"vectorIndexConfig": object{"distance": "dot"}}, `"cosine"`, `"dot"`},
		{"Set.vectorIndexConfig.pq.enabled", object{"vectorIndexConfig": object{"pq": object{"enabled": true}}}, "false", "true"},
		{"Set.vectorIndexType", object{"vectorIndexType": "flat"}, `"hnsw"`, `"flat"`},
		{"Set.shardingConfig.desiredCount", object{"shardingConfig": object{"desiredCount": 2}}, "1", "2"},
		{"Set.replicationConfig.deletionStrategy", object{"replicationConfig": object{"deletionStrategy": "NoAutomatedResolution"}}, `"TimeBasedResolution"`, `"NoAutomatedResolution"`},
		{"Set.multiTenancyConfig.enabled", object{"multiTenancyConfig": object{"enabled": true}}, "false", "true"},
		{"Set.invertedIndexConfig.bm25.k1", object{"invertedIndexConfig": object{"bm25": object{"b": 0.75, "k1": 1.5}}}, "1.2", "1.5"},
		{"Set.invertedIndexConfig.stopwords.additions", object{"invertedIndexConfig": object{"stopwords": object{"preset": "en", "additions": []string{"drill"}}}}, "(missing)", `["drill"]`},
		{"Set.properties.text.tokenization", object{"properties": []object{{"name": "text", "dataType": []string{"text"}, "tokenization": "field"}}}, `"word"`, `"field"`},
		{"Set.properties.text.indexFilterable", object{"properties": []object{{"name": "text", "dataType": []string{"text"}, "indexFilterable": false}}}, "true", "false"},
		{"Set.properties.text.dataType", object{"properties": []object{{"name": "text", "dataType": []string{"text[]"}}}}, `["text"]`, `["text[]"]`},
	} {
		do(t, source, http.MethodPost, "/schema", with(nil))
		do(t, restored, http.MethodPost, "/schema", with(test.change))
		r := compare(t, source, restored, Options{Level: LevelCounts, Excluded: leftOut(t, source, "Set")})
		d := r.structureAt(test.where)
		if r.Outcome() != Failed || d.Kind != "schema" || d.Source != test.source || d.Restored != test.restored {
			t.Errorf("%s: %s, %+v", test.where, r.Outcome(), r.Structure)
		}
		for _, c := range []*weaviate.Conn{source, restored} {
			do(t, c, http.MethodDelete, "/schema/Set", nil)
		}
	}
	do(t, source, http.MethodPost, "/schema", with(nil))
	t.Cleanup(func() { do(t, source, http.MethodDelete, "/schema/Set", nil) })
	do(t, restored, http.MethodPost, "/schema", with(nil))
	if r := compare(t, source, restored, Options{Level: LevelCounts, Excluded: leftOut(t, source, "Set")}); len(r.Structure) > 0 || !strings.Contains(strings.Join(r.Notes, " "), "left out") && len(leftOut(t, source, "Set")) > 0 {
		t.Errorf("equal schemas: %+v, %v", r.Structure, r.Notes)
	}
}
