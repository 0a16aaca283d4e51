package report

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/olekukonko/tablewriter/pkg/twwidth"

	"github.com/weaviate-drill/weaviate-drill/backup"
	"github.com/weaviate-drill/weaviate-drill/backup/bucket"
	"github.com/weaviate-drill/weaviate-drill/rto"
	"github.com/weaviate-drill/weaviate-drill/rto/evidence"
	"github.com/weaviate-drill/weaviate-drill/verify"
)

var update = flag.Bool("update", false, "write the golden files anew")

func render(t *testing.T, format string, r *evidence.Record, o Options) string {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, format, r, o); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; run the test with -update and look at the change\n%s", file, got)
	}
}

func TestGolden(t *testing.T) {
	for _, kind := range []struct {
		name   string
		passed bool
	}{{"passed", true}, {"failed", false}} {
		for ext, format := range map[string]string{"txt": "table", "md": "markdown", "html": "html", "xml": "junit"} {
			golden(t, kind.name+"."+ext, render(t, format, drill(kind.passed), Options{}))
		}
	}
	golden(t, "failed-color.txt", render(t, "table", drill(false), Options{Color: true, Width: 80}))
}

func TestListsGolden(t *testing.T) {
	failed := drill(false)
	listings := []backup.Listing{
		{ID: "half", Unreadable: "backup half: no such backup: there is no s3://backups/prod/half/backup_config.json", Err: backup.ErrNoSuchBackup},
		{ID: "nightly-1", Status: "SUCCESS", StartedAt: began.Add(-24 * time.Hour), Bytes: 14_680_064, Compression: "gzip", ServerVersion: "1.38.5", Collections: []string{"Article"}},
		{ID: "nightly-2", Status: "FAILED", Error: "node weaviate-1 is down", StartedAt: began, Base: "nightly-1", Compression: "gzip", ServerVersion: "1.38.5"},
	}
	surveyed := []backup.Listing{
		{ID: "half", Unreadable: "backup half: no such backup", Err: backup.ErrNoSuchBackup, Objects: 3, StoredBytes: 100, Restorable: backup.NotRestorable, RestorableWhy: "its backup_config.json is not there, or is not one"},
		{ID: "full", Status: "SUCCESS", StartedAt: began, Bytes: 14_680_064, Compression: "gzip", ServerVersion: "1.38.5", Collections: []string{"Article"}, Objects: 12, StoredBytes: 9_000_000, AgeSeconds: 90_000,
			Completeness: backup.NoGap, Encryption: "aws:kms arn:aws:kms:us-east-1:123456789012:key/1", Lock: "COMPLIANCE", LockedUntil: began.AddDate(0, 1, 0), Restorable: backup.RestorableAlways, RestorableWhy: "no rule"},
		{ID: "inc", Status: "SUCCESS", StartedAt: began, Base: "full", Compression: "gzip", ServerVersion: "1.38.5", AgeSeconds: 60, Completeness: backup.Whole, Encryption: "none",
			Restorable: backup.RestorableUntil, RestorableUntil: began.AddDate(0, 0, 9), OwnUntil: began.AddDate(0, 0, 20), RestorableWhy: `full/a/C/chunk-1 expires on 2026-12-03 by rule "old"`},
		{ID: "cut", Status: "SUCCESS", StartedAt: began, Compression: "gzip", ServerVersion: "1.38.5", Completeness: backup.Incomplete, Missing: []string{"a/backup.json is not there"}, Restorable: backup.NotRestorable, RestorableWhy: "it is incomplete: a/backup.json is not there"},
		{ID: "denied", Status: "SUCCESS", StartedAt: began, Compression: "gzip", ServerVersion: "1.38.5", Completeness: backup.NoGap, Restorable: backup.RestorableUnknown, RestorableWhy: "the lifecycle is not known",
			Uploads: &bucket.Uploads{Count: 3, Bytes: 50_000_000, Oldest: began}},
	}
	entries := []evidence.Entry{
		{ID: "notes", Unreadable: `evidence: notes.json: not a drill record of a known form: schema "", known is "weaviate-drill/record/v1"`, Err: errors.New("x")},
		{ID: failed.ID, Began: failed.Began, Ended: failed.Ended, Status: failed.Status, Backup: failed.Backup.ID, Level: "full", Verdicts: failed.Verification.Verdicts, RTO: failed.Assessment.Recovered, RPO: failed.Assessment.RPO},
		{ID: "drill-2", Began: began.Add(time.Hour), Status: evidence.NotCarriedOut},
	}
	for name, write := range map[string]func(io.Writer, string) error{
		"findings": func(w io.Writer, f string) error { return Audit(w, f, failed, Options{}) },
		"checks":   func(w io.Writer, f string) error { return Checks(w, f, someChecks, Options{Width: 120}) },
		"explain":  func(w io.Writer, f string) error { return Explain(w, f, someChecks[0], Options{}) },
		"backups":  func(w io.Writer, f string) error { return Backups(w, f, listings, Options{Width: 120}) },
		"survey":   func(w io.Writer, f string) error { return Backups(w, f, surveyed, Options{Width: 160}) },
		"check": func(w io.Writer, f string) error {
			return Check(w, f, surveyed[2], *failed.Catalogue, failed.Archive, Options{})
		},
		"comparison": func(w io.Writer, f string) error {
			return Comparison(w, f, failed.Verification, failed.Checks, Options{})
		},
		"history": func(w io.Writer, f string) error { return History(w, f, entries, Options{Width: 120}) },
	} {
		for ext, format := range map[string]string{"txt": "table", "md": "markdown", "json": "json"} {
			var b bytes.Buffer
			if err := write(&b, format); err != nil {
				t.Fatal(err)
			}
			golden(t, name+"."+ext, b.String())
		}
		if err := write(io.Discard, "html"); err == nil || !strings.Contains(err.Error(), "not known: table, markdown, json") {
			t.Errorf("%s as html: %v", name, err)
		}
	}
	var empty bytes.Buffer
	for _, write := range []func() error{
		func() error { return Audit(&empty, "table", &evidence.Record{}, Options{}) }, func() error { return Backups(&empty, "table", nil, Options{}) },
		func() error { return History(&empty, "table", nil, Options{}) }, func() error { return Comparison(&empty, "table", nil, nil, Options{}) },
		func() error {
			return Check(&empty, "table", backup.Listing{}, backup.CatalogueResult{}, nil, Options{})
		},
	} {
		if err := write(); err != nil {
			t.Error(err)
		}
	}
	for _, want := range []string{"not audited", "There is none", "There is no record", "Nothing was compared", "the chunks were not read"} {
		if !strings.Contains(empty.String(), want) {
			t.Errorf("empty lists do not say %q:\n%s", want, empty.String())
		}
	}
}

