package backup

import (
	"archive/tar"
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// entry is one file, or one part of a split file, in a chunk.
type entry struct {
	name   string // relative to Weaviate's data folder
	size   int64  // of this entry's content, in bytes
	split  bool   // a part of a bigger file
	offset int64  // of the part in the file
}

// fault is what is wrong with a chunk's bytes.
type fault struct {
	kind   ProblemKind
	detail string
}

func faultf(kind ProblemKind, format string, args ...any) *fault {
	return &fault{kind, fmt.Sprintf(format, args...)}
}

const (
	// splitRecord marks a part of a file of more than BACKUP_SPLIT_FILE_SIZE, 50 GiB by default (usecases/backup/zip.go).
	splitRecord = "WEAVIATE.fileOffset"
	// maxWindow is the zstd window that Weaviate's own decoder allows, the library's default; its encoder uses up to 16 MiB.
	maxWindow = 64 << 20
	// maxEntries bounds what one chunk can make us remember. A shard has some dozens of files, a big one some thousands.
	maxEntries = 1 << 18
	maxNames   = 32 << 20 // bytes of all names of one chunk
	readAhead  = 256 << 10
	tarBlock   = 512
)

// chunkReader reads chunks one after another with the same buffers.
type chunkReader struct {
	buffered *bufio.Reader
	gzip     gzip.Reader
	zstd     *zstd.Decoder
	zeros    []byte
}

func newChunkReader() (*chunkReader, error) {
	// Concurrency 1 decodes in the reading goroutine: the parallelism is over chunks, and memory stays at one window for each.
	z, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
	if err != nil {
		return nil, fmt.Errorf("prepare the zstd decoder: %w", err)
	}
	return &chunkReader{buffered: bufio.NewReaderSize(nil, readAhead), zstd: z, zeros: make([]byte, 4<<10)}, nil
}

func (r *chunkReader) close() { r.zstd.Close() }

// read goes through one chunk to the last byte of the decompressed stream, so that the checksums of gzip (CRC-32) and zstd (xxHash) are
// compared, and returns its entries. Weaviate's own restore stops at the end of the tar and never sees them.
func (r *chunkReader) read(body io.Reader, compression string) ([]entry, *fault) {
	r.buffered.Reset(body)
	defer r.buffered.Reset(nil)
	if _, err := r.buffered.Peek(1); errors.Is(err, io.EOF) {
		return nil, faultf(ProblemChunkEmpty, "the chunk has 0 bytes; Weaviate may restore it as a success, without its objects")
	}
	var plain io.Reader = r.buffered
	switch compression {
	case compressionNone:
	case compressionGzip:
		if err := r.gzip.Reset(r.buffered); err != nil {
			return nil, unreadable(err, compression)
		}
		plain = &r.gzip
	case compressionZstd:
		if err := r.zstd.Reset(r.buffered); err != nil {
			return nil, unreadable(err, compression)
		}
		defer func() { _ = r.zstd.Reset(nil) }() // lets go of the body
		plain = r.zstd
	default:
		return nil, faultf(ProblemChunkCorrupt, "the descriptor names compression %q, which this tool does not know", compression)
	}
	entries, f := walk(plain, compression)
	if f != nil {
		return nil, f
	}
	for {
		n, err := plain.Read(r.zeros)
		for _, b := range r.zeros[:n] {
			if b != 0 {
				return nil, faultf(ProblemChunkCorrupt, "something other than padding follows the end of its tar archive")
			}
		}
		if errors.Is(err, io.EOF) {
			return entries, nil
		}
		if err != nil {
			return nil, unreadable(err, compression)
		}
	}
}

func unreadable(err error, compression string) *fault {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return faultf(ProblemChunkCut, "the chunk ends before its end: it is cut")
	}
	if compression == compressionNone {
		return faultf(ProblemChunkCorrupt, "the chunk cannot be read as tar: %v", err)
	}
	return faultf(ProblemChunkCorrupt, "the chunk is damaged, as its %s stream shows: %v", compression, err)
}

// walk reads a tar archive as Weaviate writes it: regular files, then two blocks of zeros. Without those two blocks the archive was cut between two
// files, which tar readers (and Weaviate) take for its end.
func walk(plain io.Reader, compression string) ([]entry, *fault) {
	counted := &countingReader{Reader: plain}
	archive := tar.NewReader(counted)
	var entries []entry
	var end int64 // of the last entry, in the stream
	names := 0
	for {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, unreadable(err, compression)
		}
		if names += len(h.Name); len(entries) == maxEntries || names > maxNames {
			return nil, faultf(ProblemChunkCorrupt, "the chunk has more than %d files, or more than %d bytes of file names", maxEntries, maxNames)
		}
		if h.Typeflag != tar.TypeReg || sparse(h) {
			return nil, faultf(ProblemChunkCorrupt, "entry %q is no regular file, and Weaviate writes no others", h.Name)
		}
		e := entry{name: strings.Clone(h.Name), size: h.Size} // a name from a PAX header is a piece of that header, of up to 1 MiB
		if record, ok := h.PAXRecords[splitRecord]; ok {
			e.split = true
			if e.offset, err = strconv.ParseInt(record, 10, 64); err != nil || e.offset < 0 {
				return nil, faultf(ProblemChunkCorrupt, "entry %q has offset %q, which is no number of bytes", h.Name, record)
			}
		}
		entries = append(entries, e)
		end = counted.n + (h.Size+tarBlock-1)/tarBlock*tarBlock
	}
	if counted.n-end != 2*tarBlock {
		return nil, faultf(ProblemChunkCut, "the end mark of its tar archive is missing: it is cut between two files, after %d of them, and Weaviate restores it as a success", len(entries))
	}
	return entries, nil
}

// sparse files have holes that are not in the stream, and a size that any header can claim.
func sparse(h *tar.Header) bool {
	for name := range h.PAXRecords {
		if strings.HasPrefix(name, "GNU.sparse.") {
			return true
		}
	}
	return false
}

type countingReader struct {
	io.Reader
	n int64
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n += int64(n)
	return n, err
}
