package kubernetes

import (
	"context"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/weaviate-drill/weaviate-drill/backup/sandbox"
	"github.com/weaviate-drill/weaviate-drill/internal/servertest"
)

// TestConnects stands in for a cluster that enforces network policies, which that of the tests does not: the forbidden address is one that nothing answers at. And
// when nothing answers at the allowed one either, nothing is known.
func TestConnects(t *testing.T) {
	p := place{Options{Kubeconfig: servertest.Cluster(t), Image: servertest.WeaviateImage, CPU: resource.MustParse("50m"), Memory: resource.MustParse("1Gi")}}
	s := spec("node1")
	s.DrillID = "test-connects-" + strings.ToLower(sandbox.NewKey().Reveal()[:10])
	up, err := p.Up(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	i := up.(*Instance)
	t.Cleanup(func() {
		if err := i.Down(context.Background()); err != nil {
			t.Error(err)
		}
	})
	pod, err := i.watch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	const nowhere = "203.0.113.1:8080" // of a network that is for documentation only (RFC 5737)
	there := pod.pods["node-0-0"].Status.PodIP + ":8080"
	result, detail := i.connects(t.Context(), nowhere, there)
	if t.Log(detail); result != sandbox.Pass {
		t.Error(result)
	}
	ctx, cancel := context.WithTimeout(t.Context(), silence+5*time.Second)
	defer cancel()
	result, detail = i.connects(ctx, nowhere, nowhere)
	if t.Log(detail); result != sandbox.Unknown {
		t.Error(result)
	}
}
