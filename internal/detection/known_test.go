package detection

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// failure is one way in which backups of Weaviate have failed people.
type failure struct {
	what   string
	source string
	tests  []string // folder and name of what covers it; none: why says the reason
	why    string
}

var failures = []failure{
	{"recall about 2 % lower after a restore, with equal counts", "weaviate issue 9892", []string{"internal/detection TestDetection", "verify TestIndexes"}, ""},
	{"inverted indexes lost by a restore; a check of counts passed", "weaviate issue 12653", []string{"internal/detection TestDetection", "verify TestIndexes"}, ""},
	{"an inactive tenant on a file system without hard links: the backup never ends, and none can be made after it", "weaviate pull request 12382", []string{"backup TestBackupUnderWay"},
		"The file system is not made in a test; what a drill makes of a backup that does not end is: a deadline, then its cancelling."},
	{"inactive tenants silently left out of the backup", "weaviate pull request 10851, before 1.37.0, 1.36.10 and 1.35.17", []string{"internal/detection TestDetection"},
		"Those versions are not built for the tests; what they leave behind, a backup without the shard of a tenant, is: the line \"tenant dropped\"."},
	{"a node restarts during a backup, which then stays STARTED", "weaviate issue 5986", []string{"backup TestBackupUnderWay"}, ""},
	{"a backup of 7,000 objects and its server stuck for hours", "weaviate issue 5214", []string{"backup TestBackupUnderWay"}, "The cause is not known, so the deadline is what is tested."},
	{"a restore with node_mapping stays STARTED", "weaviate issue 9379", []string{". TestCheckMapping", "internal/e2e TestNodesOfOtherNames", "backup TestRestoreFails"}, ""},
	{"a cluster out of sync after a restore", "weaviate issue 3409", []string{"verify TestCopies"}, ""},
	{"an empty collection makes the restore fail", "weaviate issue 2330", []string{"backup TestRestore", "verify TestCompare"}, "Mended long ago: the test data has an empty collection and an empty tenant."},
	{"nothing restored, and the check of a pipeline passed because nothing was equal to nothing", "weaviate issue 4455, weaviate-chaos-engineering pull request 189", []string{"verify TestOutcome", "verify TestReady"}, ""},
	{"vector search wrong after a restore with product quantization", "weaviate issue 3722", []string{"verify TestIndexes"}, "Mended long ago: the indexes of the test data have PQ, BQ, SQ, RQ, and are flat and dynamic besides HNSW."},
	{"a backup that a newer server cannot restore", "weaviate issue 2281", []string{"cmd/weaviate-drill TestUpgrade"}, ""},
	{"counts differ after upserts", "milvus-backup issue 456", []string{"internal/detection TestUndamaged"}, ""},
	{"SUCCESS with an empty shard on one node, because moving the files failed and was only logged", "server source, cluster/schema/manager.go RestoreClass, 1.25 to 1.39", []string{"internal/detection TestDetection", "verify TestCopies"}, ""},
	{"a restore_config.json left in CANCELLING: every restore answers STARTED and does nothing", "tried on 1.38.5", []string{"internal/detection TestDetection", "backup TestInterlock"}, ""},
	{"a Weaviate that starts cancels the backup in flight in its bucket", "1.27.4 to 1.27.8 and 1.28.0, later with ENABLE_CLEANUP_UNFINISHED_BACKUPS", []string{"backup TestBackupUnderWay"},
		"Those versions are not built for the tests; that a sandbox is not started while a backup is in flight is."},
	{"one bit flipped in a chunk: SUCCESS", "tried on 1.38.5, nine of nine", []string{"internal/detection TestDetection", "backup TestFlippedBits"}, ""},
	{"a chunk emptied, exchanged, or dropped from backup.json: SUCCESS without objects", "tried on 1.38.5", []string{"internal/detection TestDetection", "backup TestDamagedChunks"}, ""},
	{"a chunk cut between two files: only keyword searches are empty", "tried on 1.38.5", []string{"internal/detection TestDetection", "backup TestCutBetweenFiles"}, ""},
	{"a shortened log of a vector index: equal counts, recall 0.71, 0.32 and 0.00", "tried on 1.38.5", []string{"internal/detection TestDetection", "verify TestIndexes"}, ""},
	{"a chunk missing: CANCELED, and the reason only in the log", "tried on 1.38.5, seven of eight", []string{"internal/detection TestDetection", "backup TestRestoreFails"}, ""},
	{"a restore into a data folder that is not empty: SUCCESS with what lay there", "tried on 1.38.5", []string{"internal/detection TestDetection", "cmd/weaviate-drill TestExternalSandboxMustBeEmpty"}, ""},
	{"node_mapping with an unknown node: an empty answer, and then the SUCCESS of an earlier restore", "tried on 1.38.5", []string{"backup TestRestoreFails", ". TestCheckMapping"}, ""},
	{"users and roles of the backup replace those of the target, and the operator loses its own", "tried on 1.38.5", []string{"verify TestRolesAndUsers"},
		"A sandbox has a root key of its own from its environment, which a restore cannot take away."},
	{"a backup made with few rights silently has fewer collections", "tried on 1.38.5", []string{"cmd/weaviate-drill TestScopedCredentialsAreSeen"}, ""},
	{"the base of an incremental backup expired", "follows from the format of backups", []string{"internal/detection TestDetection", "backup TestDamagedDescriptors"}, ""},
}

// knownFailures is the second part of docs/detection.md.
func knownFailures() string {
	var b strings.Builder
	b.WriteString(`
# How backups have failed, and what covers it

From the public trackers of weaviate/weaviate, weaviate/weaviate-chaos-engineering and zilliztech/milvus-backup, and from trials. For each the tests that do it, and where it cannot be done as it
happened, the reason. A folder stands before each test; ` + "`.`" + ` is the top.

| what happened | where | tests | remark |
| --- | --- | --- | --- |
`)
	for _, f := range failures {
		fmt.Fprintf(&b, "| %s | %s | `%s` | %s |\n", f.what, f.source, strings.Join(f.tests, "`, `"), f.why)
	}
	return b.String()
}

// A test that is named is there, and a failure without one says why.
func TestKnownFailures(t *testing.T) {
	for _, f := range failures {
		if len(f.tests) == 0 && f.why == "" {
			t.Errorf("%s: neither a test nor a reason", f.what)
		}
		for _, test := range f.tests {
			folder, name, _ := strings.Cut(test, " ")
			files, err := filepath.Glob(filepath.Join("..", "..", folder, "*_test.go"))
			check(t, err)
			is := regexp.MustCompile(`(?m)^func ` + regexp.QuoteMeta(name) + `\(`)
			found := false
			for _, file := range files {
				source, err := os.ReadFile(file)
				check(t, err)
				found = found || is.Match(source)
			}
			if !found {
				t.Errorf("%s: there is no test %s", f.what, test)
			}
		}
	}
}
