package backup_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/klauspost/compress/zstd"

	"github.com/weaviate-drill/weaviate-drill/backup"
	"github.com/weaviate-drill/weaviate-drill/backup/bucket"
	"github.com/weaviate-drill/weaviate-drill/internal/servertest"
	"github.com/weaviate-drill/weaviate-drill/internal/weaviate"
)

// Single bits flipped anywhere: each is seen by the checksums of gzip and zstd, or else changes nothing of what is unpacked. There are such bits, and not only
// in the headers: 10 of 15,000 flips that were tried.
func TestFlippedBits(t *testing.T) {
	const flips, whole = 300, 5 // of which so many through S3
	for _, id := range []string{"gzip", "zstd"} {
		t.Run(id, func(t *testing.T) {
			b := clone(t, finished(t, id), id)
			c := catalogue(t, b, id)
			chunk, content := biggest(t, b, id, "SamplePlain")
			plain, err := unpack(content, id)
			if err != nil {
				t.Fatal(err)
			}
			random := rand.New(rand.NewPCG(1, 2))
			read := backup.ChunkReader(t)
			harmless := 0
			for n := range flips {
				bit := random.IntN(8 * len(content))
				damaged := bytes.Clone(content)
				damaged[bit/8] ^= 1 << (bit % 8)
				kind := read(damaged, id)
				switch kind {
				case backup.ProblemChunkCorrupt, backup.ProblemChunkCut:
				case "":
					if same, err := unpack(damaged, id); err != nil || !bytes.Equal(same, plain) {
						t.Fatalf("bit %d of %d flipped, and nothing found, though what is unpacked differs (%v)", bit, 8*len(content), err)
					}
					harmless++
				default:
					t.Fatalf("bit %d of %d flipped, and found %q", bit, 8*len(content), kind)
				}
				if n < whole && kind != "" {
					put(t, b, chunk.key, damaged)
					key, says := where(chunk, "SamplePlain")
					if problems := checkArchive(t, b, c).Problems; len(problems) != 1 {
						t.Errorf("one bit flipped, and found:\n%s", text(problems))
					} else {
						wants(t, problems, kind, key, says...)
					}
				}
			}
			if t.Logf("%d of %d flips change nothing", harmless, flips); harmless > flips/50 {
				t.Errorf("%d of %d flips change nothing: too many to be true", harmless, flips)
			}
		})
	}
}

