package bucket

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go/middleware"
	"golang.org/x/sync/errgroup"
)

const (
	// DefaultObjects is how many objects an audit looks at, unless WithObjects says otherwise: with 32 calls at a time and 20 ms for each, half a minute.
	DefaultObjects = 50_000
	headsAtOnce    = 32
)

// WithObjects sets how many objects below the path are looked at. Where there are more, those with the smallest hash of their key are: a sample that is the same each time, and says of no
// object that it was looked at when it was not.
func WithObjects(most int) Option { return func(a *audit) { a.mostObjects = most } }

// object is what HeadObject tells of one.
type object struct {
	key       string
	backup    string // its id: what follows the path
	modified  time.Time
	algorithm types.ServerSideEncryption // empty: none
	kmsKey    string
	foreign   bool // refused as S3 does what is encrypted with a key that only the writer has (SSE-C)
	mode      types.ObjectLockMode
	until     time.Time // end of the retention
	held      bool      // legal hold
	copied    types.ReplicationStatus
	further   int // attempts that it took after the first
}

// objects is what was looked at below the path.
type objects struct {
	looked  []object // in order of their keys
	total   int      // how many there are
	further int      // attempts that the answers took, each after its first
	err     error    // nothing is known then
	call    Call
}

// readObjects looks at every object below the path, or at a sample of them, once for all checks. It holds as many as WithObjects says, and twice their keys.
func (a *audit) readObjects(ctx context.Context) (all objects) {
	all.call.Request = fmt.Sprintf("ListObjectsV2, and HeadObject of each, below %q of %s", a.b.prefix(), a.b.Name)
	defer func() {
		if all.call.Answer = all.summary(); all.err != nil {
			all.call.Answer = cut(describe(all.err))
		}
	}()
	keys, err := a.pick(ctx, &all)
	if err != nil {
		all.err = err
		return all
	}
	found := make([]object, len(keys))
	group, limited := errgroup.WithContext(ctx)
	group.SetLimit(headsAtOnce)
	for i, key := range keys {
		group.Go(func() error {
			var err error
			found[i], err = a.head(limited, key)
			return err
		})
	}
	all.err = group.Wait()
	all.looked = slices.DeleteFunc(found, func(o object) bool { return o.key == "" })
	for _, o := range all.looked {
		all.further += o.further
	}
	return all
}

// furtherAttempts are those that the SDK made after the first, which the server had refused as one that is busy, or broken off.
func furtherAttempts(answer middleware.Metadata) int {
	attempts, _ := retry.GetAttemptResults(answer)
	return max(0, len(attempts.Results)-1)
}

// pick lists below the path and returns the keys to look at, in order.
func (a *audit) pick(ctx context.Context, all *objects) ([]string, error) {
	type picked struct {
		hash uint64
		key  string
	}
	var list []picked
	keep := func() {
		slices.SortFunc(list, func(x, y picked) int { return cmp.Or(cmp.Compare(x.hash, y.hash), strings.Compare(x.key, y.key)) })
		list = list[:min(len(list), a.mostObjects)]
	}
	prefix := a.b.prefix()
	pages := s3.NewListObjectsV2Paginator(a.b.Client, &s3.ListObjectsV2Input{Bucket: &a.b.Name, Prefix: &prefix})
	for pages.HasMorePages() {
		limited, cancel := context.WithTimeout(ctx, a.callTimeout)
		page, err := pages.NextPage(limited, rooted(listing))
		cancel()
		if err != nil {
			return nil, err
		}
		for _, o := range page.Contents {
			h := fnv.New64a()
			_, _ = h.Write([]byte(value(o.Key)))
			list = append(list, picked{h.Sum64(), value(o.Key)})
		}
		all.further += furtherAttempts(page.ResultMetadata)
		if all.total += len(page.Contents); len(list) > 2*a.mostObjects {
			keep()
		}
	}
	keep()
	keys := make([]string, len(list))
	for i, p := range list {
		keys[i] = p.key
	}
	slices.Sort(keys)
	return keys, nil
}

