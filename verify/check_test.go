package verify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/weaviate-drill/weaviate-drill/internal/secret"
	"github.com/weaviate-drill/weaviate-drill/internal/servertest"
	"github.com/weaviate-drill/weaviate-drill/internal/weaviate"
)

// TestChecks asks a real server, for each expectation once so that it is met and once so that it is not.
func TestChecks(t *testing.T) {
	w, _ := servertest.Source(t)
	c := servertest.Dial(t, w)
	const name = "OwnChecks"
	do(t, c, "POST", "/schema", object{"class": name, "vectorizer": "none", "properties": []object{{"name": "title", "dataType": []string{"text"}}, {"name": "rank", "dataType": []string{"int"}}}})
	t.Cleanup(func() { do(t, c, "DELETE", "/schema/"+name, nil) })
	var objects []object
	for i := range 3 {
		objects = append(objects, object{"class": name, "id": id(name, i), "properties": object{"title": fmt.Sprint("title ", i), "rank": i}})
	}
	batch(t, c, objects)
	const (
		get       = `{ Get { OwnChecks(sort: {path: ["rank"]}) { title rank _additional { id } } } }`
		none      = `{ Get { OwnChecks(where: {path: ["rank"], operator: Equal, valueInt: 7}) { title } } }`
		aggregate = `{ Aggregate { OwnChecks { meta { count } } } }`
		counted   = "data.Aggregate.OwnChecks[0].meta.count"
	)
	for _, tt := range []struct {
		check Check
		want  CheckOutcome
		says  string
	}{
		{Check{Query: get, Count: new(int64(3))}, CheckPass, "data.Get.OwnChecks has 3"},
		{Check{Query: get, Count: new(int64(4))}, CheckFail, "has 3, expected 4"},
		{Check{Query: none, Count: new(int64(0))}, CheckPass, "has 0"},
		{Check{Query: none, Minimum: 1}, CheckFail, "has 0, expected at least 1"},
		{Check{Query: get, Minimum: 3}, CheckPass, "has 3"},
		{Check{Query: aggregate, Path: counted, Count: new(int64(3))}, CheckPass, counted + " has 3"},
		{Check{Query: aggregate, Path: counted, Minimum: 4}, CheckFail, "has 3, expected at least 4"},
		{Check{Query: aggregate, Minimum: 1}, CheckUnknown, "say by path"}, // the list has one element, whatever was counted
		{Check{Query: get, IDs: []string{id(name, 0), id(name, 1), id(name, 2)}}, CheckPass, "the 3 expected objects"},
		{Check{Query: get, IDs: []string{id(name, 1), id(name, 0), id(name, 2)}}, CheckFail, "object 1 of 3"},
		{Check{Query: get, IDs: []string{id(name, 2), id(name, 0), id(name, 1)}, AnyOrder: true}, CheckPass, "the 3 expected objects"},
		{Check{Query: get, IDs: []string{id(name, 2), id(name, 0), id(name, 3)}, AnyOrder: true}, CheckFail, "expected"},
		{Check{Query: get, IDs: []string{id(name, 0), id(name, 1)}}, CheckFail, "has 3 objects, expected 2"},
		{Check{Query: none, IDs: []string{id(name, 0)}}, CheckFail, "has 0 objects, expected 1"},
		{Check{Query: get, Path: "data.Get.OwnChecks[1].title", Equals: new("title 1")}, CheckPass, ""},
		{Check{Query: get, Path: "data.Get.OwnChecks[1].title", Equals: new("title 2")}, CheckFail, `is "title 1", expected "title 2"`},
		{Check{Query: get, Path: "data.Get.OwnChecks[2].rank", Equals: new("2")}, CheckPass, ""},
		{Check{Query: get, Path: "data.Get.OwnChecks[3].title", Equals: new("title 3")}, CheckFail, "has nothing at data.Get.OwnChecks[3].title"},
		{Check{Query: get, Path: "data.Get.OwnChecks[0].title", Minimum: 1}, CheckFail, "neither a number nor a list"},
		{Check{Query: `{ Get { NoSuchThing { title } } }`, Count: new(int64(0))}, CheckUnknown, "NoSuchThing"},
		{Check{Query: `{ Get {`, Count: new(int64(0))}, CheckUnknown, "Syntax Error"},
		{Check{Get: "/schema/" + name, Path: "properties", Count: new(int64(2))}, CheckPass, "properties has 2"},
		{Check{Get: "/objects?class=" + name, Path: "objects", IDs: []string{id(name, 2), id(name, 1), id(name, 0)}, AnyOrder: true}, CheckPass, ""},
		{Check{Get: "/schema/NoSuchThing", Path: "class", Equals: new("x")}, CheckUnknown, "404"},
		{Check{Query: get, Minimum: 1, Timeout: time.Nanosecond}, CheckUnknown, "did not end within 1ns"},
	} {
		results, err := RunChecks(t.Context(), c, []Check{tt.check})
		if err != nil {
			t.Fatal(err)
		}
		if got := results[0]; got.Outcome != tt.want || !strings.Contains(got.Detail, tt.says) {
			t.Errorf("%+v: %s: %s, want %s: ... %s ...", tt.check, got.Outcome, got.Detail, tt.want, tt.says)
		}
	}
}

const commandKey = "key-of-the-sandbox-0123456789abcdef"

