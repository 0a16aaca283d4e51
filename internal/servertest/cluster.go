package servertest

import (
	"errors"
	"os"
	"testing"

	"github.com/weaviate-drill/weaviate-drill/internal/cluster"
)

// Cluster returns the path of the kubeconfig of a cluster in which the caller may do anything: the one that KUBECONFIG names, else the one that
// "make cluster-up" left running. A test whose pods need to reach the shared MinIO calls it before MinIO, Bucket or Source, which then listen where the pods
// of the latter reach them; on another cluster, at DRILL_HOST, an address of this machine that its pods reach.
func Cluster(t testing.TB) string {
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
	shared.Lock()
	defer shared.Unlock()
	if shared.minio == nil {
		shared.host = host
	}
	return path
}
