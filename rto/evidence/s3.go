package evidence

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"

	"github.com/weaviate-drill/weaviate-drill/backup/bucket"
)

// inBucket is a place below the path of a bucket. S3 writes an object as a whole or not at all, and encrypts it as the bucket does by default. Every write has a condition: that nothing is there yet, or what this
// program wrote before.
type inBucket struct {
	b     *bucket.Bucket
	every time.Duration // see renewEvery

	mu      sync.Mutex
	refuses bool // the server was seen to heed a condition
}

// OpenS3 opens a store below b's path. It proves that the bucket is there and can be listed, and writes nothing.
func OpenS3(ctx context.Context, b *bucket.Bucket) (*Store, error) {
	p := &inBucket{b: b, every: renewEvery}
	if err := b.Reachable(ctx); err != nil {
		return nil, p.fault("", err)
	}
	return &Store{p}, nil
}

func (p *inBucket) at(name string) string { return p.b.URL(name) }

// prefix is what the keys of a folder begin with.
func (p *inBucket) prefix(dir string) string {
	if key := p.b.Key(dir); key != "" {
		return key + "/"
	}
	return ""
}

func (p *inBucket) read(ctx context.Context, name string) ([]byte, error) {
	out, err := p.b.Client.GetObject(ctx, &s3.GetObjectInput{Bucket: &p.b.Name, Key: aws.String(p.b.Key(name))})
	if err != nil {
		return nil, p.fault(name, err)
	}
	defer out.Body.Close()
	raw, err := io.ReadAll(out.Body)
	if err != nil {
		return nil, p.fault(name, err)
	}
	return raw, nil
}

func (p *inBucket) create(ctx context.Context, name string, raw []byte) error {
	if err := p.mustRefuse(ctx); err != nil {
		return err
	}
	_, err := p.put(ctx, name, raw, rand.Text(), "")
	if errors.Is(err, errTaken) {
		return exists(p.at(name))
	}
	return err
}

func (p *inBucket) list(ctx context.Context, dir string) ([]string, error) {
	var names []string
	prefix := p.prefix(dir)
	pages := s3.NewListObjectsV2Paginator(p.b.Client, &s3.ListObjectsV2Input{Bucket: &p.b.Name, Prefix: &prefix, Delimiter: aws.String("/")})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, p.fault(dir, err)
		}
		for _, o := range page.Contents {
			names = append(names, strings.TrimPrefix(aws.ToString(o.Key), prefix))
		}
	}
	slices.Sort(names)
	return names, nil
}

// mustRefuse proves, once for each Store, that the server heeds conditions: one that does not know them would write over evidence without a word. The object that it tries this with is never removed.
func (p *inBucket) mustRefuse(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for range 2 { // the first may find nothing there
		if p.refuses {
			break
		}
		_, err := p.put(ctx, guardFile, nil, rand.Text(), "")
		if p.refuses = errors.Is(err, errTaken); !p.refuses && err != nil {
			return err
		}
	}
	if !p.refuses {
		return p.unconditional()
	}
	return nil
}

func (p *inBucket) unconditional() error {
	return fmt.Errorf("evidence: the S3 server of %s does not support conditional writes (If-None-Match), so evidence there could be overwritten: set evidence.s3 to a server that does, or evidence.dir to a folder", p.at(""))
}

// errTaken is a condition that did not hold.
var errTaken = errors.New("something else is there")

// writer is the metadata by which a write is recognised.
const writer = "weaviate-drill-write"

// put writes an object where none is, or in place of the one with the ETag over, and returns its ETag; else it returns errTaken. A token names the write, or several of the same content.
func (p *inBucket) put(ctx context.Context, name string, raw []byte, token, over string) (etag string, err error) {
	key := p.b.Key(name)
	in := &s3.PutObjectInput{
		Bucket: &p.b.Name, Key: &key, Body: bytes.NewReader(raw), ContentType: aws.String("application/json"), Metadata: map[string]string{writer: token}, IfNoneMatch: aws.String("*"),
	}
	if over != "" {
		in.IfNoneMatch, in.IfMatch = nil, &over
	}
	out, err := p.b.Client.PutObject(ctx, in, retryConflicts)
	if err == nil {
		return aws.ToString(out.ETag), nil
	}
	var answer smithy.APIError
	if !errors.As(err, &answer) {
		return "", p.fault(name, err)
	}
	switch answer.ErrorCode() {
	case "NotImplemented":
		return "", p.unconditional()
	case "NoSuchKey":
		return "", errTaken
	case "PreconditionFailed":
	default:
		return "", p.fault(name, err)
	}
	// A write whose answer got lost is sent again, and then finds itself there.
	there, err := p.b.Client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &p.b.Name, Key: &key})
	if err == nil && there.Metadata[writer] == token {
		return aws.ToString(there.ETag), nil
	}
	if err != nil && !errors.Is(bucket.Explain(err), bucket.ErrNoSuchObject) {
		return "", p.fault(name, err)
	}
	return "", errTaken
}

// retryConflicts is for a write that met another one: "on a 409 failure you should retry the upload". Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html.
func retryConflicts(o *s3.Options) {
	o.Retryer = retry.AddWithErrorCodes(o.Retryer, "ConditionalRequestConflict")
}

func (p *inBucket) drop(ctx context.Context, names ...string) error {
	for _, name := range names {
		if _, err := p.b.Client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &p.b.Name, Key: aws.String(p.b.Key(name))}); err != nil {
			return p.fault(name, err)
		}
	}
	return nil
}

// faultError is an error of this bucket in one line. What package bucket says of the section bucket of the configuration is here about evidence.s3.
type faultError struct {
	text  string
	cause []error
}

func (e *faultError) Error() string   { return e.text }
func (e *faultError) Unwrap() []error { return e.cause }

func (p *inBucket) fault(name string, err error) error {
	err = bucket.Explain(err)
	f := &faultError{strings.ReplaceAll(fmt.Sprintf("evidence: %s: %v", p.at(name), err), " bucket.", " evidence.s3."), []error{err}}
	if errors.Is(err, bucket.ErrNoSuchObject) {
		f.cause = append(f.cause, fs.ErrNotExist)
	}
	return f
}