// unpack decompresses a chunk to its end.
func unpack(content []byte, compression string) ([]byte, error) {
	if compression == "zstd" {
		z, err := zstd.NewReader(nil)
		if err != nil {
			return nil, err
		}
		defer z.Close()
		return z.DecodeAll(content, nil)
	}
	r, err := gzip.NewReader(bytes.NewReader(content)) // the standard library's, not the one under test
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

// A cut between two files leaves a tar that every reader takes for whole. Nothing but its end mark is missing.
func TestCutBetweenFiles(t *testing.T) {
	b := clone(t, finished(t, "none"), "none")
	c := catalogue(t, b, "none")
	chunk := chunksOf(t, b, "none", "SamplePlain")[0]
	content := get(t, b, chunk.key)
	for n, e := range tarEntries(t, content)[1:] {
		end := e.at + (e.Size+511)/512*512
		for _, zeros := range []int64{0, 512} { // or only half of the mark
			if end+zeros == int64(len(content)) {
				continue
			}
			put(t, b, chunk.key, append(bytes.Clone(content[:end]), make([]byte, zeros)...))
			key, says := where(chunk, "SamplePlain", fmt.Sprintf("between two files, after %d of them", n+2))
			wants(t, checkArchive(t, b, c).Problems, backup.ProblemChunkCut, key, says...)
		}
	}
}

// Weaviate splits files of more than 50 GiB, and smaller ones when it is told to.
func TestSplitFiles(t *testing.T) {
	b := servertest.Bucket(t, "")
	w := servertest.Weaviate(t, b, map[string]string{"BACKUP_SPLIT_FILE_SIZE": "400KiB", "BACKUP_MIN_CHUNK_SIZE": "200KiB"})
	conn := servertest.Dial(t, w)
	fill(t, conn)
	if _, err := backup.Create(t.Context(), conn, b, backup.CreateOptions{Request: weaviate.BackupRequest{ID: "split", CompressionLevel: "NoCompression"}}); err != nil {
		t.Fatal(err)
	}
	c := catalogue(t, b, "split")
	none(t, check(t, c).Problems)
	none(t, checkArchive(t, b, c).Problems)

	// The parts of one file, each alone in its chunk.
	parts := map[string][]stored{}
	for _, chunk := range chunksOf(t, b, "split", "SamplePlain") {
		if entries := tarEntries(t, get(t, b, chunk.key)); len(entries) == 1 && entries[0].PAXRecords[offsetRecord] != "" {
			parts[entries[0].Name] = append(parts[entries[0].Name], chunk)
		}
	}
	var name string
	for name = range parts {
		if len(parts[name]) > 1 {
			break
		}
	}
	if len(parts[name]) < 2 {
		t.Fatalf("no file has two chunks of its own: %v", parts)
	}
	first, second := parts[name][0], parts[name][1]
	whole := get(t, b, second.key)
	for _, d := range []struct {
		content []byte
		kind    backup.ProblemKind
		says    string
	}{
		{get(t, b, first.key), backup.ProblemFileBroken, "is twice in the chunks"},
		{repack(t, whole, func(h *tar.Header) { h.PAXRecords[offsetRecord] += "0" }), backup.ProblemFileBroken, "goes on at byte"},
		{repack(t, whole, func(h *tar.Header) { delete(h.PAXRecords, offsetRecord); h.Size -= 10 }), backup.ProblemFileBroken, "file " + name},
		{repack(t, whole, func(h *tar.Header) { h.Size -= 10 }), backup.ProblemFileBroken, "file " + name},
		{repack(t, whole, func(h *tar.Header) { h.PAXRecords[offsetRecord] = "-1" }), backup.ProblemChunkCorrupt, `offset "-1"`},
	} {
		put(t, b, second.key, d.content)
		wants(t, checkArchive(t, b, c).Problems, d.kind, "", "node node1", "collection SamplePlain", "shard "+second.shard, d.says)
	}
}

const offsetRecord = "WEAVIATE.fileOffset" // of a part in its file

// repack writes a chunk of one entry again with another header; a smaller size shortens the entry.
func repack(t testing.TB, content []byte, change func(*tar.Header)) []byte {
	t.Helper()
	e := tarEntries(t, content)[0]
	change(e.Header)
	var made bytes.Buffer
	w := tar.NewWriter(&made)
	err := w.WriteHeader(e.Header)
	if err == nil {
		_, err = w.Write(content[e.at : e.at+e.Size])
	}
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return made.Bytes()
}

// through opens the bucket by way of a proxy that may change S3's answers.
func through(t testing.TB, b *bucket.Bucket, change func(*http.Response) error) *bucket.Bucket {
	t.Helper()
	target, err := url.Parse(b.Endpoint)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(&httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Host = r.In.Host // the signature covers it
		},
		ModifyResponse: change,
		ErrorLog:       log.New(io.Discard, "", 0), // of bodies that a test lets break
	})
	t.Cleanup(server.Close)
	o := b.Options
	o.Endpoint = server.URL
	other, err := bucket.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return other
}

// isChunk says whether a response is to the GetObject of a chunk.
func isChunk(r *http.Response) bool {
	return r.Request.Method == http.MethodGet && strings.Contains(r.Request.URL.Path, "/chunk-")
}

// cut is a body whose connection breaks after left bytes.
type cut struct {
	io.ReadCloser
	left int
}

func (c *cut) Read(p []byte) (int, error) {
	if c.left == 0 {
		return 0, io.ErrUnexpectedEOF
	}
	n, err := c.ReadCloser.Read(p[:min(len(p), c.left)])
	c.left -= n
	return n, err
}

