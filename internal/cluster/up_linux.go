package cluster

import (
	"context"
	"debug/buildinfo"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/weaviate-drill/weaviate-drill/internal/image"
	"github.com/weaviate-drill/weaviate-drill/internal/servers"
)

const (
	hostDevice = "drill0" // this machine's end of the cable to the node
	lockFD     = 3        // the first of a process's extra files

	upTimeout   = 3 * time.Minute // of which a quiet machine needs 20 s
	downTimeout = time.Minute
)

// Up brings the cluster up, if it is not, and waits until its node and its name service are ready, telling progress what it does. The cluster outlives
// this program. Up starts this program again as the node's first process: a main function that calls Up calls Node when its first argument is "node".
func Up(ctx context.Context, progress io.Writer) error {
	if os.Geteuid() != 0 {
		return ErrUnsupported
	}
	ctx, cancel := context.WithTimeout(ctx, upTimeout)
	defer cancel()
	unlock, err := lockState()
	if err != nil {
		return err
	}
	defer unlock()
	if _, err := Kubeconfig(); err == nil {
		return ready(ctx)
	}
	t, err := find()
	if err != nil {
		return err
	}
	if err := clear(); err != nil {
		return err
	}
	if left := podCgroups(); len(left) > 0 {
		return fmt.Errorf("%s is there: this machine runs the pods of another kubelet", left[0])
	}
	for _, folder := range []string{"run", "log", "lib/drill/cni", "lib/drill/kernel", "tmp"} {
		if err := os.MkdirAll(dir(folder), 0o755); err != nil { //nolint:gosec // the state folder itself is closed to others
			return err
		}
	}
	if err := os.Chmod(dir("tmp"), 0o777|fs.ModeSticky); err != nil {
		return err
	}
	if err := t.configure(); err != nil {
		return err
	}
	if err := bringUp(ctx, t, progress); err != nil {
		// What failed is stopped, and its logs stay for whoever looks into it; the next Up or Down removes them.
		return errors.Join(fmt.Errorf("%w; all logs are in %s", err, dir("log")), stop())
	}
	return os.WriteFile(dir(complete), nil, 0o600)
}

func bringUp(ctx context.Context, t *tools, progress io.Writer) error {
	fmt.Fprintln(progress, "starting Kubernetes in", dir())
	if err := startNode(); err != nil {
		return err
	}
	if err := wait(ctx, "containerd", func(ctx context.Context) error {
		c, err := (&net.Dialer{}).DialContext(ctx, "unix", dir(containerdSocket))
		if err == nil {
			_ = c.Close()
		}
		return err
	}); err != nil {
		return err
	}
	for _, i := range t.images {
		fmt.Fprintln(progress, "importing", i.Name)
		if err := load(ctx, i); err != nil {
			return err
		}
	}
	a, err := newAPI()
	if err != nil {
		return err
	}
	fmt.Fprintln(progress, "waiting for the node and its name service")
	if err := wait(ctx, "kube-apiserver", a.started); err != nil {
		return err
	}
	if err := a.deployDNS(ctx, t.dnsVersion); err != nil {
		return err
	}
	return ready(ctx)
}

// complete is the name of the file that says that Up succeeded.
const complete = "complete"

// Kubeconfig returns the administrator's kubeconfig, or ErrNotUp.
func Kubeconfig() (string, error) {
	if _, err := os.Stat(dir(complete)); err != nil {
		return "", ErrNotUp
	}
	if pid, err := nodePID(); err != nil || pid == 0 {
		return "", errors.Join(ErrNotUp, err)
	}
	return dir("lib/drill/admin.kubeconfig"), nil
}

