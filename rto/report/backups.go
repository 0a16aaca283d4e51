package report

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/weaviate-drill/weaviate-drill/backup"
	"github.com/weaviate-drill/weaviate-drill/rto"
)

// Backups renders the backups of a bucket as table, markdown or json, like all that follow. JSON is written backup by backup, so that ten thousand are not held twice.
func Backups(w io.Writer, format string, list []backup.Listing, o Options) error {
	if format == "json" {
		return streamJSON(w, list)
	}
	return write(w, format, list, o, backupsDocument)
}

// streamJSON writes what writeJSON would.
func streamJSON[T any](w io.Writer, list []T) error {
	out := bufio.NewWriter(w)
	before := "[\n  "
	for i := range list {
		raw, err := json.MarshalIndent(list[i], "  ", "  ")
		if err != nil {
			return err
		}
		_, _ = out.WriteString(before) // Flush tells of it
		_, _ = out.Write(raw)
		before = ",\n  "
	}
	if len(list) == 0 {
		_, _ = out.WriteString("[]\n")
	} else {
		_, _ = out.WriteString("\n]\n")
	}
	return out.Flush()
}

func backupsDocument(list []backup.Listing) document {
	s := section{title: "Backups, the oldest first"}
	if len(list) == 0 {
		s.lines = []string{"There is none."}
	}
	surveyed := slices.ContainsFunc(list, func(b backup.Listing) bool { return b.Restorable != "" })
	s.table.columns = []column{{name: "id", whole: true}, {name: "status"}, {name: "captured, UTC"}}
	if surveyed {
		s.table.columns = append(s.table.columns, column{name: "age", right: true})
	}
	s.table.columns = append(s.table.columns, column{name: "base"}, column{name: "collections", right: true}, column{name: "size", right: true})
	if surveyed {
		s.table.columns = append(s.table.columns, column{name: "stored", right: true}, column{name: "complete"}, column{name: "restorable"})
	}
	s.table.columns = append(s.table.columns, column{name: "compression"}, column{name: "server"})
	if surveyed {
		s.table.columns = append(s.table.columns, column{name: "encryption"}, column{name: "lock"})
	}
	for _, b := range list {
		row := backupRow(b, surveyed)
		s.table.rows = append(s.table.rows, append(row, make([]cell, len(s.table.columns)-len(row))...))
	}
	s.lines = append(s.lines, s.table.fold("compression", "server", "encryption", "lock")...)
	notes := backupNotes(list)
	s.more = append(notes[:min(few, len(notes))], cutLine(len(notes), few)...)
	if surveyed {
		s.more = append(s.more, fleetLines(list)...)
	}
	return document{s}
}

// backupRow is as long as what is known of the backup.
func backupRow(b backup.Listing, surveyed bool) []cell {
	if b.Unreadable != "" {
		row := []cell{code(b.ID), toned("unreadable", bad)}
		if surveyed {
			row = append(row, cell{}, cell{}, cell{}, cell{}, cell{}, text(Bytes(b.StoredBytes)), cell{}, outlook(b))
		}
		return row
	}
	row := []cell{code(b.ID), toned(b.Status, backupTone(b))}
	captured := "not known"
	if !b.StartedAt.IsZero() {
		captured = b.StartedAt.UTC().Format("2006-01-02 15:04")
	}
	row = append(row, text(captured))
	if surveyed {
		row = append(row, text(rto.Human(time.Duration(b.AgeSeconds)*time.Second)))
	}
	row = append(row, code(b.Base), text(count(len(b.Collections))), text(Bytes(b.Bytes)))
	if surveyed {
		row = append(row, text(Bytes(b.StoredBytes)), completeness(b), outlook(b))
	}
	row = append(row, text(b.Compression), text(cmp.Or(b.ServerVersion, "not known")))
	if surveyed {
		algorithm, _, _ := strings.Cut(b.Encryption, " ") // the key is in the JSON, and in "backup show"
		row = append(row, text(algorithm), lock(b))
	}
	return row
}

func backupTone(b backup.Listing) tone {
	switch b.Status {
	case "SUCCESS":
		return good
	case "FAILED", "CANCELED":
		return bad
	}
	return warn
}

// fold takes out the columns of these names that say the same in each of several rows, and says it once. A row of a backup that cannot be read says nothing.
func (t *table) fold(names ...string) (lines []string) {
	var same []string
	for _, name := range names {
		i := slices.IndexFunc(t.columns, func(c column) bool { return c.name == name })
		if i < 0 {
			continue
		}
		values := map[string]int{}
		for _, row := range t.rows {
			if row[i].text != "" {
				values[row[i].text]++
			}
		}
		if len(values) != 1 {
			continue
		}
		for value, rows := range values {
			if rows > 1 {
				same = append(same, name+" "+value)
				t.columns = slices.Delete(t.columns, i, i+1)
				for r := range t.rows {
					t.rows[r] = slices.Delete(t.rows[r], i, i+1)
				}
			}
		}
	}
	if len(same) > 0 {
		lines = []string{"The same for all that can be read: " + strings.Join(same, ", ") + "."}
	}
	return lines
}

