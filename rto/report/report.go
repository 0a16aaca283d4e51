// Package report shows what drills found to people and to machines, and nothing else than what their records hold.
package report

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/weaviate-drill/weaviate-drill/backup"
	"github.com/weaviate-drill/weaviate-drill/rto/evidence"
	"github.com/weaviate-drill/weaviate-drill/verify"
)

// Options are those of the format table.
type Options struct {
	Color bool
	Width int // columns of the terminal; 0: 100
}

// format is one in which records are written.
type format struct {
	name  string
	write func(io.Writer, *evidence.Record, Options) error
}

// formats are those of a whole record. A new one is one line here.
var formats = []format{
	{"table", func(w io.Writer, r *evidence.Record, o Options) error { return writeTerminal(w, recordDocument(r), o) }},
	{"markdown", func(w io.Writer, r *evidence.Record, _ Options) error { return writeMarkdown(w, recordDocument(r)) }},
	{"html", func(w io.Writer, r *evidence.Record, _ Options) error { return writeHTML(w, r) }},
	{"json", func(w io.Writer, r *evidence.Record, _ Options) error { return writeJSON(w, r) }},
	{"junit", func(w io.Writer, r *evidence.Record, _ Options) error { return writeJUnit(w, r) }},
	{"sarif", func(w io.Writer, r *evidence.Record, _ Options) error { return writeSARIF(w, r) }},
	{"ocsf", func(w io.Writer, r *evidence.Record, _ Options) error { return writeOCSF(w, r) }},
}

// Formats are the names that Write knows. Those of security tools, sarif and ocsf, hold what was found about the bucket and the sandbox, and nothing else of a drill.
func Formats() []string { return names(formats) }

func names(list []format) []string {
	names := make([]string, len(list))
	for i, f := range list {
		names[i] = f.name
	}
	return names
}

func unknownFormat(format string, known ...string) error {
	return fmt.Errorf("report: format %q is not known: %s", format, strings.Join(known, ", "))
}

// Write renders a record in one of Formats.
func Write(w io.Writer, format string, r *evidence.Record, o Options) error {
	return writeAs(formats, w, format, r, o)
}

func writeAs(list []format, w io.Writer, format string, r *evidence.Record, o Options) error {
	known := names(list)
	i := slices.Index(known, format)
	if i < 0 {
		return unknownFormat(format, known...)
	}
	if format != "json" {
		var err error
		if r, err = printable(r); err != nil {
			return fmt.Errorf("report: %w", err)
		}
	}
	return list[i].write(w, r, o)
}

// checked is the JSON of Check.
type checked struct {
	Backup    backup.Listing         `json:"backup"`
	Catalogue backup.CatalogueResult `json:"catalogue"`
	Archive   *backup.ArchiveResult  `json:"archive,omitempty"` // nil: not checked
}

// Check renders a backup and its checks in S3; archive is nil when it was not read.
func Check(w io.Writer, format string, listing backup.Listing, catalogue backup.CatalogueResult, archive *backup.ArchiveResult, o Options) error {
	return write(w, format, checked{listing, catalogue, archive}, o, func(c checked) document {
		s := backupCheckSection(&c.Catalogue, c.Archive, everything)
		if len(c.Catalogue.Collections) > 0 {
			s.lines = append([]string{collectionNames(c.Catalogue.Collections)}, s.lines...)
		}
		return append(backupDocument(c.Backup, c.Catalogue.Backups), s)
	})
}

// withChecks is the JSON of Comparison.
type withChecks struct {
	*verify.Result
	Checks []verify.CheckResult `json:"checks,omitempty"`
}

// Comparison renders a comparison of two Weaviates, and the user's own checks of the restored one.
func Comparison(w io.Writer, format string, r *verify.Result, checks []verify.CheckResult, o Options) error {
	return write(w, format, withChecks{r, checks}, o, func(c withChecks) document {
		return append(comparisonDocument(c.Result), customSection(c.Checks))
	})
}

// History renders the drills of a store, in the order given.
func History(w io.Writer, format string, entries []evidence.Entry, o Options) error {
	return write(w, format, entries, o, historyDocument)
}

// write is for what is no whole record.
func write[T any](w io.Writer, format string, v T, o Options, build func(T) document) error {
	if format == "json" {
		return writeJSON(w, v)
	}
	if format != "table" && format != "markdown" {
		return unknownFormat(format, "table", "markdown", "json")
	}
	v, err := printable(v)
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	if format == "table" {
		return writeTerminal(w, build(v), o)
	}
	return writeMarkdown(w, build(v))
}

func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
