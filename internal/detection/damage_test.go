package detection

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/weaviate-drill/weaviate-drill/backup/bucket"
)

// edit rewrites a JSON object in the bucket.
func edit(t testing.TB, b *bucket.Bucket, key string, change func(d object)) {
	t.Helper()
	var d object
	dec := json.NewDecoder(bytes.NewReader(get(t, b, key)))
	dec.UseNumber()
	check(t, dec.Decode(&d))
	change(d)
	put(t, b, key, encode(t, d))
}

func encode(t testing.TB, d object) []byte {
	t.Helper()
	content, err := json.Marshal(d)
	check(t, err)
	return content
}

func configKey(b *bucket.Bucket, id string) string     { return b.Key(id, "backup_config.json") }
func partKey(b *bucket.Bucket, id, node string) string { return b.Key(id, node, "backup.json") }

// classOf finds a collection in a node's part.
func classOf(t testing.TB, part object, name string) object {
	t.Helper()
	for _, c := range part["classes"].([]any) {
		if class := c.(object); class["name"] == name {
			return class
		}
	}
	t.Fatalf("no collection %s", name)
	return nil
}

// less takes bytes off a size in a descriptor.
func less(d object, bytes int64) {
	n, _ := d["preCompressionSizeBytes"].(json.Number).Int64()
	d["preCompressionSizeBytes"] = n - bytes
}

// lose takes bytes off all sizes in the coordinator's descriptor.
func lose(t testing.TB, b *bucket.Bucket, id, node string, bytes int64) {
	t.Helper()
	edit(t, b, configKey(b, id), func(d object) {
		less(d, bytes)
		less(d["nodes"].(object)[node].(object), bytes)
	})
}

// rewrite changes files of a collection in a node's part of an uncompressed backup, and makes all descriptors agree: a backup that was made of such files. change returns nil to leave a file out.
func rewrite(t testing.TB, b *bucket.Bucket, id, node, collection string, change func(path string, content []byte) []byte) {
	t.Helper()
	var lost int64
	left, resized := map[string]bool{}, map[string]int64{}
	var emptied []string
	edit(t, b, partKey(b, id, node), func(part object) {
		class := classOf(t, part, collection)
		chunks := class["chunks"].(object)
		for n := range chunks {
			key := b.Key(id, node, collection, "chunk-"+n)
			var made bytes.Buffer
			w, files := tar.NewWriter(&made), 0
			for r := tar.NewReader(bytes.NewReader(get(t, b, key))); ; {
				h, err := r.Next()
				if errors.Is(err, io.EOF) {
					break
				}
				check(t, err)
				content, err := io.ReadAll(r)
				check(t, err)
				after := change(h.Name, content)
				lost += int64(len(content) - len(after))
				if after == nil {
					left[h.Name] = true
					continue
				}
				if len(after) != len(content) {
					resized[h.Name] = int64(len(after))
				}
				files++
				h.Size = int64(len(after))
				check(t, w.WriteHeader(h))
				_, err = w.Write(after)
				check(t, err)
			}
			check(t, w.Close())
			if files == 0 {
				delete(chunks, n)
				emptied = append(emptied, key)
				continue
			}
			put(t, b, key, made.Bytes())
		}
		for _, s := range class["shards"].([]any) {
			shard := s.(object)
			shard["files"] = slices.DeleteFunc(shard["files"].([]any), func(f any) bool { return left[f.(string)] })
			big, _ := shard["bigFilesChunk"].(object)
			for path := range big {
				if left[path] {
					delete(big, path)
				} else if size, is := resized[path]; is {
					big[path].(object)["size"] = size
				}
			}
		}
		less(class, lost)
		less(part, lost)
	})
	if len(left)+len(resized) == 0 {
		t.Fatalf("nothing of %s was changed", collection)
	}
	for _, key := range emptied {
		remove(t, b, key)
	}
	lose(t, b, id, node, lost)
}

