package verify

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/weaviate-drill/weaviate-drill/internal/weaviate"
)

// indexSchema is what a collection's schema says of its indexes.
type indexSchema struct {
	vectors    map[string]vectorIndex
	properties []indexedProperty
	inverted   invertedConfig
	skipped    []string // what no question is asked of, and why
}

type invertedConfig struct {
	IndexNullState      bool
	IndexPropertyLength bool
	IndexTimestamps     bool
	Stopwords           struct{ Additions []string }
}

type indexedProperty struct {
	Name              string
	DataType          []string
	Tokenization      string
	IndexFilterable   *bool // nil: true
	IndexSearchable   *bool // nil: true
	IndexRangeFilters *bool // nil: false
	TextAnalyzer      json.RawMessage

	base string // the type of a single value
	list bool
}

func (p *indexedProperty) filterable() bool { return p.IndexFilterable == nil || *p.IndexFilterable }
func (p *indexedProperty) searchable() bool {
	return p.base == "text" && (p.IndexSearchable == nil || *p.IndexSearchable)
}
func (p *indexedProperty) rangeable() bool {
	return p.IndexRangeFilters != nil && *p.IndexRangeFilters && !p.list && (p.base == "int" || p.base == "number" || p.base == "date")
}

func readIndexSchema(c weaviate.Collection) (*indexSchema, error) {
	var in struct {
		Properties          []indexedProperty
		InvertedIndexConfig invertedConfig
	}
	if err := json.Unmarshal(c.Schema, &in); err != nil {
		return nil, fmt.Errorf("the schema of %s cannot be read: %w", c.Name, err)
	}
	s := &indexSchema{vectors: indexesOf(c), inverted: in.InvertedIndexConfig}
	for _, p := range in.Properties {
		if len(p.DataType) == 0 {
			continue
		}
		p.base, p.list = strings.CutSuffix(p.DataType[0], "[]")
		where := c.Name + "." + p.Name
		switch p.base {
		case "int", "number", "boolean", "date", "uuid", "geoCoordinates":
			if !p.filterable() && !p.rangeable() {
				continue
			}
		case "text":
			if !p.filterable() && !p.searchable() {
				continue
			}
			if len(p.TextAnalyzer) > 0 && string(p.TextAnalyzer) != "null" {
				s.skipped = append(s.skipped, where+": it has an analyzer of its own, which the tool does not imitate")
				continue
			}
			if _, known := tokenizers[p.Tokenization]; !known {
				s.skipped = append(s.skipped, fmt.Sprintf("%s: its text is split by %s, which the tool does not imitate", where, p.Tokenization))
				continue
			}
		case "blob", "blobHash", "phoneNumber":
			continue // the server indexes none of them
		default:
			s.skipped = append(s.skipped, fmt.Sprintf("%s: no question is asked of properties of type %s", where, p.DataType[0]))
			continue
		}
		s.properties = append(s.properties, p)
	}
	return s, nil
}

// tokenizers split text as the server does (entities/tokenizer).
var tokenizers = map[string]func(string) []string{
	"word":       func(s string) []string { return lowered(strings.FieldsFunc(s, notAlphanumeric)) },
	"lowercase":  func(s string) []string { return lowered(strings.FieldsFunc(s, unicode.IsSpace)) },
	"whitespace": func(s string) []string { return strings.FieldsFunc(s, unicode.IsSpace) },
	"field":      func(s string) []string { return []string{strings.TrimFunc(s, unicode.IsSpace)} },
	"trigram": func(s string) (out []string) {
		runes := []rune(strings.ToLower(strings.Join(strings.FieldsFunc(s, notAlphanumeric), "")))
		for i := 0; i+3 <= len(runes); i++ {
			out = append(out, string(runes[i:i+3]))
		}
		return out
	},
}

func lowered(terms []string) []string {
	for i := range terms {
		terms[i] = strings.ToLower(terms[i])
	}
	return terms
}

func notAlphanumeric(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsNumber(r) }

// stopwords are what the server leaves out of questions by default (its preset "en").
var stopwords = strings.Fields("a an and are as at be but by for if in into is it no not of on or such that the their then there these they this to was will with")

// token chooses what to ask for of a text: its longest token, which is the rarest as a rule.
func (s *indexSchema) token(p *indexedProperty, texts []string) (best string) {
	for _, token := range s.askable(p, texts) {
		if len(token) > len(best) {
			best = token
		}
	}
	return best
}

