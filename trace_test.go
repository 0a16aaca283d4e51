package drill_test

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	drill "github.com/weaviate-drill/weaviate-drill"
	"github.com/weaviate-drill/weaviate-drill/internal/demo"
	"github.com/weaviate-drill/weaviate-drill/internal/servertest"
	"github.com/weaviate-drill/weaviate-drill/rto"
	"github.com/weaviate-drill/weaviate-drill/rto/evidence"
)

// A source that stands still while it is backed up, and a restored side on which one tracer is missing: the comparison finds all objects equal, and the drill fails.
func TestTracerHole(t *testing.T) {
	b := servertest.Bucket(t, "backups")
	source := servertest.Weaviate(t, b, nil)
	if _, err := demo.Fill(t.Context(), servertest.Dial(t, source)); err != nil {
		t.Fatal(err)
	}
	sandbox := servertest.Weaviate(t, b, nil)
	restored := servertest.Dial(t, sandbox)
	stall := servertest.NewStall(t, source.Endpoints[0].GRPC)
	t.Setenv("DRILL_TEST_KEY", servertest.APIKey)
	cfg, err := drill.ParseConfig("drill.yaml", fmt.Appendf(nil, `
source: {url: %q, grpc: %q, api_key: env:DRILL_TEST_KEY}
bucket: {name: %s, path: %s, region: us-east-1, endpoint: %q, path_style: true}
backup: {baseline: 1500ms}
tracer: {enabled: true, rate: 20}
sandbox: {kind: external, external: {url: %q, grpc: %q, api_key: env:DRILL_TEST_KEY}}
policy: {fail_on: critical}
evidence: {dir: %q}
`, source.Endpoints[0].URL, stall.Address, b.Name, b.Path, b.Endpoint, sandbox.Endpoints[0].URL, sandbox.Endpoints[0].GRPC, filepath.Join(t.TempDir(), "evidence")))
	if err != nil {
		t.Fatal(err)
	}
	stalled, removed := false, false
	record, err := drill.Run(t.Context(), cfg, drill.Options{Progress: func(p drill.Progress) {
		switch {
		case p.Phase == rto.Backup && p.Detail == "STARTED" && !stalled:
			stalled = true
			stall.Hold()
			time.Sleep(1500 * time.Millisecond)
			stall.Release()
		case p.Phase == rto.Verify && !removed:
			removed = true
			var list struct{ Objects []struct{ ID string } }
			if err := restored.Do(t.Context(), http.MethodGet, "/objects?class=WeaviateDrillTracer&tenant=tracer-0&limit=20", nil, &list); err != nil || len(list.Objects) < 20 {
				t.Errorf("%+v, %v", list, err)
				return
			}
			if err := restored.Do(t.Context(), http.MethodDelete, "/objects/WeaviateDrillTracer/"+list.Objects[10].ID+"?tenant=tracer-0", nil, nil); err != nil {
				t.Error(err)
			}
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	if record.Status != evidence.DataFailed || record.Tracer == nil || record.Tracer.Shards[0].Holes != 1 || len(record.Reasons) != 1 || !strings.HasPrefix(record.Reasons[0].Message, "1 acknowledged tracer writes of shard tracer-0") {
		t.Errorf("%s, %+v, %+v", record.Status, record.Reasons, record.Tracer)
	}
	if v := record.Verification; v == nil || v.Verdicts.Match != demo.Objects || v.Verdicts.Total() != demo.Objects {
		t.Errorf("%+v", v)
	}
	if i := record.Backup.Impact; !i.Reads.Stalled() || i.Reads.During.Max < time.Second || !strings.Contains(strings.Join(record.Notes, "\n"), "while the backup was made, the source did not answer for") {
		t.Errorf("%+v, %q", i, record.Notes)
	}
}
