package evidence

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/weaviate-drill/weaviate-drill/backup"
	"github.com/weaviate-drill/weaviate-drill/internal/servertest"
	"github.com/weaviate-drill/weaviate-drill/rto"
	"github.com/weaviate-drill/weaviate-drill/verify"
)

func record(n int) *Record {
	began := time.Date(2026, 11, 24, 22, n, 0, 123456789, time.UTC)
	return &Record{
		Schema: Schema, ID: began.Format("drill-20060102-150405-abcdef"), Began: began, Ended: began.Add(time.Minute), Status: DataFailed,
		Backup:       &Backup{ID: "backup-1", Objects: []backup.Object{{Key: "a/chunk-1", Size: 7}}},
		Verification: &verify.Result{Level: verify.LevelFull, Verdicts: verify.Verdicts{Match: 4999, Corrupt: 1}},
		Assessment:   &rto.Assessment{Recovered: rto.Measured{Duration: 91 * time.Second, Known: true}, RPO: rto.Measured{Why: "no capture point"}},
	}
}

func open(t *testing.T, dir string) *Store {
	t.Helper()
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// must is for calls that cannot fail in a sound world.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// eachPlace runs a test on an empty store in a folder, and on one in a bucket.
func eachPlace(t *testing.T, test func(t *testing.T, s *Store)) {
	t.Helper()
	t.Run("folder", func(t *testing.T) { test(t, open(t, t.TempDir())) })
	t.Run("bucket", func(t *testing.T) { test(t, openS3(t, servertest.Bucket(t, "team/evidence"))) })
}

// plant puts a file into a store past the Store.
func plant(t *testing.T, s *Store, name string, content []byte) {
	t.Helper()
	var err error
	switch p := s.place.(type) {
	case folder:
		if err = os.MkdirAll(filepath.Dir(p.at(name)), 0o700); err == nil {
			err = os.WriteFile(p.at(name), content, 0o600)
		}
	case *inBucket:
		_, err = p.b.Client.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &p.b.Name, Key: aws.String(p.b.Key(name)), Body: bytes.NewReader(content)})
	}
	if err != nil {
		t.Fatal(err)
	}
}

// tree gives the sizes of all files of a store, but for the guards that stay.
func tree(t *testing.T, s *Store) map[string]int64 {
	t.Helper()
	files := map[string]int64{}
	var err error
	switch p := s.place.(type) {
	case folder:
		err = filepath.WalkDir(p.dir, func(path string, entry os.DirEntry, err error) error {
			if err == nil && !entry.IsDir() {
				files[strings.TrimPrefix(path, p.dir+"/")] = must(entry.Info()).Size()
			}
			return err
		})
	case *inBucket:
		var out *s3.ListObjectsV2Output
		if out, err = p.b.Client.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: &p.b.Name}); err == nil {
			for _, o := range out.Contents {
				files[strings.TrimPrefix(*o.Key, p.prefix(""))] = *o.Size
			}
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	maps.DeleteFunc(files, func(name string, _ int64) bool { return filepath.Base(name) == guardFile })
	return files
}

func mode(t *testing.T, path string) os.FileMode {
	t.Helper()
	return must(os.Stat(path)).Mode().Perm()
}

func TestPutAndGet(t *testing.T) {
	eachPlace(t, func(t *testing.T, s *Store) {
		if _, err := s.Get(t.Context(), Latest); !errors.Is(err, ErrNoRecord) || !strings.Contains(err.Error(), s.place.at("")) {
			t.Errorf("latest of nothing: %v", err)
		}
		for _, n := range []int{2, 1} {
			where, err := s.Put(t.Context(), record(n))
			if err != nil || where != s.place.at(record(n).ID+".json") {
				t.Fatal(where, err)
			}
		}
		if _, err := s.Put(t.Context(), record(1)); !errors.Is(err, ErrExists) || !strings.Contains(err.Error(), s.place.at(record(1).ID+".json")) {
			t.Errorf("put again: %v", err)
		}
		for id, want := range map[string]*Record{record(1).ID: record(1), record(2).ID: record(2), Latest: record(2)} {
			if got := must(s.Get(t.Context(), id)); !reflect.DeepEqual(got, want) {
				t.Errorf("%s: %+v", id, got)
			}
		}
		for _, id := range []string{"drill-none", "../" + record(1).ID, "", "A", "a/b", strings.Repeat("a", 201)} {
			if _, err := s.Get(t.Context(), id); !errors.Is(err, ErrNoRecord) {
				t.Errorf("get %q: %v", id, err)
			}
		}
	})
}

func TestFolderIsMadeByTheFirstWrite(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "evidence")
	s := open(t, dir)
	if _, err := s.Get(t.Context(), Latest); !errors.Is(err, ErrNoRecord) {
		t.Errorf("latest of nothing: %v", err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("reading made the folder: %v", err)
	}
	path, err := s.Put(t.Context(), record(1))
	if err != nil {
		t.Fatal(err)
	}
	if mode(t, path) != 0o600 || mode(t, dir) != 0o700 {
		t.Errorf("modes %v of the file and %v of the folder", mode(t, path), mode(t, dir))
	}
}