// find looks for all that the cluster is made of.
func find() (*tools, error) {
	found := map[string]string{}
	for _, name := range []string{"kubernetes", "etcd", "coredns", "pause", "weaviate-server", "minio"} {
		path, err := servers.Find(name)
		if err != nil {
			return nil, fmt.Errorf("%s is not built: run \"make cluster-servers\"", name)
		}
		found[name] = path
	}
	for _, name := range []string{"containerd", "ctr", "runc", "iptables", "conntrack", "ipset", "ip"} {
		path, err := exec.LookPath(name)
		if err != nil {
			return nil, fmt.Errorf("%s is not installed: apt-get install %s", name, packages)
		}
		found[name] = path
	}
	t := &tools{kubernetes: found["kubernetes"], etcd: found["etcd"], containerd: found["containerd"]}
	for _, folder := range []string{"/usr/lib/cni", "/opt/cni/bin"} {
		if _, err := os.Stat(filepath.Join(folder, "bridge")); err == nil {
			t.plugins = folder
		}
	}
	if t.plugins == "" {
		return nil, fmt.Errorf("the CNI plugins are not installed: apt-get install %s", packages)
	}
	var err error
	if t.dnsVersion, err = version(found["coredns"]); err != nil {
		return nil, err
	}
	weaviate, err := WeaviateImage()
	t.images = []image.Image{
		{Name: pauseImage, Binary: found["pause"], Path: "/pause"},
		{Name: "coredns/coredns:" + t.dnsVersion, Binary: found["coredns"], Path: "/coredns"},
		image.Weaviate(weaviate, found["weaviate-server"]),
		{Name: MinIOImage, Binary: found["minio"], Path: "/usr/bin/minio", Args: []string{"server", "/data"}, Folders: []string{"/data"}},
	}
	return t, err
}

const packages = "containerd runc iptables containernetworking-plugins conntrack ipset iproute2"

// WeaviateImage is the official name of the image of the Weaviate that "make servers" builds.
func WeaviateImage() (string, error) {
	path, err := servers.Find("weaviate-server")
	if err != nil {
		return "", err
	}
	v, err := version(path)
	return "semitechnologies/weaviate:" + v, err
}

// version reads from a server's binary of which version it is.
func version(binary string) (string, error) {
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		return "", err
	}
	return strings.TrimPrefix(info.Main.Version, "v"), nil
}

// Load imports an image into the cluster, which no node could pull.
func Load(ctx context.Context, i image.Image) error {
	if _, err := Kubeconfig(); err != nil {
		return err
	}
	return load(ctx, i)
}

func load(ctx context.Context, i image.Image) error {
	archive, w := io.Pipe()
	defer func() { _ = archive.Close() }()
	go func() { _ = w.CloseWithError(i.Write(w)) }()
	ctr := exec.CommandContext(ctx, "ctr", "--address", dir(containerdSocket), "--namespace", "k8s.io", "images", "import", "-")
	ctr.Stdin = archive
	if out, err := ctr.CombinedOutput(); err != nil {
		return fmt.Errorf("import the image %s: %w: %s", i.Name, err, out)
	}
	return nil
}

