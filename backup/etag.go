package backup

import (
	"crypto/md5" //nolint:gosec // S3 defines its ETags by MD5
	"encoding/hex"
	"fmt"
	"hash"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// etagPart is the size of the parts in which Weaviate uploads a chunk (modules/backup-s3/client.go, MINIO_MIN_PART_SIZE).
const etagPart = 16 << 20

// etagHash computes an object's ETag from its content: the MD5 of the whole, or for a multipart upload the MD5 of the parts' MD5s and their number.
type etagHash struct {
	want   string
	whole  bool
	part   hash.Hash
	inPart int
	outer  hash.Hash
	parts  int
}

// newETagHash returns nil where the ETag is not made of the content: encrypted with KMS or the customer's key, in a directory bucket, or of a form that is
// neither of the two (https://docs.aws.amazon.com/AmazonS3/latest/API/API_Object.html, ETag), or uploaded in parts of another size.
func newETagHash(bucketName string, o *s3.GetObjectOutput) *etagHash {
	if o.SSECustomerAlgorithm != nil || strings.HasSuffix(bucketName, "--x-s3") ||
		o.ServerSideEncryption != "" && o.ServerSideEncryption != types.ServerSideEncryptionAes256 {
		return nil
	}
	h := &etagHash{want: strings.Trim(aws.ToString(o.ETag), `"`), part: md5.New(), outer: md5.New()} //nolint:gosec // see above
	digest, count, multipart := strings.Cut(h.want, "-")
	if raw, err := hex.DecodeString(digest); err != nil || len(raw) != md5.Size {
		return nil
	}
	h.whole = !multipart
	if n, err := strconv.ParseInt(count, 10, 64); multipart && (err != nil || n != (aws.ToInt64(o.ContentLength)+etagPart-1)/etagPart) {
		return nil
	}
	return h
}

func (h *etagHash) Write(p []byte) (int, error) {
	written := len(p)
	if h.whole {
		return h.part.Write(p)
	}
	for len(p) > 0 {
		n := min(len(p), etagPart-h.inPart)
		_, _ = h.part.Write(p[:n])
		p, h.inPart = p[n:], h.inPart+n
		if h.inPart == etagPart {
			h.closePart()
		}
	}
	return written, nil
}

func (h *etagHash) closePart() {
	_, _ = h.outer.Write(h.part.Sum(nil))
	h.part.Reset()
	h.inPart = 0
	h.parts++
}

// got is the ETag of what was written.
func (h *etagHash) got() string {
	if h.whole {
		return hex.EncodeToString(h.part.Sum(nil))
	}
	if h.inPart > 0 {
		h.closePart()
	}
	return fmt.Sprintf("%s-%d", hex.EncodeToString(h.outer.Sum(nil)), h.parts)
}
