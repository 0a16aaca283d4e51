package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/cenkalti/backoff/v5"
	"golang.org/x/sync/errgroup"

	"github.com/weaviate-drill/weaviate-drill/backup/bucket"
)

// ArchiveOptions tune CheckArchive; the zero value is good.
type ArchiveOptions struct {
	Concurrency int                               // chunks read at once; 0: two for each core, at least four. Each takes some 20 MB at most (zstd)
	Progress    func(doneBytes, totalBytes int64) // called now and then, never by two goroutines at once; nil: not called
}

// CheckArchive reads every chunk that a restore of the backup would read, to its last byte and without touching the disk: decompressed, walked as tar, held
// against the descriptors. From a base it reads the chunks with borrowed files, and counts only those files. The bucket must be that of the
// catalogue. The error is S3's (denied, unreachable after repeated tries) or the context's; what is wrong with the backup is in the result.
//
// A flipped bit is seen by the checksums that gzip and zstd carry, if it changes anything of the content. An uncompressed chunk carries none: it is held against the checksum that S3 keeps of the
// object, and where there is none, the ETag is computed again if S3 makes it from the content (see ArchiveResult.ETags). A chunk that somebody replaced has a new ETag that fits; only CompareObjects sees that.
func CheckArchive(ctx context.Context, b *bucket.Bucket, c *Catalogue, o ArchiveOptions) (ArchiveResult, error) {
	began := time.Now()
	if o.Concurrency <= 0 {
		o.Concurrency = max(4, 2*runtime.GOMAXPROCS(0))
	}
	a := newAudit(b, c, o)
	group, groupCtx := errgroup.WithContext(ctx)
	var next atomic.Int64
	for range min(o.Concurrency, len(a.jobs)) {
		group.Go(func() error {
			reader, err := newChunkReader()
			if err != nil {
				return err
			}
			defer reader.close()
			for {
				i := int(next.Add(1)) - 1
				if i >= len(a.jobs) {
					return nil
				}
				if err := a.check(groupCtx, a.jobs[i], reader); err != nil {
					return err
				}
			}
		})
	}
	if err := group.Wait(); err != nil {
		return ArchiveResult{}, err
	}
	result := a.finish()
	result.Duration = time.Since(began)
	return result, nil
}

// check reads one chunk, again when the connection breaks, and books what is in it.
func (a *audit) check(ctx context.Context, j *job, reader *chunkReader) error {
	read, err := retry(ctx, func() (reading, error) { return a.read(ctx, j, reader) })
	if err != nil {
		return fmt.Errorf("read chunk s3://%s/%s: %w", a.bucket.Name, j.key, err)
	}
	if read.etag != nil && read.fault == nil {
		if err := a.compareETag(ctx, j, read.etag); err != nil {
			return err
		}
	}
	a.book(j, read)
	return nil
}

// reading is what one whole reading of a chunk gave.
type reading struct {
	entries []entry
	fault   *fault
	stored  int64     // bytes
	etag    *etagHash // nil when it was not computed
}

// read reads one chunk once. The error is that of a connection and worth another try, unless it is permanent.
func (a *audit) read(ctx context.Context, j *job, reader *chunkReader) (reading, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stall := time.AfterFunc(a.patience, func() { cancel(errStalled) })
	defer stall.Stop()
	got, err := a.bucket.Client.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String(a.bucket.Name), Key: aws.String(j.key)})
	switch {
	case isNotFound(err):
		return reading{fault: faultf(ProblemChunkMissing, "the bucket does not hold this chunk; Weaviate will end the restore with FAILED or CANCELED")}, nil
	case isArchived(err):
		return reading{fault: faultf(ProblemChunkArchived, "the object is archived and must be thawed (RestoreObject) before it can be read")}, nil
	case err != nil:
		return reading{}, broken(ctx, backoff.Permanent(err)) // the SDK has tried again
	}
	body := &chunkBody{body: got.Body, progress: a.progress, alive: func() { stall.Reset(a.patience) }}
	defer body.close()
	// Compressed chunks carry checksums of their own, and where S3 keeps one of the whole object, the SDK compares it. MD5 would only slow these down.
	if _, compared := s3.GetChecksumValidationMetadata(got.ResultMetadata); !compared && j.compression == compressionNone {
		body.etag = newETagHash(a.bucket.Name, got)
	}
	entries, f := reader.read(body, j.compression)
	switch {
	case body.failure == nil:
		return reading{entries, f, body.n, body.etag}, nil
	case strings.Contains(body.failure.Error(), "checksum did not match"): // the SDK's word on x-amz-checksum; the type of its error is internal
		return reading{fault: faultf(ProblemChunkCorrupt, "the content differs from the checksum that S3 keeps of it: %v", body.failure), stored: body.n}, nil
	}
	body.takeBack()
	return reading{}, broken(ctx, body.failure)
}

// broken is the error of a connection that failed with err. One that was ended for stalling is worth another try, one that the caller ended is not.
func broken(ctx context.Context, err error) error {
	switch cause := context.Cause(ctx); {
	case cause == nil:
		return err
	case errors.Is(cause, errStalled):
		return errStalled
	default:
		return backoff.Permanent(cause)
	}
}

// compareETag books a chunk whose ETag fits its content, and remembers one whose ETag does not. An upload in parts of another size than Weaviate's has
// another ETag: when the number of parts alone does not tell, the size of the first part is asked for.
func (a *audit) compareETag(ctx context.Context, j *job, h *etagHash) error {
	got := h.got()
	if got != h.want && h.parts > 1 {
		head, err := a.bucket.Client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: aws.String(a.bucket.Name), Key: aws.String(j.key), PartNumber: aws.Int32(1)})
		if err != nil {
			return fmt.Errorf("ask for the part size of s3://%s/%s: %w", a.bucket.Name, j.key, err)
		}
		if aws.ToInt64(head.ContentLength) != etagPart {
			return nil
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if got == h.want {
		a.result.ETags++
		return nil
	}
	a.suspects = append(a.suspects, j.problem(ProblemETag, "its content has ETag %s, and S3 says %s: the content changed after S3 received it, or on its way here", got, h.want))
	return nil
}

// A transfer that gives no byte for this long is taken for dead and begun again.
const stallTimeout = time.Minute

var errStalled = errors.New("no byte came for too long")

// progressEvery is how many bytes of a chunk pass between two calls of Progress.
const progressEvery = 4 << 20

// chunkBody is the body of a GetObject: it counts, hashes, and remembers why it failed.
type chunkBody struct {
	body     io.ReadCloser
	progress func(bytes int64)
	alive    func() // called when bytes came
	etag     *etagHash
	n        int64
	told     int64 // of n, to progress
	failure  error
}

func (b *chunkBody) Read(p []byte) (int, error) {
	n, err := b.body.Read(p)
	b.n += int64(n)
	if n > 0 {
		b.alive()
		if b.etag != nil {
			_, _ = b.etag.Write(p[:n])
		}
		if b.n-b.told >= progressEvery {
			b.progress(b.n - b.told)
			b.told = b.n
		}
	}
	if err != nil && !errors.Is(err, io.EOF) {
		b.failure = err
	}
	return n, err
}

// takeBack withdraws what was told of a reading that has to be done again.
func (b *chunkBody) takeBack() {
	b.progress(-b.told)
	b.told = b.n
}

func (b *chunkBody) close() {
	_ = b.body.Close()
	b.progress(b.n - b.told)
}
