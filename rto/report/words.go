package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/weaviate-drill/weaviate-drill/rto"
)

// Bytes prints a size for people, in binary units.
func Bytes(n int64) string {
	if n < 1024 {
		return fmt.Sprintf("%d B", n)
	}
	size := float64(n) / 1024
	units := []string{"KiB", "MiB", "GiB", "TiB", "PiB"}
	for len(units) > 1 && size >= 1023.95 {
		size, units = size/1024, units[1:]
	}
	return fmt.Sprintf("%.1f %s", size, units[0])
}

// count prints a number with separated thousands.
func count[N int | int64](n N) string {
	digits := fmt.Sprint(n)
	for at := len(digits) - 3; at > 0 && digits[at-1] != '-'; at -= 3 {
		digits = digits[:at] + "," + digits[at:]
	}
	return digits
}

// number is a count with its noun, in the plural where that is due.
func number[N int | int64](n N, noun string) string {
	if n != 1 {
		if stem, ok := strings.CutSuffix(noun, "y"); ok {
			noun = stem + "ie"
		}
		noun += "s"
	}
	return count(n) + " " + noun
}

func at(t time.Time) string {
	if t.IsZero() {
		return "not known"
	}
	return t.UTC().Format("2006-01-02 15:04:05") + " UTC"
}

// day is a date as it is written: shifting it to another time zone could make it another day.
func day(t time.Time) string {
	if t.IsZero() {
		return "not known"
	}
	return t.Format(time.DateOnly)
}

// duration is rto.Human of what is known.
func duration(m rto.Measured) string {
	if !m.Known {
		return "not known"
	}
	return rto.Human(m.Duration)
}

func join(parts ...string) string {
	var kept []string
	for _, p := range parts {
		if p != "" {
			kept = append(kept, p)
		}
	}
	return strings.Join(kept, ", ")
}

// printable copies v with every string in it made fit to be shown. Records hold what servers and objects said: it must not move a cursor, forge a line or turn text round.
func printable[T any](v T) (out T, err error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return out, err
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	var tree any
	if err := decoder.Decode(&tree); err != nil {
		return out, err
	}
	if raw, err = json.Marshal(scrub(tree)); err != nil {
		return out, err
	}
	return out, json.Unmarshal(raw, &out)
}

func scrub(tree any) any {
	switch t := tree.(type) {
	case string:
		return strings.Map(visible, t)
	case []any:
		for i := range t {
			t[i] = scrub(t[i])
		}
	case map[string]any:
		for k := range t {
			t[k] = scrub(t[k])
		}
	}
	return tree
}

// visible replaces what ends a line by a space, and other controls by U+FFFD, so that it shows that something was there.
func visible(r rune) rune {
	switch {
	case r == '\n' || r == '\r' || r == '\t' || r == '\u2028' || r == '\u2029':
		return ' '
	case unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r):
		return unicode.ReplacementChar
	}
	return r
}
