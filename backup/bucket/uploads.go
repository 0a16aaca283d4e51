package bucket

import (
	"context"
	"strings"
	"time"

	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"golang.org/x/sync/errgroup"
)

// Uploads are multipart uploads that were begun and neither completed nor aborted. Their parts show in no listing of objects, and are paid for.
// Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html, "Multipart upload and pricing".
type Uploads struct {
	Count   int       `json:"count"`
	Bytes   int64     `json:"bytes"` // of the parts that were uploaded
	Oldest  time.Time `json:"oldest,omitzero"`
	Unknown string    `json:"unknown,omitempty"` // why there may be more, or more bytes
	List    []Upload  `json:"-"`
}

// Upload is one of them.
type Upload struct {
	Key       string
	Bytes     int64
	Initiated time.Time
}

// Add counts an upload in.
func (u *Uploads) Add(one Upload) {
	u.Count, u.Bytes = u.Count+1, u.Bytes+one.Bytes
	if u.Oldest.IsZero() || one.Initiated.Before(u.Oldest) {
		u.Oldest = one.Initiated
	}
}

// uploadReads are the requests for parts under way at once.
const uploadReads = 8

// Uploads finds the uploads whose keys begin with prefix, the first 1,000, and asks for the parts of each, since only these tell its size. That needs s3:ListBucketMultipartUploads and
// s3:ListMultipartUploadParts; what cannot be told is in Unknown, never an error.
func (b *Bucket) Uploads(ctx context.Context, prefix string) Uploads {
	page, err := b.Client.ListMultipartUploads(ctx, &s3.ListMultipartUploadsInput{Bucket: &b.Name, Prefix: &prefix}, rooted("ListMultipartUploadsResult"))
	if err != nil {
		return Uploads{Unknown: Explain(err).Error()}
	}
	found := make([]Upload, len(page.Uploads))
	var asks errgroup.Group
	asks.SetLimit(uploadReads)
	for i, u := range page.Uploads {
		found[i] = Upload{Key: value(u.Key), Initiated: value(u.Initiated)}
		asks.Go(func() error {
			parts := s3.NewListPartsPaginator(b.Client, &s3.ListPartsInput{Bucket: &b.Name, Key: u.Key, UploadId: u.UploadId})
			for parts.HasMorePages() {
				page, err := parts.NextPage(ctx)
				if code(err) == "NoSuchUpload" { // it has ended since
					return nil
				}
				if err != nil {
					return err
				}
				for _, p := range page.Parts {
					found[i].Bytes += value(p.Size)
				}
			}
			return nil
		})
	}
	all := Uploads{List: found}
	if err := asks.Wait(); err != nil {
		all.Unknown = "the sizes of the uploads: " + Explain(err).Error()
	}
	for _, u := range found {
		all.Add(u)
	}
	switch {
	case value(page.IsTruncated):
		all.Unknown = "there are more than 1,000, and the first were looked at"
	case len(found) == 0 && !tellsUploads(page):
		all.Unknown = "MinIO tells uploads only when asked for their whole key"
	}
	return all
}

// tellsUploads: MinIO takes the prefix of a ListMultipartUploads for a whole key, and answers that there are none below it.
func tellsUploads(page *s3.ListMultipartUploadsOutput) bool {
	raw, ok := awsmiddleware.GetRawResponse(page.ResultMetadata).(*smithyhttp.Response)
	return !ok || !strings.EqualFold(raw.Header.Get("Server"), "MinIO")
}
