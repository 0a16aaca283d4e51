package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// inference are the modules built on a service beside Weaviate that can be told not to wait for it when they start, with how the variables for that begin (modules/*/module.go of
// Weaviate 1.38.5). A module that is neither here nor in bound starts without any: those of somebody's API, and ref2vec-centroid.
var inference = map[string]string{
	"multi2vec-clip": "CLIP", "ner-transformers": "NER", "qna-transformers": "QNA", "reranker-transformers": "RERANKER", "sum-transformers": "SUM",
	"text2vec-gpt4all": "GPT4ALL", "text2vec-model2vec": "MODEL2VEC", "text2vec-transformers": "TRANSFORMERS",
}

// nowhere refuses every connection at once: nothing listens on the first port of the loopback.
const nowhere = "http://127.0.0.1:1"

// bound are the modules with which a Weaviate does not start while their service does not answer, whatever is set (the same files). A sandbox is started without them.
var bound = []string{"img2vec-neural", "multi2vec-bind", "text-spellcheck", "text2vec-contextionary"}

// elsewhere begins the names of modules that keep data in places which are not the sandbox's. It has its own backup-s3.
var elsewhere = []string{"backup-", "offload-", "usage-"}

// modules are those that a sandbox enables, backup-s3 first, with the variables that they need.
func (s Spec) modules() (enabled []string, env map[string]string) {
	enabled, env = []string{"backup-s3"}, map[string]string{}
	for _, name := range s.Modules {
		if slices.Contains(bound, name) || slices.ContainsFunc(elsewhere, func(prefix string) bool { return strings.HasPrefix(name, prefix) }) {
			continue
		}
		enabled = append(enabled, name)
		if prefix, ok := inference[name]; ok {
			env[prefix+"_INFERENCE_API"], env[prefix+"_WAIT_FOR_STARTUP"] = nowhere, "false"
		}
	}
	return enabled, env
}

// ErrModule is a collection that no sandbox can hold: Weaviate restores a collection only with the modules that it names, and does not start with one of them alone.
var ErrModule = errors.New("a collection needs a module that does not start without its inference service")

// Holds returns ErrModule when a collection cannot be restored into a sandbox. schema is the collection's, as Weaviate and its backups write it.
func Holds(schema []byte) error {
	var c struct {
		Class        string
		Vectorizer   string
		ModuleConfig map[string]json.RawMessage
		VectorConfig map[string]struct{ Vectorizer map[string]json.RawMessage }
	}
	if err := json.Unmarshal(schema, &c); err != nil {
		return fmt.Errorf("sandbox: the schema of a collection: %w", err)
	}
	named := append(slices.Collect(maps.Keys(c.ModuleConfig)), c.Vectorizer)
	for _, v := range c.VectorConfig {
		named = slices.AppendSeq(named, maps.Keys(v.Vectorizer))
	}
	for _, name := range bound {
		if slices.Contains(named, name) {
			return fmt.Errorf("%w: %s names %s: leave it out of the backup (backup.exclude), or restore into a Weaviate that has the service (sandbox.kind external)", ErrModule, c.Class, name)
		}
	}
	return nil
}
