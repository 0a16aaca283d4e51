package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/httpstream"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/transport/spdy"

	"github.com/weaviate-drill/weaviate-drill/backup/sandbox"
	"github.com/weaviate-drill/weaviate-drill/internal/secret"
	"github.com/weaviate-drill/weaviate-drill/internal/weaviate"
)

// reach finds the way to the first node and asks whether it is what spec describes. Nothing of it leaves the cluster in plaintext: in the cluster the tool speaks http over the
// network of its pods; from outside it goes through the API server, over TLS to there (forward sees to it) and from there to the kubelet, which always speaks TLS. A node that is ready may not be reached for a moment: its name is not
// known to every resolver at once, nor are network policies known to every machine.
func (i *Instance) reach(ctx context.Context, spec sandbox.Spec, key secret.Value) error {
	var err error
	if i.endpoint, err = i.way(i.nodes[0], key); err != nil {
		return err
	}
	for began := time.Now(); ; {
		err := spec.Fits(ctx, i.endpoint)
		if err == nil || !errors.Is(err, weaviate.ErrUnreachable) || ctx.Err() != nil || time.Since(began) > grace {
			return err
		}
		select {
		case <-ctx.Done():
		case <-time.After(look):
		}
	}
}

// way is how a node is reached.
func (i *Instance) way(n node, key secret.Value) (e weaviate.Endpoint, err error) {
	e.APIKey = key
	if i.cluster.inside != "" {
		host := fmt.Sprintf("%s.%s.%s.svc", n.pod, serviceName, i.namespace)
		e.URL = "http://" + net.JoinHostPort(host, fmt.Sprint(restPort)) // plain, but never outside the cluster
		e.GRPC = net.JoinHostPort(host, fmt.Sprint(grpcPort))
		return e, nil
	}
	if e.URL, err = i.forward(n, restPort); err != nil {
		return e, err
	}
	e.URL = "http://" + e.URL
	e.GRPC, err = i.forward(n, grpcPort)
	return e, err
}

// Endpoints are those of all nodes. Outside the cluster each gets tunnels of its own, which end with Down.
func (i *Instance) Endpoints(context.Context) (map[string]weaviate.Endpoint, error) {
	all := map[string]weaviate.Endpoint{i.nodes[0].name: i.endpoint}
	for _, n := range i.nodes[1:] {
		var err error
		if all[n.name], err = i.way(n, i.endpoint.APIKey); err != nil {
			return nil, fmt.Errorf("node %s: %w", n.name, err)
		}
	}
	return all, nil
}

// forward makes a tunnel to a port of a node and returns its address on this machine.
func (i *Instance) forward(n node, port int) (string, error) {
	if address, _, err := rest.DefaultServerUrlFor(i.cluster.config); err != nil || address.Scheme != "https" {
		return "", fmt.Errorf("port-forward: the API server is not reached over TLS (%s): the API key and the data would be read by anybody on the way", i.cluster.config.Host)
	}
	address := i.cluster.CoreV1().RESTClient().Post().Resource("pods").Namespace(i.namespace).Name(n.pod).SubResource("portforward").URL()
	websocket, err := portforward.NewSPDYOverWebsocketDialer(address, i.cluster.config)
	if err != nil {
		return "", fmt.Errorf("port-forward: %w", err)
	}
	transport, upgrader, err := spdy.RoundTripperFor(i.cluster.config)
	if err != nil {
		return "", fmt.Errorf("port-forward: %w", err)
	}
	// As kubectl does: clusters before 1.30, and some proxies, know the older way only.
	dialer := portforward.NewFallbackDialer(websocket, spdy.NewDialer(upgrader, &http.Client{Transport: transport}, http.MethodPost, address), func(err error) bool {
		return httpstream.IsUpgradeFailure(err) || httpstream.IsHTTPSProxyError(err)
	})
	t, err := openTunnel(dialer, port, &i.carried)
	if err != nil {
		return "", err
	}
	i.tunnels = append(i.tunnels, t)
	return t.listener.Addr().String(), nil
}

