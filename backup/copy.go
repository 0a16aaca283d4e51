package backup

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"golang.org/x/sync/errgroup"

	"github.com/weaviate-drill/weaviate-drill/backup/bucket"
	"github.com/weaviate-drill/weaviate-drill/internal/weaviate"
)

// Limits of S3 (https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html): CopyObject takes up to 5 GiB, a multipart upload up to 10,000 parts,
// DeleteObjects up to 1000 keys.
const (
	maxCopyObject = 5 << 30
	maxParts      = 10_000
	copyPart      = 512 << 20
	maxDelete     = 1000

	copyConcurrency = 16 // requests that wait for S3, which does the work
)

// idForm is what Weaviate allows as an id (usecases/backup/handler.go). A drill's id is the last element of the prefix that is removed in the end, so it is looked at twice.
var idForm = regexp.MustCompile(`^[a-z0-9_-]+$`)

// location is where the copy lies: bucket, and path without slashes at its ends. The backup lies below it under its own id.
func (r *Restoration) location() weaviate.Location {
	l := r.options.Copy
	if l.Bucket == "" {
		l.Bucket = r.bucket.Name
	}
	l.Path = strings.Trim(strings.Trim(l.Path, "/")+"/"+r.options.DrillID, "/")
	return l
}

// checkCopy refuses a place for copies whose removal could touch anything but the drill's own.
func checkCopy(b *bucket.Bucket, l weaviate.Location, drillID string) error {
	if !idForm.MatchString(drillID) || l.Path != drillID && !strings.HasSuffix(l.Path, "/"+drillID) || l.Bucket == "" {
		return fmt.Errorf("%w: %q is no place for a drill's copy: it must end in the id of the drill (%q)", ErrRefused, l.Bucket+"/"+l.Path, drillID)
	}
	if l.Bucket == b.Name && strings.HasPrefix(b.Path+"/", l.Path+"/") {
		return fmt.Errorf("%w: the place for the drill's copy, s3://%s/%s, holds the backups themselves; choose another restore.copy.path", ErrRefused, l.Bucket, l.Path)
	}
	return nil
}

// Copy copies, when the backup is restored by copy, all objects that the restore will read, with those of the chain, inside S3 to <path>/<drill id> of
// RestoreOptions.Copy. It fails when one of them is no longer what the catalogue listed, and looks at every copy afterwards. When ctx ends,
// what was copied remains, for CleanUp.
func (r *Restoration) Copy(ctx context.Context) error {
	if r.options.From != ByCopy {
		return nil
	}
	l := r.location()
	if err := checkCopy(r.bucket, l, r.options.DrillID); err != nil {
		return err
	}
	for _, d := range r.catalogue.Chain {
		if l.Bucket == r.bucket.Name && strings.HasPrefix(l.Path+"/", r.bucket.Key(d.ID)+"/") {
			return fmt.Errorf("%w: the place for the drill's copy, s3://%s/%s, lies inside backup %s; choose another restore.copy.path", ErrRefused, l.Bucket, l.Path, d.ID)
		}
	}
	c := copier{from: r.bucket, to: r.place(), above: maxCopyObject, part: copyPart, began: time.Now(), progress: r.options.Progress}
	objects := r.catalogue.Objects()
	for _, o := range objects {
		c.total += o.Size
	}
	logger(r.options.Log).Info("copying the backup", "backup", r.id, "to", c.to.URL(), "objects", len(objects), "bytes", c.total)
	if err := c.copy(ctx, objects); err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return fmt.Errorf("copy backup %s to %s: %w", r.id, c.to.URL(), bucket.Explain(err))
	}
	return nil
}

// copier copies objects inside S3.
type copier struct {
	from, to    *bucket.Bucket
	above, part int64 // bytes: from what size on an object is copied in parts, and how big they are at least
	total       int64
	began       time.Time
	progress    func(Progress)

	mu    sync.Mutex
	done  int64
	etags map[string]string // by new key: where the ETag of the copy must be that of the object
}

