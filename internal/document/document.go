// Package document reads a YAML document strictly: it is held against a JSON Schema, and every problem is told with its line and the full path of its key. Values are never repeated, since any may be a secret
// that was put in the wrong place.
package document

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// The parser's time grows with the square of the depth, so both are bounded; neither is ever needed.
const (
	maxSize  = 1 << 18 // bytes
	maxDepth = 32      // of brackets, and of lists begun on one line
)

// Problem is something that is wrong with a document.
type Problem struct {
	Line int    // from 1
	Path string // such as verify.level or policy.waivers[0].owner; empty: the document itself
	Text string // one line
}

// Document is one that was read.
type Document struct {
	problems []Problem
	schema   *jsonschema.Schema
	body     ast.Node
	lines    map[string]int  // by path
	unread   map[string]bool // paths whose value could not be read, about which nothing more is said
}

// Read reads raw and holds it against the schema, of which it knows the keywords that make objects, lists and scalars, not those that combine schemas.
func Read(raw []byte, schema *jsonschema.Schema) *Document {
	d := &Document{schema: schema, lines: map[string]int{"": 1}, unread: map[string]bool{}}
	if d.parse(raw) {
		tree := d.value(d.body, "")
		var invalid *jsonschema.ValidationError
		if errors.As(schema.Validate(tree), &invalid) {
			d.explain(invalid)
		}
	}
	return d
}

// Problems are those found so far, by line.
func (d *Document) Problems() []Problem {
	slices.SortFunc(d.problems, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Path, b.Path), cmp.Compare(a.Text, b.Text))
	})
	return d.problems
}

// Fault adds a problem of the key at path, which need not be there.
func (d *Document) Fault(path, format string, args ...any) {
	at := path
	for d.lines[at] == 0 {
		at = at[:max(0, strings.LastIndexAny(at, ".["))]
	}
	d.problems = append(d.problems, Problem{d.lines[at], path, fmt.Sprintf(format, args...)})
}

// Decode fills into, whose fields have yaml tags; what the document does not have is left as it is. It is for documents without problems.
func (d *Document) Decode(into any) error {
	if err := yaml.NodeToValue(d.body, into); err != nil {
		return errors.New("the values do not fit") // err would show them
	}
	return nil
}

// parse sets the body, or tells why there is none.
func (d *Document) parse(raw []byte) bool {
	fault := func(line int, format string, args ...any) bool {
		d.problems = append(d.problems, Problem{Line: max(line, 1), Text: fmt.Sprintf(format, args...)})
		return false
	}
	raw = bytes.TrimPrefix(raw, []byte("\ufeff")) // of Windows editors
	if len(raw) > maxSize {
		return fault(1, "larger than %d KiB", maxSize>>10)
	}
	for at := 0; at < len(raw); {
		r, n := utf8.DecodeRune(raw[at:])
		if r == utf8.RuneError && n == 1 {
			return fault(1+bytes.Count(raw[:at], []byte("\n")), "not UTF-8: save the file as UTF-8")
		}
		if unicode.IsControl(r) && !strings.ContainsRune("\t\r\n", r) {
			return fault(1+bytes.Count(raw[:at], []byte("\n")), "control character %U", r)
		}
		at += n
	}
	tokens := lexer.Tokenize(string(raw))
	if line := tooDeep(tokens); line > 0 {
		return fault(line, "nested too deeply")
	}
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		var syntax *yaml.SyntaxError
		if !errors.As(err, &syntax) || strings.Contains(syntax.Message, `"`) { // quoted is what stands in the file
			return fault(1, "not YAML")
		}
		return fault(syntax.Token.Position.Line, "not YAML: %s", syntax.Message)
	}
	if len(file.Docs) > 1 {
		line := 1
		if start := file.Docs[1].Start; start != nil {
			line = start.Position.Line
		}
		return fault(line, "a second YAML document, or a directive: one document is read")
	}
	if len(file.Docs) == 0 || file.Docs[0].Body == nil {
		return fault(1, "empty")
	}
	d.body = file.Docs[0].Body
	return true
}

// tooDeep is the line on which the nesting passes the bound, or 0.
func tooDeep(tokens token.Tokens) int {
	var brackets, dashes, line int
	for _, t := range tokens {
		switch t.Type {
		case token.SequenceStartType, token.MappingStartType:
			brackets++
		case token.SequenceEndType, token.MappingEndType:
			brackets--
		case token.SequenceEntryType:
			if t.Position.Line != line {
				dashes, line = 0, t.Position.Line
			}
			dashes++
		}
		if brackets > maxDepth || dashes > maxDepth {
			return t.Position.Line
		}
	}
	return 0
}

// value turns a node into what a JSON parser would give, and remembers the lines.
func (d *Document) value(n ast.Node, path string) any {
	switch n := n.(type) {
	case *ast.MappingNode:
		object := map[string]any{}
		for _, entry := range n.Values {
			d.entry(object, entry, path)
		}
		return object
	case *ast.SequenceNode:
		list := make([]any, len(n.Values))
		for i, element := range n.Values {
			at := index(path, i)
			d.lines[at] = element.GetToken().Position.Line
			list[i] = d.value(element, at)
		}
		return list
	case *ast.StringNode:
		return n.Value
	case *ast.LiteralNode:
		return n.Value.Value
	case *ast.IntegerNode:
		return n.Value
	case *ast.FloatNode:
		return n.Value
	case *ast.BoolNode:
		return n.Value
	case *ast.NullNode:
		return nil
	}
	d.unread[path] = true
	d.Fault(path, "anchors, aliases, tags, .inf and .nan are not supported: write the value itself")
	return nil
}

func (d *Document) entry(object map[string]any, entry *ast.MappingValueNode, path string) {
	key, ok := entry.Key.(*ast.StringNode)
	if !ok {
		line := entry.Key.GetToken().Position.Line
		d.problems = append(d.problems, Problem{line, path, "a key that is no plain text (merge keys are not supported)"})
		return
	}
	at, line := member(path, key.Value), key.Token.Position.Line
	if _, ok := object[key.Value]; ok {
		d.problems = append(d.problems, Problem{line, at, fmt.Sprintf("is there already, on line %d", d.lines[at])})
		return
	}
	d.lines[at] = line
	object[key.Value] = d.value(entry.Value, at)
}

func index(path string, i int) string { return fmt.Sprintf("%s[%d]", path, i) }

var plainKey = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,64}$`)

// member extends a path. A key that is no word may be a mistyped value, and is not shown.
func member(path, key string) string {
	if !plainKey.MatchString(key) {
		key = "(no plain key)"
	}
	if path == "" {
		return key
	}
	return path + "." + key
}
