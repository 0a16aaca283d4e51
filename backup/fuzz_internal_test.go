package backup

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"testing"
)

// seed is what Weaviate 1.38.5 wrote: the descriptors of the third backup of a chain (without its schemas and sharding states), and the chunk of an
// empty collection in each compression.
func seed(t testing.TB, name string) []byte {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("testdata", "seed", name))
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// fuzzDecoder: what a decoder takes is JSON and nothing more, and comes back the same when it is written and read again.
func fuzzDecoder[T any](f *testing.F, name string, decode func(io.Reader) (T, error)) {
	content := seed(f, name)
	if _, err := decode(bytes.NewReader(content)); err != nil {
		f.Fatal(err)
	}
	f.Add(content)
	f.Add(content[:len(content)/2])
	f.Add([]byte(`{"id":"x","status":"SUCCESS","classes":null,"nodes":null}`))
	f.Add([]byte(`{"id":"x","status":"SUCCESS","classes":[{"name":"C","chunks":{"1":["s"]},"shards":[{"name":"s"},null]}]}`))
	f.Fuzz(func(t *testing.T, content []byte) {
		d, err := decode(bytes.NewReader(content))
		if err != nil {
			return
		}
		if !json.Valid(content) {
			t.Fatalf("took what is not JSON: %q", content)
		}
		once, err := json.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		again, err := decode(bytes.NewReader(once))
		if err != nil {
			t.Fatalf("refused what it took before: %v\n%s", err, once)
		}
		if twice, err := json.Marshal(again); err != nil || !bytes.Equal(once, twice) {
			t.Fatalf("%v, or read again it differs:\n%s\n%s", err, once, twice)
		}
	})
}

func FuzzDescriptor(f *testing.F) { fuzzDecoder(f, "backup_config.json", decodeDescriptor) }

func FuzzNodeDescriptor(f *testing.F) { fuzzDecoder(f, "backup.json", decodeNodeDescriptor) }

// FuzzChunk: whatever a chunk holds, its files are no bigger than it is (uncompressed), the reader says the same of it twice, and reads a good chunk afterwards.
func FuzzChunk(f *testing.F) {
	good := map[string][]byte{}
	want := map[string][]entry{}
	for i, compression := range compressions {
		good[compression] = seed(f, "chunk."+compression)
		entries, fault := newReader(f).read(bytes.NewReader(good[compression]), compression)
		if fault != nil || len(entries) != len(inMemoryFiles) {
			f.Fatalf("%s: %v, fault %v", compression, entries, fault)
		}
		want[compression] = entries
		f.Add(uint8(i), good[compression])
		f.Add(uint8(i), good[compression][:len(good[compression])*2/3])
	}
	f.Fuzz(func(t *testing.T, which uint8, content []byte) {
		compression := compressions[int(which)%len(compressions)]
		reader := newReader(t)
		entries, fault := reader.read(bytes.NewReader(content), compression)
		if fault != nil && entries != nil {
			t.Fatalf("%d files of a chunk that is broken: %v", len(entries), fault)
		}
		var bytesOfFiles int64
		for _, e := range entries {
			if e.size < 0 || e.offset < 0 {
				t.Fatalf("entry %+v", e)
			}
			bytesOfFiles += e.size
		}
		if compression == compressionNone && bytesOfFiles > int64(len(content)) {
			t.Fatalf("%d bytes of files in %d bytes", bytesOfFiles, len(content))
		}
		again, faultAgain := reader.read(bytes.NewReader(content), compression)
		if !reflect.DeepEqual(entries, again) || !reflect.DeepEqual(fault, faultAgain) {
			t.Fatalf("first %v, %v; then %v, %v", entries, fault, again, faultAgain)
		}
		if after, fault := reader.read(bytes.NewReader(good[compression]), compression); fault != nil || !reflect.DeepEqual(after, want[compression]) {
			t.Fatalf("then a good chunk has %v, fault %v", after, fault)
		}
	})
}