func TestUnknownFormat(t *testing.T) {
	err := Write(io.Discard, "pdf", drill(true), Options{})
	if err == nil || err.Error() != `report: format "pdf" is not known: table, markdown, html, json, junit, sarif, ocsf` {
		t.Error(err)
	}
}

// The JSON of a record is the record.
func TestJSON(t *testing.T) {
	want := drill(false)
	got, err := evidence.Parse([]byte(render(t, "json", want, Options{})))
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v\n%+v", err, got)
	}
}

// Summaries cut long lists and say so; the page shows every difference.
func TestLongLists(t *testing.T) {
	r := drill(false)
	v := r.Verification
	for len(v.Differences) < 25 {
		v.Differences = append(v.Differences, v.Differences[0])
	}
	v.Verdicts.Corrupt = 2000
	for _, format := range []string{"table", "markdown"} {
		got := render(t, format, r, Options{Width: 300})
		if n := strings.Count(got, "both sides hold the same write"); n != 18 { // of 20, 3 are drift; and one in the list of reasons
			t.Errorf("%s shows %d", format, n)
		}
		for _, want := range []string{"... and 5 more: the output json lists them all", "Kept are the first 25 of 2,003"} {
			if !strings.Contains(got, want) {
				t.Errorf("%s does not say %q:\n%s", format, want, got)
			}
		}
	}
	if n := strings.Count(render(t, "html", r, Options{}), "both sides hold the same write"); n != 23 {
		t.Errorf("the page shows %d", n)
	}
}