func TestBrokenConnection(t *testing.T) {
	for _, id := range []string{"gzip", "zstd", "none"} {
		t.Run(id, func(t *testing.T) {
			b := finished(t, id)
			c := catalogue(t, b, id)
			var cuts atomic.Int64
			once := through(t, b, func(r *http.Response) error {
				if isChunk(r) && r.ContentLength > 100_000 && cuts.Add(1) == 1 {
					r.Body = &cut{r.Body, int(r.ContentLength) / 2}
				}
				return nil
			})
			var done, total int64
			r, err := backup.CheckArchive(t.Context(), once, c, backup.ArchiveOptions{Progress: func(d, all int64) { done, total = d, all }})
			if err != nil {
				t.Fatal(err)
			}
			none(t, r.Problems)
			if cuts.Load() < 2 || r.ContentBytes != c.Backup().PreCompressionSizeBytes || r.StoredBytes != total || done != total {
				t.Errorf("after a broken connection %+v, progress %d of %d", r, done, total)
			}

			always := through(t, b, func(r *http.Response) error {
				if isChunk(r) && r.ContentLength > 100_000 {
					r.Body = &cut{r.Body, 90_000}
				}
				return nil
			})
			r, err = backup.CheckArchive(t.Context(), always, c, backup.ArchiveOptions{Concurrency: 1})
			is(t, err, io.ErrUnexpectedEOF, "read chunk s3://"+b.Name)
			if r.Chunks != 0 {
				t.Errorf("a result beside the error: %+v", r)
			}
		})
	}
}

// A descriptor whose transfer breaks is read again, and is never taken for one that is truncated.
func TestBrokenDescriptor(t *testing.T) {
	b := finished(t, "gzip")
	for _, key := range []string{configKey(b, "gzip"), partKey(b, "gzip")} {
		t.Run(path.Base(key), func(t *testing.T) {
			var reads atomic.Int64
			breaks := func(times int64) *bucket.Bucket {
				reads.Store(0)
				return through(t, b, func(r *http.Response) error {
					if strings.HasSuffix(r.Request.URL.Path, key) && reads.Add(1) <= times {
						// After so much white space that the answer has left the proxy when the connection breaks.
						content, err := io.ReadAll(r.Body)
						if err != nil {
							return err
						}
						r.Body = &cut{io.NopCloser(bytes.NewReader(append(bytes.Repeat([]byte(" "), 100_000), content...))), 100_000 + len(content)/2}
						r.ContentLength += 100_000
						r.Header.Set("Content-Length", fmt.Sprint(r.ContentLength))
					}
					return nil
				})
			}
			none(t, check(t, catalogue(t, breaks(1), "gzip")).Problems)
			if reads.Load() != 2 {
				t.Errorf("read %d times", reads.Load())
			}
			_, err := backup.ReadCatalogue(t.Context(), breaks(1000), "gzip")
			is(t, err, io.ErrUnexpectedEOF, "read s3://"+b.Name+"/"+key)
			if errors.Is(err, backup.ErrMalformed) || reads.Load() < 2 {
				t.Errorf("after %d reads %v", reads.Load(), err)
			}
		})
	}
}

// flipped is a body with one bit flipped after skip bytes.
type flipped struct {
	io.ReadCloser
	skip int
}

func (f *flipped) Read(p []byte) (int, error) {
	n, err := f.ReadCloser.Read(p)
	if f.skip >= 0 && f.skip < n {
		p[f.skip] ^= 4
	}
	f.skip -= n
	return n, err
}

