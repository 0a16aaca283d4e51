package evidence

import (
	"os"
	"path/filepath"
	"testing"
)

// FuzzStored puts a file of any content where a record, and where an inventory, is looked for. The list of drills and the record itself say the same of it, and what is taken for an inventory is that of the backup.
func FuzzStored(f *testing.F) {
	f.Add(must(encode(record(1))))
	f.Add([]byte(`{"schema":"weaviate-drill/record/v1","id":"d","Status":3,"status":1,"verification":{"level":"full","verdicts":{"match":-1}},"assessment":null}`))
	f.Add([]byte(`{"schema":"weaviate-drill/inventory/v1","bucket":"b","path":"p","backupId":"d","objects":[{"key":"x","size":-1}]}`))
	f.Add([]byte("{"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		dir := t.TempDir()
		s, err := Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		inventory := filepath.Join(dir, inventoryFile("b", "p", "d"))
		if err := os.MkdirAll(filepath.Dir(inventory), 0o700); err != nil {
			t.Fatal(err)
		}
		for _, file := range []string{filepath.Join(dir, "d"+extension), inventory} {
			if err := os.WriteFile(file, raw, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		entries, err := s.List(t.Context())
		if err != nil || len(entries) != 1 {
			t.Fatalf("%v, %v", entries, err)
		}
		e := entries[0]
		switch r, err := s.Get(t.Context(), "d"); {
		case (e.Unreadable == "") != (e.Err == nil):
			t.Errorf("%+v", e)
		case err == nil && (e.Unreadable != "" || e.Status != r.Status || !e.Began.Equal(r.Began) || !e.Ended.Equal(r.Ended)):
			t.Errorf("the record has status %v, %v to %v, and the list %+v", r.Status, r.Began, r.Ended, e)
		case err == nil && r.Verification != nil && e.Verdicts != r.Verification.Verdicts:
			t.Errorf("the record has the verdicts %+v, and the list %+v", r.Verification.Verdicts, e.Verdicts)
		}
		if i, err := s.Inventory(t.Context(), "b", "p", "d"); err == nil && (i == nil || i.BackupID != "d" || i.Bucket != "b" || i.Path != "p") {
			t.Errorf("an inventory %+v", i)
		}
	})
}