// leaveOut leaves files of a collection out of a node's part of a backup.
func leaveOut(t testing.TB, b *bucket.Bucket, id, node, collection string, which func(path string) bool) {
	t.Helper()
	rewrite(t, b, id, node, collection, func(path string, content []byte) []byte {
		if which(path) {
			return nil
		}
		return content
	})
}

// newest tells the files of the newest segment in a bucket of the LSM store, in every shard of a collection.
func newest(t testing.TB, b *bucket.Bucket, id, node, collection, store string) func(path string) bool {
	t.Helper()
	last := map[string]string{} // by folder
	for _, class := range part(t, b, id, node).Classes {
		for _, shard := range class.Shards {
			for _, f := range shard.Files {
				at := strings.Index(f, "/lsm/"+store+"/segment-")
				if class.Name != collection || at < 0 {
					continue
				}
				folder, name := f[:at], strings.SplitN(f[at:], ".", 2)[0]
				last[folder] = max(last[folder], name)
			}
		}
	}
	return func(path string) bool {
		for folder, name := range last {
			if strings.HasPrefix(path, folder+name+".") {
				return true
			}
		}
		return false
	}
}

func inFolder(name string) func(path string) bool {
	return func(path string) bool { return strings.Contains(path, "/"+name+"/") }
}

// dropShards takes shards of a collection out of a node's part of a backup, as if it had never had them.
func dropShards(t testing.TB, b *bucket.Bucket, id, node, collection string, which func(shard string) bool) {
	t.Helper()
	var gone []string
	var bytes int64
	edit(t, b, partKey(b, id, node), func(part object) {
		class := classOf(t, part, collection)
		class["shards"] = slices.DeleteFunc(class["shards"].([]any), func(s any) bool { return which(s.(object)["name"].(string)) })
		chunks := class["chunks"].(object)
		for n, shards := range chunks {
			if which(shards.([]any)[0].(string)) {
				delete(chunks, n)
				gone = append(gone, b.Key(id, node, collection, "chunk-"+n))
			}
		}
		for _, key := range gone {
			bytes += sizeOf(t, b, key)
		}
		less(class, bytes)
		less(part, bytes)
	})
	if len(gone) == 0 {
		t.Fatalf("no such shard of %s", collection)
	}
	for _, key := range gone {
		remove(t, b, key)
	}
	lose(t, b, id, node, bytes)
}

// sizeOf sums what is in a chunk.
func sizeOf(t testing.TB, b *bucket.Bucket, key string) (sum int64) {
	t.Helper()
	for r := tar.NewReader(bytes.NewReader(unpack(t, get(t, b, key)))); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return sum
		}
		check(t, err)
		sum += h.Size
	}
}

// dropCollection takes a collection out of a backup, as if it had never had it.
func dropCollection(t testing.TB, b *bucket.Bucket, id, collection string) {
	t.Helper()
	var bytes int64
	edit(t, b, partKey(b, id, node), func(part object) {
		bytes, _ = classOf(t, part, collection)["preCompressionSizeBytes"].(json.Number).Int64()
		part["classes"] = slices.DeleteFunc(part["classes"].([]any), func(c any) bool { return c.(object)["name"] == collection })
		less(part, bytes)
	})
	for _, key := range keys(t, b, id) {
		if strings.Contains(key, "/"+collection+"/") {
			remove(t, b, key)
		}
	}
	edit(t, b, configKey(b, id), func(d object) {
		n := d["nodes"].(object)[node].(object)
		n["classes"] = slices.DeleteFunc(n["classes"].([]any), func(c any) bool { return c == collection })
	})
	lose(t, b, id, node, bytes)
}

