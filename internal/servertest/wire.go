package servertest

import (
	"context"
	"io"
	"net"
	"net/url"
	"path/filepath"
	"sync"
	"testing"

	"k8s.io/client-go/tools/clientcmd"
)

// Wire stands between a client and the API server.
type Wire struct {
	Kubeconfig string // of a client whose requests go over the wire
	server     string
	mu         sync.Mutex
	down       bool
	conns      []net.Conn
}

// NewWire is one to the cluster of kubeconfig; it goes with the test.
func NewWire(t testing.TB, kubeconfig string) *Wire {
	t.Helper()
	config, err := clientcmd.LoadFromFile(kubeconfig)
	fatal(t, err)
	listener, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	fatal(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	w := &Wire{Kubeconfig: filepath.Join(t.TempDir(), "kubeconfig")}
	cluster := config.Clusters[config.Contexts[config.CurrentContext].Cluster]
	server, err := url.Parse(cluster.Server)
	fatal(t, err)
	w.server = server.Host
	cluster.Server, cluster.TLSServerName = "https://"+listener.Addr().String(), server.Hostname()
	fatal(t, clientcmd.WriteToFile(*config, w.Kubeconfig))
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go w.carry(conn)
		}
	}()
	return w
}

func (w *Wire) carry(in net.Conn) {
	defer in.Close()
	out, err := (&net.Dialer{}).DialContext(context.Background(), "tcp", w.server)
	if err != nil {
		return
	}
	defer out.Close()
	w.mu.Lock()
	w.conns = append(w.conns, in, out)
	down := w.down
	w.mu.Unlock()
	if down {
		return
	}
	go func() { _, _ = io.Copy(in, out); _ = in.Close() }()
	_, _ = io.Copy(out, in)
}

// Cut ends every connection, and lets none through.
func (w *Wire) Cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.down = true
	for _, c := range w.conns {
		_ = c.Close()
	}
	w.conns = nil
}

// Mend lets connections through again.
func (w *Wire) Mend() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.down = false
}
