package kubernetes_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"testing"

	drill "github.com/weaviate-drill/weaviate-drill"
	"github.com/weaviate-drill/weaviate-drill/backup/bucket"
	"github.com/weaviate-drill/weaviate-drill/internal/demo"
	"github.com/weaviate-drill/weaviate-drill/internal/servertest"
	"github.com/weaviate-drill/weaviate-drill/rto/evidence"
)

// A whole drill, from a configuration to its record, with the sandbox in the cluster and everything else outside.
func TestDrill(t *testing.T) {
	kubeconfig := servertest.Cluster(t)
	b := servertest.Bucket(t, "backups")
	source := servertest.Weaviate(t, b, nil, "weaviate-0")
	if _, err := demo.Fill(t.Context(), servertest.Dial(t, source)); err != nil {
		t.Fatal(err)
	}
	t.Setenv("DRILL_TEST_KEY", servertest.APIKey)
	cfg, err := drill.ParseConfig("drill.yaml", fmt.Appendf(nil, `
source: {url: %q, grpc: %q, api_key: env:DRILL_TEST_KEY}
bucket: {name: %s, path: %s, region: us-east-1, endpoint: %q, path_style: true}
sandbox:
  kind: kubernetes
  kubernetes: {kubeconfig: %q, memory: 2Gi, size: 2Gi, cpu: 100m}
  s3: {access_key_id: env:AWS_ACCESS_KEY_ID, secret_access_key: env:AWS_SECRET_ACCESS_KEY, allow_plaintext: true}
policy: {fail_on: critical}
evidence: {dir: %q}
`, source.Endpoints[0].URL, source.Endpoints[0].GRPC, b.Name, b.Path, b.Endpoint, kubeconfig, filepath.Join(t.TempDir(), "evidence")))
	if err != nil {
		t.Fatal(err)
	}
	record, err := drill.Run(t.Context(), cfg, drill.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if record.Status != evidence.Passed || record.Sandbox.Kind != "kubernetes" {
		t.Fatalf("%s: %+v", record.Status, record.Reasons)
	}
	if record.Verification.Verdicts.Match != demo.Objects {
		t.Errorf("%+v", record.Verification.Verdicts)
	}
	var tried []string
	for _, f := range record.Sandbox.Isolation {
		tried = append(tried, f.Check)
		if f.Check != "sandbox-network-policy" && f.Status != bucket.Pass {
			t.Errorf("%s is %s: %s", f.Check, f.Status, f.Detail)
		}
	}
	if want := []string{"sandbox-anonymous-access", "sandbox-pod-security", "sandbox-network-policy"}; !slices.Equal(tried, want) {
		t.Errorf("tried: %v, want %v", tried, want)
	}
}