// A record of a drill that got nowhere claims nothing.
func TestNothingIsNotAPass(t *testing.T) {
	r := &evidence.Record{Schema: evidence.Schema, ID: "drill-1", Began: began}
	r.Fail(evidence.NotCarriedOut, rto.Preflight, "the source cannot be reached")
	for _, format := range []string{"table", "markdown", "html"} {
		got := render(t, format, r, Options{})
		for _, want := range []string{
			"NOT CARRIED OUT", "the source cannot be reached", "not audited", "Nothing was compared", "Catalogue: not checked", "Archive: not checked", "Not measured", "None was begun", "not ended",
		} {
			if !strings.Contains(got, want) {
				t.Errorf("%s does not say %q:\n%s", format, want, got)
			}
		}
		if strings.Contains(got, "PASSED") || strings.Contains(got, "No problem") {
			t.Errorf("%s claims a pass:\n%s", format, got)
		}
	}
}

func TestWidth(t *testing.T) {
	for _, passed := range []bool{true, false} {
		for _, width := range []int{80, 100, 160} {
			for i, line := range strings.Split(render(t, "table", drill(passed), Options{Width: width}), "\n") {
				if twwidth.Width(line) > width {
					t.Errorf("width %d, line %d has %d: %s", width, i+1, twwidth.Width(line), line)
				}
			}
		}
	}
	if lines := strings.Count(render(t, "table", drill(true), Options{}), "\n"); lines > 124 {
		t.Errorf("a drill that passed takes %d lines, more than a screen and a half", lines)
	}
}

func TestWrap(t *testing.T) {
	for _, test := range []struct {
		text  string
		width int
		want  []string
	}{
		{"as it is", 10, []string{"as it is"}},
		{"one two three", 7, []string{"one two", "three"}},
		{"abcdefghij", 4, []string{"abcd", "efgh", "ij"}},
		{"ab cdefgh", 4, []string{"ab", "cdef", "gh"}},
		{"漢字漢字", 4, []string{"漢字", "漢字"}},
		{"", 4, []string{""}},
	} {
		if got := wrap(test.text, test.width); !slices.Equal(got, test.want) {
			t.Errorf("%q at %d: %q, want %q", test.text, test.width, got, test.want)
		}
	}
}

const hostile = "\x1b[2J\x1b]0;owned\x07\u009b31m<script>alert(1)</script><img src=x onerror=alert(1)> |`x`| [click](javascript:alert(1)) @everyone \u202egnp.exe\r\nPASSED \x00\uFFFE\xff]]>"

// hostileRecord has the same words wherever a server or an object has a say.
func hostileRecord() *evidence.Record {
	r := drill(false)
	r.Source.URL, r.Source.Version, r.Tool.Commit = hostile, hostile, hostile
	r.Reasons[0].Message, r.Restore.Error, r.Restore.Cause = hostile, hostile, hostile
	r.Timeline[6].Error = hostile
	for i := range r.Posture {
		f := &r.Posture[i]
		f.Title, f.Detail, f.Remediation, f.Reference = hostile, hostile, hostile, "javascript:alert(1)"
		f.Evidence[0] = bucket.Call{Request: hostile, Answer: hostile}
	}
	r.Catalogue.Problems[0].Key, r.Catalogue.Problems[0].Detail = hostile, hostile
	v := r.Verification
	v.Collections[0].Name, v.Unknown, v.Notes = hostile, []string{hostile}, []string{hostile}
	v.Structure[0].Where, v.Structure[0].Source = hostile, hostile
	d := &v.Differences[0]
	d.Collection, d.Tenant, d.ID, d.Detail, d.Fields = hostile, hostile, hostile, hostile, []string{hostile}
	r.Notes, r.Logs = []string{hostile}, []string{hostile}
	return r
}

