package main

import (
	"fmt"
	"testing"

	"github.com/weaviate-drill/weaviate-drill/internal/servers"
	"github.com/weaviate-drill/weaviate-drill/internal/servertest"
	"github.com/weaviate-drill/weaviate-drill/rto/evidence"
)

// next is the version of the newer Weaviate in bin/.
const next = "1.38.12"

// A backup of one version comes back whole in a newer one; without a server of that version the drill says what it needs, and leaves nothing.
func TestUpgrade(t *testing.T) {
	newer, err := servers.Find("weaviate-server-next")
	if err != nil {
		servertest.Lacking(t, err.Error())
	}
	plain := newSite(t, nil)
	id := plain.makeBackup(t)
	s := newSite(t, map[string]string{"sandbox": fmt.Sprintf("\n  kind: process\n  process:\n    dir: %s\n    binary: %s", plain.dir, newer)})

	s.do(t, "run", "--backup-id", id, "--weaviate-version", next).wants(t, evidence.Passed, "PASSED", "Weaviate "+next, "another version than the backup's "+servertest.WeaviateVersion)
	record := s.record(t)
	if from, to := record.Backup.ServerVersion, record.Sandbox.Version; from != servertest.WeaviateVersion || to != next {
		t.Errorf("a backup of %s was restored into %s", from, to)
	}
	if v := record.Verification; v.Verdicts.Match != 5000 || v.Verdicts.Total() != 5000 || len(v.Structure) > 0 {
		t.Errorf("%+v %+v", v.Verdicts, v.Structure)
	}
	plain.nothingLeft(t)

	plain.do(t, "run", "--backup-id", id, "--weaviate-version", next).wants(t, evidence.Usage,
		"Weaviate "+servertest.WeaviateVersion, next, "set sandbox.process.binary to a weaviate-server of version "+next)
	plain.nothingLeft(t)
}