func (c *copier) copy(ctx context.Context, objects []Object) error {
	c.etags = map[string]string{}
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(copyConcurrency)
	for _, o := range objects {
		group.Go(func() error {
			if groupCtx.Err() != nil {
				return groupCtx.Err()
			}
			copyOne := c.whole
			if o.Size > c.above {
				copyOne = c.inParts
			}
			if err := copyOne(groupCtx, o, c.to.Key(below(c.from, o.Key))); err != nil {
				return fmt.Errorf("s3://%s/%s: %w", c.from.Name, o.Key, err)
			}
			c.mu.Lock()
			defer c.mu.Unlock()
			c.done += o.Size
			if c.progress != nil {
				c.progress(Progress{Status: "COPYING", Bytes: c.done, Total: c.total, Elapsed: time.Since(c.began)})
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return c.verify(ctx, objects)
}

// source names an object for a copy request, which wants it URL-encoded.
func (c *copier) source(o Object) *string {
	escaped := (&url.URL{Path: c.from.Name + "/" + o.Key}).EscapedPath()
	return aws.String(strings.ReplaceAll(escaped, "+", "%2B"))
}

// replaced says that an object is not the one that the catalogue listed.
func replaced(err error) error {
	if apiCode(err) == "PreconditionFailed" {
		return fmt.Errorf("it was written again since the catalogue was read: %w", err)
	}
	return err
}

func (c *copier) whole(ctx context.Context, o Object, key string) error {
	out, err := c.to.Client.CopyObject(ctx, &s3.CopyObjectInput{
		Bucket: &c.to.Name, Key: &key, CopySource: c.source(o), CopySourceIfMatch: aws.String(`"` + o.ETag + `"`),
		TaggingDirective: types.TaggingDirectiveReplace, // with none: to copy tags is a right of its own, and nobody reads them here
	})
	if err != nil {
		return replaced(err)
	}
	// The ETag of an object uploaded in one piece is its MD5 unless it is encrypted with KMS, and then stays the same.
	if !strings.Contains(o.ETag, "-") && out.ServerSideEncryption != types.ServerSideEncryptionAwsKms && out.ServerSideEncryption != types.ServerSideEncryptionAwsKmsDsse {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.etags[key] = o.ETag
	}
	return nil
}

func (c *copier) inParts(ctx context.Context, o Object, key string) error {
	begun, err := c.to.Client.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: &c.to.Name, Key: &key})
	if err != nil {
		return err
	}
	size := max(c.part, (o.Size+maxParts-1)/maxParts)
	parts := make([]types.CompletedPart, (o.Size+size-1)/size)
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(4)
	for i := range parts {
		group.Go(func() error {
			first := int64(i) * size
			number := aws.Int32(int32(i + 1))
			out, err := c.to.Client.UploadPartCopy(groupCtx, &s3.UploadPartCopyInput{
				Bucket: &c.to.Name, Key: &key, UploadId: begun.UploadId, PartNumber: number, CopySource: c.source(o),
				CopySourceIfMatch: aws.String(`"` + o.ETag + `"`), CopySourceRange: aws.String(fmt.Sprintf("bytes=%d-%d", first, min(first+size, o.Size)-1)),
			})
			if err != nil {
				return replaced(err)
			}
			parts[i] = types.CompletedPart{PartNumber: number, ETag: out.CopyPartResult.ETag}
			return nil
		})
	}
	err = group.Wait()
	if err == nil {
		_, err = c.to.Client.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{
			Bucket: &c.to.Name, Key: &key, UploadId: begun.UploadId, MultipartUpload: &types.CompletedMultipartUpload{Parts: parts},
		})
	}
	if err != nil { // parts of an upload that is neither completed nor aborted are in no listing, and cost
		after, stop := afterwards(ctx)
		defer stop()
		_, aborted := c.to.Client.AbortMultipartUpload(after, &s3.AbortMultipartUploadInput{Bucket: &c.to.Name, Key: &key, UploadId: begun.UploadId})
		return errors.Join(err, aborted)
	}
	return nil
}

// verify looks at the copies in a listing: size, and ETag where that must have stayed.
func (c *copier) verify(ctx context.Context, objects []Object) error {
	copies, err := listObjects(ctx, c.to, "") // everything below its path
	if err != nil {
		return err
	}
	for _, o := range objects {
		key := c.to.Key(below(c.from, o.Key))
		switch is, there := copies[key]; {
		case !there:
			return fmt.Errorf("s3://%s/%s is not there after it was copied", c.to.Name, key)
		case is.Size != o.Size:
			return fmt.Errorf("s3://%s/%s has %d bytes, the original has %d", c.to.Name, key, is.Size, o.Size)
		case c.etags[key] != "" && is.ETag != c.etags[key]:
			if kms, err := c.underKMS(ctx, o); err != nil || !kms {
				return errors.Join(fmt.Errorf("s3://%s/%s has ETag %s, the original %s", c.to.Name, key, is.ETag, o.ETag), err)
			}
		}
	}
	return nil
}

// underKMS says whether an object's ETag is no MD5 because KMS encrypts it.
func (c *copier) underKMS(ctx context.Context, o Object) (bool, error) {
	head, err := c.from.Client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &c.from.Name, Key: &o.Key})
	if err != nil {
		return false, err
	}
	return strings.HasPrefix(string(head.ServerSideEncryption), string(types.ServerSideEncryptionAwsKms)), nil
}

