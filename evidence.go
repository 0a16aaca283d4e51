package drill

import (
	"context"
	"fmt"

	"github.com/weaviate-drill/weaviate-drill/backup/bucket"
	"github.com/weaviate-drill/weaviate-drill/rto/evidence"
)

// OpenEvidence opens the store that the section evidence names.
func (c *Config) OpenEvidence(ctx context.Context) (*evidence.Store, error) {
	if c.Evidence.S3 == nil {
		return evidence.Open(c.Evidence.Dir)
	}
	b, err := bucket.Open(ctx, c.Evidence.S3.Options())
	if err != nil {
		return nil, fmt.Errorf("evidence.s3: %w", err)
	}
	return evidence.OpenS3(ctx, b)
}
