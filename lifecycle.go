package drill

import (
	"context"
	"time"

	"github.com/weaviate-drill/weaviate-drill/backup"
	"github.com/weaviate-drill/weaviate-drill/backup/bucket"
	"github.com/weaviate-drill/weaviate-drill/rto/evidence"
)

// LifecycleOptions are what the checks of the bucket's lifecycle are judged by: the retention of the policy, the backups that are there, and the recovery time objective with the
// recovery time of the last drill that passed and measured one. Records that cannot be read leave the latter unknown, which the check says.
func (c *Config) LifecycleOptions(ctx context.Context, b *bucket.Bucket, store *evidence.Store, now time.Time) []bucket.Option {
	options := []bucket.Option{
		bucket.WithRetention(c.Policy.Retention),
		bucket.WithBackups(func(ctx context.Context) ([]bucket.Held, error) { return backup.Held(ctx, b, now) }),
	}
	if c.Objectives.RTO > 0 {
		options = append(options, bucket.WithRTO(c.Objectives.RTO, lastMeasured(ctx, store)))
	}
	return options
}

func lastMeasured(ctx context.Context, store *evidence.Store) (took time.Duration) {
	entries, err := store.List(ctx)
	if err != nil {
		return 0
	}
	var at time.Time
	for _, e := range entries {
		if e.Unreadable == "" && e.Status == evidence.Passed && e.RTO.Known && e.Began.After(at) {
			at, took = e.Began, e.RTO.Duration
		}
	}
	return took
}
