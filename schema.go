package drill

import (
	"bytes"
	_ "embed"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/weaviate-drill/weaviate-drill/internal/document"
)

// schemaJSON is made from Config by the tests.
//
//go:embed docs/drill.schema.json
var schemaJSON []byte

// ConfigSchema is the JSON Schema (draft 2020-12) of drill.yaml: what ParseConfig holds a document against, for editors and CI.
func ConfigSchema() ([]byte, error) { return slices.Clone(schemaJSON), nil }

var configSchema = sync.OnceValue(func() *jsonschema.Schema { return compile("drill.schema.json", bytes.NewReader(schemaJSON)) })

// compile makes a schema of the program's own, which is never wrong.
func compile(name string, raw io.Reader) *jsonschema.Schema {
	tree, err := jsonschema.UnmarshalJSON(raw)
	if err != nil {
		panic(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource(name, tree); err != nil {
		panic(err)
	}
	return c.MustCompile(name)
}

// Validate looks again at a configuration that was changed since it was parsed, such as by flags. An error has a line for each problem and wraps ErrConfig.
func (c *Config) Validate() error {
	raw, err := yaml.MarshalWithOptions(c, yaml.OmitZero(), yaml.CustomMarshaler(func(t time.Time) ([]byte, error) { return []byte(t.Format(time.DateOnly)), nil }))
	if err != nil {
		return err
	}
	d := document.Read(raw, configSchema())
	if len(d.Problems()) == 0 {
		c.check(d.Fault)
	}
	return problems("", d)
}
