package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/cenkalti/backoff/v5"
	"golang.org/x/sync/errgroup"

	"github.com/weaviate-drill/weaviate-drill/backup/bucket"
)

// Errors that callers decide on; what the readers of this package return wraps them with the object's address.
var (
	ErrNoSuchBackup = errors.New("no such backup")
	ErrMalformed    = errors.New("malformed") // an object is there, and is not what Weaviate writes: truncated, or not JSON
	ErrArchived     = errors.New("archived")  // a descriptor is in a storage class that has to be thawed (RestoreObject) before it can be read
)

const statusSuccess = "SUCCESS"

// Names of the objects of a backup (Weaviate 1.38.5, usecases/backup/backend.go).
const (
	configObject  = "backup_config.json"
	restoreObject = "restore_config.json" // written by every restore, beside the backup
	nodeObject    = "backup.json"
	probeObject   = "access-check" // put and deleted by every create and cancel
)

// Catalogue is what S3 says of one backup: its descriptors, those of the backups that it builds on, and the listings of all of them. It is a
// snapshot; reading it changes nothing in the bucket.
type Catalogue struct {
	Chain []Descriptor              // the backup itself, then its base, the base's base, and so on, as far as they could be read
	Nodes map[string]NodeDescriptor // of the backup itself, by node; a part that cannot be read is absent and among the problems

	bucket   *bucket.Bucket
	listed   map[string]map[string]Object // by backup id, then key
	problems []Problem                    // found while reading
	missing  []Problem                    // objects that are not there; Check asks why
}

// Backup is the backup's own descriptor.
func (c *Catalogue) Backup() Descriptor { return c.Chain[0] }