// What comes is not what S3 took the ETag or the checksum of. (MinIO notices a bit that flips on its disk, so here it flips on the way.)
func TestFlippedOnTheWay(t *testing.T) {
	b := finished(t, "none")
	flip := func(b *bucket.Bucket, c stored, content []byte) *bucket.Bucket {
		return through(t, b, func(r *http.Response) error {
			if isChunk(r) && strings.HasSuffix(r.Request.URL.Path, c.key) {
				r.Body = &flipped{r.Body, int(tarEntries(t, content)[0].at)}
			}
			return nil
		})
	}
	chunk, content := biggest(t, b, "none", "SamplePlain")
	key, says := where(chunk, "SamplePlain", "ETag")
	wants(t, checkArchive(t, flip(b, chunk, content), catalogue(t, b, "none")).Problems, backup.ProblemETag, key, says...)

	// AWS keeps a checksum of every object; here one is asked for.
	b = clone(t, b, "none")
	chunk, content = biggest(t, b, "none", "SamplePlain")
	if _, err := b.Client.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &b.Name, Key: &chunk.key, Body: bytes.NewReader(content), ChecksumAlgorithm: types.ChecksumAlgorithmCrc64nvme}); err != nil {
		t.Fatal(err)
	}
	key, says = where(chunk, "SamplePlain", "checksum")
	wants(t, checkArchive(t, flip(b, chunk, content), catalogue(t, b, "none")).Problems, backup.ProblemChunkCorrupt, key, says...)
}

// Where no ETag fits its content, the server makes them in a way of its own: nothing follows from that.
func TestForeignETags(t *testing.T) {
	b := finished(t, "none")
	foreign := through(t, b, func(r *http.Response) error {
		if isChunk(r) {
			r.Header.Set("ETag", `"`+strings.Repeat("0", 32)+`"`)
		}
		return nil
	})
	r := checkArchive(t, foreign, catalogue(t, b, "none"))
	none(t, r.Problems)
	if r.ETags != 0 {
		t.Errorf("%d ETags fit", r.ETags)
	}
}

// MinIO has no archive, so what AWS answers is replayed, from
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html (InvalidObjectState, 403) and
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html (x-amz-storage-class, x-amz-restore, x-amz-archive-status).
func TestArchived(t *testing.T) {
	b := finished(t, "gzip")
	chunk := chunksOf(t, b, "gzip", "SamplePlain")[0]
	answer := func(r *http.Response, status int, body string) {
		_ = r.Body.Close()
		r.StatusCode, r.Body, r.ContentLength = status, io.NopCloser(strings.NewReader(body)), int64(len(body))
		r.Header.Set("Content-Length", fmt.Sprint(len(body)))
		r.Header.Set("Content-Type", "application/xml")
	}
	archive := func(class string, head map[string]string, readable bool, key string) *bucket.Bucket {
		return through(t, b, func(r *http.Response) error {
			switch {
			case r.Request.URL.Query().Has("list-type"):
				body, err := io.ReadAll(r.Body)
				if err != nil {
					return err
				}
				before, after, _ := strings.Cut(string(body), "<Key>"+key+"</Key>")
				answer(r, http.StatusOK, before+"<Key>"+key+"</Key>"+strings.Replace(after, "<StorageClass>STANDARD<", "<StorageClass>"+class+"<", 1))
			case strings.HasSuffix(r.Request.URL.Path, key) && r.Request.Method == http.MethodHead:
				r.Header.Set("x-amz-storage-class", class)
				for name, value := range head {
					r.Header.Set(name, value)
				}
			case strings.HasSuffix(r.Request.URL.Path, key) && !readable:
				answer(r, http.StatusForbidden, `<?xml version="1.0" encoding="UTF-8"?><Error><Code>InvalidObjectState</Code>`+
					`<Message>The operation is not valid for the object's storage class</Message><RequestId>9FEFFF118E15B86F</RequestId><StorageClass>`+class+`</StorageClass></Error>`)
			}
			return nil
		})
	}
	for _, c := range []struct {
		name, class string
		head        map[string]string
		readable    bool
		says        string
	}{
		{"archived", "GLACIER", nil, false, "storage class GLACIER and must be thawed"},
		{"deep", "DEEP_ARCHIVE", nil, false, "storage class DEEP_ARCHIVE and must be thawed"},
		{"thawing", "GLACIER", map[string]string{"x-amz-restore": `ongoing-request="true"`}, false, "its thaw is under way"},
		{"thawed", "GLACIER", map[string]string{"x-amz-restore": `ongoing-request="false", expiry-date="Fri, 21 Dec 2029 00:00:00 GMT"`}, true, ""},
		{"tiered away", "INTELLIGENT_TIERING", map[string]string{"x-amz-archive-status": "DEEP_ARCHIVE_ACCESS"}, false, "INTELLIGENT_TIERING (DEEP_ARCHIVE_ACCESS) and must be thawed"},
		{"tiered", "INTELLIGENT_TIERING", nil, true, ""},
		{"instant", "GLACIER_IR", nil, true, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := archive(c.class, c.head, c.readable, chunk.key)
			read := catalogue(t, b, "gzip")
			found, content := check(t, read).Problems, checkArchive(t, b, read).Problems
			if c.readable {
				none(t, found)
				none(t, content)
				return
			}
			key, says := where(chunk, "SamplePlain")
			wants(t, found, backup.ProblemChunkArchived, key, append(says, c.says)...)
			wants(t, content, backup.ProblemChunkArchived, key, append(says, "thawed")...)
		})
	}
	t.Run("descriptors", func(t *testing.T) {
		wants(t, check(t, catalogue(t, archive("GLACIER", nil, false, partKey(b, "gzip")), "gzip")).Problems,
			backup.ProblemNodePart, partKey(b, "gzip"), "node node1", "archived and must be thawed")
		_, err := backup.ReadCatalogue(t.Context(), archive("GLACIER", nil, false, configKey(b, "gzip")), "gzip")
		is(t, err, backup.ErrArchived, "backup gzip", "must be thawed (RestoreObject)")
	})
}