// removeCopy removes everything below the drill's own prefix, unfinished uploads too.
func removeCopy(ctx context.Context, b *bucket.Bucket, f Footprint) (notes []string, err error) {
	if err := checkCopy(b, f.Copy, f.DrillID); err != nil {
		return nil, err
	}
	place := elsewhere(b, f.Copy)
	if err := abortUploads(ctx, place); errors.Is(err, bucket.ErrDenied) {
		notes = append(notes, fmt.Sprintf("whether unfinished uploads remain below %s is not known: %v", place.URL(), err))
	} else if err != nil {
		return notes, err
	}
	objects, err := listObjects(ctx, place, "")
	if err != nil || len(objects) == 0 {
		return notes, bucket.Explain(err)
	}
	var batch []types.ObjectIdentifier
	removed, kept := 0, false
	for key := range sorted(objects) {
		batch = append(batch, types.ObjectIdentifier{Key: aws.String(key)})
		if len(batch) < maxDelete && removed+len(batch) < len(objects) {
			continue
		}
		out, err := place.Client.DeleteObjects(ctx, &s3.DeleteObjectsInput{Bucket: &place.Name, Delete: &types.Delete{Objects: batch}})
		if err != nil {
			err = bucket.Explain(err)
		} else if len(out.Errors) > 0 {
			err = refusal(out.Errors[0])
		}
		if errors.Is(err, bucket.ErrDenied) {
			return append(notes, fmt.Sprintf("%d objects of the drill's copy were left below %s: %v; remove them: aws s3 rm --recursive %s/", len(objects)-removed, place.URL(), err, place.URL())), nil
		}
		if err != nil {
			return notes, fmt.Errorf("remove the drill's copy below %s: %w", place.URL(), err)
		}
		for _, d := range out.Deleted {
			kept = kept || aws.ToBool(d.DeleteMarker)
		}
		removed += len(batch)
		batch = batch[:0]
	}
	return append(notes, fmt.Sprintf("%s: the drill's copy was removed, %d objects%s", place.URL(), removed, versions(kept))), nil
}

// refusal is the error for one key of a DeleteObjects.
func refusal(e types.Error) error {
	code := aws.ToString(e.Code)
	text := fmt.Sprintf("s3://%s: %s", aws.ToString(e.Key), strings.TrimSpace(code+" "+aws.ToString(e.Message)))
	if code == "AccessDenied" {
		return fmt.Errorf("%w: %s is needed: %s", bucket.ErrDenied, bucket.Action("DeleteObjects"), text)
	}
	return errors.New(text)
}

// abortUploads aborts the uploads below the path of b that were never completed.
func abortUploads(ctx context.Context, b *bucket.Bucket) error {
	pages := s3.NewListMultipartUploadsPaginator(b.Client, &s3.ListMultipartUploadsInput{Bucket: &b.Name, Prefix: aws.String(b.Path + "/")})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return bucket.Explain(err)
		}
		for _, u := range page.Uploads {
			if _, err := b.Client.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: &b.Name, Key: u.Key, UploadId: u.UploadId}); err != nil {
				return bucket.Explain(err)
			}
		}
	}
	return nil
}