// backupNotes say what is wrong with each backup, or not known of it.
func backupNotes(list []backup.Listing) (notes []string) {
	for _, b := range list {
		switch {
		case b.Unreadable != "":
			notes = append(notes, "Unreadable: "+b.Unreadable+".")
		case b.Error != "":
			notes = append(notes, fmt.Sprintf("%s: %s.", b.ID, b.Error))
		case b.Restorable == backup.NotRestorable || b.Restorable == backup.RestorableUnknown:
			notes = append(notes, fmt.Sprintf("%s: restorable: %s: %s.", b.ID, b.Restorable, b.RestorableWhy))
		}
	}
	return notes
}

// fleetLines are about all backups: which the lifecycle takes first, and what lies in uploads that were never completed.
func fleetLines(list []backup.Listing) (lines []string) {
	var first *backup.Listing
	ending, uploads, of, unknown := 0, 0, 0, ""
	var bytes int64
	for i := range list {
		b := &list[i]
		if b.Restorable == backup.RestorableUntil {
			ending++
			if first == nil || b.RestorableUntil.Before(first.RestorableUntil) {
				first = b
			}
		}
		if u := b.Uploads; u != nil {
			if unknown = cmp.Or(unknown, u.Unknown); u.Count > 0 {
				uploads, bytes, of = uploads+u.Count, bytes+u.Bytes, of+1
			}
		}
	}
	if first != nil {
		lines = append(lines, fmt.Sprintf("The lifecycle takes away or freezes something of %s. The first is %s: %s.", number(ending, "backup"), first.ID, first.RestorableWhy))
	}
	if uploads > 0 {
		lines = append(lines, fmt.Sprintf("%s never completed, of %s: their parts, %s, show in no listing of objects and are paid for.", number(uploads, "upload"), number(of, "backup"), Bytes(bytes)))
	}
	if unknown != "" {
		lines = append(lines, "Uploads that were never completed are not known: "+unknown+".")
	}
	return lines
}

// backupDocument tells all that is known of one backup; chain are its id and those of its bases.
func backupDocument(b backup.Listing, chain []string) document {
	s := section{title: "Backup " + b.ID, table: table{columns: []column{{whole: true}, {}}}}
	row := func(name string, c cell) { s.table.rows = append(s.table.rows, []cell{text(name), c}) }
	row("status", toned(b.Status, backupTone(b)))
	if b.Error != "" {
		row("error", toned(b.Error, bad))
	}
	row("captured", text(fmt.Sprintf("%s, %s ago", at(b.StartedAt), rto.Human(time.Duration(b.AgeSeconds)*time.Second))))
	row("completed", text(at(b.CompletedAt)))
	switch {
	case len(chain) > 1:
		row("builds on", text(strings.Join(chain[1:], ", then ")))
	case b.Base != "": // and it could not be read
		row("builds on", toned(b.Base, bad))
	default:
		row("builds on", text("no other backup"))
	}
	row("server", text(cmp.Or(b.ServerVersion, "not known")))
	row("nodes", text(strings.Join(b.Nodes, ", ")))
	row("size", text(fmt.Sprintf("%s before compression (%s); %s in %s of its own", Bytes(b.Bytes), b.Compression, Bytes(b.StoredBytes), number(b.Objects, "object"))))
	row("complete", completeness(b))
	row("encryption", text(b.Encryption))
	row("lock", lock(b))
	row("restorable", outlook(b))
	row("because", text(b.RestorableWhy))
	if !b.OwnUntil.IsZero() && !b.OwnUntil.Equal(b.RestorableUntil) {
		row("without its bases", text("until "+b.OwnUntil.UTC().Format(time.DateOnly)))
	}
	if u := b.Uploads; u != nil {
		open := "none"
		if u.Count > 0 {
			open = fmt.Sprintf("%s, %s, the oldest of %s", count(u.Count), Bytes(u.Bytes), at(u.Oldest))
		}
		if u.Unknown != "" {
			open = strings.TrimPrefix(open+", ", "none, ") + "not known: " + u.Unknown
		}
		row("uploads never completed", text(open))
	}
	return document{s}
}

func completeness(b backup.Listing) cell {
	if b.Completeness == backup.Incomplete {
		return toned(string(b.Completeness), bad)
	}
	return text(string(b.Completeness))
}

func lock(b backup.Listing) cell {
	if b.LockedUntil.IsZero() {
		return text(cmp.Or(b.Lock, "none seen"))
	}
	return text(b.Lock + " until " + b.LockedUntil.UTC().Format(time.DateOnly))
}

// outlook says how long a backup can be restored from.
func outlook(b backup.Listing) cell {
	switch b.Restorable {
	case backup.RestorableAlways:
		return toned(string(b.Restorable), good)
	case backup.RestorableUntil:
		return text("until " + b.RestorableUntil.UTC().Format(time.DateOnly))
	case backup.NotRestorable:
		return toned(string(b.Restorable), bad)
	}
	return toned(string(b.Restorable), warn)
}