func TestHostileStrings(t *testing.T) {
	for _, color := range []bool{false, true} {
		got := render(t, "table", hostileRecord(), Options{Color: color})
		ours := regexp.MustCompile(`\x1b\[[0-9]+m`)
		for i, line := range strings.Split(got, "\n") {
			if color {
				if n := len(ours.FindAllString(line, -1)); n > 0 && !strings.HasSuffix(strings.TrimRight(line, " "), reset) && strings.LastIndex(line, reset) < strings.LastIndex(line, "\x1b[3") {
					t.Errorf("line %d ends in a colour: %q", i+1, line)
				}
				line = ours.ReplaceAllString(line, "")
			}
			if at := strings.IndexFunc(line, func(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) }); at >= 0 {
				t.Errorf("line %d has a control character: %q", i+1, line)
			}
			if strings.HasPrefix(line, "PASSED") {
				t.Errorf("line %d is forged: %q", i+1, line)
			}
		}
	}
	page := render(t, "html", hostileRecord(), Options{})
	for _, forbidden := range []string{"<script", "<img", `href="javascript`, "\x1b", "\u202e", "\u009b"} {
		if strings.Contains(page, forbidden) {
			t.Errorf("the page holds %q", forbidden)
		}
	}
	markdown := render(t, "markdown", hostileRecord(), Options{})
	for i, line := range strings.Split(markdown, "\n") {
		outside := strings.ReplaceAll(line, "\\`", "")
		outside = regexp.MustCompile("``.*?``|`.*?`").ReplaceAllString(outside, "")
		outside = regexp.MustCompile(`\\.`).ReplaceAllString(outside, "")
		for _, forbidden := range []string{"<script", "<img", "](javascript", "@everyone", "\x1b"} {
			if strings.Contains(outside, forbidden) {
				t.Errorf("line %d holds %q: %s", i+1, forbidden, line)
			}
		}
	}
	columns := -1
	for _, line := range strings.Split(markdown, "\n") {
		if !strings.HasPrefix(line, "|") {
			columns = -1
			continue
		}
		n := len(regexp.MustCompile(`(^|[^\\])\|`).FindAllString(line, -1))
		if columns < 0 {
			columns = n
		}
		if n != columns {
			t.Errorf("%d columns instead of %d: %s", n-1, columns-1, line)
		}
	}
	decodeJUnit(t, render(t, "junit", hostileRecord(), Options{}))
}

// decodeJUnit reads what was written as a CI system does, and checks its sums.
func decodeJUnit(t *testing.T, raw string) testsuites {
	t.Helper()
	var all testsuites
	d := xml.NewDecoder(strings.NewReader(raw))
	if err := d.Decode(&all); err != nil {
		t.Fatalf("%v\n%s", err, raw)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		// the final newline
		if _, err := d.Token(); !errors.Is(err, io.EOF) {
			t.Errorf("goes on after its end: %v", err)
		}
	}
	var tests, failures, errs, skipped int
	for _, s := range all.Suites {
		n := [4]int{len(s.Cases)}
		for _, c := range s.Cases {
			if c.Failure != nil {
				n[1]++
			}
			if c.Error != nil {
				n[2]++
			}
			if c.Skipped != nil {
				n[3]++
			}
		}
		if n != [4]int{s.Tests, s.Failures, s.Errors, s.Skipped} {
			t.Errorf("suite %s says %d %d %d %d, and has %v", s.Name, s.Tests, s.Failures, s.Errors, s.Skipped, n)
		}
		tests, failures, errs, skipped = tests+n[0], failures+n[1], errs+n[2], skipped+n[3]
	}
	if tests != all.Tests || failures != all.Failures || errs != all.Errors || skipped != all.Skipped {
		t.Errorf("the sums do not fit: %+v", all)
	}
	return all
}

