package cluster

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// The node's folders that take the place of the machine's. /tmp is the last: the state folder may lie below it.
var ownFolders = [][2]string{{"run", "/run"}, {"lib", "/var/lib"}, {"log", "/var/log"}, {"tmp", "/tmp"}}

// The kernel settings that the kubelet insists on and that are the whole machine's. It is shown a copy of them, as they should be
// (pkg/kubelet/cm/container_manager_linux.go, setupKernelTunables).
var kernelSettings = map[string]string{
	"vm/overcommit_memory": "1", "vm/panic_on_oom": "0", "kernel/panic": "10", "kernel/panic_on_oops": "1", "kernel/keys/root_maxkeys": "1000000", "kernel/keys/root_maxbytes": "25000000",
}

// Node is the first process of the node, which Up starts in new namespaces, in the state folder: it lays out what the node sees, starts the parts, starts
// again each that ends, and reaps what they leave. It returns only with an error; everything in the node ends with it.
func Node() error {
	syscall.CloseOnExec(lockFD) // held as long as this process is there, and by no other
	if err := layOut(); err != nil {
		return err
	}
	// The other end of the network is there, and the files of the parts, once Up says so. If Up ends before, nothing is left.
	if _, err := io.ReadFull(os.Stdin, make([]byte, 1)); err != nil {
		return fmt.Errorf("wait for the word to start: %w", err)
	}
	for _, args := range [][]string{
		{"link", "set", "lo", "up"}, {"link", "set", "eth0", "up"}, {"address", "add", nodeAddress + hostPrefix, "dev", "eth0"},
		// There is no default route. The kernel wants one before kube-proxy's rules turn a service's address into a pod's.
		{"route", "add", serviceNetwork, "dev", "eth0"},
	} {
		if err := run("ip", args...); err != nil {
			return err
		}
	}
	if err := os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0o600); err != nil {
		return err
	}
	raw, err := os.ReadFile(nodePath("parts.json"))
	if err != nil {
		return err
	}
	var parts []part
	if err := json.Unmarshal(raw, &parts); err != nil {
		return err
	}
	supervise(parts)
	return nil
}

// layOut gives this process, and all that it starts, its view of the machine's files.
func layOut() error {
	state, err := os.Getwd()
	if err != nil {
		return err
	}
	// What is mounted from here on stays in the node, and spreads within it, as the kubelet wants it.
	for _, propagation := range []uintptr{syscall.MS_SLAVE, syscall.MS_SHARED} {
		if err := syscall.Mount("", "/", "", syscall.MS_REC|propagation, ""); err != nil {
			return fmt.Errorf("separate the mounts: %w", err)
		}
	}
	if err := syscall.Mount("proc", "/proc", "proc", syscall.MS_NOSUID|syscall.MS_NODEV|syscall.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("mount /proc: %w", err)
	}
	for name, value := range kernelSettings {
		shown := filepath.Join(state, "lib", "drill", "kernel", filepath.Base(name))
		if err := os.WriteFile(shown, []byte(value+"\n"), 0o600); err != nil {
			return err
		}
		if err := bind(shown, "/proc/sys/"+name); err != nil {
			return err
		}
	}
	for _, f := range ownFolders {
		if err := bind(filepath.Join(state, f[0]), f[1]); err != nil {
			return err
		}
	}
	if err := syscall.Mount("", "/", "", syscall.MS_REMOUNT|syscall.MS_BIND|syscall.MS_RDONLY, ""); err != nil {
		return fmt.Errorf("make the machine's files read-only: %w", err)
	}
	if err := os.Chdir("/"); err != nil {
		return err
	}
	return syscall.Sethostname([]byte(NodeName))
}

func bind(from, to string) error {
	if err := syscall.Mount(from, to, "", syscall.MS_BIND, ""); err != nil {
		return fmt.Errorf("mount %s on %s: %w", from, to, err)
	}
	return nil
}

func run(name string, args ...string) error {
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil { //nolint:noctx // quick, and to be done in any case
		return fmt.Errorf("%s %v: %w: %s", name, args, err, out)
	}
	return nil
}

// supervise runs the parts for ever. A part is a process, not an exec.Cmd: there is one who waits for all, since as the node's first process this one also
// inherits the orphans of every other.
func supervise(parts []part) {
	var mu sync.Mutex
	running := map[int]part{}
	start := func(p part) {
		p.await()
		mu.Lock()
		defer mu.Unlock()
		pid, err := p.start()
		if err != nil {
			fmt.Fprintln(os.Stderr, p.Name, "does not start:", err)
			return
		}
		running[pid] = p
	}
	for _, p := range parts {
		go start(p)
	}
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, 0, nil)
		if err != nil { // no child yet
			time.Sleep(10 * time.Millisecond)
			continue
		}
		mu.Lock()
		p, ok := running[pid]
		delete(running, pid)
		mu.Unlock()
		if ok {
			fmt.Fprintf(os.Stderr, "%s %s ended (exit status %d, signal %d) and is started again\n", time.Now().Format(time.RFC3339), p.Name, status.ExitStatus(), status.Signal())
			time.AfterFunc(time.Second, func() { start(p) })
		}
	}
}

// part is one server of the cluster.
type part struct {
	Name  string
	After string // what listens before it starts: network and address
	Bin   string
	Args  []string
}

// await returns when what the part needs listens.
func (p part) await() {
	var network, address string
	if n, _ := fmt.Sscan(p.After, &network, &address); n == 0 {
		return
	}
	for {
		if c, err := net.DialTimeout(network, address, time.Second); err == nil { //nolint:noctx // the node has no other end than its death
			_ = c.Close()
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func (p part) start() (pid int, err error) {
	log, err := os.OpenFile(filepath.Join("/var/log", p.Name+".log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return 0, err
	}
	defer log.Close()
	null, err := os.Open(os.DevNull)
	if err != nil {
		return 0, err
	}
	defer null.Close()
	return syscall.ForkExec(p.Bin, append([]string{p.Name}, p.Args...), &syscall.ProcAttr{
		Dir: "/", Env: []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/var/lib/drill"},
		Files: []uintptr{null.Fd(), log.Fd(), log.Fd()}, Sys: &syscall.SysProcAttr{Setpgid: true},
	})
}

// Restart kills a part, such as "kube-apiserver"; the node starts it again a second later.
func Restart(name string) error {
	if _, err := Kubeconfig(); err != nil {
		return err
	}
	node, err := nodePID()
	if err != nil {
		return err
	}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return err
	}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if _, parent := stat(pid); parent != node {
			continue
		}
		command, err := os.ReadFile(filepath.Join("/proc", e.Name(), "cmdline"))
		if first, _, _ := bytes.Cut(command, []byte{0}); err == nil && string(first) == name {
			return syscall.Kill(pid, syscall.SIGKILL)
		}
	}
	return fmt.Errorf("the cluster runs no %s", name)
}

// stat returns the state of a process ('Z': ended, 0: not there) and its parent (proc(5)).
func stat(pid int) (state byte, parent int) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, 0
	}
	if _, err := fmt.Sscanf(string(raw[bytes.LastIndexByte(raw, ')')+1:]), " %c %d", &state, &parent); err != nil {
		return 0, 0
	}
	return state, parent
}
