package detection

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/weaviate-drill/weaviate-drill/backup/bucket"
	"github.com/weaviate-drill/weaviate-drill/rto"
)

// damage is something that happened to a backup.
type damage struct {
	name     string
	backup   string // its id
	do       func(t *testing.T, w *world, b *bucket.Bucket, id string)
	at       rto.Phase // whose reason is shown; empty: the first
	recorded bool      // the evidence has the backup as it was when it was made
	restore  string    // that section of the configuration
	victims  []victim  // objects that are looked at one by one; none: what the drill says first
}

// victim is an object among those that a damage hit.
type victim struct {
	name string
	id   uuid.UUID
}

func article(i int) uuid.UUID { return id("Article", i) }

// objectsOf tells the newest segment of the objects of a collection.
func objectsOf(t *testing.T, b *bucket.Bucket, id, collection string) func(path string) bool {
	t.Helper()
	is := newest(t, b, id, node, collection, "objects")
	return func(path string) bool { return is(path) && strings.HasSuffix(path, ".db") }
}

// chunkOf is the key of the chunk that holds the newest objects of a collection.
func chunkOf(t *testing.T, b *bucket.Bucket, id, collection string) string {
	t.Helper()
	is := objectsOf(t, b, id, collection)
	for _, key := range keys(t, b, id) {
		if strings.Contains(key, "/"+collection+"/") && slices.ContainsFunc(tarEntries(t, unpack(t, get(t, b, key))), func(e tarEntry) bool { return is(e.Name) }) {
			return key
		}
	}
	t.Fatalf("no chunk of backup %s holds objects of %s", id, collection)
	return ""
}

// onChunk changes the chunk that holds the newest objects of Article.
func onChunk(change func(content []byte) []byte) func(*testing.T, *world, *bucket.Bucket, string) {
	return func(t *testing.T, _ *world, b *bucket.Bucket, id string) {
		t.Helper()
		key := chunkOf(t, b, id, "Article")
		put(t, b, key, change(get(t, b, key)))
	}
}

func emptied([]byte) []byte        { return nil }
func halved(content []byte) []byte { return content[:len(content)/2] }

// chunks are damages of single objects in the bucket that hold data.
var chunks = []damage{
	{name: "chunk missing", backup: "gzip", do: func(t *testing.T, _ *world, b *bucket.Bucket, id string) { remove(t, b, chunkOf(t, b, id, "Article")) }},
	{name: "chunk emptied (gzip)", backup: "gzip", do: onChunk(emptied)},
	{name: "chunk emptied (zstd)", backup: "zstd", do: onChunk(emptied)},
	{name: "chunk emptied (not compressed)", backup: "none", do: onChunk(emptied)},
	{name: "chunk cut in the middle (gzip)", backup: "gzip", do: onChunk(halved)},
	{name: "chunk cut in the middle (zstd)", backup: "zstd", do: onChunk(halved)},
	{name: "chunk cut in the middle (not compressed)", backup: "none", do: onChunk(halved)},
	{name: "chunk cut between two files (not compressed)", backup: "none", do: func(t *testing.T, _ *world, b *bucket.Bucket, id string) {
		key := b.Key(id, node, "Article", "chunk-1")
		content := inOrder(t, get(t, b, key)) // so that the same files are cut off each time
		all := tarEntries(t, content)
		e := all[len(all)/2]
		put(t, b, key, content[:e.at+(e.Size+511)/512*512])
	}},
	{name: "bit of a chunk's checksum flipped (gzip)", backup: "gzip", do: onChunk(func(content []byte) []byte { return flipped(content, len(content)-8) })}, // CRC-32, then the size
	{name: "bit of a chunk's checksum flipped (zstd)", backup: "zstd", do: onChunk(func(content []byte) []byte { return flipped(content, len(content)-1) })},
	{name: "bit flipped in a chunk whose ETag was recorded (not compressed)", backup: "none", recorded: true, do: func(t *testing.T, w *world, b *bucket.Bucket, id string) {
		v := stored(w.vectors["Article260"])
		alter(t, b, id, node, "Article", "objects", v, flipped(v, 1), 0)
	}},
	{name: "content of two chunks exchanged", backup: "zstd", do: func(t *testing.T, _ *world, b *bucket.Bucket, id string) {
		one, other := chunkOf(t, b, id, "Article"), chunkOf(t, b, id, "Product")
		a, c := get(t, b, one), get(t, b, other)
		put(t, b, one, c)
		put(t, b, other, a)
	}},
	{name: "chunk of a base missing", backup: "inc", do: func(t *testing.T, _ *world, b *bucket.Bucket, id string) { remove(t, b, borrowed(t, b, id)) }},
	{name: "chunk of a base emptied", backup: "inc", do: func(t *testing.T, _ *world, b *bucket.Bucket, id string) { put(t, b, borrowed(t, b, id), nil) }},
}

