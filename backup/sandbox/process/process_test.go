package process_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/weaviate-drill/weaviate-drill/backup/sandbox"
	"github.com/weaviate-drill/weaviate-drill/backup/sandbox/process"
	"github.com/weaviate-drill/weaviate-drill/backup/sandbox/sandboxtest"
	"github.com/weaviate-drill/weaviate-drill/internal/servertest"
	"github.com/weaviate-drill/weaviate-drill/internal/weaviate"
)

func TestMain(m *testing.M) { os.Exit(servertest.Run(m)) }

func TestContract(t *testing.T) {
	dir := t.TempDir()
	sandboxtest.Run(t, sandboxtest.Kind{
		New:  func() sandbox.Sandbox { return process.New(process.Options{Dir: dir}) },
		Left: func(t *testing.T, drillID string) []string { return left(t, dir, drillID) },
	})
}

// left names a drill's folder and the processes that run in it.
func left(t *testing.T, dir, drillID string) []string {
	t.Helper()
	folder := filepath.Join(dir, "weaviate-drill-"+drillID)
	var list []string
	if _, err := os.Lstat(folder); err == nil {
		list = append(list, folder)
	}
	links, err := filepath.Glob("/proc/[0-9]*/cwd")
	if err != nil {
		t.Fatal(err)
	}
	for _, link := range links {
		if cwd, err := os.Readlink(link); err == nil && strings.HasPrefix(cwd, folder) {
			list = append(list, "process "+filepath.Base(filepath.Dir(link)))
		}
	}
	return list
}

func TestThreeNodes(t *testing.T) {
	nodes := []string{"weaviate-0", "weaviate-1", "weaviate-2"}
	b := servertest.Bucket(t, "backups")
	sandboxtest.Backup(t, servertest.Dial(t, servertest.Weaviate(t, b, nil, nodes...)), "three")
	dir := t.TempDir()
	spec := sandboxtest.Spec(t, b, nodes...)
	i, err := process.New(process.Options{Dir: dir}).Up(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = i.Down(t.Context()) })
	info, err := os.Stat(filepath.Join(dir, "weaviate-drill-"+spec.DrillID))
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the folder: %v, %v", info, err)
	}
	c, err := weaviate.Dial(t.Context(), i.Endpoint())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	sandboxtest.Restore(t, c, "three")
	sandboxtest.EveryNode(t, i, nodes...)
}

// TestDeath kills a program that has a sandbox up: on Linux its servers must end with it, and Tidy removes what they leave.
func TestDeath(t *testing.T) {
	if dir := os.Getenv("SANDBOX_TEST_DIR"); dir != "" {
		spec := sandbox.Spec{DrillID: "dead", Version: servertest.WeaviateVersion, Nodes: []string{"node1"}, S3: sandbox.S3{Bucket: "never-asked", Region: "us-east-1"}}
		_, err := process.New(process.Options{Dir: dir}).Up(t.Context(), spec)
		t.Fatalf("up, and not killed yet: %v", err)
	}
	if runtime.GOOS != "linux" {
		servertest.Lacking(t, "Linux, which alone ends a process with the one that started it")
	}
	dir := t.TempDir()
	tool := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestDeath$")
	tool.Env = append(os.Environ(), "SANDBOX_TEST_DIR="+dir)
	if err := tool.Start(); err != nil {
		t.Fatal(err)
	}
	until(t, "a server", func() bool { return len(left(t, dir, "dead")) == 2 })
	if err := tool.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = tool.Wait()
	until(t, "the death of the server", func() bool { return len(left(t, dir, "dead")) == 1 })
	if err := process.New(process.Options{Dir: dir}).Tidy(t.Context(), "dead"); err != nil {
		t.Fatal(err)
	}
	if l := left(t, dir, "dead"); len(l) > 0 {
		t.Errorf("still there: %v", l)
	}
}

func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

func TestTidyDoesNotFollowALink(t *testing.T) {
	dir, outside := t.TempDir(), t.TempDir()
	precious := filepath.Join(outside, "precious")
	if err := os.WriteFile(precious, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(dir, "weaviate-drill-linked")); err != nil {
		t.Fatal(err)
	}
	if err := process.New(process.Options{Dir: dir}).Tidy(t.Context(), "linked"); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(precious); err != nil {
		t.Error(err)
	}
	if l := left(t, dir, "linked"); len(l) > 0 {
		t.Errorf("still there: %v", l)
	}
}
