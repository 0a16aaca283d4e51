package report

import (
	"fmt"
	"strings"

	"github.com/weaviate-drill/weaviate-drill/backup/sandbox"
	"github.com/weaviate-drill/weaviate-drill/rto/evidence"
)

// fidelityLine says what the recovery was measured on; "" where nobody looked.
func fidelityLine(s evidence.Sandbox) string {
	if s.Fidelity == nil {
		return ""
	}
	var differs, unknown []string
	for _, d := range s.Fidelity {
		switch {
		case d.Source == "" && d.Sandbox == "":
			unknown = append(unknown, d.What)
		default:
			differs = append(differs, fmt.Sprintf("%s: %s (source: %s)", d.What, known(d.Sandbox), known(d.Source)))
		}
	}
	line := "Measured on a sandbox of kind " + s.Kind
	switch {
	case len(differs) > 0:
		line += ", which may be faster or slower than the source, because of: " + strings.Join(differs, "; ") + "."
	case len(unknown) > 0:
		line += ", which has what is known of the source as the source has it."
	default:
		line += ", which has all that was looked at as the source has it."
	}
	if len(unknown) > 0 {
		line += " Not known of either: " + strings.Join(unknown, ", ") + "."
	}
	return line
}

// fidelityTable is the same as a table.
func fidelityTable(list []sandbox.Difference) table {
	t := table{columns: []column{{name: "what"}, {name: "the sandbox has"}, {name: "the source has"}}}
	for _, d := range list {
		t.rows = append(t.rows, []cell{text(d.What), text(known(d.Sandbox)), text(known(d.Source))})
	}
	return t
}

func known(value string) string {
	if value == "" {
		return "not known"
	}
	return value
}