// unpacked decompresses a chunk by what it begins with.
func unpacked(content []byte) (plain []byte, err error) {
	var r io.Reader = bytes.NewReader(content)
	switch {
	case bytes.HasPrefix(content, []byte{0x1f, 0x8b}):
		r, err = gzip.NewReader(r)
	case bytes.HasPrefix(content, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		r, err = zstd.NewReader(r)
	}
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

func unpack(t testing.TB, content []byte) []byte {
	t.Helper()
	plain, err := unpacked(content)
	check(t, err)
	return plain
}

// fileOf reads a file of a collection out of a backup.
func fileOf(t testing.TB, b *bucket.Bucket, id, collection string, which func(path string) bool) []byte {
	t.Helper()
	for _, key := range keys(t, b, id) {
		if !strings.Contains(key, "/"+collection+"/") {
			continue
		}
		for r := tar.NewReader(bytes.NewReader(unpack(t, get(t, b, key)))); ; {
			h, err := r.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			check(t, err)
			if which(h.Name) {
				content, err := io.ReadAll(r)
				check(t, err)
				return content
			}
		}
	}
	t.Fatalf("backup %s has no such file of %s", id, collection)
	return nil
}

// alter replaces one occurrence of bytes in the files of a folder of a node's part of an uncompressed backup by others of the same length; which counts the occurrences from 0, and -1 is the last.
func alter(t testing.TB, b *bucket.Bucket, id, node, collection, folder string, from, to []byte, which int) {
	t.Helper()
	if len(from) != len(to) || bytes.Equal(from, to) {
		t.Fatalf("%q cannot be changed into %q", from, to)
	}
	for _, key := range keys(t, b, id) {
		if !strings.Contains(key, "/"+node+"/"+collection+"/") {
			continue
		}
		content := get(t, b, key)
		var at []int
		for _, e := range tarEntries(t, content) {
			if !strings.Contains(e.Name, "/"+folder+"/") || !strings.HasSuffix(e.Name, ".db") {
				continue
			}
			file := content[e.at : e.at+e.Size]
			for begin := 0; ; {
				i := bytes.Index(file[begin:], from)
				if i < 0 {
					break
				}
				at = append(at, int(e.at)+begin+i)
				begin += i + len(from)
			}
		}
		if len(at) == 0 {
			continue
		}
		if which < 0 {
			which += len(at)
		}
		copy(content[at[which]:], to)
		put(t, b, key, content)
		return
	}
	t.Fatalf("%s of backup %s has no such bytes in %s", collection, id, folder)
}

type tarEntry struct {
	*tar.Header
	at int64 // where its content begins
}

func tarEntries(t testing.TB, content []byte) (all []tarEntry) {
	t.Helper()
	r := bytes.NewReader(content)
	for archive := tar.NewReader(r); ; {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		check(t, err)
		all = append(all, tarEntry{h, int64(len(content) - r.Len())})
	}
}

// inOrder writes an uncompressed chunk anew, with its files in the order of their names.
func inOrder(t testing.TB, content []byte) []byte {
	t.Helper()
	all := tarEntries(t, content)
	slices.SortFunc(all, func(a, b tarEntry) int { return strings.Compare(a.Name, b.Name) })
	var made bytes.Buffer
	w := tar.NewWriter(&made)
	for _, e := range all {
		check(t, w.WriteHeader(e.Header))
		_, err := w.Write(content[e.at : e.at+e.Size])
		check(t, err)
	}
	check(t, w.Close())
	return made.Bytes()
}

// stored is a vector as it lies in a segment.
func stored(v []float32) (out []byte) {
	for _, f := range v {
		out = binary.LittleEndian.AppendUint32(out, math.Float32bits(f))
	}
	return out
}

// float16 rounds a vector to the precision of float16 (10 bits of mantissa); its numbers are of a size that float16 has.
func float16(v []float32) []float32 {
	out := slices.Clone(v)
	for i, f := range out {
		out[i] = math.Float32frombits((math.Float32bits(f) + 1<<12) &^ (1<<13 - 1))
	}
	return out
}

// flipped is content with one bit flipped.
func flipped(content []byte, at int) []byte {
	out := slices.Clone(content)
	out[at] ^= 1
	return out
}
