package verify

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/weaviate-drill/weaviate-drill/internal/weaviate"
)

// canonicalSchema is a collection's schema as decoded JSON, in the one form that all servers' ways of writing the same schema have: without nulls and empty lists, which mean what their absence does, and with lists in
// order by name where their order means nothing. Marshalled, equal schemas have equal bytes. What a server leaves unsaid is left unsaid here too; see unsaid.
func canonicalSchema(raw json.RawMessage) (any, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	return canonical("", v), nil
}

// unordered are the lists of texts of which Weaviate makes a set.
var unordered = []string{"dataType", "additions", "removals"}

func canonical(key string, v any) any {
	switch v := v.(type) {
	case map[string]any:
		for name, value := range v {
			value = canonical(name, value)
			if list, is := value.([]any); value == nil || is && len(list) == 0 {
				delete(v, name)
				continue
			}
			v[name] = value
		}
	case []any:
		for i := range v {
			v[i] = canonical("", v[i])
		}
		if _, all := named(v); all {
			slices.SortFunc(v, func(a, b any) int { return strings.Compare(nameOf(a), nameOf(b)) })
		} else if slices.Contains(unordered, key) {
			slices.SortFunc(v, func(a, b any) int { return strings.Compare(text(a), text(b)) })
		}
	}
	return v
}

// unsaid are settings that servers write which are younger than they are, with what their absence means in a schema of an older one: what it did before there was the setting. Each bears the name of what it is in.
// Source: entities/vectorindex and usecases/schema/class.go of Weaviate 1.38.5, and the release notes of those that brought them.
var unsaid = map[string]string{
	"invertedIndexConfig.usingBlockMaxWAND": "false", "replicationConfig.asyncEnabled": "false", "replicationConfig.deletionStrategy": `"NoAutomatedResolution"`,
	"multiTenancyConfig.enabled": "false", "multiTenancyConfig.autoTenantCreation": "false", "multiTenancyConfig.autoTenantActivation": "false",
	"property.indexRangeFilters": "false", "vectorIndexConfig.filterStrategy": `"sweeping"`, "hnsw.filterStrategy": `"sweeping"`,
	"vectorIndexConfig.skipDefaultQuantization": "false", "vectorIndexConfig.trackDefaultQuantization": "false",
	"hnsw.skipDefaultQuantization": "false", "hnsw.trackDefaultQuantization": "false", "flat.skipDefaultQuantization": "false", "flat.trackDefaultQuantization": "false",
	"bq.enabled": "false", "sq.enabled": "false", "sq.trainingLimit": "100000", "sq.rescoreLimit": "20", "rq.enabled": "false", "rq.bits": "8", "rq.rescoreLimit": "20",
	"multivector.enabled": "false", "multivector.aggregation": `"maxSim"`,
	"muvera.enabled": "false", "muvera.ksim": "4", "muvera.dprojections": "16", "muvera.repetitions": "10",
}

// meansAbsence says whether a setting, or all that an object of them holds, is what its absence means.
func meansAbsence(in, key string, v any) bool {
	fields, is := v.(map[string]any)
	if !is {
		return text(v) == unsaid[in+"."+key]
	}
	for name, value := range fields {
		if !meansAbsence(key, name, value) {
			return false
		}
	}
	return len(fields) > 0
}

// compareSchema compares two schemas of a collection in canonical form, all that they say.
func (c *comparison) compareSchema(a, b weaviate.Collection) {
	left, err := canonicalSchema(a.Schema)
	if err != nil {
		c.unknown("%s: the source's schema cannot be read: %v", a.Name, err)
		return
	}
	right, err := canonicalSchema(b.Schema)
	if err != nil {
		c.unknown("%s: the restored schema cannot be read: %v", a.Name, err)
		return
	}
	c.diffJSON(a.Name, "", left, right)
}

const schemaRule = "a schema carries no time, so a change made on the source after the capture point looks the same: then drill a newer backup"

// diffJSON notes each place in which two canonical schemas differ; in is what the value at path is called by.
func (c *comparison) diffJSON(path, in string, a, b any) {
	left, leftIsObject := a.(map[string]any)
	right, rightIsObject := b.(map[string]any)
	list := false
	if la, is := a.([]any); is {
		if lb, is := b.([]any); is {
			left, leftIsObject = named(la)
			right, rightIsObject = named(lb)
			list = true
		}
	}
	if !leftIsObject || !rightIsObject {
		if s, r := text(a), text(b); s != r {
			c.differ("schema", path, s, r, Corrupt, schemaRule)
		}
		return
	}
	for _, key := range slices.Sorted(maps.Keys(left)) {
		at, name := path+"."+key, key
		if list {
			name = "property"
		}
		if other, there := right[key]; there {
			c.diffJSON(at, name, left[key], other)
		} else if list || !meansAbsence(in, key, left[key]) {
			c.onlyOn(at, text(left[key]), "(missing)", Lost, list)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(right)) {
		if _, there := left[key]; !there && (list || !meansAbsence(in, key, right[key])) {
			c.onlyOn(path+"."+key, "(missing)", text(right[key]), Unexpected, list)
		}
	}
}

// onlyOn notes what only one side has: a property, or a setting.
func (c *comparison) onlyOn(path, source, restored string, verdict Verdict, property bool) {
	if c.versions[0] != c.versions[1] && !property {
		c.differ("schema", path, source, restored, Unverifiable, fmt.Sprintf(
			"only one of the two versions, %s and %s, writes this setting, and what its absence means in the other is not known here", cmp.Or(c.versions[0], "one not known"), cmp.Or(c.versions[1], "one not known")))
		return
	}
	c.differ("schema", path, source, restored, verdict, schemaRule)
}

// named turns a list of objects that all bear different names into an object by name: properties and nested properties.
func named(list []any) (map[string]any, bool) {
	out := make(map[string]any, len(list))
	for _, item := range list {
		name := nameOf(item)
		if name == "" {
			return nil, false
		}
		out[name] = item
	}
	return out, len(out) == len(list)
}

func nameOf(item any) string {
	o, _ := item.(map[string]any)
	name, _ := o["name"].(string)
	return name
}

func text(v any) string {
	raw, err := json.Marshal(v) // keys sorted
	if err != nil {
		return err.Error()
	}
	return string(raw)
}
