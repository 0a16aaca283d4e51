// Package servers runs real servers as local processes, on ports and in folders of their own: Weaviate for the process
// sandbox, Weaviate and MinIO for the demo and the tests. The binaries are built by "make servers" into bin/.
package servers

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/weaviate-drill/weaviate-drill/internal/group"
)

// Process is one running server. It ends with the program that started it, however that ends (on Linux), unless it may outlive it.
type Process struct {
	Name    string
	LogFile string
	cmd     *exec.Cmd
	exited  chan struct{}
	stop    sync.Once
}

// start runs bin with exactly the environment env, writing its output to logFile. The process gets a group of its own, so that a Ctrl-C meant
// for this program does not reach it before its turn. It ends with this program unless it may outlive it.
func start(name, bin string, args, env []string, dir, logFile string, outlive bool) (*Process, error) {
	log, err := os.OpenFile(logFile, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := exec.Command(bin, args...) //nolint:noctx // it outlives the call that starts it
	cmd.Env, cmd.Dir, cmd.Stdout, cmd.Stderr = env, dir, log, log
	cmd.SysProcAttr = group.Own(outlive)
	p := &Process{Name: name, LogFile: logFile, cmd: cmd, exited: make(chan struct{})}
	started := make(chan error, 1)
	go func() {
		// Linux sends the death signal when the thread that started the process ends, not the program (prctl(2), PR_SET_PDEATHSIG). Go ends a
		// thread that a goroutine locked and left, whichever code did so; this one is held until the process is gone.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait()
			close(p.exited)
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	return p, nil
}

// Exited is closed when the process has ended.
func (p *Process) Exited() <-chan struct{} { return p.exited }

// PID is the process id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Stop asks the process to end, waits up to grace, then kills it. A second call only waits.
func (p *Process) Stop(grace time.Duration) {
	p.stop.Do(func() {
		_ = p.cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-p.exited:
		case <-time.After(grace):
			_ = p.cmd.Process.Kill()
		}
	})
	<-p.exited
}

// Kill ends the process at once.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill()
	<-p.exited
}

// waitFor polls address until it answers 200, the process ends, or ctx does.
func (p *Process) waitFor(ctx context.Context, address string) error {
	client := &http.Client{Timeout: 2 * time.Second}
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
		if err != nil {
			return err
		}
		if resp, err := client.Do(req); err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-p.exited:
			return fmt.Errorf("%s ended before it was ready: %s", p.Name, p.lastWords())
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready: %w: %s", p.Name, ctx.Err(), p.lastWords())
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// lastWords are the last two log lines, as one.
func (p *Process) lastWords() string { return strings.ReplaceAll(Tail(p.LogFile, 2), "\n", " | ") }

// ErrNotBuilt says that a server's binary is missing.
var ErrNotBuilt = errors.New(`server not built: run "make servers"`)

// Find returns the path of a server: in $DRILL_BIN, beside this program, in bin/ of the working directory or a folder above it, or on PATH.
func Find(name string) (string, error) {
	var folders []string
	if dir := os.Getenv("DRILL_BIN"); dir != "" {
		folders = append(folders, dir)
	}
	if self, err := os.Executable(); err == nil {
		folders = append(folders, filepath.Dir(self))
	}
	if dir, err := os.Getwd(); err == nil {
		for ; ; dir = filepath.Dir(dir) {
			folders = append(folders, filepath.Join(dir, "bin"))
			if dir == filepath.Dir(dir) {
				break
			}
		}
	}
	for _, dir := range folders {
		path := filepath.Join(dir, name)
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return path, nil
		}
	}
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	return "", fmt.Errorf("%s: %w", name, ErrNotBuilt)
}

// freePorts returns the first of n ports in a row of a local address, all free a moment ago. In a row, because Weaviate looks for the RPC port of a peer on
// localhost right after its Raft port, whatever RAFT_INTERNAL_RPC_PORT says (cluster/resolver/rpc.go).
func freePorts(host string, n int) (int, error) {
	var err error
	for range 100 {
		var first int
		if first, err = portsInARow(host, n); err == nil {
			return first, nil
		}
	}
	return 0, fmt.Errorf("find %d free ports in a row on %s: %w", n, host, err)
}

// Below the ports that systems give to outgoing connections (from 32768 on Linux), and the node ports of Kubernetes: between the look and the server's own
// listening, none of these is taken by a connection that somebody happens to make.
const lowestPort, highestPort = 10_000, 29_999

func portsInARow(host string, n int) (int, error) {
	first := lowestPort + rand.IntN(highestPort-lowestPort-n)
	for i := range n {
		l, err := net.Listen("tcp", net.JoinHostPort(host, fmt.Sprint(first+i))) //nolint:noctx // it listens for a moment, on this machine
		if err != nil {
			return 0, err
		}
		defer l.Close()
	}
	return first, nil
}

// Tail returns the last n lines of a file, for an error message.
func Tail(file string, n int) string {
	raw, err := os.ReadFile(file)
	if err != nil {
		return err.Error()
	}
	end := len(raw)
	for end > 0 && raw[end-1] == '\n' {
		end--
	}
	begin := end
	for begin > 0 {
		if raw[begin-1] == '\n' {
			if n--; n == 0 {
				break
			}
		}
		begin--
	}
	return string(raw[begin:end])
}
