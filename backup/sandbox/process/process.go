// Package process is a sandbox of local Weaviate processes: for the demo, the tests, and machines that have nothing else. The processes run as the
// user of the tool, without isolation from this machine; their REST and cluster ports are bound to the loopback, those that Weaviate binds to every
// interface (gRPC, shard traffic) ask for the drill's random key.
package process

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/weaviate-drill/weaviate-drill/backup/sandbox"
	"github.com/weaviate-drill/weaviate-drill/internal/servers"
	"github.com/weaviate-drill/weaviate-drill/internal/weaviate"
)

// Options say what to run and where.
type Options struct {
	Binary string // a weaviate-server; empty: beside the tool, in bin/ or on PATH
	Dir    string // parent of the folder with data and logs; empty: the system's temporary folder
}

// New returns a sandbox of local processes. On Linux they end with the tool, however it ends, unless Spec.Outlive is set.
func New(o Options) sandbox.Sandbox { return place{o} }

type place struct{ Options }

func (place) Kind() string { return "process" }

// folder is where everything of a drill lies.
func (p place) folder(drillID string) (string, error) {
	name, err := sandbox.Name(drillID)
	if err != nil {
		return "", err
	}
	parent := p.Dir
	if parent == "" {
		parent = os.TempDir()
	}
	// The servers get the path in their environment and run in another folder.
	return filepath.Abs(filepath.Join(parent, name))
}

func (p place) Up(ctx context.Context, spec sandbox.Spec) (_ sandbox.Instance, err error) {
	if err := spec.Check(); err != nil {
		return nil, err
	}
	bin := p.Binary
	if bin == "" {
		if bin, err = servers.Find("weaviate-server"); err != nil {
			return nil, fmt.Errorf("process sandbox: %w, or set sandbox.process.binary to a weaviate-server of version %s", err, spec.Version)
		}
	}
	dir, err := p.folder(spec.DrillID)
	if err != nil {
		return nil, err
	}
	// Mkdir, not MkdirAll: a folder that exists is another's, and is neither used nor removed.
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, fmt.Errorf("process sandbox: %w", err)
	}
	i := &instance{dir: dir, cluster: &servers.Weaviate{}, outlives: spec.Outlive}
	defer func() {
		if err != nil {
			err = fmt.Errorf("process sandbox: %w", err)
			if down := i.Down(context.WithoutCancel(ctx)); down != nil {
				err = fmt.Errorf("%w; and then: %w", err, down)
			}
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, sandbox.ReadyTimeout)
	defer cancel()
	key := sandbox.NewKey()
	cluster, err := servers.StartWeaviate(ctx, servers.WeaviateOptions{Bin: bin, Dir: dir, Nodes: spec.Nodes, APIKey: key, Env: spec.Env(key), Outlive: spec.Outlive})
	if err != nil {
		return nil, err
	}
	i.cluster = cluster
	err = spec.Fits(ctx, i.Endpoint())
	if errors.Is(err, sandbox.ErrVersion) {
		err = fmt.Errorf("%w; set sandbox.process.binary to a weaviate-server of that version (this was %s)", err, bin)
	}
	if err != nil {
		return nil, err
	}
	return i, nil
}

// Tidy removes the folder; the processes ended with the tool that started them. A link in its place is removed, never followed.
func (p place) Tidy(_ context.Context, drillID string) error {
	dir, err := p.folder(drillID)
	if err != nil {
		return err
	}
	return remove(dir)
}

func remove(dir string) error {
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("process sandbox: remove by hand: %w", err)
	}
	return nil
}

type instance struct {
	dir      string
	cluster  *servers.Weaviate
	outlives bool
}

func (i *instance) Endpoint() weaviate.Endpoint { return i.cluster.Endpoints[0] }

func (i *instance) Endpoints(context.Context) (map[string]weaviate.Endpoint, error) {
	all := make(map[string]weaviate.Endpoint, len(i.cluster.Nodes))
	for n, p := range i.cluster.Nodes {
		all[p.Name] = i.cluster.Endpoints[n]
	}
	return all, nil
}

func (i *instance) Logs(ctx context.Context, w io.Writer) error {
	for _, p := range i.cluster.Nodes {
		log, err := os.Open(p.LogFile)
		if err != nil {
			return err
		}
		err = sandbox.CopyLog(w, p.Name, log)
		_ = log.Close()
		if err := errors.Join(err, ctx.Err()); err != nil {
			return err
		}
	}
	return nil
}

// Down kills the processes, for there is nothing that they should still write, and removes their folder.
func (i *instance) Down(ctx context.Context) error {
	gone := make(chan struct{})
	go func() {
		i.cluster.Kill()
		close(gone)
	}()
	select {
	case <-gone:
		return remove(i.dir)
	case <-ctx.Done():
		return fmt.Errorf("process sandbox: killed %s, which is not gone yet (%w); %s stays", i.pids(), ctx.Err(), i.dir)
	}
}

// Disposable says that the processes and their folder are this drill's alone.
func (i *instance) Disposable() {}

// Fidelity tells of the sandbox what is known without looking into it; of the source nothing is.
func (i *instance) Fidelity(context.Context) []sandbox.Difference {
	return []sandbox.Difference{
		{What: sandbox.CPU, Sandbox: fmt.Sprintf("the %d processors of the tool's machine, shared by all nodes and the tool", runtime.NumCPU())},
		{What: sandbox.Memory, Sandbox: "that of the tool's machine, shared as well"},
		{What: sandbox.Storage, Sandbox: "a folder on the tool's machine"},
	}
}

func (i *instance) Describe() string {
	if !i.outlives {
		return fmt.Sprintf("Weaviate at %s (%s), which ends with this program; its data and logs then stay in %s", i.Endpoint().URL, i.pids(), i.dir)
	}
	return fmt.Sprintf("Weaviate at %s; end it with kill (%s), then remove %s", i.Endpoint().URL, i.pids(), i.dir)
}

func (i *instance) pids() string {
	var list []string
	for _, p := range i.cluster.Nodes {
		list = append(list, fmt.Sprintf("%s: pid %d", p.Name, p.PID()))
	}
	return strings.Join(list, ", ")
}