func TestJUnit(t *testing.T) {
	passed := decodeJUnit(t, render(t, "junit", drill(true), Options{}))
	if passed.Failures+passed.Errors != 0 || passed.Skipped != 4 || passed.Tests != 1+11+5+2+3+2+3+2+2+2+2 {
		t.Errorf("passed: %d tests, %d failures, %d errors, %d skipped", passed.Tests, passed.Failures, passed.Errors, passed.Skipped)
	}
	failed := decodeJUnit(t, render(t, "junit", drill(false), Options{}))
	bad := map[string]bool{}
	for _, s := range failed.Suites {
		for _, c := range s.Cases {
			if c.Failure != nil || c.Error != nil {
				bad[s.Name] = true
			}
		}
	}
	for _, suite := range []string{"verdict", "bucket posture", "backup in S3", "verification", "own checks", "objectives"} {
		if !bad[suite] {
			t.Errorf("nothing is wrong in suite %s", suite)
		}
	}
	unknown := drill(true)
	unknown.Posture[0].Status = bucket.Unknown // of severity high, which the policy does not allow
	if got := decodeJUnit(t, render(t, "junit", unknown, Options{})); got.Errors != 1 || got.Failures != 0 {
		t.Errorf("an unknown finding: %d failures, %d errors", got.Failures, got.Errors)
	}
	unknown.FailOn = bucket.Critical
	if got := decodeJUnit(t, render(t, "junit", unknown, Options{})); got.Errors != 0 || got.Skipped != 5 {
		t.Errorf("an unknown finding that the policy allows: %d errors, %d skipped", got.Errors, got.Skipped)
	}
	for _, status := range []evidence.Status{evidence.DataFailed, evidence.Usage, evidence.Policy, evidence.NotCarriedOut, evidence.Refused, evidence.Inconclusive, evidence.Interrupted} {
		if got := decodeJUnit(t, render(t, "junit", &evidence.Record{Status: status}, Options{})); got.Failures+got.Errors == 0 {
			t.Errorf("%s looks like a pass", status)
		}
	}
}

func TestBytesAndCounts(t *testing.T) {
	for n, want := range map[int64]string{0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 1536: "1.5 KiB", 1<<20 - 1: "1.0 MiB", 14_680_064: "14.0 MiB", 5 << 30: "5.0 GiB", 3 << 50: "3.0 PiB", 5 << 60: "5120.0 PiB"} {
		if got := Bytes(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 50000: "50,000", 1234567: "1,234,567", -1000: "-1,000"} {
		if got := count(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
	if got := number(1, "copy") + number(2, "copy") + number(int64(3000), "chunk"); got != "1 copy2 copies3,000 chunks" {
		t.Error(got)
	}
}

func TestSteps(t *testing.T) {
	list, total := steps(rto.Timeline{
		{Phase: rto.Preflight, Began: began, Ended: began.Add(5 * time.Second)},
		{Phase: rto.Restore, Began: began.Add(5 * time.Second), Ended: began.Add(10 * time.Second), Error: "no"},
		{Phase: rto.Teardown, Began: began.Add(7500 * time.Millisecond)},
	})
	if total != 10*time.Second || list[1].Start != 0.5 || list[1].Size != 0.5 || list[1].tone != bad || list[2].Start != 0.75 || list[2].Size != 0.25 || list[2].Took != "not known" {
		t.Errorf("%v %+v", total, list)
	}
	if marks := ticks(26 * time.Second); len(marks) != 5 || marks[0].Label != "5 s" {
		t.Errorf("%+v", marks)
	}
	if marks := ticks(0); marks != nil {
		t.Errorf("%+v", marks)
	}
}

// A record with all that was allowed to be absent, absent, is shown without an error by every format.
func TestEveryStatus(t *testing.T) {
	for _, format := range Formats() {
		for _, status := range []evidence.Status{0, 1, 2, 3, 4, 5, 6, 130, 77} {
			got := render(t, format, &evidence.Record{Schema: evidence.Schema, Status: status, Verification: &verify.Result{}, Assessment: &rto.Assessment{}, Backup: &evidence.Backup{}, Restore: &backup.RestoreResult{}}, Options{})
			if format == "json" && !json.Valid([]byte(got)) || got == "" {
				t.Errorf("%s of %s:\n%s", format, status, got)
			}
		}
	}
}

// TestSampleSaysWhatItProves holds for a drill that passed, in every format.
func TestSampleSaysWhatItProves(t *testing.T) {
	r := drill(true)
	const conclusion = "0 of 2995 drawn objects differ: with 95 % confidence at most 0.1 % of the objects of Article that came back are bad"
	r.Verification.Level = verify.LevelSample
	r.Verification.Sampling = &verify.Sampling{Requested: 2995, MaxBad: 0.001, Confidence: 0.95, Seed: 7, Drawn: 2995, Method: "somehow", Conclusion: conclusion}
	for _, format := range []string{"table", "markdown", "html", "json", "junit"} {
		if got := strings.Join(strings.Fields(render(t, format, r, Options{})), " "); !strings.Contains(got, conclusion) {
			t.Errorf("%s does not say it:\n%s", format, got)
		}
	}
}
