package backup_test

import (
	"archive/tar"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/weaviate-drill/weaviate-drill/backup"
	"github.com/weaviate-drill/weaviate-drill/backup/bucket"
)

const node = "node1" // of the source

// edit rewrites a JSON object in the bucket.
func edit(t testing.TB, b *bucket.Bucket, key string, change func(d map[string]any)) {
	t.Helper()
	var d map[string]any
	dec := json.NewDecoder(bytes.NewReader(get(t, b, key)))
	dec.UseNumber()
	if err := dec.Decode(&d); err != nil {
		t.Fatal(err)
	}
	change(d)
	content, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	put(t, b, key, content)
}

func configKey(b *bucket.Bucket, id string) string { return b.Key(id, "backup_config.json") }
func partKey(b *bucket.Bucket, id string) string   { return b.Key(id, node, "backup.json") }

// editConfig rewrites backup_config.json, editClass one collection in the node's backup.json.
func editConfig(t testing.TB, b *bucket.Bucket, id string, change func(d map[string]any)) {
	t.Helper()
	edit(t, b, configKey(b, id), change)
}

func editClass(t testing.TB, b *bucket.Bucket, id, name string, change func(class map[string]any)) {
	t.Helper()
	edit(t, b, partKey(b, id), func(d map[string]any) {
		for _, c := range d["classes"].([]any) {
			if class := c.(map[string]any); class["name"] == name {
				change(class)
				return
			}
		}
		t.Fatalf("backup %s has no collection %s", id, name)
	})
}

func editShard(t testing.TB, b *bucket.Bucket, id, name string, change func(shard map[string]any)) {
	t.Helper()
	editClass(t, b, id, name, func(class map[string]any) { change(class["shards"].([]any)[0].(map[string]any)) })
}

// stored is one chunk as the descriptor has it.
type stored struct{ key, shard string }

// chunksOf gives the chunks of a collection, in the order of their numbers.
func chunksOf(t testing.TB, b *bucket.Bucket, id, class string) []stored {
	t.Helper()
	d, err := backup.ReadNodeDescriptor(t.Context(), b, id, node)
	if err != nil {
		t.Fatal(err)
	}
	var all []stored
	for _, c := range d.Classes {
		for n := int32(1); c.Name == class && c.Chunks[n] != nil; n++ {
			all = append(all, stored{b.Key(id, node, class, fmt.Sprint("chunk-", n)), c.Chunks[n][0]})
		}
	}
	if len(all) == 0 {
		t.Fatalf("backup %s has no chunk of %s", id, class)
	}
	return all
}

// lent gives the first chunk of a base of which backup id borrows files, with the base and the shard.
func lent(t testing.TB, b *bucket.Bucket, id string) (base string, c stored) {
	t.Helper()
	d, err := backup.ReadNodeDescriptor(t.Context(), b, id, node)
	if err != nil {
		t.Fatal(err)
	}
	for _, class := range d.Classes {
		for _, shard := range class.Shards {
			for base, files := range shard.Incremental.FilesPerBackup {
				return base, stored{b.Key(base, node, files[0].ChunkKeys[0]), shard.Name}
			}
		}
	}
	t.Fatalf("backup %s borrows nothing", id)
	return "", stored{}
}

// biggest gives the chunk of the collection that has the most bytes.
func biggest(t testing.TB, b *bucket.Bucket, id, class string) (c stored, content []byte) {
	t.Helper()
	for _, each := range chunksOf(t, b, id, class) {
		if other := get(t, b, each.key); len(other) > len(content) {
			c, content = each, other
		}
	}
	return c, content
}

// tarEntry is an entry of an uncompressed chunk: where its content begins, and its size.
type tarEntry struct {
	*tar.Header
	at int64
}

func tarEntries(t testing.TB, content []byte) []tarEntry {
	t.Helper()
	r := bytes.NewReader(content)
	var all []tarEntry
	for archive := tar.NewReader(r); ; {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, tarEntry{h, int64(len(content) - r.Len())})
	}
}

// repeatLast puts the last file of an uncompressed chunk into it once more, and returns its name.
func repeatLast(t testing.TB, b *bucket.Bucket, key string) string {
	t.Helper()
	content := get(t, b, key)
	all := tarEntries(t, content)
	last, before := all[len(all)-1], all[len(all)-2]
	begin, end := before.at+(before.Size+511)/512*512, last.at+(last.Size+511)/512*512 // of the last one, with its headers
	put(t, b, key, slices.Concat(content[:end], content[begin:]))
	return last.Name
}