// startNode starts the node's first process in new namespaces, and lays the cable to its network.
func startNode() error {
	lock, err := os.OpenFile(dir("lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer lock.Close() // and the node's process has the only one
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return err
	}
	log, err := os.OpenFile(dir("log/node.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	node := exec.Command("/proc/self/exe", "node") //nolint:noctx // it outlives this program
	node.Dir, node.Stdout, node.Stderr, node.ExtraFiles = dir(), log, log, []*os.File{lock}
	node.SysProcAttr = &syscall.SysProcAttr{
		Setsid: true, Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS | syscall.CLONE_NEWNET | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC,
	}
	start, err := node.StdinPipe()
	if err != nil {
		return err
	}
	defer start.Close()
	if err := node.Start(); err != nil {
		return fmt.Errorf("start the node: %w", err)
	}
	go func() { _ = node.Wait() }()
	pid := strconv.Itoa(node.Process.Pid)
	if err := os.WriteFile(dir("pid"), []byte(pid), 0o600); err != nil {
		return err // and the node ends, as start is closed
	}
	for _, args := range [][]string{
		{"link", "add", hostDevice, "type", "veth", "peer", "name", "eth0", "netns", pid}, {"address", "add", HostAddress + hostPrefix, "dev", hostDevice}, {"link", "set", hostDevice, "up"},
	} {
		if err := run("ip", args...); err != nil {
			return err
		}
	}
	_, err = start.Write([]byte{'\n'})
	return err
}

// nodePID returns the id of the node's first process, 0 if there is none. That process holds the lock for as long as it is there.
func nodePID() (int, error) {
	lock, err := os.Open(dir("lock"))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_SH|syscall.LOCK_NB); err == nil {
		return 0, nil
	} else if !errors.Is(err, syscall.EWOULDBLOCK) {
		return 0, err
	}
	raw, err := os.ReadFile(dir("pid"))
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(string(raw))
}

// Down removes the cluster and all that it made; no cluster is no error.
func Down() error {
	if os.Geteuid() != 0 {
		return ErrUnsupported
	}
	if _, err := os.Lstat(dir()); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	unlock, err := lockState()
	if err != nil {
		return err
	}
	defer unlock()
	if err := clear(); err != nil {
		return err
	}
	return os.Remove(dir())
}

// clear stops the cluster and empties the state folder.
func clear() error {
	if err := stop(); err != nil {
		return err
	}
	entries, err := os.ReadDir(dir())
	for _, e := range entries {
		err = errors.Join(err, os.RemoveAll(dir(e.Name())))
	}
	return err
}

// stop ends the node, and so all that runs in it, and removes what a node leaves in the kernel.
func stop() error {
	entries, err := os.ReadDir(dir())
	if err != nil || len(entries) == 0 {
		return err // no cluster of ours: what there is in the kernel is another's
	}
	pid, err := nodePID()
	if err != nil {
		return err
	}
	deadline := time.Now().Add(downTimeout)
	if pid != 0 {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			return fmt.Errorf("stop the node (process %d): %w", pid, err)
		}
		// The first process of a namespace ends when all others in it have.
		for state, _ := stat(pid); state != 0 && state != 'Z'; state, _ = stat(pid) {
			if time.Now().After(deadline) {
				return fmt.Errorf("the node (process %d) does not end", pid)
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
	// The kernel removes the cable some time after the node's network.
	if _, err := net.InterfaceByName(hostDevice); err == nil {
		_ = run("ip", "link", "delete", hostDevice)
	}
	for _, group := range podCgroups() {
		if err := removeCgroup(group, deadline); err != nil {
			return err
		}
	}
	return nil
}

// podCgroups are the control groups below which a kubelet puts all pods: one in each hierarchy of cgroup v1, or one.
func podCgroups() []string {
	v1, _ := filepath.Glob("/sys/fs/cgroup/*/kubepods")
	v2, _ := filepath.Glob("/sys/fs/cgroup/kubepods")
	return append(v1, v2...)
}

func removeCgroup(group string, deadline time.Time) error {
	entries, err := os.ReadDir(group)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.IsDir() {
			if err := removeCgroup(filepath.Join(group, e.Name()), deadline); err != nil {
				return err
			}
		}
	}
	for {
		err := syscall.Rmdir(group)
		if !errors.Is(err, syscall.EBUSY) || time.Now().After(deadline) {
			return err
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// ready waits for the node and for its name service.
func ready(ctx context.Context) error {
	a, err := newAPI()
	if err != nil {
		return err
	}
	if err := wait(ctx, "kubelet", a.nodeReady); err != nil {
		return err
	}
	return wait(ctx, "kubelet", a.dnsReady)
}

// wait asks until there is no error. That of the end has the last words of the part that should have answered, and of the node, which tells what parts ended.
func wait(ctx context.Context, part string, ask func(context.Context) error) error {
	for {
		err := ask(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the cluster is not ready (%w): %w; %s says: %s; node says: %s", context.Cause(ctx), err, part, lastWords(part), lastWords("node"))
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func lastWords(name string) string {
	return strings.ReplaceAll(servers.Tail(dir("log", name+".log"), 2), "\n", " | ")
}

// lockState makes the state folder and keeps other programs from changing what is in it.
func lockState() (unlock func(), err error) {
	for {
		if err := os.Mkdir(dir(), 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
		f, err := os.OpenFile(dir(), os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_DIRECTORY, 0)
		if err != nil {
			return nil, err
		}
		if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
			return nil, errors.Join(err, f.Close())
		}
		locked, err := f.Stat()
		if err != nil {
			return nil, errors.Join(err, f.Close())
		}
		if there, err := os.Lstat(dir()); err != nil || !os.SameFile(there, locked) { // removed by the one who had the lock
			_ = f.Close()
			continue
		}
		if s := locked.Sys().(*syscall.Stat_t); s.Uid != 0 || locked.Mode().Perm() != 0o700 {
			return nil, errors.Join(fmt.Errorf("%s is not a folder of root's alone: remove it", dir()), f.Close())
		}
		return func() { _ = f.Close() }, nil
	}
}
