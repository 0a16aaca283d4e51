package servertest

import (
	"io"
	"net"
	"sync"
	"testing"
)

// Stall forwards a port of this machine, and can hold up what clients send to it.
type Stall struct {
	Address string
	mu      sync.RWMutex // locked while it holds
	held    bool         // of the test's goroutine
}

// NewStall is one to the address to; it goes with the test.
func NewStall(t testing.TB, to string) *Stall {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	fatal(t, err)
	s := &Stall{Address: listener.Addr().String()}
	t.Cleanup(func() { s.Release(); _ = listener.Close() })
	go func() {
		for {
			in, err := listener.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", to) //nolint:noctx // to this machine
			if err != nil {
				_ = in.Close()
				continue
			}
			go func() { _, _ = io.Copy(in, out); _ = in.Close() }()
			go func() { _, _ = io.Copy(out, passing{in, s}); _ = out.Close() }()
		}
	}()
	return s
}

// Hold lets nothing pass any more.
func (s *Stall) Hold() { s.mu.Lock(); s.held = true }

// Release lets pass what was held up, and all that follows.
func (s *Stall) Release() {
	if s.held {
		s.held = false
		s.mu.Unlock()
	}
}

type passing struct {
	io.Reader
	stall *Stall
}

func (p passing) Read(buffer []byte) (int, error) {
	n, err := p.Reader.Read(buffer)
	p.stall.mu.RLock()
	defer p.stall.mu.RUnlock()
	return n, err
}