// askable are the tokens of a text that can be asked for: no stopword, and only letters and digits of ASCII, of which every version makes the same.
func (s *indexSchema) askable(p *indexedProperty, texts []string) (tokens []string) {
	for _, text := range texts {
		for _, token := range tokenizers[p.Tokenization](text) {
			plain := strings.IndexFunc(token, func(r rune) bool { return r > unicode.MaxASCII || p.Tokenization != "field" && notAlphanumeric(r) }) < 0
			lower := strings.ToLower(token)
			if plain && token != "" && len(token) < 1000 && !slices.Contains(stopwords, lower) && !slices.Contains(s.inverted.Stopwords.Additions, lower) {
				tokens = append(tokens, token)
			}
		}
	}
	return tokens
}

// questions are all that an object answers of the inverted indexes. Each asks for one of its own values, so it belongs in every answer.
func (s *indexSchema) questions(object *weaviate.Object, template Probe) (out []Probe) {
	template.Limit = foundMost
	values := valuesOf(object)
	for i := range s.properties {
		p := &s.properties[i]
		template.Tokenization = p.Tokenization
		ask := func(property string, operator weaviate.Operator, kind, value string) {
			probe := template
			probe.Where = &weaviate.Condition{Property: property, Operator: operator, Type: kind, Value: value}
			out = append(out, probe)
		}
		v := values.of(p.Name)
		if s.inverted.IndexNullState && p.base != "geoCoordinates" && (!v.list || len(v.all) > 0) {
			ask(p.Name, weaviate.IsNull, "boolean", strconv.FormatBool(len(v.all) == 0))
		}
		if len(v.all) == 0 {
			continue
		}
		equal := weaviate.Equal
		if p.list {
			equal = weaviate.ContainsAny
		}
		switch p.base {
		case "text":
			token := s.token(p, v.texts())
			if token == "" {
				continue
			}
			if p.filterable() {
				ask(p.Name, equal, "text", token)
			}
			if p.searchable() {
				probe := template
				probe.Keyword = &Keyword{p.Name, token}
				out = append(out, probe)
			}
		case "geoCoordinates":
			at := v.all[0].(weaviate.Place)
			ask(p.Name, weaviate.Within, p.base, fmt.Sprintf("%g,%g", at.Latitude, at.Longitude))
			continue
		default:
			value := written(v.all[0])
			ask(p.Name, equal, p.base, value)
			if !p.list && p.base != "boolean" && p.base != "uuid" {
				ask(p.Name, weaviate.GreaterOrEqual, p.base, value)
			}
		}
		if s.inverted.IndexPropertyLength && (p.list || p.base == "text") {
			ask("len("+p.Name+")", weaviate.Equal, "int", strconv.Itoa(v.length()))
		}
	}
	if s.inverted.IndexTimestamps {
		template.Tokenization = ""
		for property, ms := range map[string]int64{created: object.Created, updated: object.Updated} {
			probe := template
			probe.Where = &weaviate.Condition{Property: property, Operator: weaviate.GreaterOrEqual, Type: "date", Value: stamp(ms)}
			out = append(out, probe)
		}
	}
	return out
}

const (
	created = "_creationTimeUnix"
	updated = "_lastUpdateTimeUnix"
)

// scalars are the single values of a property.
type scalars struct {
	all   []any
	list  bool
	split []string // the tokens of its texts, once they were asked for
}

// values are those of an object by property.
type values map[string]*scalars

func valuesOf(o *weaviate.Object) values {
	values := values{}
	for name, v := range weaviate.Fields(o.Properties) {
		values[name] = &scalars{all: slices.Collect(v.Scalars()), list: v.List()}
	}
	return values
}

// of a property that the object does not have are none.
func (v values) of(property string) *scalars {
	if s := v[property]; s != nil {
		return s
	}
	return &scalars{}
}

// tokens are those of all its texts.
func (s *scalars) tokens(tokenization string) []string {
	if s.split == nil {
		s.split = []string{}
		for _, text := range s.texts() {
			s.split = append(s.split, tokenizers[tokenization](text)...)
		}
	}
	return s.split
}

func (s *scalars) texts() (out []string) {
	for _, v := range s.all {
		if text, ok := v.(string); ok {
			out = append(out, text)
		}
	}
	return out
}

// length is what the server takes for the length of a property: the elements of a list, the characters of a text.
func (s *scalars) length() int {
	if s.list {
		return len(s.all)
	}
	return utf8.RuneCountInString(s.texts()[0])
}

// written is a value as a condition has it.
func written(v any) string {
	if f, ok := v.(float64); ok {
		return strconv.FormatFloat(f, 'g', -1, 64)
	}
	return fmt.Sprint(v)
}
