package report

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode"

	"github.com/weaviate-drill/weaviate-drill/rto/evidence"
	"github.com/weaviate-drill/weaviate-drill/verify"
)

// FuzzWrite: whatever a server or an object says, no report moves a cursor, forges a line or an element, or turns text round; the JSON alone keeps it as it was.
func FuzzWrite(f *testing.F) {
	f.Add("title: source \"a\", restored \"b\"")
	f.Add("\x1b[2J\x1b[1;1Hpassed\r\n\u202Egnp.exe\u0000\u2028")
	f.Add("<script>alert(1)</script> | `code` | ]]> &amp; \xff")
	f.Fuzz(func(t *testing.T, said string) {
		r := drill(false)
		r.Notes, r.Source.URL = []string{said}, said
		r.Verification.Differences = append(r.Verification.Differences, verify.Difference{Collection: said, ID: said, Verdict: verify.Corrupt, Rule: said, Detail: said, Fields: []string{said}})
		r.Verification.Unknown = []string{said}
		for _, format := range Formats() {
			if format == "json" {
				continue
			}
			var out strings.Builder
			if err := Write(&out, format, r, Options{}); err != nil {
				t.Fatalf("%s: %v", format, err)
			}
			for _, c := range out.String() {
				if c != '\n' && (unicode.IsControl(c) || unicode.Is(unicode.Bidi_Control, c)) {
					t.Fatalf("%s holds %q", format, c)
				}
			}
			if strings.Contains(out.String(), "<script>alert") && (format == "html" || format == "junit") {
				t.Fatalf("%s holds an element of the server's", format)
			}
		}
		raw, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := evidence.Parse(raw); err != nil || again.Notes[0] != string([]rune(said)) {
			t.Fatalf("%v: the record says %q", err, again.Notes)
		}
	})
}
