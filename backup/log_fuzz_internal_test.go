package backup

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzTelling: whatever stands in a server's log, a few short lines are picked from it, each once, and none that says nothing.
func FuzzTelling(f *testing.F) {
	f.Add(`node1: {"level":"error","chunk":"C/chunk-1","msg":"failed to read chunk from backend: get object \"p/C/chunk-1\": The specified key does not exist."}`)
	f.Add(`{"action":"print_stack","msg":"goroutine 1 [running]:\npanic({0x1, 0x2})\n\tpanic.go:1\nruntime.panicmem()\n\tx.go:1\nexample.com/backup.(*T).Restore(0x1, 0x2)\n\ty.go:2\n"}`)
	f.Add(`node2: {"action":"hnsw_load_commit_log_corruption","error":"unexpected EOF","msg":"write-ahead-log ended abruptly"}` + "\n" + `{"msg":"restore class directory from backup","error":"` + strings.Repeat("é", 500) + `"}`)
	f.Add("{\n{}\nnull{null")
	f.Fuzz(func(t *testing.T, log string) {
		found, err := telling(strings.NewReader(log), tellingWords)
		if err != nil {
			t.Fatal(err) // no line is too long for a fuzz test
		}
		if len(found) > maxCauses {
			t.Errorf("%d causes", len(found))
		}
		for i, line := range found {
			if line == "" || strings.ContainsAny(line, "\r\n") || len(line) > maxCauseLength+len("...") || utf8.ValidString(log) && !utf8.ValidString(line) {
				t.Errorf("cause %q", line)
			}
			if slices.Contains(found[:i], line) {
				t.Errorf("%q twice", line)
			}
		}
		if again, _ := telling(strings.NewReader(log+"\n"+log), tellingWords); len(found) < maxCauses && !strings.HasSuffix(log, "\r") && !slices.Equal(found, again) {
			t.Errorf("found %q, and %q in the same log written twice", found, again)
		}
	})
}