func runCommand(ctx context.Context, timeout time.Duration, command ...string) (CheckResult, error) {
	at := &weaviate.Conn{Endpoint: weaviate.Endpoint{URL: "http://127.0.0.1:8080", GRPC: "127.0.0.1:50051", APIKey: secret.New(commandKey)}}
	results, err := RunChecks(ctx, at, []Check{{Name: "command", Command: command, Timeout: timeout}})
	if err != nil {
		return CheckResult{}, err
	}
	return results[0], nil
}

func TestCommand(t *testing.T) {
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret-of-the-bucket")
	long := `i=0; while [ $i -lt 3000 ]; do printf '%s ' "$WEAVIATE_API_KEY"; i=$((i+1)); done; echo end; exit 1`
	for _, tt := range []struct {
		script  string
		want    CheckOutcome
		detail  string
		output  string
		without string
	}{
		{`echo "$WEAVIATE_URL $WEAVIATE_GRPC"`, CheckPass, "exit status 0", "http://127.0.0.1:8080 127.0.0.1:50051\n", ""},
		{`echo broken >&2; exit 3`, CheckFail, "exit status 3", "broken\n", ""},
		{`[ "$WEAVIATE_API_KEY" = ` + commandKey + ` ] && echo "key: $WEAVIATE_API_KEY"`, CheckPass, "exit status 0", "key: [redacted]\n", commandKey},
		{`env`, CheckPass, "exit status 0", "PATH=", "secret-of-the-bucket"},
		{long, CheckFail, "exit status 1", "[redacted] end\n", "0123456789"},
		{`kill -SEGV $$`, CheckUnknown, "did not run to its end", "", ""},
	} {
		r, err := runCommand(t.Context(), 0, "/bin/sh", "-c", tt.script)
		if err != nil {
			t.Fatal(err)
		}
		if r.Outcome != tt.want || !strings.Contains(r.Detail, tt.detail) || !strings.Contains(r.Output, tt.output) || tt.without != "" && strings.Contains(r.Output, tt.without) {
			t.Errorf("%s: %+v", tt.script, r)
		}
		if len(r.Output) > mostOutput+len(commandKey) {
			t.Errorf("%s: %d bytes of output are kept", tt.script, len(r.Output))
		}
	}
	if r, err := runCommand(t.Context(), 0, filepath.Join(t.TempDir(), "no-such-program")); err != nil || r.Outcome != CheckUnknown || !strings.Contains(r.Detail, "no such file") {
		t.Errorf("a program that is not there: %+v, %v", r, err)
	}
}

// TestTail cuts the output at every place of a key.
func TestTail(t *testing.T) {
	key := secret.New(commandKey)
	for after := range 2 * (mostOutput + len(commandKey)) {
		out := &tail{most: mostOutput + len(commandKey)}
		for _, part := range []string{"before ", commandKey, strings.Repeat(".", after)} {
			_, _ = out.Write([]byte(part))
		}
		text := out.text(key)
		for n := 4; n <= len(commandKey); n++ {
			if strings.Contains(text, commandKey[len(commandKey)-n:]) {
				t.Fatalf("with %d bytes behind it, the last %d of the key are left", after, n)
			}
		}
		if dots := strings.Count(text, "."); dots < min(after, mostOutput-len(commandKey)) {
			t.Fatalf("of %d bytes, %d are left", after, dots)
		}
	}
}

// TestCommandDies has a command with a child, both of which hang: they must be gone after the timeout, and after the drill was interrupted. A child that outlives a command that ends is ended too.
func TestCommandDies(t *testing.T) {
	hang := func(t *testing.T) (script string, child func() int) {
		file := filepath.Join(t.TempDir(), "pid")
		return fmt.Sprintf(`sleep 600 & echo $! > %[1]s.new; mv %[1]s.new %[1]s; `, file), func() (pid int) {
			for range 500 {
				if raw, err := os.ReadFile(file); err == nil {
					if err := json.Unmarshal(raw, &pid); err != nil {
						t.Fatal(err)
					}
					return pid
				}
				time.Sleep(10 * time.Millisecond)
			}
			t.Fatal("the command did not start")
			return 0
		}
	}
	gone := func(t *testing.T, pid int) {
		t.Helper()
		for range 500 {
			if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) || zombie(pid) {
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
		t.Errorf("process %d is left", pid)
	}
	t.Run("timeout", func(t *testing.T) {
		script, child := hang(t)
		r, err := runCommand(t.Context(), time.Second, "/bin/sh", "-c", script+"echo waiting; wait")
		if err != nil || r.Outcome != CheckUnknown || r.Detail != "it did not end within 1s" || r.Output != "waiting\n" {
			t.Errorf("%+v, %v", r, err)
		}
		gone(t, child())
	})
	t.Run("interrupted", func(t *testing.T) {
		script, child := hang(t)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go func() { defer cancel(); child() }()
		if r, err := runCommand(ctx, time.Minute, "/bin/sh", "-c", script+"wait"); !errors.Is(err, context.Canceled) {
			t.Errorf("%+v, %v", r, err)
		}
		gone(t, child())
	})
	t.Run("left behind", func(t *testing.T) {
		script, child := hang(t)
		r, err := runCommand(t.Context(), time.Minute, "/bin/sh", "-c", script+"echo done")
		if err != nil || r.Outcome != CheckPass || r.Output != "done\n" {
			t.Errorf("%+v, %v", r, err)
		}
		gone(t, child())
	})
}

// zombie says whether a process has ended and only waits to be reaped, which a container's first process may never do.
func zombie(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && strings.Contains(string(stat), ") Z ")
}
