package demo

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/weaviate-drill/weaviate-drill/backup/bucket"
)

// Harden creates the bucket as a bucket of backups should be, as far as the S3 server allows: encrypted by default,
// versioned, old versions and abandoned uploads expiring.
func Harden(ctx context.Context, b *bucket.Bucket) error {
	name := aws.String(b.Name)
	if _, err := b.Client.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: name}); err != nil {
		return fmt.Errorf("create bucket %s: %w", b.Name, err)
	}
	if _, err := b.Client.PutBucketEncryption(ctx, &s3.PutBucketEncryptionInput{Bucket: name, ServerSideEncryptionConfiguration: &types.ServerSideEncryptionConfiguration{
		Rules: []types.ServerSideEncryptionRule{{ApplyServerSideEncryptionByDefault: &types.ServerSideEncryptionByDefault{SSEAlgorithm: types.ServerSideEncryptionAes256}}},
	}}); err != nil {
		return fmt.Errorf("encrypt bucket %s: %w", b.Name, err)
	}
	if _, err := b.Client.PutBucketVersioning(ctx, &s3.PutBucketVersioningInput{Bucket: name, VersioningConfiguration: &types.VersioningConfiguration{
		Status: types.BucketVersioningStatusEnabled,
	}}); err != nil {
		return fmt.Errorf("version bucket %s: %w", b.Name, err)
	}
	if _, err := b.Client.PutBucketLifecycleConfiguration(ctx, &s3.PutBucketLifecycleConfigurationInput{Bucket: name, LifecycleConfiguration: &types.BucketLifecycleConfiguration{
		Rules: []types.LifecycleRule{{
			ID: aws.String("old-versions-and-abandoned-uploads"), Status: types.ExpirationStatusEnabled, Filter: &types.LifecycleRuleFilter{Prefix: aws.String("")},
			NoncurrentVersionExpiration:    &types.NoncurrentVersionExpiration{NoncurrentDays: aws.Int32(30)},
			AbortIncompleteMultipartUpload: &types.AbortIncompleteMultipartUpload{DaysAfterInitiation: aws.Int32(7)},
		}},
	}}); err != nil {
		return fmt.Errorf("lifecycle of bucket %s: %w", b.Name, err)
	}
	return nil
}

// Damage flips one bit of one component of the victim's vector, in the chunk of an uncompressed backup that holds it, and returns the
// chunk's key. Weaviate restores such a backup with SUCCESS and equal counts.
func Damage(ctx context.Context, b *bucket.Bucket, backupID string, v Victim) (string, error) {
	var want []byte
	for _, f := range v.vector {
		want = binary.LittleEndian.AppendUint32(want, math.Float32bits(f))
	}
	pages := s3.NewListObjectsV2Paginator(b.Client, &s3.ListObjectsV2Input{Bucket: aws.String(b.Name), Prefix: aws.String(b.Key(backupID) + "/")})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return "", fmt.Errorf("list backup %s: %w", backupID, err)
		}
		for _, o := range page.Contents {
			got, err := b.Client.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String(b.Name), Key: o.Key})
			if err != nil {
				return "", fmt.Errorf("read %s: %w", *o.Key, err)
			}
			content, err := io.ReadAll(got.Body)
			_ = got.Body.Close()
			if err != nil {
				return "", fmt.Errorf("read %s: %w", *o.Key, err)
			}
			at := bytes.Index(content, want)
			if at < 0 {
				continue
			}
			content[at+2] ^= 1 // in the mantissa: the number stays a number
			if _, err := b.Client.PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String(b.Name), Key: o.Key, Body: bytes.NewReader(content)}); err != nil {
				return "", fmt.Errorf("write %s: %w", *o.Key, err)
			}
			return *o.Key, nil
		}
	}
	return "", errors.New("the object to damage is in no chunk; is the backup compressed?")
}