// head is the object, or a zero one when it has gone since it was listed.
func (a *audit) head(ctx context.Context, key string) (object, error) {
	ctx, cancel := context.WithTimeout(ctx, a.callTimeout)
	defer cancel()
	id, _, _ := strings.Cut(strings.TrimPrefix(key, a.b.prefix()), "/")
	out, err := a.b.Client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &a.b.Name, Key: &key})
	switch {
	case errors.Is(Explain(err), ErrNoSuchObject):
		return object{}, nil
	case status(err) == http.StatusBadRequest && code(err) == "BadRequest":
		// So S3 answers for SSE-C, but for expired credentials too, and HEAD has no body to tell them apart. Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html.
		if _, why := a.b.firstByte(ctx, &s3.GetObjectInput{Bucket: &a.b.Name, Key: &key, Range: aws.String("bytes=0-0")}); code(why) != "InvalidRequest" {
			return object{}, cmp.Or(why, err)
		}
		return object{key: key, backup: id, foreign: true}, nil
	case err != nil:
		return object{}, err
	}
	return object{
		key: key, backup: id, modified: value(out.LastModified), algorithm: out.ServerSideEncryption, kmsKey: value(out.SSEKMSKeyId),
		further: furtherAttempts(out.ResultMetadata), mode: out.ObjectLockMode, until: value(out.ObjectLockRetainUntilDate), held: out.ObjectLockLegalHoldStatus == types.ObjectLockLegalHoldStatusOn, copied: out.ReplicationStatus,
	}, nil
}

// summary counts equal answers.
func (all objects) summary() string {
	counts := map[string]int{}
	for _, o := range all.looked {
		said := plainJSON(map[string]any{
			"ServerSideEncryption": string(o.algorithm), "SSEKMSKeyId": o.kmsKey, "ObjectLockMode": string(o.mode), "ReplicationStatus": string(o.copied),
		})
		if o.foreign {
			said = "HTTP 400, and InvalidRequest to GetObject,"
		}
		counts[said]++
	}
	lines := make([]string, 0, len(counts))
	for _, said := range slices.Sorted(maps.Keys(counts)) {
		lines = append(lines, fmt.Sprintf("%s of %s", said, count(int32(counts[said]), "object")))
	}
	if all.further > 0 {
		lines = append(lines, fmt.Sprintf("after %s, as the server was overloaded or broken before", count(int32(all.further), "further attempt")))
	}
	return cut(fmt.Sprintf("%d listed; %s", all.total, strings.Join(lines, ", ")))
}

// those tells how many of the objects looked at are bad, the first few of them, and of which backups they are.
func (all objects) those(bad []object) string {
	var keys, backups []string
	for _, o := range bad {
		keys = append(keys, o.key)
		backups = append(backups, o.backup)
	}
	slices.Sort(backups)
	return fmt.Sprintf("%d of %s (%s) of the backups %s", len(bad), all.extent(), few(keys), few(slices.Compact(backups)))
}

// extent says what was looked at.
func (all objects) extent() string {
	if n := len(all.looked); n < all.total {
		return fmt.Sprintf("a sample of %d out of %d objects", n, all.total)
	}
	return count(int32(len(all.looked)), "object")
}

// few are the first names of many.
func few(names []string) string {
	const most = 3
	if len(names) > most {
		return strings.Join(names[:most], ", ") + fmt.Sprintf(" and %d more", len(names)-most)
	}
	return strings.Join(names, ", ")
}

// eachObject is what was looked at, or nil and the outcome of a check that is about objects.
func (p *probe) eachObject() (*objects, outcome) {
	all := p.objects()
	p.calls = append(p.calls, all.call)
	switch {
	case all.err != nil:
		return nil, p.undecided(all.err)
	case len(all.looked) == 0:
		return nil, notApplicable("there is no backup yet")
	}
	return &all, outcome{}
}