// damage is one thing that can happen to a backup, and what must be found then.
type damage struct {
	name, backup string
	do           func(t *testing.T, b *bucket.Bucket) (key string, says []string)
	catalogue    backup.ProblemKind // empty: this check cannot see it
	archive      backup.ProblemKind
}

// chain are the backups that a backup needs.
func chain(id string) []string {
	switch id {
	case "inc1":
		return []string{"inc1", "full"}
	case "inc2":
		return []string{"inc2", "inc1", "full"}
	}
	return []string{id}
}

func where(c stored, class string, more ...string) (string, []string) {
	return c.key, append([]string{"node " + node, "collection " + class, "shard " + c.shard}, more...)
}

func TestDamagedChunks(t *testing.T) {
	damages := []damage{
		{"missing", "gzip", func(t *testing.T, b *bucket.Bucket) (string, []string) {
			c := chunksOf(t, b, "gzip", "SampleTenants")[1]
			remove(t, b, c.key)
			return where(c, "SampleTenants", "the bucket does not hold")
		}, backup.ProblemChunkMissing, backup.ProblemChunkMissing},
		{"hidden", "gzip", func(t *testing.T, b *bucket.Bucket) (string, []string) {
			c := chunksOf(t, b, "gzip", "SamplePlain")[0]
			versioned(t, b)
			remove(t, b, c.key)
			return where(c, "SamplePlain")
		}, backup.ProblemChunkHidden, backup.ProblemChunkMissing},
		{"swapped", "zstd", func(t *testing.T, b *bucket.Bucket) (string, []string) {
			c := chunksOf(t, b, "zstd", "SampleTenants")[0]
			put(t, b, c.key, get(t, b, chunksOf(t, b, "zstd", "SampleEmpty")[0].key))
			return where(c, "SampleTenants")
		}, "", backup.ProblemChunkSwapped},
		{"swapped within a shard", "zstd", func(t *testing.T, b *bucket.Bucket) (string, []string) {
			all := chunksOf(t, b, "zstd", "SamplePlain")
			first, last := get(t, b, all[0].key), get(t, b, all[len(all)-1].key)
			put(t, b, all[0].key, last)
			put(t, b, all[len(all)-1].key, first)
			return where(all[0], "SamplePlain", "which the node's descriptor says is in another chunk")
		}, "", backup.ProblemChunkSwapped},
		{"dropped from the descriptor, one of several", "zstd", func(t *testing.T, b *bucket.Bucket) (string, []string) {
			c := chunksOf(t, b, "zstd", "SamplePlain")[1]
			editClass(t, b, "zstd", "SamplePlain", func(class map[string]any) { delete(class["chunks"].(map[string]any), "2") })
			return c.key, []string{"node " + node, "collection SamplePlain"} // whose shard it was stood in the descriptor
		}, backup.ProblemChunkUnnamed, backup.ProblemFileMissing},
		{"dropped from the descriptor, the only one", "zstd", func(t *testing.T, b *bucket.Bucket) (string, []string) {
			c := chunksOf(t, b, "zstd", "SampleEmpty")[0]
			editClass(t, b, "zstd", "SampleEmpty", func(class map[string]any) { class["chunks"] = map[string]any{} })
			c.key = partKey(b, "zstd")
			return where(c, "SampleEmpty", "names no chunk for this shard")
		}, backup.ProblemShard, backup.ProblemShard},
		{"of a node that the coordinator lost", "zstd", func(t *testing.T, b *bucket.Bucket) (string, []string) {
			editConfig(t, b, "zstd", func(d map[string]any) { delete(d["nodes"].(map[string]any), node) })
			return chunksOf(t, b, "zstd", "SampleEmpty")[0].key, []string{"node " + node, "collection SampleEmpty", "does not name its node"}
		}, backup.ProblemChunkUnnamed, ""},
		{"of an unknown shard", "zstd", func(t *testing.T, b *bucket.Bucket) (string, []string) {
			c := chunksOf(t, b, "zstd", "SamplePlain")[0]
			editClass(t, b, "zstd", "SamplePlain", func(class map[string]any) { class["chunks"].(map[string]any)["1"] = []string{"ghost"} })
			c.shard = "ghost"
			return where(c, "SamplePlain", "which it does not list")
		}, backup.ProblemShard, backup.ProblemChunkSwapped},
		{"of no shard", "zstd", func(t *testing.T, b *bucket.Bucket) (string, []string) {
			editClass(t, b, "zstd", "SamplePlain", func(class map[string]any) { class["chunks"].(map[string]any)["1"] = []string{} })
			return b.Key("zstd", node, "SamplePlain", "chunk-1"), []string{"node " + node, "collection SamplePlain"}
		}, backup.ProblemShard, backup.ProblemChunkSwapped},
		{"file not listed", "none", func(t *testing.T, b *bucket.Bucket) (string, []string) {
			c := chunksOf(t, b, "none", "SamplePlain")[0]
			var lost string
			for _, e := range tarEntries(t, get(t, b, c.key)) {
				if strings.HasSuffix(e.Name, ".db") {
					lost = e.Name
				}
			}
			editShard(t, b, "none", "SamplePlain", func(shard map[string]any) {
				shard["files"] = slices.DeleteFunc(shard["files"].([]any), func(f any) bool { return f == lost })
				bigFiles, _ := shard["bigFilesChunk"].(map[string]any)
				delete(bigFiles, lost)
			})
			return where(c, "SamplePlain", "such as "+lost)
		}, "", backup.ProblemFileExtra},
		{"file in no chunk", "none", func(t *testing.T, b *bucket.Bucket) (string, []string) {
			c := chunksOf(t, b, "none", "SampleEmpty")[0]
			ghost := "sampleempty/" + c.shard + "/lsm/objects/segment-1.db"
			editShard(t, b, "none", "SampleEmpty", func(shard map[string]any) { shard["files"] = []string{ghost} })
			c.key = ""
			return where(c, "SampleEmpty", "such as "+ghost)
		}, "", backup.ProblemFileMissing},
		{"file of another size", "none", func(t *testing.T, b *bucket.Bucket) (string, []string) {
			all := chunksOf(t, b, "none", "SamplePlain")
			var c stored
			editShard(t, b, "none", "SamplePlain", func(shard map[string]any) {
				for _, big := range shard["bigFilesChunk"].(map[string]any) {
					big := big.(map[string]any)
					big["size"] = json.Number(big["size"].(json.Number).String() + "0")
					i := slices.IndexFunc(all, func(s stored) bool { return strings.HasSuffix(s.key, "/"+big["chunkKeys"].([]any)[0].(string)) })
					c = all[i]
				}
			})
			return where(c, "SamplePlain", "and the node's descriptor says")
		}, "", backup.ProblemFileBroken},
		{"file twice", "none", func(t *testing.T, b *bucket.Bucket) (string, []string) {
			c := chunksOf(t, b, "none", "SamplePlain")[0]
			twice := repeatLast(t, b, c.key)
			return where(c, "SamplePlain", twice, "is twice in the chunks")
		}, "", backup.ProblemFileBroken},
		{"an in-memory file twice", "none", func(t *testing.T, b *bucket.Bucket) (string, []string) {
			c := chunksOf(t, b, "none", "SampleEmpty")[0]
			return where(c, "SampleEmpty", "1 of 4 files", repeatLast(t, b, c.key))
		}, "", backup.ProblemFileExtra},
		{"an in-memory file lost", "none", func(t *testing.T, b *bucket.Bucket) (string, []string) {
			c := chunksOf(t, b, "none", "SampleEmpty")[0]
			content := get(t, b, c.key)
			all := tarEntries(t, content)
			put(t, b, c.key, content[all[0].at+(all[0].Size+511)/512*512:])
			lost := all[0].Name
			c.key = ""
			return where(c, "SampleEmpty", "such as "+lost)
		}, "", backup.ProblemFileMissing},
		{"sum of the files", "zstd", func(t *testing.T, b *bucket.Bucket) (string, []string) {
			editClass(t, b, "zstd", "SamplePlain", func(class map[string]any) { class["preCompressionSizeBytes"] = 4711 })
			return "", []string{"node " + node, "bytes"}
		}, backup.ProblemSizes, backup.ProblemSizes},
		{"end of the archive followed by more", "none", func(t *testing.T, b *bucket.Bucket) (string, []string) {
			c, content := biggest(t, b, "none", "SamplePlain")
			put(t, b, c.key, append(content, 1))
			return where(c, "SamplePlain", "follows the end")
		}, "", backup.ProblemChunkCorrupt},
		{"entry that is no file", "none", func(t *testing.T, b *bucket.Bucket) (string, []string) {
			c := chunksOf(t, b, "none", "SampleEmpty")[0]
			var made bytes.Buffer
			w := tar.NewWriter(&made)
			if err := errors.Join(w.WriteHeader(&tar.Header{Typeflag: tar.TypeSymlink, Name: "sampleempty/x", Linkname: "/etc/passwd"}), w.Close()); err != nil {
				t.Fatal(err)
			}
			put(t, b, c.key, made.Bytes())
			return where(c, "SampleEmpty", "no regular file")
		}, "", backup.ProblemChunkCorrupt},
		{"compression that nobody knows", "zstd", func(t *testing.T, b *bucket.Bucket) (string, []string) {
			c := chunksOf(t, b, "zstd", "SamplePlain")[0]
			lz5 := func(d map[string]any) { d["compressionType"] = "lz5" }
			editConfig(t, b, "zstd", lz5)
			edit(t, b, partKey(b, "zstd"), lz5)
			return where(c, "SamplePlain", "lz5")
		}, "", backup.ProblemChunkCorrupt},
		{"of a base missing", "inc2", func(t *testing.T, b *bucket.Bucket) (string, []string) {
			base, c := lent(t, b, "inc2")
			remove(t, b, c.key)
			return where(c, "SamplePlain", "backup "+base)
		}, backup.ProblemChunkMissing, backup.ProblemChunkMissing},
		{"of a base emptied", "inc1", func(t *testing.T, b *bucket.Bucket) (string, []string) {
			base, c := lent(t, b, "inc1")
			put(t, b, c.key, nil)
			return where(c, "SamplePlain", "backup "+base)
		}, backup.ProblemChunkEmpty, backup.ProblemChunkEmpty},
		{"of a base swapped", "inc1", func(t *testing.T, b *bucket.Bucket) (string, []string) {
			base, c := lent(t, b, "inc1")
			put(t, b, c.key, get(t, b, chunksOf(t, b, base, "SampleEmpty")[0].key))
			return where(c, "SamplePlain", "backup "+base, "which backup inc1 borrows from it")
		}, "", backup.ProblemChunkSwapped},
		{"of a base that is not in the chain", "inc2", func(t *testing.T, b *bucket.Bucket) (string, []string) {
			editConfig(t, b, "inc2", func(d map[string]any) { delete(d, "baseBackupId") })
			_, c := lent(t, b, "inc2")
			return where(c, "SamplePlain", "not in its chain")
		}, backup.ProblemChain, ""},
	}
	for _, id := range []string{"gzip", "zstd", "none"} {
		change := func(name string, change func([]byte) []byte, catalogue, archive backup.ProblemKind) {
			damages = append(damages, damage{name, id, func(t *testing.T, b *bucket.Bucket) (string, []string) {
				c, content := biggest(t, b, id, "SamplePlain")
				put(t, b, c.key, change(content))
				return where(c, "SamplePlain")
			}, catalogue, archive})
		}
		change("emptied", func([]byte) []byte { return nil }, backup.ProblemChunkEmpty, backup.ProblemChunkEmpty)
		change("cut in the middle", func(content []byte) []byte { return content[:len(content)/2] }, "", backup.ProblemChunkCut)
		change("cut by its last 100 bytes", func(content []byte) []byte { return content[:len(content)-100] }, "", backup.ProblemChunkCut)
		change("overwritten", func(content []byte) []byte { return bytes.Repeat([]byte("never again "), len(content)/12) }, "", backup.ProblemChunkCorrupt)
	}
	for _, d := range damages {
		t.Run(d.backup+"/"+d.name, func(t *testing.T) {
			b := clone(t, finished(t, d.backup), chain(d.backup)...)
			key, says := d.do(t, b)
			c := catalogue(t, b, d.backup)
			found := check(t, c)
			if d.catalogue != "" {
				wants(t, found.Problems, d.catalogue, key, says...)
			} else {
				none(t, found.Problems)
			}
			read := checkArchive(t, b, c)
			switch {
			case d.archive == "":
				none(t, read.Problems)
			case d.catalogue == "" || d.catalogue == d.archive:
				wants(t, read.Problems, d.archive, key, says...)
			default: // what follows from what the catalogue check names
				wants(t, read.Problems, d.archive, "", says[:2]...)
			}
			if strings.HasPrefix(d.name, "cut") || strings.HasPrefix(d.name, "emptied") || strings.HasPrefix(d.name, "missing") {
				if len(read.Problems) != 1 {
					t.Errorf("one broken chunk is told as %d problems:\n%s", len(read.Problems), text(read.Problems))
				}
			}
		})
	}
}