// borrowed is the key of a chunk of its base that a backup needs.
func borrowed(t *testing.T, b *bucket.Bucket, id string) string {
	t.Helper()
	for _, class := range part(t, b, id, node).Classes {
		for _, shard := range class.Shards {
			for base, files := range shard.Incremental.FilesPerBackup {
				for _, f := range files {
					if class.Name == "Article" && strings.Contains(f.File, "/objects/") && strings.HasSuffix(f.File, ".db") {
						return b.Key(base, node, f.ChunkKeys[0])
					}
				}
			}
		}
	}
	t.Fatalf("backup %s borrows no objects", id)
	return ""
}

// descriptors are damages of what says what a backup consists of.
var descriptors = []damage{
	{name: "chunk dropped from backup.json", backup: "zstd", do: func(t *testing.T, _ *world, b *bucket.Bucket, id string) {
		key := chunkOf(t, b, id, "Article")
		edit(t, b, partKey(b, id, node), func(d object) {
			delete(classOf(t, d, "Article")["chunks"].(object), key[strings.LastIndex(key, "-")+1:])
		})
	}},
	{name: "node's backup.json missing", backup: "zstd", do: func(t *testing.T, _ *world, b *bucket.Bucket, id string) { remove(t, b, partKey(b, id, node)) }},
	{name: "backup_config.json cut short", backup: "zstd", do: func(t *testing.T, _ *world, b *bucket.Bucket, id string) {
		put(t, b, configKey(b, id), halved(get(t, b, configKey(b, id))))
	}},
	{name: "base backup expired", backup: "inc", do: func(t *testing.T, _ *world, b *bucket.Bucket, _ string) {
		for _, key := range keys(t, b, "base") {
			remove(t, b, key)
		}
	}},
	{name: "restore_config.json left in CANCELLING", backup: "zstd", do: func(t *testing.T, _ *world, b *bucket.Bucket, id string) {
		config := get(t, b, configKey(b, id))
		put(t, b, b.Key(id, "restore_config.json"), bytes.ReplaceAll(config, []byte(`"status":"SUCCESS"`), []byte(`"status":"CANCELLING"`)))
	}},
}

