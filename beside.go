package drill

import (
	"context"

	"github.com/weaviate-drill/weaviate-drill/backup"
	"github.com/weaviate-drill/weaviate-drill/backup/bucket"
)

// roleAnnotation names the role of a service account of EKS.
const roleAnnotation = "eks.amazonaws.com/role-arn"

// BesideOptions are what an audit of the bucket looks at besides: the source's volumes and identity, and what a restore may do. Nothing is asked for before the audit does.
func (c *Config) BesideOptions(ctx context.Context, b *bucket.Bucket) []bucket.Option {
	var options []bucket.Option
	if len(c.Source.Volumes) > 0 {
		options = append(options, bucket.WithVolumes(c.Source.Volumes))
	}
	if c.Sandbox.Kubernetes.Twin != nil {
		options = append(options, bucket.WithSource(c.source))
	}
	if c.Verify.Level.Restores() && c.Sandbox.Kind != "external" { // which has settings of its own
		options = append(options, bucket.WithRestore(c.restoreIdentity(ctx, b)))
	}
	return options
}

// source is what the cluster tells of the source.
func (c *Config) source(ctx context.Context) (bucket.Source, error) {
	found, err := c.Sandbox.Kubernetes.options().Source(ctx)
	if err != nil {
		return bucket.Source{}, err
	}
	s := bucket.Source{Name: "the StatefulSet " + found.Name, Keys: found.Keys, Unread: found.Unread, ServiceAccount: found.ServiceAccount, Role: found.Role}
	for _, v := range found.Volumes {
		s.Volumes = append(s.Volumes, bucket.Volume(v))
	}
	return s, nil
}

// restoreIdentity is by which credentials the sandbox will restore, and from where.
func (c *Config) restoreIdentity(ctx context.Context, b *bucket.Bucket) bucket.Restore {
	from := b
	var err error
	if c.Restore.From == backup.ByCopy {
		if from, err = bucket.Open(ctx, c.copyOptions()); err != nil {
			return bucket.Restore{Err: err}
		}
	}
	switch {
	case c.Sandbox.S3.AccessKeyID == "" && c.Sandbox.Kind == "kubernetes":
		return bucket.Restore{From: from, Role: c.Sandbox.Kubernetes.ServiceAccountAnnotations[roleAnnotation]}
	case c.Sandbox.S3.AccessKeyID == "": // it is given the tool's own
		return bucket.Restore{From: from, As: true}
	}
	keys, err := c.sandboxS3(ctx, b)
	if err != nil {
		return bucket.Restore{Err: err}
	}
	return bucket.Restore{From: from.As(keys.AccessKeyID, keys.SecretAccessKey, keys.SessionToken), As: true}
}