// What is wrong with the descriptors is the catalogue check's to tell.
func TestDamagedDescriptors(t *testing.T) {
	type object = map[string]any
	config := func(id string, change func(d object)) func(*testing.T, *bucket.Bucket) {
		return func(t *testing.T, b *bucket.Bucket) { edit(t, b, configKey(b, id), change) }
	}
	part := func(id string, change func(d object)) func(*testing.T, *bucket.Bucket) {
		return func(t *testing.T, b *bucket.Bucket) { edit(t, b, partKey(b, id), change) }
	}
	summary := func(d object) object { return d["nodes"].(object)[node].(object) }
	set := func(name string, value any) func(d object) { return func(d object) { d[name] = value } }

	for _, d := range []struct {
		name, backup string
		do           func(t *testing.T, b *bucket.Bucket)
		kind         backup.ProblemKind
		key          func(b *bucket.Bucket, id string) string
		of           string // the backup at fault, if another
		says         []string
	}{
		{"failed", "gzip", config("gzip", func(d object) { d["status"], d["error"] = "FAILED", "upload of node1" }), backup.ProblemStatus, configKey, "", []string{"FAILED (upload of node1)"}},
		{"running", "gzip", config("gzip", set("status", "STARTED")), backup.ProblemStatus, configKey, "", []string{"STARTED"}},
		{"node failed, says the coordinator", "gzip", config("gzip", func(d object) { summary(d)["status"] = "FAILED" }), backup.ProblemStatus, configKey, "", []string{"node node1", "FAILED"}},
		{"node failed, says the node", "gzip", part("gzip", func(d object) { d["status"], d["error"] = "CANCELED", "killed" }), backup.ProblemStatus, partKey, "", []string{"node node1", "CANCELED (killed)"}},

		{"node's part missing", "gzip", func(t *testing.T, b *bucket.Bucket) { remove(t, b, partKey(b, "gzip")) }, backup.ProblemNodePart, partKey, "", []string{"node node1", "no descriptor"}},
		{"node's part hidden", "gzip", func(t *testing.T, b *bucket.Bucket) { versioned(t, b); remove(t, b, partKey(b, "gzip")) },
			backup.ProblemNodePart, partKey, "", []string{"node node1", "delete marker", "can be brought back"}},
		{"node's part truncated", "gzip", func(t *testing.T, b *bucket.Bucket) {
			content := get(t, b, partKey(b, "gzip"))
			put(t, b, partKey(b, "gzip"), content[:len(content)/2])
		}, backup.ProblemNodePart, partKey, "", []string{"node node1", "malformed: unexpected EOF"}},
		{"node's part empty", "gzip", func(t *testing.T, b *bucket.Bucket) { put(t, b, partKey(b, "gzip"), nil) }, backup.ProblemNodePart, partKey, "", []string{"node node1", "malformed"}},
		{"node's part not JSON", "gzip", func(t *testing.T, b *bucket.Bucket) { put(t, b, partKey(b, "gzip"), []byte("<html>")) }, backup.ProblemNodePart, partKey, "", []string{"node node1", "malformed"}},
		{"node's part of other compression", "gzip", part("gzip", set("compressionType", "zstd")), backup.ProblemNodePart, partKey, "", []string{"node node1", "compression zstd, the coordinator gzip"}},
		{"node's part of another backup", "gzip", part("gzip", set("id", "other")), backup.ProblemIdentity, partKey, "", []string{"node node1", `"other"`}},

		{"collection that the node lacks", "gzip", config("gzip", func(d object) { summary(d)["classes"] = append(summary(d)["classes"].([]any), "Ghost") }),
			backup.ProblemCollections, partKey, "", []string{"node node1", "collection Ghost", "does not have it"}},
		{"collection that the coordinator lacks", "gzip", config("gzip", func(d object) { summary(d)["classes"] = []string{"SamplePlain", "SampleTenants"} }),
			backup.ProblemCollections, partKey, "", []string{"node node1", "collection SampleEmpty", "a restore leaves it out"}},
		{"no node", "gzip", config("gzip", set("nodes", object{})), backup.ProblemCollections, configKey, "", []string{"it holds nothing"}},
		{"no collection", "gzip", config("gzip", func(d object) { summary(d)["classes"] = []string{} }), backup.ProblemCollections, configKey, "", []string{"it holds nothing"}},

		{"size of the whole", "gzip", config("gzip", set("preCompressionSizeBytes", 1)), backup.ProblemSizes, configKey, "", []string{"it says 1"}},
		{"size of the whole lost", "gzip", config("gzip", set("preCompressionSizeBytes", 0)), backup.ProblemSizes, configKey, "", []string{"it says 0"}},
		{"size of a node, says the coordinator", "gzip", config("gzip", func(d object) { summary(d)["preCompressionSizeBytes"] = 2 }), backup.ProblemSizes, partKey, "", []string{"node node1", "the coordinator says 2"}},
		{"size of a node, says the node", "gzip", part("gzip", set("preCompressionSizeBytes", 3)), backup.ProblemSizes, partKey, "", []string{"node node1", "it says 3"}},

		{"base missing", "inc2", func(t *testing.T, b *bucket.Bucket) { remove(t, b, configKey(b, "inc1")) }, backup.ProblemChain, configKey, "inc1", []string{"backup inc2 builds on", "no descriptor"}},
		{"base's base missing", "inc2", func(t *testing.T, b *bucket.Bucket) { remove(t, b, configKey(b, "full")) }, backup.ProblemChain, configKey, "full", []string{"backup inc1 builds on", "no descriptor"}},
		{"base hidden", "inc1", func(t *testing.T, b *bucket.Bucket) { versioned(t, b); remove(t, b, configKey(b, "full")) },
			backup.ProblemChain, configKey, "full", []string{"delete marker", "can be brought back"}},
		{"base emptied", "inc1", func(t *testing.T, b *bucket.Bucket) { put(t, b, configKey(b, "full"), nil) }, backup.ProblemChain, configKey, "full", []string{"backup inc1 builds on", "malformed"}},
		{"base failed", "inc1", config("full", set("status", "FAILED")), backup.ProblemChain, configKey, "full", []string{"backup inc1 builds on", "status FAILED"}},
		{"base made again", "inc1", config("full", set("startedAt", "2099-01-01T00:00:00Z")), backup.ProblemChain, configKey, "full", []string{"2099-01-01T00:00:00.000Z", "before backup inc1"}},
		{"base of other compression", "inc1", config("full", set("compressionType", "gzip")), backup.ProblemChain, configKey, "full", []string{"inc1 is compressed with zstd", "base with gzip"}},
		{"base in a circle", "inc2", config("full", set("baseBackupId", "inc1")), backup.ProblemChain, configKey, "inc1", []string{"circle", "backup full builds on inc1"}},
		{"base is itself", "full", config("full", set("baseBackupId", "full")), backup.ProblemChain, configKey, "", []string{"circle"}},
		{"base of another name", "inc1", config("full", set("id", "other")), backup.ProblemIdentity, configKey, "full", []string{`"other"`}},
		{"backup of another name", "gzip", config("gzip", set("id", "other")), backup.ProblemIdentity, configKey, "", []string{`"other"`}},
	} {
		t.Run(d.backup+"/"+d.name, func(t *testing.T) {
			b := clone(t, finished(t, d.backup), chain(d.backup)...)
			d.do(t, b)
			of := cmp.Or(d.of, d.backup)
			wants(t, check(t, catalogue(t, b, d.backup)).Problems, d.kind, d.key(b, of), append(d.says, "backup "+of)...)
		})
	}
}

