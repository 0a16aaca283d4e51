// Package e2e runs the program as a user does, with its sandbox in a real Kubernetes cluster, and breaks what a cluster breaks.
package e2e

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/weaviate-drill/weaviate-drill/backup/bucket"
	"github.com/weaviate-drill/weaviate-drill/internal/demo"
	"github.com/weaviate-drill/weaviate-drill/internal/servertest"
	"github.com/weaviate-drill/weaviate-drill/internal/weaviate"
	"github.com/weaviate-drill/weaviate-drill/rto"
	"github.com/weaviate-drill/weaviate-drill/rto/evidence"
)

func TestMain(m *testing.M) {
	code := servertest.Run(m)
	if built.dir != "" {
		_ = os.RemoveAll(built.dir)
	}
	os.Exit(code)
}

var built struct {
	sync.Mutex
	dir string
}

// program builds the tool, once.
func program(t *testing.T) string {
	t.Helper()
	built.Lock()
	defer built.Unlock()
	if built.dir == "" {
		dir, err := os.MkdirTemp("", "weaviate-drill-e2e-")
		check(t, err)
		if out, err := exec.Command("go", "build", "-o", filepath.Join(dir, "weaviate-drill"), "../../cmd/weaviate-drill").CombinedOutput(); err != nil {
			t.Fatalf("build: %v\n%s", err, out)
		}
		built.dir = dir
	}
	return filepath.Join(built.dir, "weaviate-drill")
}

// site is a folder with a drill.yaml, whose sandboxes come to be in the cluster.
type site struct {
	dir    string
	bucket *bucket.Bucket
	lease  string // the namespace of its lease
}

// settings are what a site's drill.yaml says.
type settings struct {
	source     weaviate.Endpoint
	kubeconfig string
	kubernetes string // more keys of sandbox.kubernetes, each line indented by 4
	sections   string // more sections
}

// newSite needs a bucket that was made after the cluster was asked for.
func newSite(t *testing.T, b *bucket.Bucket, s settings) site {
	t.Helper()
	lease, err := api(t, s.kubeconfig).CoreV1().Namespaces().Create(t.Context(), namespace("e2e-lease-"), metav1.CreateOptions{})
	check(t, err)
	t.Cleanup(func() {
		check(t, api(t, s.kubeconfig).CoreV1().Namespaces().Delete(context.Background(), lease.Name, metav1.DeleteOptions{}))
	})
	n := site{dir: t.TempDir(), bucket: b, lease: lease.Name}
	text := fmt.Sprintf(`
source: {url: %q, grpc: %q, api_key: env:DRILL_TEST_KEY}
bucket: {name: %s, path: %s, region: us-east-1, endpoint: %q, path_style: true}
policy: {fail_on: critical}
sandbox:
  kind: kubernetes
  kubernetes:
    kubeconfig: %q
    namespace: %s
    memory: 1Gi
    size: 2Gi
    cpu: 50m
%s
  s3: {access_key_id: env:AWS_ACCESS_KEY_ID, secret_access_key: env:AWS_SECRET_ACCESS_KEY, allow_plaintext: true}
%s
`, s.source.URL, s.source.GRPC, b.Name, b.Path, b.Endpoint, s.kubeconfig, n.lease, s.kubernetes, s.sections)
	check(t, os.WriteFile(filepath.Join(n.dir, "drill.yaml"), []byte(text), 0o600))
	return n
}

// command is a run of the program that ends with the test.
func (s site) command(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	c := exec.CommandContext(t.Context(), program(t), args...)
	c.Dir, c.Env = s.dir, append(os.Environ(), "DRILL_TEST_KEY="+servertest.APIKey)
	return c
}

type result struct {
	drill          string // its id
	code           int    // -1: a signal ended it
	stdout, stderr string
}

