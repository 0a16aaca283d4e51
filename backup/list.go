package backup

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"golang.org/x/sync/errgroup"

	"github.com/weaviate-drill/weaviate-drill/backup/bucket"
)

// Listing is one backup as S3 alone tells it.
type Listing struct {
	ID            string    `json:"id"`
	Status        string    `json:"status"`
	Error         string    `json:"error,omitempty"` // the backup's own, when it failed
	StartedAt     time.Time `json:"startedAt,omitzero"`
	CompletedAt   time.Time `json:"completedAt,omitzero"`
	ServerVersion string    `json:"serverVersion,omitempty"`
	Compression   string    `json:"compression,omitempty"`
	Base          string    `json:"base,omitempty"` // the backup that this incremental one builds on
	Bytes         int64     `json:"bytes"`          // before compression
	Nodes         []string  `json:"nodes,omitempty"`
	Collections   []string  `json:"collections,omitempty"`
	Unreadable    string    `json:"unreadable,omitempty"` // why nothing else is known of it
	Err           error     `json:"-"`                    // the same, for errors.Is: ErrNoSuchBackup when backup_config.json is missing

	// What only Survey and Catalogue.Describe tell.
	Objects         int           `json:"objects,omitempty"`
	StoredBytes     int64         `json:"storedBytes,omitempty"` // of its own objects, without those of its bases
	AgeSeconds      int64         `json:"ageSeconds,omitempty"`  // since StartedAt
	Completeness    Completeness  `json:"completeness,omitempty"`
	Missing         []string      `json:"missing,omitempty"`    // some of what is missing of it
	Encryption      string        `json:"encryption,omitempty"` // of backup_config.json: AES256, aws:kms or aws:kms:dsse with the key, or none
	Lock            string        `json:"lock,omitempty"`       // of backup_config.json: GOVERNANCE or COMPLIANCE, legal hold; empty: none, or s3:GetObjectRetention is lacking
	LockedUntil     time.Time     `json:"lockedUntil,omitzero"`
	Restorable      Restorability `json:"restorable,omitempty"`
	RestorableUntil time.Time     `json:"restorableUntil,omitzero"` // the first time at which a lifecycle rule takes away or freezes something of it, or of a base
	RestorableWhy   string        `json:"restorableWhy,omitempty"`
	OwnUntil        time.Time     `json:"ownUntil,omitzero"` // the same without its bases
	// Uploads are those that were begun for it and neither completed nor aborted; a backup under way has some.
	Uploads *bucket.Uploads `json:"uploads,omitempty"`
}

// descriptors are small; so many are fetched at once.
const listConcurrency = 16

// List finds all backups below the bucket's path, the oldest first. A folder whose backup_config.json is missing or cannot be read is listed too,
// before the others, with the reason. The error is that of the listing itself.
func List(ctx context.Context, b *bucket.Bucket) ([]Listing, error) {
	ids, err := listNames(ctx, b)
	if err != nil {
		return nil, fmt.Errorf("list the backups in %s: %w", b.URL(), err)
	}
	list := make([]Listing, len(ids))
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(listConcurrency)
	for i := range list {
		group.Go(func() error {
			d, err := ReadDescriptor(groupCtx, b, ids[i])
			list[i] = listing(ids[i], d, err)
			return groupCtx.Err()
		})
	}
	if err := group.Wait(); err != nil {
		return nil, fmt.Errorf("list the backups in %s: %w", b.URL(), err)
	}
	sortListings(list)
	return list, nil
}

// listNames lists the folders below the bucket's path, in the order of their keys.
func listNames(ctx context.Context, b *bucket.Bucket) ([]string, error) {
	prefix := folder(b)
	pages := s3.NewListObjectsV2Paginator(b.Client, &s3.ListObjectsV2Input{Bucket: aws.String(b.Name), Prefix: aws.String(prefix), Delimiter: aws.String("/")})
	var ids []string
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, p := range page.CommonPrefixes {
			ids = append(ids, strings.TrimSuffix(strings.TrimPrefix(aws.ToString(p.Prefix), prefix), "/"))
		}
	}
	return ids, nil
}

func listing(id string, d Descriptor, err error) Listing {
	if err != nil {
		return Listing{ID: id, Unreadable: err.Error(), Err: err}
	}
	return Listing{
		ID: id, Status: d.Status, Error: d.Error, StartedAt: d.StartedAt, CompletedAt: d.CompletedAt, ServerVersion: d.ServerVersion,
		Compression: d.compression(), Base: d.BaseBackupID, Bytes: d.PreCompressionSizeBytes,
		Nodes: slices.Sorted(maps.Keys(d.Nodes)), Collections: d.Collections(),
	}
}

// Collections are those of all nodes, sorted.
func (d Descriptor) Collections() []string {
	seen := map[string]bool{}
	for _, n := range d.Nodes {
		for _, c := range n.Classes {
			seen[c] = true
		}
	}
	return slices.Sorted(maps.Keys(seen))
}

// compression is the CompressionType with its default: backups from before the field existed are gzip.
func (d Descriptor) compression() string {
	return cmp.Or(d.CompressionType, compressionGzip)
}

// The values of compressionType (Weaviate 1.38.5, entities/backup).
const (
	compressionGzip = "gzip"
	compressionZstd = "zstd"
	compressionNone = "none"
)