// What S3 refuses is an error, never a problem of the backup and never a pass.
func TestRefused(t *testing.T) {
	b := finished(t, "inc1")
	c := catalogue(t, b, "inc1")
	damaged := clone(t, b, "inc1", "full")
	remove(t, damaged, chunksOf(t, damaged, "inc1", "SampleEmpty")[0].key)

	// all tries everything that reads, and holds the errors against the sentinel.
	all := func(t *testing.T, b *bucket.Bucket, want error) {
		t.Helper()
		fails := func(what string, err error) {
			t.Helper()
			if !errors.Is(bucket.Explain(err), want) || errors.Is(err, backup.ErrNoSuchBackup) || errors.Is(err, backup.ErrMalformed) {
				t.Errorf("%s: %v, want %v", what, err, want)
			}
		}
		_, err := backup.ReadCatalogue(t.Context(), b, "inc1")
		fails("ReadCatalogue", err)
		_, err = backup.ReadNodeDescriptor(t.Context(), b, "inc1", node)
		fails("ReadNodeDescriptor", err)
		r, err := backup.CheckArchive(t.Context(), b, c, backup.ArchiveOptions{})
		fails("CheckArchive", err)
		if r.Chunks != 0 || r.Problems != nil {
			t.Errorf("CheckArchive gave a result beside its error: %+v", r)
		}
		_, err = backup.List(t.Context(), b)
		fails("List", err)
	}
	t.Run("unknown credentials", func(t *testing.T) {
		t.Setenv("AWS_SECRET_ACCESS_KEY", "wrong")
		other, err := bucket.Open(t.Context(), b.Options)
		if err != nil {
			t.Fatal(err)
		}
		all(t, other, bucket.ErrDenied)
	})
	t.Run("unreachable", func(t *testing.T) {
		server := httptest.NewServer(nil)
		server.Close()
		o := b.Options
		o.Endpoint = server.URL
		other, err := bucket.Open(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		all(t, other, bucket.ErrUnreachable)
	})
	t.Run("no such bucket", func(t *testing.T) {
		other := *b
		other.Name = "test-nowhere"
		all(t, &other, bucket.ErrNoSuchBucket)
	})
	// deny answers AccessDenied where refuses says so.
	deny := func(b *bucket.Bucket, refuses func(*http.Request) bool) *bucket.Bucket {
		return through(t, b, func(r *http.Response) error {
			if refuses(r.Request) {
				_ = r.Body.Close()
				body := `<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>`
				r.StatusCode, r.Body, r.ContentLength = http.StatusForbidden, io.NopCloser(strings.NewReader(body)), int64(len(body))
				r.Header.Set("Content-Length", fmt.Sprint(len(body)))
			}
			return nil
		})
	}
	for _, suffix := range []string{"/inc1/backup_config.json", "/inc1/node1/backup.json", "/full/backup_config.json"} {
		t.Run("denied "+suffix, func(t *testing.T) {
			_, err := backup.ReadCatalogue(t.Context(), deny(b, func(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, suffix) }), "inc1")
			is(t, bucket.Explain(err), bucket.ErrDenied, suffix)
		})
	}
	t.Run("denied one chunk", func(t *testing.T) {
		_, err := backup.CheckArchive(t.Context(), deny(b, func(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "SampleEmpty/chunk-1") }), c, backup.ArchiveOptions{})
		is(t, bucket.Explain(err), bucket.ErrDenied, "SampleEmpty/chunk-1")
	})
	t.Run("denied the versions", func(t *testing.T) { // an object that is missing is missing all the same
		blind := deny(damaged, func(r *http.Request) bool { return r.URL.Query().Has("versions") })
		wants(t, check(t, catalogue(t, blind, "inc1")).Problems, backup.ProblemChunkMissing, "", "collection SampleEmpty", "a delete marker hides it is not known", "s3:ListBucketVersions")
	})
	t.Run("interrupted", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		r, err := backup.CheckArchive(ctx, through(t, b, func(r *http.Response) error {
			if isChunk(r) {
				cancel()
				<-r.Request.Context().Done()
			}
			return nil
		}), c, backup.ArchiveOptions{})
		is(t, err, context.Canceled)
		if r.Chunks != 0 {
			t.Errorf("a result beside the error: %+v", r)
		}
		_, err = backup.ReadCatalogue(ctx, b, "inc1")
		is(t, err, context.Canceled)
		_, err = catalogue(t, damaged, "inc1").Check(ctx)
		is(t, err, context.Canceled)
	})
}

