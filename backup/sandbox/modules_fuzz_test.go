package sandbox

import (
	"encoding/json"
	"errors"
	"testing"
)

// FuzzHolds: the schema of a collection is held by a sandbox, or names a module that no sandbox has, or is no JSON; and the names of its properties change nothing.
func FuzzHolds(f *testing.F) {
	f.Add([]byte(`{"class":"Article","vectorizer":"none","moduleConfig":{"text2vec-openai":{}},"properties":[{"name":"img2vec-neural"}]}`))
	f.Add([]byte(`{"class":"A","vectorConfig":{"a":{"vectorizer":{"` + bound[0] + `":{}}}}}`))
	f.Add([]byte(`{"class":"A","vectorizer":"` + bound[0] + `"}`))
	f.Add([]byte(`{"CLASS":1}`))
	f.Fuzz(func(t *testing.T, schema []byte) {
		err := Holds(schema)
		var fields map[string]json.RawMessage
		if errors.Is(err, ErrModule) && json.Unmarshal(schema, &fields) != nil {
			t.Fatalf("what is no schema names a module: %v", err)
		}
		if err == nil && !json.Valid(schema) {
			t.Fatal("what is no JSON is held")
		}
		if fields != nil && err == nil && string(schema) != "null" {
			fields["properties"] = json.RawMessage(`[{"name":"` + bound[0] + `"}]`)
			more, _ := json.Marshal(fields)
			if err := Holds(more); err != nil {
				t.Fatalf("a property is taken for a module: %v", err)
			}
		}
	})
}