// run runs the program to its end. As soon as a phase begins, on is called, once; "" is none.
func (s site) run(t *testing.T, phase rto.Phase, on func(p *os.Process, drill string), args ...string) result {
	t.Helper()
	c := s.command(t, args...)
	var stdout, stderr bytes.Buffer
	c.Stdout = &stdout
	pipe, err := c.StderrPipe()
	check(t, err)
	check(t, c.Start())
	want := "phase=" + string(phase)
	if strings.Contains(string(phase), " ") {
		want = `phase="` + string(phase) + `"`
	}
	met, drill := phase == "", ""
	for lines := bufio.NewScanner(io.TeeReader(pipe, &stderr)); lines.Scan(); {
		if _, id, ok := strings.Cut(lines.Text(), `msg="drill begins" drill=`); ok {
			drill = id
		}
		if !met && strings.Contains(lines.Text(), `msg="phase begins" `+want) {
			met = true
			on(c.Process, drill)
		}
	}
	var exit *exec.ExitError
	if err := c.Wait(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if !met {
		t.Fatalf("phase %s never began:\n%s", phase, &stderr)
	}
	r := result{drill, c.ProcessState.ExitCode(), stdout.String(), stderr.String()}
	if text := r.stdout + r.stderr; strings.Contains(text, servertest.APIKey) || strings.Contains(text, os.Getenv("AWS_SECRET_ACCESS_KEY")) {
		t.Errorf("%v prints a credential", args)
	}
	return r
}

func (r result) wants(t *testing.T, status evidence.Status, says ...string) {
	t.Helper()
	if r.code != int(status) {
		t.Fatalf("exit status %d, want %d (%s)\nstdout: %s\nstderr: %s", r.code, int(status), status, r.stdout, r.stderr)
	}
	folded := strings.Join(strings.Fields(r.stdout+" "+r.stderr), " ") // a table breaks lines where it likes
	for _, s := range says {
		if !strings.Contains(folded, s) {
			t.Errorf("does not say %q\nstdout: %s\nstderr: %s", s, r.stdout, r.stderr)
		}
	}
}

// record is the newest.
func (s site) record(t *testing.T) *evidence.Record {
	t.Helper()
	out, err := s.command(t, "report", "latest", "--output", "json").Output()
	check(t, err)
	var r evidence.Record
	check(t, json.Unmarshal(out, &r))
	return &r
}

// makeBackup returns the id of a new backup.
func (s site) makeBackup(t *testing.T) string {
	t.Helper()
	out, err := s.command(t, "backup", "create", "--output", "json").Output()
	check(t, err)
	var made struct{ ID string }
	check(t, json.Unmarshal(out, &made))
	return made.ID
}

// restoreConfig says whether there is a restore_config.json beside the backup.
func (s site) restoreConfig(t *testing.T, id string) bool {
	t.Helper()
	_, err := s.bucket.Client.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: &s.bucket.Name, Key: aws.String(s.bucket.Key(id, "restore_config.json"))})
	var missing *types.NotFound
	if err != nil && !errors.As(err, &missing) {
		t.Fatal(err)
	}
	return err == nil
}

// filled is the shared source with the demo's data, on this machine.
func filled(t *testing.T) (weaviate.Endpoint, *bucket.Bucket) {
	t.Helper()
	w, b := servertest.Source(t)
	fill.Do(func() {
		_, err := demo.Fill(t.Context(), servertest.Dial(t, w))
		check(t, err)
	})
	return w.Endpoints[0], b
}

var fill sync.Once

func api(t *testing.T, kubeconfig string) *kubernetes.Clientset {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	check(t, err)
	c, err := kubernetes.NewForConfig(config)
	check(t, err)
	return c
}

// eventually asks until it is so.
func eventually(t *testing.T, within time.Duration, what string, ask func() bool) {
	t.Helper()
	for deadline := time.Now().Add(within); !ask(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", within, what)
		}
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func kill(p *os.Process, _ string) { _ = p.Signal(syscall.SIGKILL) }

func namespace(prefix string) *corev1.Namespace {
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: prefix}}
}

// sandbox is the namespace of a drill, "" when there is none.
func sandbox(t *testing.T, kubeconfig, drill string) string {
	t.Helper()
	list, err := api(t, kubeconfig).CoreV1().Namespaces().List(t.Context(), metav1.ListOptions{LabelSelector: "weaviate-drill.id=" + drill})
	check(t, err)
	if len(list.Items) == 0 {
		return ""
	}
	return list.Items[0].Name
}
