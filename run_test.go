package drill_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	drill "github.com/weaviate-drill/weaviate-drill"
	"github.com/weaviate-drill/weaviate-drill/backup"
	"github.com/weaviate-drill/weaviate-drill/backup/sandbox"
	"github.com/weaviate-drill/weaviate-drill/internal/demo"
	"github.com/weaviate-drill/weaviate-drill/internal/servertest"
	"github.com/weaviate-drill/weaviate-drill/rto"
	"github.com/weaviate-drill/weaviate-drill/rto/evidence"
)

func TestMain(m *testing.M) { os.Exit(servertest.Run(m)) }

// A whole drill into a container: the sandbox reaches the bucket by an address that is not the loopback, and the backup's prefix is not written.
func TestRunInDocker(t *testing.T) {
	servertest.Docker(t)
	w, b := servertest.Source(t)
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

// A panic in the middle takes the sandbox down and leaves the bucket as it was, before it goes on.
func TestPanicCleansUp(t *testing.T) {
	w, b := servertest.Source(t)
	c := servertest.Dial(t, w)
	if list, err := c.Collections(t.Context()); err != nil {
		t.Fatal(err)
	} else if len(list) == 0 {
		if _, err := demo.Fill(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("DRILL_TEST_KEY", servertest.APIKey)
	dir := t.TempDir()
	cfg, err := drill.ParseConfig("drill.yaml", fmt.Appendf(nil, `
source: {url: %q, grpc: %q, api_key: env:DRILL_TEST_KEY}
bucket: {name: %s, path: %s, region: us-east-1, endpoint: %q, path_style: true}
sandbox: {kind: process, process: {dir: %q}}
policy: {fail_on: critical}
evidence: {dir: %q}
`, w.Endpoints[0].URL, w.Endpoints[0].GRPC, b.Name, b.Path, b.Endpoint, dir, filepath.Join(dir, "evidence")))
	if err != nil {
		t.Fatal(err)
	}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic was swallowed")
			}
		}()
		_, _ = drill.Run(t.Context(), cfg, drill.Options{Progress: func(p drill.Progress) {
			if p.Phase == rto.Verify {
				if left, _ := filepath.Glob(filepath.Join(dir, "weaviate-drill-*")); len(left) != 1 {
					t.Errorf("the sandbox is not up: %v", left)
				}
				panic("in the middle")
			}
		}})
	}()
	if left, err := filepath.Glob(filepath.Join(dir, "weaviate-drill-*")); err != nil || len(left) > 0 {
		t.Errorf("the sandbox is left: %v, %v", left, err)
	}
	pages := s3.NewListObjectsV2Paginator(b.Client, &s3.ListObjectsV2Input{Bucket: &b.Name})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range page.Contents {
			if strings.HasSuffix(*o.Key, "/restore_config.json") {
				t.Errorf("%s is left", *o.Key)
			}
		}
	}
}

func TestStatusOf(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want evidence.Status
	}{
		{nil, evidence.Passed},
		{fmt.Errorf("x: %w", drill.ErrConfig), evidence.Usage},
		{fmt.Errorf("x: %w", backup.ErrRefused), evidence.Refused},
		{fmt.Errorf("x: %w", backup.ErrMalformed), evidence.DataFailed},
		{fmt.Errorf("x: %w", backup.ErrNoSuchBackup), evidence.Usage},
		{fmt.Errorf("x: %w", backup.ErrFailed), evidence.NotCarriedOut},
		{errors.New("anything else"), evidence.NotCarriedOut},
	} {
		if got := drill.StatusOf(tt.err); got != tt.want {
			t.Errorf("%v: %s, want %s", tt.err, got, tt.want)
		}
	}
}