func TestNoSuchBackup(t *testing.T) {
	b := clone(t, finished(t, "gzip"), "gzip")
	_, err := backup.ReadCatalogue(t.Context(), b, "nope")
	is(t, err, backup.ErrNoSuchBackup, "backup nope", b.URL("nope", "backup_config.json"))

	whole := get(t, b, configKey(b, "gzip"))
	for _, content := range []string{"", string(whole[:len(whole)-20]), string(whole) + "{}", "<html>", "null", "{}", `{"id":7}`} {
		put(t, b, configKey(b, "gzip"), []byte(content))
		_, err := backup.ReadCatalogue(t.Context(), b, "gzip")
		is(t, err, backup.ErrMalformed, "backup gzip", b.URL("gzip", "backup_config.json"))
	}
	put(t, b, configKey(b, "gzip"), bytes.Replace(whole, []byte(`"version":"2.1"`), []byte(`"version":"1.0"`), 1))
	_, err = backup.ReadCatalogue(t.Context(), b, "gzip")
	is(t, err, backup.ErrMalformed, "format 1.0")

	remove(t, b, configKey(b, "gzip"))
	_, err = backup.ReadCatalogue(t.Context(), b, "gzip")
	is(t, err, backup.ErrNoSuchBackup)
}

// Deleted for good behind its delete marker, a chunk is missing and not hidden.
func TestNothingBehindTheDeleteMarker(t *testing.T) {
	b := clone(t, finished(t, "gzip"), "gzip")
	versioned(t, b)
	c := chunksOf(t, b, "gzip", "SamplePlain")[0]
	remove(t, b, c.key)
	if _, err := b.Client.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: &b.Name, Key: &c.key, VersionId: aws.String("null")}); err != nil {
		t.Fatal(err)
	}
	key, says := where(c, "SamplePlain", "no version is left behind it")
	wants(t, check(t, catalogue(t, b, "gzip")).Problems, backup.ProblemChunkMissing, key, says...)
}

