package drill_test

import (
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	drill "github.com/weaviate-drill/weaviate-drill"
	"github.com/weaviate-drill/weaviate-drill/internal/servertest"
	"github.com/weaviate-drill/weaviate-drill/rto/evidence"
	"github.com/weaviate-drill/weaviate-drill/verify"
)

// A whole drill that leaves one collection out of the backup and another out of the restore, and brings back roles and users without locking itself out.
func TestRunOfAPart(t *testing.T) {
	w, b := servertest.Source(t)
	source := servertest.Dial(t, w)
	do := func(method, path string, body any) {
		t.Helper()
		if err := source.Do(t.Context(), method, path, body, nil); err != nil {
			t.Fatal(err)
		}
	}
	type object = map[string]any
	for _, name := range []string{"PartKept", "PartLeft", "PartOut"} {
		do(http.MethodPost, "/schema", object{"class": name, "vectorizer": "none", "properties": []object{{"name": "text", "dataType": []string{"text"}}}})
		do(http.MethodPost, "/objects", object{"class": name, "vector": []float32{1, 2, 3}, "properties": object{"text": "x"}})
	}
	do(http.MethodPost, "/authz/roles", object{"name": "part", "permissions": []object{{"action": "read_data", "data": object{"collection": "PartKept"}}}})
	do(http.MethodPost, "/users/db/part", nil)
	do(http.MethodPost, "/authz/users/part/assign", object{"roles": []string{"part"}, "userType": "db"})
	t.Cleanup(func() {
		for _, path := range []string{"/schema/PartKept", "/schema/PartLeft", "/schema/PartOut", "/authz/roles/part", "/users/db/part"} {
			_ = source.Do(t.Context(), http.MethodDelete, path, nil, nil)
		}
	})
	t.Setenv("DRILL_TEST_KEY", servertest.APIKey)
	dir := t.TempDir()
	document := fmt.Sprintf(`
source: {url: %q, grpc: %q, api_key: env:DRILL_TEST_KEY}
bucket: {name: %s, path: %s, region: us-east-1, endpoint: %q, path_style: true}
backup: {include: ["PartK*", PartLeft]}
restore: {include: ["*ept"], roles: all, users: all}
sandbox: {kind: process, process: {dir: %q}}
policy: {fail_on: critical}
evidence: {dir: %q}
`, w.Endpoints[0].URL, w.Endpoints[0].GRPC, b.Name, b.Path, b.Endpoint, dir, filepath.Join(dir, "evidence"))
	run := func(document string) *evidence.Record {
		t.Helper()
		cfg, err := drill.ParseConfig("drill.yaml", []byte(document))
		if err != nil {
			t.Fatal(err)
		}
		record, err := drill.Run(t.Context(), cfg, drill.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return record
	}
	record := run(document)
	v := record.Verification
	if record.Status != evidence.Passed || v == nil {
		t.Fatalf("%s: %+v", record.Status, record.Reasons)
	}
	if len(v.Collections) != 1 || v.Collections[0].Name != "PartKept" || v.Verdicts.Match != 1 || *v.Access != (verify.AccessCompared{Roles: 1, Permissions: 1, Assignments: 1, Users: 1}) {
		t.Errorf("%+v, %+v", v.Collections, v.Access)
	}
	for _, name := range []string{"PartLeft", "PartOut"} {
		if !slices.Contains(v.Notes, "collection "+name+" was left out on purpose and is not compared") {
			t.Errorf("nothing is said of %s: %v", name, v.Notes)
		}
	}
	if !slices.Equal(record.Backup.Collections, []string{"PartKept", "PartLeft"}) || !slices.Equal(record.Restore.Collections, []string{"PartKept"}) {
		t.Errorf("backed up %v, restored %v", record.Backup.Collections, record.Restore.Collections)
	}

	var unlike []string
	for _, d := range record.Sandbox.Fidelity {
		unlike = append(unlike, d.What)
		if d.Source != "" {
			t.Errorf("of a source without a twin this cannot be known: %+v", d)
		}
	}
	if want := []string{"cpu", "memory", "storage", "environment", "machine"}; !slices.Equal(unlike, want) {
		t.Errorf("unlike the source in %v, want %v", unlike, want)
	}

	// A pattern that matches nothing would restore everything.
	record = run(strings.Replace(strings.Replace(document, "*ept", "Nothing*", 1), "backup: {", "backup: {id: latest, ", 1))
	if record.Status != evidence.Usage || !strings.Contains(record.Reasons[0].Message, "restore.include: no collection of the backup is Nothing*") || record.Restore != nil {
		t.Errorf("%s: %+v", record.Status, record.Reasons)
	}
}