// tunnel forwards connections to a port on the loopback through the API server to a port of a pod. Each has a way of its own through the API server, made
// when it is opened and tried again while the API server does not answer: what is cut is a connection, never the tunnel. client-go's own PortForwarder ends with
// its one connection.
type tunnel struct {
	listener net.Listener
	dialer   httpstream.Dialer
	port     int
	carried  *meter
	ctx      context.Context // ends with the tunnel
	cancel   context.CancelFunc
}

func openTunnel(dialer httpstream.Dialer, port int, carried *meter) (*tunnel, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // it outlives the call that makes it
	if err != nil {
		return nil, fmt.Errorf("port-forward: %w", err)
	}
	t := &tunnel{listener: listener, dialer: dialer, port: port, carried: carried}
	t.ctx, t.cancel = context.WithCancel(context.Background())
	go func() {
		for {
			local, err := listener.Accept()
			if err != nil {
				return
			}
			go t.serve(local)
		}
	}()
	return t, nil
}

func (t *tunnel) close() {
	t.cancel()
	_ = t.listener.Close()
}

// serve carries one connection, until either side ends it or the tunnel is closed. There is nobody to tell an error to but the client, who sees its connection close.
func (t *tunnel) serve(local net.Conn) {
	defer local.Close()
	remote, err := t.dial()
	if err != nil {
		return
	}
	defer func() { _ = remote.Close() }()
	defer context.AfterFunc(t.ctx, func() {
		_ = local.Close()
		_ = remote.Close()
	})()
	headers := http.Header{}
	headers.Set(corev1.PortHeader, fmt.Sprint(t.port))
	headers.Set(corev1.PortForwardRequestIDHeader, "0")
	headers.Set(corev1.StreamType, corev1.StreamTypeError)
	failures, err := remote.CreateStream(headers)
	if err != nil {
		return
	}
	_ = failures.Close() // nothing is written to it
	headers.Set(corev1.StreamType, corev1.StreamTypeData)
	data, err := remote.CreateStream(headers)
	if err != nil {
		return
	}
	over := make(chan struct{}, 3)
	go func() {
		if message, err := io.ReadAll(failures); err != nil || len(message) > 0 { // the port of the pod refuses, or the connection is cut
			over <- struct{}{}
		}
	}()
	go func() {
		_, _ = io.Copy(local, io.TeeReader(data, t.carried))
		over <- struct{}{}
	}()
	go func() {
		if _, err := io.Copy(data, io.TeeReader(local, t.carried)); err != nil {
			over <- struct{}{}
		}
		_ = data.Close() // the client may still wait for an answer
	}()
	select {
	case <-over:
	case <-remote.CloseChan():
	}
}

// dial asks the API server for a way to the pod until it gives one, for as long as grace.
func (t *tunnel) dial() (httpstream.Connection, error) {
	for began := time.Now(); ; {
		remote, _, err := t.dialer.Dial(portforward.PortForwardProtocolV1Name)
		if err == nil || time.Since(began) > grace {
			return remote, err
		}
		select {
		case <-t.ctx.Done():
			return nil, t.ctx.Err()
		case <-time.After(look):
		}
	}
}

// meter counts what flows through all tunnels, in both directions, and how long anything did.
type meter struct {
	mu      sync.Mutex
	bytes   int64
	flowing int64         // the bytes that came soon after others
	busy    time.Duration // in which they came
	last    time.Time
}

// pause is how long nothing flows when it is not the wire that is waited for, but a question or an answer.
const pause = 100 * time.Millisecond

// Write counts the bytes that an io.TeeReader has seen.
func (m *meter) Write(p []byte) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	m.bytes += int64(len(p))
	if gap := now.Sub(m.last); gap < pause {
		m.flowing += int64(len(p))
		m.busy += gap
	}
	m.last = now
	return len(p), nil
}

// String is such as "12.3 MiB at 41 MiB/s"; without the rate when too little came at once to know one.
func (m *meter) String() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	const mebi = 1 << 20
	text := fmt.Sprintf("%.1f MiB", float64(m.bytes)/mebi)
	if m.flowing >= mebi {
		text += fmt.Sprintf(" at %.0f MiB/s", float64(m.flowing)/mebi/m.busy.Seconds())
	}
	return text
}