func TestCompareObjects(t *testing.T) {
	b := clone(t, finished(t, "none"), "none")
	recorded := catalogue(t, b, "none").Objects()
	if len(recorded) != len(list(t, b, "none")) {
		t.Fatalf("%d objects recorded, %d in the bucket", len(recorded), len(list(t, b, "none")))
	}
	// What restores leave behind is no change of the backup.
	put(t, b, b.Key("none", "restore_config.json"), []byte("{}"))
	put(t, b, b.Key("none", "access-check"), nil)
	none(t, backup.CompareObjects(recorded, catalogue(t, b, "none").Objects()))

	replaced, content := biggest(t, b, "none", "SamplePlain")
	entries := tarEntries(t, content)
	slices.SortFunc(entries, func(x, y tarEntry) int { return cmp.Compare(y.Size, x.Size) })
	content[entries[0].at+entries[0].Size/2] ^= 1
	put(t, b, replaced.key, content)
	c := catalogue(t, b, "none")
	// Written again with one bit flipped, the content fits the ETag that S3 took of it: nothing else can see it.
	none(t, check(t, c).Problems)
	none(t, checkArchive(t, b, c).Problems)
	problems := backup.CompareObjects(recorded, c.Objects())
	wants(t, problems, backup.ProblemObjectReplaced, replaced.key, "backup none", "node node1", "collection SamplePlain", "ETag")
	if len(problems) != 1 {
		t.Errorf("one object was replaced:\n%s", text(problems))
	}

	vanished := chunksOf(t, b, "none", "SampleTenants")[0]
	remove(t, b, vanished.key)
	extra := b.Key("none", node, "SampleEmpty", "chunk-99")
	put(t, b, extra, []byte("x"))
	put(t, b, configKey(b, "none"), append(get(t, b, configKey(b, "none")), ' '))
	put(t, b, partKey(b, "none"), append(get(t, b, partKey(b, "none")), ' '))
	problems = backup.CompareObjects(recorded, catalogue(t, b, "none").Objects())
	wants(t, problems, backup.ProblemObjectVanished, vanished.key, "node node1", "collection SampleTenants", "is gone")
	wants(t, problems, backup.ProblemObjectNew, extra, "node node1", "collection SampleEmpty")
	wants(t, problems, backup.ProblemObjectReplaced, configKey(b, "none"), "backup none", "size")
	wants(t, problems, backup.ProblemObjectReplaced, partKey(b, "none"), "node node1", "size")
	if len(problems) != 5 {
		t.Errorf("5 objects differ:\n%s", text(problems))
	}
}

// Of its bases, a backup records what it needs and nothing else.
func TestObjectsOfAChain(t *testing.T) {
	b := clone(t, finished(t, "inc2"), chain("inc2")...)
	recorded := catalogue(t, b, "inc2").Objects()
	base, c := lent(t, b, "inc2")
	put(t, b, b.Key(base, node, "Ghost", "chunk-1"), []byte("x"))
	none(t, backup.CompareObjects(recorded, catalogue(t, b, "inc2").Objects()))
	put(t, b, c.key, []byte("x"))
	wants(t, backup.CompareObjects(recorded, catalogue(t, b, "inc2").Objects()), backup.ProblemObjectReplaced, c.key, "backup "+base, "node node1", "collection SamplePlain")
}