// ReadCatalogue reads backup_config.json, every node's backup.json and the chain of bases, and lists their objects. It wraps ErrNoSuchBackup,
// ErrMalformed and ErrArchived for the backup itself. What is wrong deeper down is told by Check; whatever S3 refuses to answer is an error, never a problem.
func ReadCatalogue(ctx context.Context, b *bucket.Bucket, id string) (*Catalogue, error) {
	d, err := ReadDescriptor(ctx, b, id)
	if err != nil {
		return nil, err
	}
	if strings.HasPrefix(d.Version, "1.") {
		return nil, fmt.Errorf("backup %s: %w: it has format %s, which has no chunks; this tool reads format 2", id, ErrMalformed, d.Version)
	}
	c := &Catalogue{bucket: b, Nodes: map[string]NodeDescriptor{}, listed: map[string]map[string]Object{}}
	if err := c.readChain(ctx, id, d); err != nil {
		return nil, err
	}
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(4) // a descriptor with 100,000 shards takes some hundred MB
	names := slices.Sorted(maps.Keys(d.Nodes))
	parts := make([]NodeDescriptor, len(names))
	failures := make([]error, len(names))
	for i, name := range names {
		group.Go(func() error {
			parts[i], failures[i] = ReadNodeDescriptor(groupCtx, b, id, name)
			if err := failures[i]; !errors.Is(err, ErrNoSuchBackup) && !errors.Is(err, ErrMalformed) && !errors.Is(err, ErrArchived) {
				return err
			}
			return nil
		})
	}
	listings := make([]map[string]Object, len(c.Chain))
	for i, link := range c.Chain {
		group.Go(func() (err error) {
			listings[i], err = listObjects(groupCtx, b, link.ID)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	for i, link := range c.Chain {
		c.listed[link.ID] = listings[i]
	}
	for i, name := range names {
		where := Problem{Backup: id, Node: name, Key: b.Key(id, name, nodeObject)}
		switch err := failures[i]; {
		case errors.Is(err, ErrNoSuchBackup):
			where.Kind = ProblemNodePart
			where.Detail = "this node's part of the backup has no descriptor, so none of its shards can be restored"
			c.missing = append(c.missing, where)
		case err != nil:
			c.problem(where, ProblemNodePart, "this node's part of the backup cannot be read: %v", err)
		default:
			c.Nodes[name] = parts[i]
		}
	}
	return c, nil
}

func (c *Catalogue) problem(where Problem, kind ProblemKind, format string, args ...any) {
	where.Kind, where.Detail = kind, fmt.Sprintf(format, args...)
	c.problems = append(c.problems, where)
}

// listObjects lists everything of one backup, by key.
func listObjects(ctx context.Context, b *bucket.Bucket, id string) (map[string]Object, error) {
	objects := map[string]Object{}
	pages := s3.NewListObjectsV2Paginator(b.Client, &s3.ListObjectsV2Input{Bucket: aws.String(b.Name), Prefix: aws.String(b.Key(id) + "/")})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("list backup %s in %s: %w", id, b.URL(id), err)
		}
		for _, o := range page.Contents {
			objects[aws.ToString(o.Key)] = Object{
				Key: aws.ToString(o.Key), Size: aws.ToInt64(o.Size), ETag: strings.Trim(aws.ToString(o.ETag), `"`),
				LastModified: aws.ToTime(o.LastModified), StorageClass: string(o.StorageClass),
			}
		}
	}
	return objects, nil
}

// ReadDescriptor reads <id>/backup_config.json. It wraps ErrNoSuchBackup when there is none, ErrMalformed when it cannot be parsed, ErrArchived
// when it must be thawed first.
func ReadDescriptor(ctx context.Context, b *bucket.Bucket, id string) (Descriptor, error) {
	d, err := fetch(ctx, b, b.Key(id, configObject), decodeDescriptor)
	if err != nil {
		return Descriptor{}, fmt.Errorf("backup %s: %w", id, err)
	}
	return d, nil
}

// ReadNodeDescriptor reads <id>/<node>/backup.json. It wraps the same errors as ReadDescriptor.
func ReadNodeDescriptor(ctx context.Context, b *bucket.Bucket, id, node string) (NodeDescriptor, error) {
	d, err := fetch(ctx, b, b.Key(id, node, nodeObject), decodeNodeDescriptor)
	if err != nil {
		return NodeDescriptor{}, fmt.Errorf("backup %s, node %s: %w", id, node, err)
	}
	return d, nil
}

// A read that breaks after S3 began to answer is repeated; the SDK itself repeats only what fails before.
const (
	maxTries   = 3
	firstDelay = 300 * time.Millisecond
)

// retry calls attempt until it succeeds, fails for good (backoff.Permanent), or has failed maxTries times.
func retry[T any](ctx context.Context, attempt func() (T, error)) (T, error) {
	delays := backoff.NewExponentialBackOff()
	delays.InitialInterval = firstDelay
	return backoff.Retry(ctx, attempt, backoff.WithMaxTries(maxTries), backoff.WithBackOff(delays))
}

// fetch reads one object and decodes it.
func fetch[T any](ctx context.Context, b *bucket.Bucket, key string, decode func(io.Reader) (T, error)) (T, error) {
	got, err := fetchAnswer(ctx, b, key, decode)
	return got.value, err
}

// fetched is an object's content with what S3 says of it; the body is read.
type fetched[T any] struct {
	value  T
	answer *s3.GetObjectOutput
}

func fetchAnswer[T any](ctx context.Context, b *bucket.Bucket, key string, decode func(io.Reader) (T, error)) (fetched[T], error) {
	url := "s3://" + b.Name + "/" + key
	return retry(ctx, func() (fetched[T], error) {
		var none fetched[T]
		got, err := b.Client.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String(b.Name), Key: aws.String(key)})
		if isNotFound(err) {
			return none, backoff.Permanent(fmt.Errorf("%w: there is no %s", ErrNoSuchBackup, url))
		}
		if isArchived(err) {
			return none, backoff.Permanent(fmt.Errorf("%s is %w and must be thawed (RestoreObject) before it can be read", url, ErrArchived))
		}
		if err != nil {
			return none, backoff.Permanent(fmt.Errorf("read %s: %w", url, err))
		}
		defer got.Body.Close()
		body := &failureKeeper{Reader: got.Body}
		value, err := decode(body)
		if body.failure != nil {
			return none, fmt.Errorf("read %s: %w", url, body.failure)
		}
		if err != nil {
			return none, backoff.Permanent(fmt.Errorf("%s is %w: %v", url, ErrMalformed, err))
		}
		return fetched[T]{value, got}, nil
	})
}

// failureKeeper remembers a read error that was not the end, so that a broken connection is told from broken content.
type failureKeeper struct {
	io.Reader
	failure error
}

func (k *failureKeeper) Read(p []byte) (int, error) {
	n, err := k.Reader.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		k.failure = err
	}
	return n, err
}

// isArchived says whether S3 answered that the object must be thawed before it can be read (https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html).
func isArchived(err error) bool {
	var state *types.InvalidObjectState
	return errors.As(err, &state)
}

// isNotFound says whether S3 answered that the object does not exist (and not that the bucket does not).
func isNotFound(err error) bool {
	var noKey *types.NoSuchKey
	if errors.As(err, &noKey) {
		return true
	}
	var noBucket *types.NoSuchBucket
	var response *awshttp.ResponseError
	return errors.As(err, &response) && response.HTTPStatusCode() == http.StatusNotFound && !errors.As(err, &noBucket) && apiCode(err) != "NoSuchBucket"
}