func TestList(t *testing.T) {
	b := clone(t, finished(t, "inc1"), "full", "inc1")
	copyBackups(t, finished(t, "gzip"), b, "gzip")
	for _, id := range []string{"running", "failed", "truncated"} {
		key := configKey(b, id)
		put(t, b, key, get(t, b, configKey(b, "gzip")))
		edit(t, b, key, func(d map[string]any) { d["id"] = id })
	}
	edit(t, b, configKey(b, "running"), func(d map[string]any) {
		d["status"], d["startedAt"], d["completedAt"] = "STARTED", "2099-01-02T03:04:05.678Z", "0001-01-01T00:00:00Z"
	})
	edit(t, b, configKey(b, "failed"), func(d map[string]any) {
		d["status"], d["error"], d["startedAt"] = "FAILED", "node1: killed", "2001-01-01T00:00:00Z"
	})
	put(t, b, configKey(b, "truncated"), get(t, b, configKey(b, "truncated"))[:50])
	put(t, b, b.Key("foreign", "notes.txt"), []byte("not a backup"))
	put(t, b, b.Key("readme.txt"), []byte("not even a folder"))
	put(t, b, "elsewhere/backup_config.json", []byte("{}"))

	found, err := backup.List(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	by := map[string]backup.Listing{}
	for _, l := range found {
		ids = append(ids, l.ID)
		by[l.ID] = l
	}
	if want := []string{"foreign", "truncated", "failed"}; len(ids) != 7 || !slices.Equal(ids[:3], want) || ids[6] != "running" {
		t.Errorf("listed %v, want %v, then those that ended, then the one that runs", ids, want)
	}
	if !slices.IsSortedFunc(found, func(x, y backup.Listing) int { return x.StartedAt.Compare(y.StartedAt) }) {
		t.Errorf("not the oldest first: %v", ids)
	}
	is(t, by["foreign"].Err, backup.ErrNoSuchBackup, b.URL("foreign", "backup_config.json"))
	is(t, by["truncated"].Err, backup.ErrMalformed)
	for _, id := range []string{"foreign", "truncated"} {
		if l := by[id]; l.Unreadable != l.Err.Error() || l.Status != "" {
			t.Errorf("%s: %+v", id, l)
		}
	}
	if l := by["failed"]; l.Status != "FAILED" || l.Error != "node1: killed" || l.Err != nil {
		t.Errorf("failed: %+v", l)
	}
	if l := by["running"]; l.Status != "STARTED" || !l.StartedAt.Equal(time.Date(2099, 1, 2, 3, 4, 5, 678e6, time.UTC)) || !l.CompletedAt.IsZero() {
		t.Errorf("running: %+v", l)
	}
	l, d := by["inc1"], catalogue(t, b, "inc1").Backup()
	if l.Status != "SUCCESS" || l.Base != "full" || l.Compression != "zstd" || l.ServerVersion != d.ServerVersion || l.Bytes != d.PreCompressionSizeBytes || l.Bytes == 0 ||
		!slices.Equal(l.Nodes, []string{node}) || !slices.Equal(l.Collections, []string{"SampleEmpty", "SamplePlain", "SampleTenants"}) ||
		!l.StartedAt.Equal(d.StartedAt) || !l.CompletedAt.After(l.StartedAt) {
		t.Errorf("inc1: %+v", l)
	}

	// At the bucket's root, the path itself is a folder, and no backup.
	root := *b
	root.Path = ""
	found, err = backup.List(t.Context(), &root)
	if err != nil || len(found) != 2 || found[0].ID != "elsewhere" || !errors.Is(found[0].Err, backup.ErrMalformed) || found[1].ID != "some" || !errors.Is(found[1].Err, backup.ErrNoSuchBackup) {
		t.Errorf("at the root %+v, %v", found, err)
	}
	if found, err := backup.List(t.Context(), servertest.Bucket(t, "")); err != nil || len(found) != 0 {
		t.Errorf("in an empty bucket %v, %v", found, err)
	}
}

// Encryption changes what an ETag is made of, with KMS at least: no alarm follows from that.
func TestEncrypted(t *testing.T) {
	realBackup(t, "none")
	source, _ := servertest.Source(t)
	conn := servertest.Dial(t, source)
	for _, byDefault := range []types.ServerSideEncryptionByDefault{
		{SSEAlgorithm: types.ServerSideEncryptionAes256},
		{SSEAlgorithm: types.ServerSideEncryptionAwsKms, KMSMasterKeyID: aws.String("drill-key")},
	} {
		t.Run(string(byDefault.SSEAlgorithm), func(t *testing.T) {
			b := servertest.Bucket(t, "backups")
			if _, err := b.Client.PutBucketEncryption(t.Context(), &s3.PutBucketEncryptionInput{Bucket: &b.Name, ServerSideEncryptionConfiguration: &types.ServerSideEncryptionConfiguration{
				Rules: []types.ServerSideEncryptionRule{{ApplyServerSideEncryptionByDefault: &byDefault}},
			}}); err != nil {
				t.Fatal(err)
			}
			request := weaviate.BackupRequest{ID: "encrypted", Include: samples, CompressionLevel: "NoCompression", Location: weaviate.Location{Bucket: b.Name, Path: b.Path}}
			if _, err := backup.Create(t.Context(), conn, b, backup.CreateOptions{Request: request}); err != nil {
				t.Fatal(err)
			}
			c := catalogue(t, b, "encrypted")
			none(t, check(t, c).Problems)
			r := checkArchive(t, b, c)
			none(t, r.Problems)
			if kms := byDefault.KMSMasterKeyID != nil; kms && r.ETags != 0 || !kms && r.ETags != r.Chunks {
				t.Errorf("%d of %d ETags were computed again", r.ETags, r.Chunks)
			}
		})
	}
}
