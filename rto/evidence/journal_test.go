package evidence

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/weaviate-drill/weaviate-drill/backup/bucket"
	"github.com/weaviate-drill/weaviate-drill/internal/servertest"
)

// The test binary is also the drill that gets killed: it begins a journal in the named store, starts a process of its own as a sandbox would, and waits.
const (
	childFolder   = "EVIDENCE_TEST_CHILD_FOLDER"
	childBucket   = "EVIDENCE_TEST_CHILD_BUCKET"
	childEndpoint = "EVIDENCE_TEST_CHILD_ENDPOINT"
)

func TestMain(m *testing.M) {
	ctx := context.Background()
	var s *Store
	switch {
	case os.Getenv(childFolder) != "":
		s = must(Open(os.Getenv(childFolder)))
	case os.Getenv(childBucket) != "":
		b := must(bucket.Open(ctx, bucket.Options{Name: os.Getenv(childBucket), Path: "team/evidence", Endpoint: os.Getenv(childEndpoint), PathStyle: true}))
		s = quick(must(OpenS3(ctx, b)))
	default:
		os.Exit(servertest.Run(m))
	}
	_, journal, err := s.Begin(ctx, "drill-child")
	if err == nil {
		err = journal.Write(ctx, map[string]string{"backup": "b1"})
	}
	if err != nil {
		panic(err)
	}
	grandchild := exec.Command("sleep", "60")
	if err := grandchild.Start(); err != nil {
		panic(err)
	}
	fmt.Println(grandchild.Process.Pid)
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// quick makes drills of a bucket die quickly.
func quick(s *Store) *Store {
	if p, ok := s.place.(*inBucket); ok {
		p.every = 500 * time.Millisecond
	}
	return s
}

// killed starts a drill, kills it, and returns once it is gone; what it started lives on until the test ends.
func killed(t *testing.T, s *Store, whileItLives func()) {
	t.Helper()
	child := exec.Command(os.Args[0])
	switch p := s.place.(type) {
	case folder:
		child.Env = append(os.Environ(), childFolder+"="+p.dir)
	case *inBucket:
		child.Env = append(os.Environ(), childBucket+"="+p.b.Name, childEndpoint+"="+p.b.Endpoint)
	}
	child.Stderr = os.Stderr
	if _, err := child.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	var grandchild int
	_, err = fmt.Fscan(bufio.NewReader(out), &grandchild)
	if err == nil {
		t.Cleanup(func() { _ = syscall.Kill(grandchild, syscall.SIGKILL) })
		whileItLives()
	}
	_ = child.Process.Kill()
	_ = child.Wait()
	if err != nil {
		t.Fatal(err)
	}
}

// awaitDead returns the dead once there are any: in a bucket that takes its time.
func awaitDead(t *testing.T, s *Store) []Dead {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		dead, err := s.Dead(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if len(dead) > 0 || time.Now().After(end) {
			return dead
		}
		if _, atOnce := s.place.(folder); atOnce {
			t.Fatal("nobody is dead")
		}
	}
}

func begin(t *testing.T, s *Store, id string) (context.Context, *Journal) {
	t.Helper()
	held, j, err := s.Begin(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = j.Close(context.Background()) })
	return held, j
}

func noneDead(t *testing.T, s *Store) {
	t.Helper()
	if dead, err := s.Dead(t.Context()); err != nil || len(dead) != 0 {
		t.Errorf("dead: %v %v", dead, err)
	}
}

func TestJournal(t *testing.T) {
	eachPlace(t, func(t *testing.T, s *Store) {
		noneDead(t, s)
		_, j := begin(t, s, "drill-1")
		noneDead(t, s)
		for i := range 3 {
			if err := j.Write(t.Context(), i); err != nil {
				t.Fatal(err)
			}
		}
		if raw := must(s.place.read(t.Context(), "running/drill-1.json")); strings.TrimSpace(string(raw)) != "2" {
			t.Errorf("journal holds %s", raw)
		}
		if _, _, err := s.Begin(t.Context(), "drill-1"); !errors.Is(err, ErrRunning) {
			t.Errorf("begin again: %v", err)
		}
		if err := s.Forget(t.Context(), "drill-1"); !errors.Is(err, ErrRunning) {
			t.Errorf("forget while it runs: %v", err)
		}
		noneDead(t, s)
		for range 2 {
			if err := j.Close(t.Context()); err != nil {
				t.Error(err)
			}
		}
		noneDead(t, s)
		if files := tree(t, s); len(files) != 0 {
			t.Errorf("left %v", files)
		}
		if err := s.Forget(t.Context(), "drill-1"); err != nil {
			t.Errorf("nothing to forget: %v", err)
		}
	})
}

func TestKilledDrillIsFound(t *testing.T) {
	eachPlace(t, func(t *testing.T, s *Store) {
		quick(s)
		held, _ := begin(t, s, "drill-other") // one that lives is not among the dead
		killed(t, s, func() {
			noneDead(t, s)
			if err := s.Forget(t.Context(), "drill-child"); !errors.Is(err, ErrRunning) {
				t.Errorf("forget while it lives: %v", err)
			}
			if _, _, err := s.Begin(t.Context(), "drill-child"); !errors.Is(err, ErrRunning) {
				t.Errorf("begin while it lives: %v", err)
			}
		})
		dead := awaitDead(t, s)
		if len(dead) != 1 || dead[0].ID != "drill-child" || !strings.Contains(string(dead[0].Raw), `"b1"`) {
			t.Fatalf("dead: %v", dead)
		}
		if _, _, err := s.Begin(t.Context(), "drill-child"); !errors.Is(err, ErrExists) {
			t.Errorf("begin the dead one: %v", err)
		}
		for range 2 {
			if err := s.Forget(t.Context(), "drill-child"); err != nil {
				t.Error(err)
			}
		}
		noneDead(t, s)
		if held.Err() != nil {
			t.Error(context.Cause(held))
		}
	})
}

// One that begins while others look for the dead never seems dead, and one that died before it wrote anything is found too.
func TestBeginNeverSeemsDead(t *testing.T) {
	eachPlace(t, func(t *testing.T, s *Store) {
		quick(s)
		stop := make(chan struct{})
		found := make(chan error, 1)
		go func() {
			defer close(found)
			for {
				select {
				case <-stop:
					return
				default:
				}
				if dead, err := s.Dead(t.Context()); err != nil || len(dead) > 0 {
					found <- fmt.Errorf("dead: %v %w", dead, err)
					return
				}
			}
		}()
		for end := time.Now().Add(300 * time.Millisecond); time.Now().Before(end); {
			_, j := begin(t, s, "drill-1")
			if err := j.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		close(stop)
		if err := <-found; err != nil {
			t.Error(err)
		}
		plant(t, s, "running/drill-2.lock", nil)
		if dead := awaitDead(t, s); len(dead) != 1 || dead[0].ID != "drill-2" || dead[0].Raw != nil {
			t.Errorf("dead: %v", dead)
		}
	})
}
