package drill_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	drill "github.com/weaviate-drill/weaviate-drill"
	"github.com/weaviate-drill/weaviate-drill/backup"
	"github.com/weaviate-drill/weaviate-drill/internal/demo"
	"github.com/weaviate-drill/weaviate-drill/internal/servertest"
	"github.com/weaviate-drill/weaviate-drill/rto"
	"github.com/weaviate-drill/weaviate-drill/rto/evidence"
)

func TestMain(m *testing.M) { os.Exit(servertest.Run(m)) }

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
