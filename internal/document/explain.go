package document

import (
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"

	"github.com/weaviate-drill/weaviate-drill/internal/spelling"
)

// explain turns what the validator found into problems.
func (d *Document) explain(e *jsonschema.ValidationError) {
	for _, cause := range e.Causes {
		d.explain(cause)
	}
	if len(e.Causes) > 0 {
		return
	}
	schema, path := d.at(e.InstanceLocation)
	if d.unread[path] {
		return
	}
	switch k := e.ErrorKind.(type) {
	case *kind.AdditionalProperties:
		for _, key := range k.Properties {
			d.Fault(member(path, key), "unknown key; %s", hint(key, path, schema))
		}
	case *kind.Required:
		for _, key := range k.Missing {
			d.Fault(member(path, key), "is missing; it takes %s", wanted(schema.Properties[key]))
		}
	case *kind.Type:
		if k.Got == "null" {
			d.Fault(path, "has no value; it takes %s", wanted(schema))
		} else {
			d.Fault(path, "takes %s, not %s", wanted(schema), given(k.Got))
		}
	case *kind.Enum:
		d.Fault(path, "%s", oneOf(k))
	default:
		d.Fault(path, "takes %s", wanted(schema))
	}
}

// oneOf lists what is taken; where that is too much to read it names the nearest.
func oneOf(k *kind.Enum) string {
	const most = 12
	got, ok := k.Got.(string)
	if !ok || len(k.Want) <= most {
		return "takes one of " + list(k.Want, ", ")
	}
	known := make([]string, len(k.Want))
	for i, v := range k.Want {
		known[i] = fmt.Sprint(v)
	}
	nearest, _ := spelling.Nearest(got, known)
	return "is not known; did you mean " + nearest + "?"
}

// at finds the schema that holds for a place in the document, and the place's path.
func (d *Document) at(location []string) (*jsonschema.Schema, string) {
	schema, path := d.schema, ""
	for _, step := range location {
		if schema.Items2020 != nil {
			i, _ := strconv.Atoi(step)
			schema, path = schema.Items2020, index(path, i)
			continue
		}
		path = member(path, step)
		if property, ok := schema.Properties[step]; ok {
			schema = property
		} else {
			schema = schema.AdditionalProperties.(*jsonschema.Schema)
		}
	}
	return schema, path
}

func given(jsonType string) string {
	return map[string]string{"boolean": "true or false", "number": "a number", "string": "a text", "array": "a list", "object": "keys"}[jsonType]
}

// wanted says in words what the schema takes. A schema with a pattern or format has a title and examples for that.
func wanted(s *jsonschema.Schema) string {
	if s.Enum != nil {
		return "one of " + list(s.Enum.Values, ", ")
	}
	if s.Examples != nil {
		return "a " + s.Title + " such as " + list(s.Examples, " or ")
	}
	switch t := s.Types.ToStrings()[0]; t {
	case "boolean":
		return "true or false"
	case "object":
		return "a section of keys"
	case "array":
		return "a list"
	case "string":
		return "a text"
	default:
		text := map[string]string{"integer": "a whole number", "number": "a number"}[t]
		if s.Minimum != nil && s.Maximum != nil {
			text += fmt.Sprintf(" from %s to %s", decimal(s.Minimum), decimal(s.Maximum))
		}
		return text
	}
}

func list(values []any, separator string) string {
	var texts []string
	for _, v := range values {
		texts = append(texts, fmt.Sprint(v))
	}
	return strings.Join(texts, separator)
}

// hint names the known key that is nearest to an unknown one, or all of them when none is near.
func hint(key, path string, s *jsonschema.Schema) string {
	known := slices.Sorted(maps.Keys(s.Properties))
	if nearest, edits := spelling.Nearest(key, known); edits <= (len(key)+2)/3 {
		return "did you mean " + member(path, nearest) + "?"
	}
	return "known here: " + strings.Join(known, ", ")
}

// decimal writes a bound as the schema does, not as a fraction.
func decimal(r *big.Rat) string {
	if r.IsInt() {
		return r.RatString()
	}
	f, _ := r.Float64()
	return strconv.FormatFloat(f, 'f', -1, 64)
}
