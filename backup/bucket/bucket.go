// Package bucket knows the S3 bucket that holds the backups: how to reach it, and whether it is configured as a
// bucket of backups should be.
package bucket

import (
	"context"
	"fmt"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// Options say which bucket, and how it is reached. Credentials come from the AWS SDK's default chain
// (environment, shared files, IRSA, Pod Identity, instance role), never from here.
type Options struct {
	Name      string
	Path      string // key prefix of all backups, without slashes at its ends; BACKUP_S3_PATH on the server
	Region    string // empty: what the AWS SDK finds, such as AWS_REGION
	Endpoint  string // URL of an S3-compatible server; empty: what the AWS SDK finds, such as AWS_ENDPOINT_URL_S3, or AWS itself
	PathStyle bool
	// ExpectedOwner is the id of the AWS account that must own the bucket: every call carries it. Empty: any.
	ExpectedOwner string
}

// Bucket is an open bucket with the prefix under which its backups lie. Its Region and Endpoint are those that requests really go to.
type Bucket struct {
	Client *s3.Client
	Options
}

// Open prepares a client; it makes no request.
func Open(ctx context.Context, o Options) (*Bucket, error) {
	cfg, err := config.LoadDefaultConfig(ctx, config.WithRegion(o.Region))
	if err != nil {
		return nil, fmt.Errorf("load the AWS configuration: %w", err)
	}
	o.Path = strings.Trim(o.Path, "/")
	client := s3.NewFromConfig(cfg, func(s *s3.Options) {
		s.UsePathStyle = o.PathStyle
		s.DisableLogOutputChecksumValidationSkipped = true // Weaviate stores no checksum; a line on stderr for each object read helps nobody
		if o.Endpoint != "" {
			s.BaseEndpoint = aws.String(o.Endpoint)
		}
		owned(o.Name, o.ExpectedOwner)(s)
	})
	o.Region, o.Endpoint = client.Options().Region, aws.ToString(client.Options().BaseEndpoint)
	return &Bucket{Client: client, Options: o}, nil
}

// Key joins the backup prefix and the elements, which are parts of a key below it.
func (b *Bucket) Key(elements ...string) string {
	return path.Join(append([]string{b.Path}, elements...)...)
}

// URL names an object for people, as s3://bucket/key.
func (b *Bucket) URL(elements ...string) string {
	return "s3://" + path.Join(b.Name, b.Key(elements...))
}

// IsAWS says whether requests go to AWS itself, in any of its partitions, and not to an S3-compatible server.
func (b *Bucket) IsAWS() bool {
	u, err := url.Parse(b.Endpoint)
	if b.Endpoint == "" || err != nil {
		return b.Endpoint == ""
	}
	return slices.ContainsFunc([]string{".amazonaws.com", ".amazonaws.com.cn", ".amazonaws.eu"}, func(domain string) bool { return strings.HasSuffix(u.Hostname(), domain) })
}
