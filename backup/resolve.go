package backup

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"time"

	"github.com/weaviate-drill/weaviate-drill/backup/bucket"
	"github.com/weaviate-drill/weaviate-drill/internal/weaviate"
)

// Errors of Resolve, besides ErrNoSuchBackup and ErrMalformed.
var (
	ErrRunning       = errors.New("it is still under way")
	ErrNotSuccessful = errors.New("it did not end with SUCCESS")
)

// Latest stands for the newest successful backup.
const Latest = "latest"

// Resolve finds a backup that can be drilled: the one of this id, or with Latest the newest that ended with SUCCESS. A folder that cannot be read
// because S3 refuses is an error even then: it might hold the newest.
func Resolve(ctx context.Context, b *bucket.Bucket, want string) (string, error) {
	if want != Latest {
		d, err := ReadDescriptor(ctx, b, want)
		if err != nil {
			return "", bucket.Explain(err)
		}
		switch {
		case d.Status == statusSuccess:
			return want, nil
		case weaviate.Final(d.Status):
			return "", fmt.Errorf("backup %s: %w but with %s: %s", want, ErrNotSuccessful, d.Status, cmp.Or(d.Error, "without a reason"))
		default:
			return "", fmt.Errorf("backup %s: %w: %s since %s; follow it to its end, or choose another", want, ErrRunning, d.Status, d.StartedAt.UTC().Format(timeFormat))
		}
	}
	list, err := List(ctx, b)
	if err != nil {
		return "", bucket.Explain(err)
	}
	found := ""
	for _, l := range list {
		if l.Err != nil && !errors.Is(l.Err, ErrNoSuchBackup) && !errors.Is(l.Err, ErrMalformed) {
			return "", bucket.Explain(l.Err)
		}
		if l.Status == statusSuccess {
			found = l.ID
		}
	}
	if found == "" {
		return "", fmt.Errorf("%w: none of the %d below %s ended with SUCCESS", ErrNoSuchBackup, len(list), b.URL())
	}
	return found, nil
}

// sorted gives the keys of m in order.
func sorted[V any](m map[string]V) iter.Seq[string] {
	return slices.Values(slices.Sorted(maps.Keys(m)))
}

// newest is when the last of the objects was written.
func newest(objects map[string]Object) (at time.Time) {
	for _, o := range objects {
		if o.LastModified.After(at) {
			at = o.LastModified
		}
	}
	return at
}

// sum is the size of the objects in bytes.
func sum(objects map[string]Object) (bytes int64) {
	for _, o := range objects {
		bytes += o.Size
	}
	return bytes
}
