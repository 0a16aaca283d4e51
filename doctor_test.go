package drill

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/weaviate-drill/weaviate-drill/backup"
	"github.com/weaviate-drill/weaviate-drill/backup/bucket"
	"github.com/weaviate-drill/weaviate-drill/backup/sandbox"
	"github.com/weaviate-drill/weaviate-drill/rto/evidence"
)

func TestMissing(t *testing.T) {
	check := func(result sandbox.Result, err error) DoctorCheck {
		return DoctorCheck{Area: "bucket", Check: sandbox.Check{Name: "s3:ListBucket on arn:aws:s3:::b", Result: result, Detail: "denied", Remedy: "allow it", Err: err}}
	}
	good, unknown, bad := check(sandbox.Pass, nil), check(sandbox.Unknown, bucket.ErrDenied), check(sandbox.Fail, nil)
	for _, tt := range []struct {
		name   string
		checks []DoctorCheck
		status evidence.Status
		says   string
	}{
		{"nothing", []DoctorCheck{good, unknown}, evidence.Passed, ""},
		{"one", []DoctorCheck{good, bad, unknown}, evidence.NotCarriedOut, "bucket: s3:ListBucket on arn:aws:s3:::b: denied: allow it"},
		{"two", []DoctorCheck{bad, check(sandbox.Fail, fmt.Errorf("x: %w", bucket.ErrDenied))}, evidence.NotCarriedOut, "2 things are missing, the first: bucket: s3:ListBucket on arn:aws:s3:::b: denied: allow it; weaviate-drill doctor lists them all"},
		{"of the configuration", []DoctorCheck{check(sandbox.Fail, fmt.Errorf("%w: api_key", ErrConfig))}, evidence.Usage, "bucket: s3:ListBucket on arn:aws:s3:::b: denied: allow it"},
		{"a sandbox that holds data", []DoctorCheck{check(sandbox.Fail, sandbox.ErrNotEmpty)}, evidence.Refused, "bucket: s3:ListBucket on arn:aws:s3:::b: denied: allow it"},
	} {
		err := Missing(tt.checks)
		if StatusOf(err) != tt.status || (err == nil) != (tt.says == "") || err != nil && err.Error() != tt.says {
			t.Errorf("%s: %s, %v", tt.name, StatusOf(err), err)
		}
	}
	if err := Missing([]DoctorCheck{bad, check(sandbox.Fail, bucket.ErrNoSuchBucket)}); !errors.Is(err, bucket.ErrNoSuchBucket) {
		t.Errorf("%v", err)
	}
}

func TestForeseen(t *testing.T) {
	source := sandbox.Spec{Version: "1.38.5", Nodes: []string{"b", "a"}}
	known := &backup.Descriptor{ServerVersion: "1.37.1", Nodes: map[string]backup.NodeSummary{"x": {PreCompressionSizeBytes: 5}, "y": {PreCompressionSizeBytes: 7}}}
	mapped := &Config{Backup: Backup{ID: LatestBackup}, Restore: Restore{NodeMapping: map[string]string{"x": "z"}}, Sandbox: Sandbox{Version: "1.38.12"}}
	for _, tt := range []struct {
		name  string
		c     *Config
		twin  sandbox.Spec
		known *backup.Descriptor
		want  sandbox.Spec
	}{
		{"a new backup is like the source", defaults(), source, known, sandbox.Spec{Version: "1.38.5", Nodes: []string{"a", "b"}, Bytes: 7}},
		{"the first backup", defaults(), source, nil, sandbox.Spec{Version: "1.38.5", Nodes: []string{"a", "b"}}},
		{"the source is down", defaults(), sandbox.Spec{}, known, sandbox.Spec{Version: "1.37.1", Nodes: []string{"x", "y"}, Bytes: 7}},
		{"an old backup into a newer version, with other names", mapped, source, known, sandbox.Spec{Version: "1.38.12", Nodes: []string{"y", "z"}, Bytes: 7}},
		{"nothing is known", defaults(), sandbox.Spec{}, nil, sandbox.Spec{Nodes: []string{"weaviate-0"}}},
	} {
		got := tt.c.foreseen(tt.twin, tt.known)
		if got.Check() != nil {
			t.Errorf("%s: %v", tt.name, got.Check())
		}
		got.DrillID = ""
		if !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: %+v", tt.name, got)
		}
	}
}

func TestExamineFolder(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]sandbox.Result{
		dir: sandbox.Pass, filepath.Join(dir, "not", "yet"): sandbox.Pass, file: sandbox.Fail, filepath.Join(file, "below"): sandbox.Fail, "/proc/evidence": sandbox.Fail,
	} {
		var a area
		a.examineFolder(path)
		if c := a.checks[0]; c.Result != want || (c.Remedy == "") != (want == sandbox.Pass) {
			t.Errorf("%s: %+v", path, c)
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Errorf("something is left: %v, %v", left, err)
	}
}