// leftOut are backups that are whole in themselves, and were made without something that the source has.
var leftOut = []damage{
	{name: "collection dropped", backup: "none", do: func(t *testing.T, _ *world, b *bucket.Bucket, id string) { dropCollection(t, b, id, "Product") }},
	{name: "tenant dropped", backup: "none", do: func(t *testing.T, _ *world, b *bucket.Bucket, id string) {
		dropShards(t, b, id, node, "Note", func(shard string) bool { return shard == "acme" })
	}},
	{name: "shard dropped", backup: "none", do: func(t *testing.T, _ *world, b *bucket.Bucket, id string) {
		var names []string
		for _, class := range part(t, b, id, node).Classes {
			for _, shard := range class.Shards {
				if class.Name == "Product" {
					names = append(names, shard.Name)
				}
			}
		}
		dropShards(t, b, id, node, "Product", func(shard string) bool { return shard == slices.Min(names) })
	}},
	{name: "segment of the objects dropped", backup: "none", do: func(t *testing.T, _ *world, b *bucket.Bucket, id string) {
		leaveOut(t, b, id, node, "Article", newest(t, b, id, node, "Article", "objects"))
	}, victims: []victim{
		{"segment of the objects dropped: an object lost", article(200)},
		{"segment of the objects dropped: an object in an older version", article(updated)},
		{"segment of the objects dropped: a deleted object back", article(deleted)},
	}},
	{name: "log of a vector index emptied", backup: "none", at: rto.FirstAnswer, do: onLog(func(*testing.T, *bucket.Bucket, []byte) []byte { return []byte{} })},
	{name: "log of a vector index cut to 60 %", backup: "none", at: rto.Verify, do: onLog(func(_ *testing.T, _ *bucket.Bucket, log []byte) []byte { return log[:len(log)*6/10] })},
	{name: "log of a vector index of an older backup", backup: "none", at: rto.Verify, do: onLog(func(t *testing.T, b *bucket.Bucket, _ []byte) []byte {
		return fileOf(t, b, "base", "Article", inFolder(vectorLog))
	})},
	{name: "index of keywords dropped", backup: "none", do: func(t *testing.T, _ *world, b *bucket.Bucket, id string) {
		leaveOut(t, b, id, node, "Article", inFolder("property_title_searchable"))
	}},
	{name: "index for filters dropped", backup: "none", do: func(t *testing.T, _ *world, b *bucket.Bucket, id string) {
		leaveOut(t, b, id, node, "Article", inFolder("property_words"))
	}},
	{name: "half of an index of keywords lost", backup: "none", do: half("Article", "property_title_searchable")},
	{name: "half of an index for filters lost, of a property with one value", backup: "none", do: half("Article", "property_published")},
	{name: "half of an index of ranges lost", backup: "none", do: half("Product", "property_price_rangeable")},
	{name: "newest segment of an index of null states lost", backup: "none", do: half("Product", "property_price_nullState")},
	{name: "newest segment of an index of lengths lost", backup: "none", do: half("Product", "property_name_propertyLength")},
	{name: "half of an index of times lost", backup: "none", do: half("Product", "property__creationTimeUnix")},
	{name: "half of the index of ids that filters use lost, of one tenant", backup: "none", do: func(t *testing.T, _ *world, b *bucket.Bucket, id string) {
		is := newest(t, b, id, node, "Note", "property__id")
		leaveOut(t, b, id, node, "Note", func(path string) bool { return is(path) && strings.Contains(path, "/acme/") })
	}},
	{name: "key of an object changed in the index of keys", backup: "none", do: func(t *testing.T, _ *world, b *bucket.Bucket, id string) {
		key := article(205)
		alter(t, b, id, node, "Article", "objects", key[:], flipped(key[:], 15), -1) // the last of its places in a segment
	}},
	{name: "alias lost", backup: "none", do: func(t *testing.T, _ *world, b *bucket.Bucket, id string) {
		edit(t, b, partKey(b, id, node), func(d object) { classOf(t, d, "Article")["aliases"] = base64.StdEncoding.EncodeToString([]byte("[]")) })
	}},
	{name: "role lost, another in its place", backup: "none", restore: "restore: {roles: all}", do: func(t *testing.T, _ *world, b *bucket.Bucket, id string) {
		edit(t, b, partKey(b, id, node), func(d object) {
			raw, err := base64.StdEncoding.DecodeString(d["rbacBackups"].(string))
			check(t, err)
			after := bytes.ReplaceAll(raw, []byte("role:"+role), []byte("role:"+role[:len(role)-1]+"X"))
			if bytes.Equal(after, raw) {
				t.Fatalf("the backup has no role %s: %s", role, raw)
			}
			d["rbacBackups"] = base64.StdEncoding.EncodeToString(after)
		})
	}},
	{name: "setting of the schema changed", backup: "none", do: func(t *testing.T, _ *world, b *bucket.Bucket, id string) {
		edit(t, b, partKey(b, id, node), func(d object) {
			class := classOf(t, d, "Article")
			schema, err := base64.StdEncoding.DecodeString(class["schema"].(string))
			check(t, err)
			after := bytes.Replace(schema, []byte(`"k1":1.2`), []byte(`"k1":1.3`), 1)
			if bytes.Equal(after, schema) {
				t.Fatalf("the schema has no k1: %s", schema)
			}
			class["schema"] = base64.StdEncoding.EncodeToString(after)
		})
	}},
}