func TestBadIDs(t *testing.T) {
	eachPlace(t, func(t *testing.T, s *Store) {
		for _, id := range []string{"", "..", "a/b", `a\b`, "A", "a.b", "a\x00", Latest, strings.Repeat("a", 201)} {
			r := record(1)
			r.ID = id
			if _, err := s.Put(t.Context(), r); err == nil {
				t.Errorf("put %q", id)
			}
			if id == Latest {
				continue
			}
			if _, _, err := s.Begin(t.Context(), id); err == nil {
				t.Errorf("begin %q", id)
			}
			if err := s.Forget(t.Context(), id); err == nil {
				t.Errorf("forget %q", id)
			}
			if err := s.PutInventory(t.Context(), Inventory{BackupID: id}); err == nil {
				t.Errorf("inventory %q", id)
			}
		}
		if files := tree(t, s); len(files) != 0 {
			t.Errorf("left %v", files)
		}
	})
}

func TestOpenOnAFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(file); err == nil || !strings.Contains(err.Error(), "not a folder") {
		t.Error(err)
	}
}

// Of many that put a record of the same id at once, one wins and the others are told.
func TestPutRace(t *testing.T) {
	eachPlace(t, func(t *testing.T, s *Store) {
		var wg sync.WaitGroup
		failures := make([]error, 8)
		for i := range failures {
			wg.Go(func() { _, failures[i] = s.Put(t.Context(), record(1)) })
		}
		wg.Wait()
		refused := 0
		for _, err := range failures {
			if errors.Is(err, ErrExists) {
				refused++
			} else if err != nil {
				t.Error(err)
			}
		}
		if refused != len(failures)-1 {
			t.Errorf("%d of %d refused", refused, len(failures))
		}
		must(s.Get(t.Context(), Latest))
	})
}

func TestList(t *testing.T) {
	eachPlace(t, func(t *testing.T, s *Store) {
		if entries, err := s.List(t.Context()); err != nil || len(entries) != 0 {
			t.Fatal(entries, err)
		}
		for _, n := range []int{2, 1} {
			if _, err := s.Put(t.Context(), record(n)); err != nil {
				t.Fatal(err)
			}
		}
		good := must(encode(record(1)))
		for name, content := range map[string][]byte{
			"drill-20261123-cut.json": good[:len(good)/2], "foreign.json": []byte(`{"hello": "world"}`), "later.json": bytes.Replace(good, []byte("record/v1"), []byte("record/v9"), 1),
			"renamed.json": good, "notes.txt": []byte("no record"), ".hidden.json": []byte("no record"),
		} {
			plant(t, s, name, content)
		}
		plant(t, s, "folder.json/notes.json", []byte("no record"))
		entries, err := s.List(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		want := []struct{ id, unreadable string }{
			{"drill-20261123-cut", "not a drill record"}, {record(1).ID, ""}, {record(2).ID, ""}, {"folder", "is a directory"}, {"foreign", `schema ""`}, {"later", `schema "weaviate-drill/record/v9"`},
			{"renamed", "named after it"},
		}
		if _, inBucket := s.place.(*inBucket); inBucket { // where there are no folders
			want = slices.Delete(want, 3, 4)
		}
		if len(entries) != len(want) {
			t.Fatalf("%d entries: %+v", len(entries), entries)
		}
		for i, w := range want {
			e := entries[i]
			if e.ID != w.id || (e.Err == nil) != (w.unreadable == "") || !strings.Contains(e.Unreadable, w.unreadable) {
				t.Errorf("got %+v, want %v", e, w)
			}
		}
		r := record(1)
		full := Entry{
			ID: r.ID, Path: s.place.at(r.ID + extension), Began: r.Began, Ended: r.Ended, Status: DataFailed, Backup: "backup-1", Level: verify.LevelFull,
			Verdicts: r.Verification.Verdicts, RTO: r.Assessment.Recovered, RPO: r.Assessment.RPO,
		}
		if !reflect.DeepEqual(entries[1], full) {
			t.Errorf("got  %+v\nwant %+v", entries[1], full)
		}
		// The newest by name is no record: an older one is not passed off as the newest.
		if _, err := s.Get(t.Context(), Latest); err == nil || !strings.Contains(err.Error(), "renamed.json") {
			t.Errorf("latest: %v", err)
		}
	})
}

func TestInventory(t *testing.T) {
	eachPlace(t, func(t *testing.T, s *Store) {
		if i, err := s.Inventory(t.Context(), "backups", "prod", "b1"); i != nil || err != nil {
			t.Fatal(i, err)
		}
		want := Inventory{Bucket: "backups", Path: "prod", BackupID: "b1", Taken: record(1).Began, Objects: []backup.Object{{Key: "prod/b1/backup_config.json", Size: 7, ETag: "x"}}}
		elsewhere := want
		elsewhere.Path, elsewhere.Objects = "../../etc", nil
		for _, i := range []Inventory{want, elsewhere} {
			if err := s.PutInventory(t.Context(), i); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.PutInventory(t.Context(), want); !errors.Is(err, ErrExists) {
			t.Errorf("put again: %v", err)
		}
		got, err := s.Inventory(t.Context(), "backups", "prod", "b1")
		want.Schema = inventorySchema
		if err != nil || !reflect.DeepEqual(*got, want) {
			t.Errorf("got %+v, %v", got, err)
		}
		if entries, err := s.List(t.Context()); err != nil || len(entries) != 0 {
			t.Errorf("inventories are no records: %v %v", entries, err)
		}
		for _, damaged := range []string{"{", `{"schema":"weaviate-drill/inventory/v1","bucket":"other","backupId":"b1"}`} {
			plant(t, s, inventoryFile("backups", "prod", "b1"), []byte(damaged))
			if i, err := s.Inventory(t.Context(), "backups", "prod", "b1"); i != nil || err == nil {
				t.Errorf("%s: %v, %v", damaged, i, err)
			}
		}
	})
}

// A full disk leaves what was there before, and nothing else.
func TestDiskFull(t *testing.T) {
	dir := servertest.SmallDisk(t)
	s := open(t, dir)
	if _, err := s.Put(t.Context(), record(1)); err != nil {
		t.Fatal(err)
	}
	_, journal, err := s.Begin(t.Context(), record(2).ID)
	if err != nil {
		t.Fatal(err)
	}
	if err := journal.Write(t.Context(), "before"); err != nil {
		t.Fatal(err)
	}
	before := tree(t, s)
	big := record(2)
	big.Logs = []string{strings.Repeat("x", 100_000)}
	if _, err := s.Put(t.Context(), big); !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), big.ID+extension) || !strings.Contains(err.Error(), "set evidence.dir") {
		t.Errorf("put: %v", err)
	}
	if err := journal.Write(t.Context(), big); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("journal: %v", err)
	}
	if after := tree(t, s); !reflect.DeepEqual(after, before) {
		t.Errorf("before %v\nafter %v", before, after)
	}
	if err := journal.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := s.Put(t.Context(), record(3)); err != nil {
		t.Errorf("a record that fits: %v", err)
	}
}

