package servers_test

import (
	"errors"
	"os"
	"testing"

	"github.com/weaviate-drill/weaviate-drill/internal/secret"
	"github.com/weaviate-drill/weaviate-drill/internal/servertest"
	"github.com/weaviate-drill/weaviate-drill/internal/weaviate"
)

func TestMain(m *testing.M) { os.Exit(servertest.Run(m)) }

func TestClusterOfThreeRefusesStrangers(t *testing.T) {
	w := servertest.Weaviate(t, servertest.Bucket(t, ""), nil, "weaviate-0", "weaviate-1", "weaviate-2")
	nodes, err := servertest.Dial(t, w).Nodes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(nodes) != 3 || nodes[0].Name != "weaviate-0" || nodes[2].Name != "weaviate-2" {
		t.Errorf("nodes: %+v", nodes)
	}
	stranger := w.Endpoints[0]
	stranger.APIKey = secret.Value{}
	if _, err := weaviate.Dial(t.Context(), stranger); !errors.Is(err, weaviate.ErrUnauthorized) {
		t.Errorf("no key: %v", err)
	}
}