// half takes the newest segment out of an inverted index: the newer half of the entries where there are two.
func half(collection, store string) func(*testing.T, *world, *bucket.Bucket, string) {
	return func(t *testing.T, _ *world, b *bucket.Bucket, id string) {
		t.Helper()
		leaveOut(t, b, id, node, collection, newest(t, b, id, node, collection, store))
	}
}

const vectorLog = "main.hnsw.commitlog.d"

// onLog changes the log of the vector index of Article. It is given the bucket, and what the log is.
func onLog(change func(t *testing.T, b *bucket.Bucket, log []byte) []byte) func(*testing.T, *world, *bucket.Bucket, string) {
	return func(t *testing.T, _ *world, b *bucket.Bucket, id string) {
		t.Helper()
		rewrite(t, b, id, node, "Article", func(path string, content []byte) []byte {
			if inFolder(vectorLog)(path) {
				return change(t, b, content)
			}
			return content
		})
	}
}

// contents are single objects changed where they lie in a backup, with their times as they were: no checksum of Weaviate's tells.
var contents = []damage{
	{name: "objects changed in a chunk", backup: "none", do: func(t *testing.T, w *world, b *bucket.Bucket, id string) {
		vector := func(i int, to []byte) {
			t.Helper()
			alter(t, b, id, node, "Article", "objects", stored(w.vectors[fmt.Sprint("Article", i)]), to, 0)
		}
		one, other := stored(w.vectors["Article210"]), stored(w.vectors["Article211"])
		vector(200, flipped(stored(w.vectors["Article200"]), 40))
		vector(210, other)
		// Now the first of the two that are equal is not known, but the old one of 211 comes after its id.
		alter(t, b, id, node, "Article", "objects", slices.Concat(head(t, w, 211), other), slices.Concat(head(t, w, 211), one), 0)
		vector(220, stored(float16(w.vectors["Article220"])))
		text := "Article number 230 of 300"
		alter(t, b, id, node, "Article", "objects", []byte(text), []byte(strings.Replace(text, "number", "numbes", 1)), 0)
		written := head(t, w, 240)
		alter(t, b, id, node, "Article", "objects", written, flipped(written, 24), 0) // the lowest byte of the update time
	}, victims: []victim{
		{"one bit of a vector flipped", article(200)}, {"vectors of two objects exchanged", article(210)}, {"vector rounded to float16", article(220)},
		{"one bit of a text flipped", article(230)}, {"update time changed by a millisecond", article(240)},
	}},
}

// head is how an article begins in a segment: its id, when it was created and updated, and the length of its vector.
func head(t *testing.T, w *world, i int) []byte {
	t.Helper()
	o, err := w.conn.Object(t.Context(), "Article", "", article(i))
	check(t, err)
	out := binary.LittleEndian.AppendUint64(slices.Clone(o.ID[:]), uint64(o.Created))
	out = binary.LittleEndian.AppendUint64(out, uint64(o.Updated))
	return binary.LittleEndian.AppendUint16(out, dimensions)
}

// damages are all of them, in the order of the table.
var damages = slices.Concat(chunks, descriptors, leftOut, contents)
