package backup

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"runtime"
	"runtime/metrics"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/weaviate-drill/weaviate-drill/backup/bucket"
)

var compressions = []string{compressionGzip, compressionZstd, compressionNone}

// compress gives a writer of a compression; what it writes is whole after Close.
func compress(t testing.TB, w io.Writer, compression string) io.WriteCloser {
	t.Helper()
	switch compression {
	case compressionGzip:
		return gzip.NewWriter(w)
	case compressionZstd:
		z, err := zstd.NewWriter(w, zstd.WithEncoderConcurrency(1))
		if err != nil {
			t.Fatal(err)
		}
		return z
	default:
		return nopCloser{w}
	}
}

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }

// chunkOf makes a chunk of what write puts into its tar.
func chunkOf(t testing.TB, compression string, write func(*tar.Writer) error) []byte {
	t.Helper()
	var made bytes.Buffer
	z := compress(t, &made, compression)
	w := tar.NewWriter(z)
	if err := errors.Join(write(w), w.Close(), z.Close()); err != nil {
		t.Fatal(err)
	}
	return made.Bytes()
}

func newReader(t testing.TB) *chunkReader {
	t.Helper()
	r, err := newChunkReader()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.close)
	return r
}

// ChunkReader gives other tests what reads a chunk, and tells what is wrong with it.
func ChunkReader(t testing.TB) func(content []byte, compression string) ProblemKind {
	reader := newReader(t)
	return func(content []byte, compression string) ProblemKind {
		if _, f := reader.read(bytes.NewReader(content), compression); f != nil {
			return f.kind
		}
		return ""
	}
}

// zeros reads as so many zero bytes.
func zeros(n int64) io.Reader { return io.LimitReader(zeroReader{}, n) }

type zeroReader struct{}

func (zeroReader) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// PeakHeap is how many bytes the heap grew at most while f ran, garbage included.
func PeakHeap(f func()) int64 {
	runtime.GC()
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	heap := func() int64 {
		metrics.Read(sample)
		return int64(sample[0].Value.Uint64())
	}
	before := heap()
	peak := before
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			peak = max(peak, heap())
			select {
			case <-stop:
				return
			case <-time.After(2 * time.Millisecond):
			}
		}
	}()
	f()
	close(stop)
	<-stopped
	return peak - before
}

// A chunk that unpacks to a thousand times its size, or that is nothing but names, is read in bounded memory.
func TestHostileChunks(t *testing.T) {
	regular := func(name string, size int64) *tar.Header {
		return &tar.Header{Typeflag: tar.TypeReg, Name: name, Size: size}
	}
	for _, h := range []struct {
		name  string
		fault string // what is said, or "" for a good chunk
		write func(*tar.Writer) error
	}{
		{"bomb", "", func(w *tar.Writer) error {
			if err := w.WriteHeader(regular("c/s/zeros", 1<<30)); err != nil {
				return err
			}
			_, err := io.Copy(w, zeros(1<<30))
			return err
		}},
		{"huge names", "bytes of file names", func(w *tar.Writer) error {
			for i := range 40 {
				if err := w.WriteHeader(regular(fmt.Sprintf("%d/%s", i, strings.Repeat("n", 1<<20-200)), 0)); err != nil {
					return err
				}
			}
			return nil
		}},
		{"short names in huge headers", "", func(w *tar.Writer) error {
			for i := range 600 {
				h := regular(fmt.Sprintf("ü%d", i), 0) // not ASCII: the name is in the PAX header
				h.PAXRecords = map[string]string{"X.waste": strings.Repeat("w", 1<<19)}
				if err := w.WriteHeader(h); err != nil {
					return err
				}
			}
			return nil
		}},
		{"too many files", "files, or more than", func(w *tar.Writer) error {
			for range maxEntries + 1 {
				if err := w.WriteHeader(regular("c/s/x", 0)); err != nil {
					return err
				}
			}
			return nil
		}},
	} {
		for _, compression := range []string{compressionGzip, compressionZstd} {
			t.Run(h.name+"/"+compression, func(t *testing.T) {
				chunk := chunkOf(t, compression, h.write)
				reader := newReader(t)
				var f *fault
				peak := PeakHeap(func() { _, f = reader.read(bytes.NewReader(chunk), compression) })
				t.Logf("a chunk of %d KiB took %d MiB", len(chunk)>>10, peak>>20)
				switch {
				case h.fault == "" && f != nil:
					t.Errorf("fault %v", f)
				case h.fault != "" && (f == nil || f.kind != ProblemChunkCorrupt || !strings.Contains(f.detail, h.fault)):
					t.Errorf("fault %v, want %q", f, h.fault)
				}
				if limit := int64(96 << 20); peak > limit {
					t.Errorf("it took %d bytes, more than %d", peak, limit)
				}
			})
		}
	}
}

// A server that goes quiet, before its answer or within it, is asked again, and at last given up.
func TestStall(t *testing.T) {
	for name, begin := range map[string]string{"before the answer": "", "within a chunk": "some bytes"} {
		t.Run(name, func(t *testing.T) {
			requests := 0
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				requests++
				if begin != "" {
					w.Header().Set("Content-Length", "1000")
					_, _ = io.WriteString(w, begin)
					w.(http.Flusher).Flush()
				}
				<-r.Context().Done()
			}))
			defer server.Close()
			t.Setenv("AWS_ACCESS_KEY_ID", "x")
			t.Setenv("AWS_SECRET_ACCESS_KEY", "x")
			b, err := bucket.Open(t.Context(), bucket.Options{Name: "b", Region: "us-east-1", Endpoint: server.URL, PathStyle: true})
			if err != nil {
				t.Fatal(err)
			}
			a := &audit{bucket: b, patience: 200 * time.Millisecond}
			err = a.check(t.Context(), &job{chunk: chunk{key: "k"}, compression: compressionNone}, newReader(t))
			if !errors.Is(err, errStalled) || !strings.Contains(err.Error(), "s3://b/k") || requests != maxTries {
				t.Errorf("after %d requests: %v", requests, err)
			}
		})
	}
}

// A chunk sixteen times as big is read in the same memory.
func TestMemoryDoesNotGrow(t *testing.T) {
	block := make([]byte, 1<<20)
	_, _ = rand.NewChaCha8([32]byte{7}).Read(block)
	for _, compression := range compressions {
		t.Run(compression, func(t *testing.T) {
			peak := func(blocks int64) int64 {
				chunk := chunkOf(t, compression, func(w *tar.Writer) error {
					err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: "c/s/file", Size: blocks << 20})
					for i := int64(0); i < blocks && err == nil; i++ {
						block[i]++ // no block is like another, so that windows fill
						_, err = w.Write(block)
					}
					return err
				})
				reader := newReader(t)
				return PeakHeap(func() {
					if entries, f := reader.read(bytes.NewReader(chunk), compression); f != nil || len(entries) != 1 || entries[0].size != blocks<<20 {
						t.Errorf("%v, fault %v", entries, f)
					}
				})
			}
			small, big := peak(12), peak(192)
			t.Logf("peaks: %d KiB, %d KiB", small>>10, big>>10)
			if big > small+4<<20 {
				t.Errorf("12 MiB took %d bytes and 192 MiB %d", small, big)
			}
		})
	}
}
