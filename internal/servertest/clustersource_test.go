package servertest_test

import (
	"os"
	"slices"
	"testing"

	"github.com/weaviate-drill/weaviate-drill/internal/servertest"
	"github.com/weaviate-drill/weaviate-drill/internal/weaviate"
)

func TestMain(m *testing.M) { os.Exit(servertest.Run(m)) }

// The source in the cluster keeps its backups in the bucket of the tests.
func TestClusterSource(t *testing.T) {
	servertest.Cluster(t)
	b := servertest.Bucket(t, "backups")
	w := servertest.ClusterSource(t, b, 1)
	c, err := weaviate.Dial(t.Context(), w.Outside)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	nodes, err := c.Nodes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(nodes) != 1 || !slices.Equal(w.Nodes, []string{nodes[0].Name}) {
		t.Errorf("nodes: %+v, and it says %v", nodes, w.Nodes)
	}
}