// What a killed writer leaves behind is taken over by the next write.
func TestPendingIsTakenOver(t *testing.T) {
	s := open(t, t.TempDir())
	plant(t, s, pendingFile, []byte(strings.Repeat("half a record", 10_000)))
	if _, err := s.Put(t.Context(), record(1)); err != nil {
		t.Fatal(err)
	}
	if got := must(s.Get(t.Context(), Latest)); !reflect.DeepEqual(got, record(1)) {
		t.Errorf("%+v", got)
	}
	if files := tree(t, s); len(files) != 1 {
		t.Errorf("left %v", files)
	}
}

func TestFailKeepsTheWorstFirst(t *testing.T) {
	r := &Record{}
	for i, s := range []Status{Policy, Inconclusive, DataFailed, Policy, DataFailed} {
		r.Fail(s, rto.Verify, fmt.Sprint(i))
	}
	var order []string
	for _, reason := range r.Reasons {
		order = append(order, reason.Message)
	}
	if r.Status != DataFailed || !slices.Equal(order, []string{"2", "4", "1", "0", "3"}) {
		t.Errorf("%v %v", r.Status, order)
	}
}

func TestParse(t *testing.T) {
	known := `{"schema":"weaviate-drill/record/v1","id":"drill-1","status":3`
	if r, err := Parse([]byte(known + `,"invented":{"a":[1]},"source":{"url":"http://x","invented":1}}`)); err != nil || r.Status != Policy || r.Source.URL != "http://x" {
		t.Errorf("a field of a later patch: %+v, %v", r, err)
	}
	for _, bad := range []string{"", "null", "[]", known, `{"schema":"weaviate-drill/record/v2"}`, known + `}{}`, strings.Replace(known, "3", `"3"`, 1) + "}"} {
		if _, err := Parse([]byte(bad)); err == nil {
			t.Errorf("parsed %s", bad)
		}
	}
}

// Whatever is parsed can be written again and parsed to the same.
func FuzzParse(f *testing.F) {
	f.Add(must(encode(record(1))))
	f.Add([]byte(`{"schema":"weaviate-drill/record/v1","status":-1,"began":"0000-01-01T00:00:00+23:59"}`))
	f.Add([]byte("null"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		r, err := Parse(raw)
		if err != nil {
			return
		}
		written, err := encode(r)
		if err != nil {
			t.Fatal(err)
		}
		again, err := Parse(written)
		if err != nil {
			t.Fatal(err)
		}
		rewritten, err := encode(again)
		if err != nil || !bytes.Equal(written, rewritten) {
			t.Fatalf("%v\n%s\n%s", err, written, rewritten)
		}
	})
}
