package evidence

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The test binary is also the drill that gets killed: it begins a journal in the named store, starts a process of its own as a sandbox would, and waits.
const childEnv = "EVIDENCE_TEST_CHILD"

func TestMain(m *testing.M) {
	dir := os.Getenv(childEnv)
	if dir == "" {
		os.Exit(m.Run())
	}
	journal := must(must(Open(dir)).Begin("drill-child"))
	if err := journal.Write(map[string]string{"backup": "b1"}); err != nil {
		panic(err)
	}
	grandchild := exec.Command("sleep", "60")
	if err := grandchild.Start(); err != nil {
		panic(err)
	}
	fmt.Println(grandchild.Process.Pid)
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// killed starts a drill, kills it, and returns once it is gone; what it started lives on until the test ends.
func killed(t *testing.T, s *Store, whileItLives func()) {
	t.Helper()
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), childEnv+"="+s.dir)
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

func TestJournal(t *testing.T) {
	s := open(t, t.TempDir())
	none := func() {
		t.Helper()
		if dead, err := s.Dead(); err != nil || len(dead) != 0 {
			t.Errorf("dead: %v %v", dead, err)
		}
	}
	none()
	j, err := s.Begin("drill-1")
	if err != nil {
		t.Fatal(err)
	}
	none()
	for i := range 3 {
		if err := j.Write(i); err != nil {
			t.Fatal(err)
		}
	}
	if raw := must(os.ReadFile(j.path(extension))); strings.TrimSpace(string(raw)) != "2" {
		t.Errorf("journal holds %s", raw)
	}
	if _, err := s.Begin("drill-1"); !errors.Is(err, ErrRunning) {
		t.Errorf("begin again: %v", err)
	}
	if err := s.Forget("drill-1"); !errors.Is(err, ErrRunning) {
		t.Errorf("forget while it runs: %v", err)
	}
	none()
	for range 2 {
		if err := j.Close(); err != nil {
			t.Error(err)
		}
	}
	none()
	for _, path := range []string{j.path(extension), j.path(lockExtension)} {
		if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is left: %v", path, err)
		}
	}
	if err := s.Forget("drill-1"); err != nil {
		t.Errorf("nothing to forget: %v", err)
	}
}

func TestKilledDrillIsFound(t *testing.T) {
	s := open(t, t.TempDir())
	killed(t, s, func() {
		if dead, err := s.Dead(); err != nil || len(dead) != 0 {
			t.Errorf("while it lives: %v %v", dead, err)
		}
		if err := s.Forget("drill-child"); !errors.Is(err, ErrRunning) {
			t.Errorf("forget while it lives: %v", err)
		}
	})
	other, err := s.Begin("drill-other") // one that lives is not among the dead
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	dead, err := s.Dead()
	if err != nil || len(dead) != 1 || dead[0].ID != "drill-child" || !strings.Contains(string(dead[0].Raw), `"b1"`) {
		t.Fatalf("dead: %v %v", dead, err)
	}
	if _, err := s.Begin("drill-child"); !errors.Is(err, ErrExists) {
		t.Errorf("begin the dead one: %v", err)
	}
	for range 2 {
		if err := s.Forget("drill-child"); err != nil {
			t.Error(err)
		}
	}
	if dead, err := s.Dead(); err != nil || len(dead) != 0 {
		t.Errorf("after forgetting: %v %v", dead, err)
	}
}

// One that died before it wrote anything is found too, and one that begins while others look for the dead never seems dead.
func TestBeginNeverSeemsDead(t *testing.T) {
	s := open(t, t.TempDir())
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
			if dead, err := s.Dead(); err != nil || len(dead) > 0 {
				found <- fmt.Errorf("dead: %v %w", dead, err)
				return
			}
		}
	}()
	for end := time.Now().Add(300 * time.Millisecond); time.Now().Before(end); {
		j, err := s.Begin("drill-1")
		if err != nil {
			t.Fatal(err)
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
	}
	close(stop)
	if err := <-found; err != nil {
		t.Error(err)
	}
	if err := os.WriteFile((&Journal{dir: s.dir + "/" + runningDir, id: "drill-2"}).path(lockExtension), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if dead, err := s.Dead(); err != nil || len(dead) != 1 || dead[0].Raw != nil {
		t.Errorf("dead: %v %v", dead, err)
	}
}
