package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/weaviate-drill/weaviate-drill/internal/servertest"
	"github.com/weaviate-drill/weaviate-drill/internal/weaviate"
	"github.com/weaviate-drill/weaviate-drill/rto/evidence"
	"github.com/weaviate-drill/weaviate-drill/verify"
)

// restoredTo restores a backup into a fresh Weaviate and takes four objects away; it returns the section sandbox that says where it is.
func (s site) restoredTo(t *testing.T, id string) string {
	t.Helper()
	w := servertest.Weaviate(t, s.bucket, nil)
	c := servertest.Dial(t, w)
	if _, err := c.Restore(t.Context(), weaviate.RestoreRequest{ID: id}); err != nil {
		t.Fatal(err)
	}
	for done := false; !done; time.Sleep(100 * time.Millisecond) {
		status, err := c.RestoreStatus(t.Context(), id, weaviate.Location{})
		if done = status.Done(); err != nil || done && status.Status != "SUCCESS" {
			t.Fatal(status, err)
		}
	}
	page, err := c.Scan(weaviate.Range{Collection: "Article", Most: 100}).Next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(page); i += 10 {
		if err := c.Do(t.Context(), http.MethodDelete, "/objects/Article/"+page[i].ID.String(), nil, nil); err != nil {
			t.Fatal(err)
		}
	}
	return fmt.Sprintf("\n  kind: external\n  external:\n    url: %s\n    grpc: %s\n    api_key: env:DRILL_TEST_KEY", w.Endpoints[0].URL, w.Endpoints[0].GRPC)
}

// judged reads a result, without how long it took and how much was read in vain.
func (r result) judged(t *testing.T) verify.Result {
	t.Helper()
	r.wants(t, evidence.DataFailed)
	var v verify.Result
	if err := json.Unmarshal([]byte(r.stdout), &v); err != nil {
		t.Fatal(err)
	}
	v.Duration, v.BytesRead = 0, 0
	return v
}

// stopped runs the program until a batch of results is kept, and ends it by a signal.
func (s site) stopped(t *testing.T, sig syscall.Signal, kept func() int, args ...string) result {
	t.Helper()
	c := program(t.Context(), s.dir, args...)
	ended := make(chan result, 1)
	before := kept()
	go func() { ended <- finish(t, c) }()
	for kept() == before {
		select {
		case r := <-ended:
			t.Fatalf("it ended before anything was kept: %+v", r)
		case <-time.After(20 * time.Millisecond):
		}
	}
	if err := c.Process.Signal(sig); err != nil {
		t.Fatal(err)
	}
	return <-ended
}

// done is how many pieces of work the log says were done before.
func (r result) done(t *testing.T) int {
	t.Helper()
	found := regexp.MustCompile(`a comparison goes on" pieces=\d+ done=(\d+)`).FindStringSubmatch(r.stderr)
	if found == nil {
		t.Fatalf("it did not go on: %s", r.stderr)
	}
	n, err := strconv.Atoi(found[1])
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestWorkIsNotDoneTwice(t *testing.T) {
	s := newSite(t, nil)
	id := s.makeBackup(t)
	sandbox := s.restoredTo(t, id)
	s = newSite(t, map[string]string{"sandbox": sandbox})
	slow := "\n  max_rate: 700"
	whole := s.do(t, "verify", "--backup-id", id, "-o", "json").judged(t)
	if whole.Verdicts.Lost != 4 {
		t.Fatalf("%+v", whole.Verdicts)
	}
	t.Run("killed and resumed, in a folder", func(t *testing.T) {
		s := newSite(t, map[string]string{"sandbox": sandbox, "verify": slow})
		batches := func() int {
			files, err := filepath.Glob(filepath.Join(s.dir, "evidence", "running", "comparisons", "*", "*.json"))
			if err != nil {
				t.Fatal(err)
			}
			return len(files)
		}
		s.do(t, "verify", "--backup-id", id, "--resume").wants(t, evidence.Usage, "nothing to resume")
		if r := s.stopped(t, syscall.SIGKILL, batches, "verify", "--backup-id", id); r.code != -1 {
			t.Fatalf("%+v", r)
		}
		s.do(t, "verify", "--resume").wants(t, evidence.Usage, "that is another comparison: the backup is")
		r := s.stopped(t, syscall.SIGINT, batches, "verify", "--backup-id", id, "--resume")
		first := r.done(t)
		r.wants(t, evidence.Interrupted, "go on with the same command and --resume --comparison verify-")
		r = s.do(t, "verify", "--backup-id", id, "--resume", "-o", "json")
		if again := r.done(t); first == 0 || again <= first {
			t.Errorf("%d pieces done at first, then %d", first, again)
		}
		if got := r.judged(t); !reflect.DeepEqual(got, whole) {
			t.Errorf("resumed:\n%+v\nat once:\n%+v", got, whole)
		}
		if n := batches(); n > 0 {
			t.Errorf("%d batches are left", n)
		}
	})
	t.Run("killed parts, in a bucket", func(t *testing.T) {
		b := servertest.Bucket(t, "evidence")
		sections := map[string]string{"sandbox": sandbox, "evidence": evidenceIn(b), "verify": slow}
		s := newSite(t, sections)
		batches := func() int { return len(keys(t, b, "running/comparisons/c1/")) }
		args := func(more ...string) []string {
			return append([]string{"verify", "--backup-id", id, "--comparison", "c1"}, more...)
		}
		s.do(t, args("--reduce")...).wants(t, evidence.Usage, "run its parts first")
		if r := s.stopped(t, syscall.SIGKILL, batches, args("--parts", "3", "--part", "0")...); r.code != -1 {
			t.Fatalf("%+v", r)
		}
		delete(sections, "verify")
		s = newSite(t, sections)
		s.do(t, args("--parts", "3", "--part", "1")...).wants(t, evidence.Passed, "Part 1 of 3 of comparison c1 is done: 2 pieces of work, 0 of them before")
		s.do(t, args("--reduce")...).wants(t, evidence.Inconclusive, "part 0 of 3 has done 1 of its 2", "part 2 of 3 has done 0 of")
		var running []*exec.Cmd
		for _, part := range []string{"0", "2"} {
			c := program(t.Context(), s.dir, args("--parts", "3")...)
			c.Env = append(c.Env, completionIndex+"="+part)
			running = append(running, c)
		}
		for _, c := range running {
			finish(t, c).wants(t, evidence.Passed)
		}
		if got := s.do(t, args("--reduce", "-o", "json")...).judged(t); !reflect.DeepEqual(got, whole) {
			t.Errorf("reduced:\n%+v\nat once:\n%+v", got, whole)
		}
		if left := keys(t, b, "running/"); len(left) > 0 {
			t.Errorf("%q are left", left)
		}
	})
	t.Run("flags", func(t *testing.T) {
		for _, tt := range []struct {
			args []string
			says string
		}{
			{[]string{"--part", "1"}, "say nothing without"},
			{[]string{"--parts", "3", "--part", "1"}, "--comparison is missing"},
			{[]string{"--parts", "3", "--comparison", "c"}, "--part is missing"},
			{[]string{"--parts", "3", "--part", "3", "--comparison", "c"}, "no part 3 of 3"},
			{[]string{"--reduce", "--comparison", "../c"}, "cannot name a file"},
			{[]string{"--resume", "--level", "counts"}, "cannot be split or resumed"},
			{[]string{"--resume", "--reduce"}, "none of the others can be"},
		} {
			s.do(t, append([]string{"verify"}, tt.args...)...).wants(t, evidence.Usage, tt.says)
		}
	})
}
