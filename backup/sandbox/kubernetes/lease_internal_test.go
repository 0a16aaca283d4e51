package kubernetes

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/weaviate-drill/weaviate-drill/backup/sandbox"
	"github.com/weaviate-drill/weaviate-drill/internal/servertest"
)

// TestLockOutlivesNoSilence cuts the wire to the API server, for less than the holder may bear, and then for longer.
func TestLockOutlivesNoSilence(t *testing.T) {
	kubeconfig := servertest.Cluster(t)
	wire := servertest.NewWire(t, kubeconfig)
	straight, err := Options{Kubeconfig: kubeconfig}.dial()
	fatal(t, err)
	ns, err := straight.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "drill-tool-"}}, metav1.CreateOptions{})
	fatal(t, err)
	t.Cleanup(func() {
		_ = straight.CoreV1().Namespaces().Delete(context.Background(), ns.Name, metav1.DeleteOptions{})
	})
	c, err := Options{Kubeconfig: wire.Kubeconfig, Namespace: ns.Name}.dial()
	fatal(t, err)
	held, release, err := c.lock(t.Context(), "drill of alice", term{lease: 8 * time.Second, renew: 5 * time.Second, retry: 500 * time.Millisecond})
	fatal(t, err)
	wire.Cut()
	time.Sleep(2 * time.Second)
	wire.Mend()
	select {
	case <-held.Done():
		t.Fatalf("it was lost already: %v", context.Cause(held))
	case <-time.After(4 * time.Second):
	}
	wire.Cut()
	began := time.Now()
	select {
	case <-held.Done():
	case <-time.After(20 * time.Second):
		t.Fatal("it was not noticed")
	}
	if err := context.Cause(held); !errors.Is(err, sandbox.ErrLockLost) || !strings.Contains(err.Error(), "was not renewed for 5s: ") || time.Since(began) > 8*time.Second {
		t.Errorf("after %v: %v", time.Since(began), err)
	}
	wire.Mend()
	fatal(t, release(t.Context()))
}

func fatal(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
