package docker_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	drill "github.com/weaviate-drill/weaviate-drill"
	"github.com/weaviate-drill/weaviate-drill/backup"
	"github.com/weaviate-drill/weaviate-drill/backup/sandbox"
	"github.com/weaviate-drill/weaviate-drill/internal/demo"
	"github.com/weaviate-drill/weaviate-drill/internal/servertest"
	"github.com/weaviate-drill/weaviate-drill/rto"
	"github.com/weaviate-drill/weaviate-drill/rto/evidence"
)

// A whole drill into a container: the sandbox reaches the bucket by an address that is not the loopback, and the backup's prefix is not written.
func TestDrill(t *testing.T) {
	servertest.Docker(t)
	b := servertest.Bucket(t, "backups")
	w := servertest.Weaviate(t, b, nil, "weaviate-0")
	if _, err := demo.Fill(t.Context(), servertest.Dial(t, w)); err != nil {
		t.Fatal(err)
	}
	t.Setenv("DRILL_TEST_KEY", servertest.APIKey)
	dir := t.TempDir()
	cfg, err := drill.ParseConfig("drill.yaml", fmt.Appendf(nil, `
source: {url: %q, grpc: %q, api_key: env:DRILL_TEST_KEY}
bucket: {name: %s, path: %s, region: us-east-1, endpoint: %q, path_style: true}
restore: {from: copy, copy: {path: drills}}
sandbox: {kind: docker, docker: {image: %q, memory: 2GiB}}
policy: {fail_on: critical}
evidence: {dir: %q}
`, w.Endpoints[0].URL, w.Endpoints[0].GRPC, b.Name, b.Path, b.Endpoint, servertest.WeaviateImage, filepath.Join(dir, "evidence")))
	if err != nil {
		t.Fatal(err)
	}
	var phases []rto.Phase
	record, err := drill.Run(t.Context(), cfg, drill.Options{Progress: func(p drill.Progress) {
		if len(phases) == 0 || phases[len(phases)-1] != p.Phase {
			phases = append(phases, p.Phase)
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	if record.Status != evidence.Passed || record.Verification.Verdicts.Match != demo.Objects || record.Restore.From != backup.ByCopy || record.Sandbox.Kind != "docker" {
		t.Errorf("%s: %+v", record.Status, record.Reasons)
	}
	if !slices.Contains(record.Sandbox.Fidelity, sandbox.Difference{What: "memory", Sandbox: "limit 2GiB for each node"}) {
		t.Errorf("what the sandbox has: %+v", record.Sandbox.Fidelity)
	}
	if want := []rto.Phase{
		rto.Preflight, rto.Posture, rto.FingerprintBefore, rto.Backup, rto.FingerprintAfter, rto.Catalogue, rto.Archive, rto.Copy, rto.Provision, rto.Restore, rto.Index, rto.FirstAnswer, rto.Verify, rto.Teardown,
	}; !slices.Equal(phases, want) {
		t.Errorf("phases %v", phases)
	}
	if len(record.Assessment.Judgements) > 0 {
		t.Errorf("judged without objectives: %+v", record.Assessment.Judgements)
	}
	for _, o := range record.Backup.Objects {
		if strings.Contains(o.Key, "restore_config.json") {
			t.Errorf("the inventory has %s", o.Key)
		}
	}
}
