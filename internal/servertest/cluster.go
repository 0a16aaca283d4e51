package servertest

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/weaviate-drill/weaviate-drill/internal/cluster"
)

// Cluster returns the path of the kubeconfig of a cluster in which the caller may do anything: the one that KUBECONFIG names, else the one that
// "make cluster-up" left running. A test whose pods need to reach the shared MinIO calls it before MinIO, Bucket or Source, which then listen where the pods
// of the latter reach them; on another cluster, at DRILL_HOST, an address of this machine that its pods reach.
func Cluster(t testing.TB) string { return useCluster(t, syscall.LOCK_SH) }

// ClusterAlone is Cluster for a test that disturbs others, or that others would disturb: no other test, of whatever process, uses the cluster until it ends. It is the first that such a test calls.
func ClusterAlone(t testing.TB) string { return useCluster(t, syscall.LOCK_EX) }

// alone is the name of the test of this process that has the cluster for itself.
var alone string

func useCluster(t testing.TB, how int) string {
	t.Helper()
	path, host := os.Getenv("KUBECONFIG"), os.Getenv("DRILL_HOST")
	if path == "" {
		var err error
		if path, err = cluster.Kubeconfig(); errors.Is(err, cluster.ErrNotUp) {
			Lacking(t, err.Error())
		} else if err != nil {
			t.Fatal(err)
		}
		host = cluster.HostAddress
	}
	lockCluster(t, how)
	shared.Lock()
	defer shared.Unlock()
	if shared.minio == nil {
		shared.host = host
	}
	return path
}

func lockCluster(t testing.TB, how int) {
	t.Helper()
	shared.Lock()
	has := alone != "" && (t.Name() == alone || strings.HasPrefix(t.Name(), alone+"/"))
	shared.Unlock()
	if has {
		return
	}
	lock, err := os.OpenFile(filepath.Join(os.TempDir(), "weaviate-drill-cluster-tests.lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	for err = syscall.EINTR; errors.Is(err, syscall.EINTR); {
		err = syscall.Flock(int(lock.Fd()), how)
	}
	if err != nil {
		t.Fatal(err)
	}
	if how == syscall.LOCK_EX {
		shared.Lock()
		alone = t.Name()
		shared.Unlock()
	}
	t.Cleanup(func() {
		if how == syscall.LOCK_EX {
			shared.Lock()
			alone = ""
			shared.Unlock()
		}
		_ = lock.Close() // and so unlocks it
	})
}
