package backup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/cenkalti/backoff/v5"

	"github.com/weaviate-drill/weaviate-drill/backup/bucket"
	"github.com/weaviate-drill/weaviate-drill/internal/weaviate"
)

// Footprint is what a drill leaves in the bucket, for CleanUp. It is taken before the restore begins and kept, as JSON, until CleanUp is done, so
// that a drill that died can be tidied up by it alone.
type Footprint struct {
	DrillID  string `json:"drillID"`
	BackupID string `json:"backupID"`
	From     string `json:"from"` // in-place or copy
	// Copy is where the drill's copy of the backup lies. Its path ends in the drill's id, and everything below it is the drill's.
	Copy        weaviate.Location `json:"copy,omitzero"`
	NodeMapping map[string]string `json:"nodeMapping,omitempty"`
	Taken       time.Time         `json:"taken"`
	// Previous is the restore_config.json that was there before; nil when there was none.
	Previous *RestoreConfig `json:"previous,omitempty"`
	// Wrote is the startedAt of the restore_config.json that the drill's own restore wrote. Zero: not known, the drill died before it could tell.
	Wrote time.Time `json:"wrote,omitzero"`
}

// RestoreConfig is a restore_config.json as it is in the bucket.
type RestoreConfig struct {
	Content     []byte    `json:"content"`
	ContentType string    `json:"contentType,omitempty"`
	Modified    time.Time `json:"modified"`
	descriptor  Descriptor
}

// readRestoreConfig returns nil without error when there is none. ErrMalformed comes with the content.
func readRestoreConfig(ctx context.Context, b *bucket.Bucket, id string) (*RestoreConfig, error) {
	key := b.Key(id, restoreObject)
	return retry(ctx, func() (*RestoreConfig, error) {
		got, err := b.Client.GetObject(ctx, &s3.GetObjectInput{Bucket: &b.Name, Key: &key})
		if isNotFound(err) {
			return nil, nil
		}
		if err != nil {
			return nil, backoff.Permanent(fmt.Errorf("read %s: %w", b.URL(id, restoreObject), bucket.Explain(err)))
		}
		defer got.Body.Close()
		c := &RestoreConfig{ContentType: aws.ToString(got.ContentType), Modified: aws.ToTime(got.LastModified)}
		if c.Content, err = io.ReadAll(io.LimitReader(got.Body, maxRestoreConfig)); err != nil {
			return nil, fmt.Errorf("read %s: %w", b.URL(id, restoreObject), err)
		}
		if c.descriptor, err = decodeDescriptor(bytes.NewReader(c.Content)); err != nil {
			return c, backoff.Permanent(fmt.Errorf("%s is %w: %v", b.URL(id, restoreObject), ErrMalformed, err))
		}
		return c, nil
	})
}

// maxRestoreConfig is far above what is written there: the names of nodes and collections.
const maxRestoreConfig = 64 << 20

// Without Footprint.Wrote, a restore_config.json is taken for the drill's own when its restore began so soon around the Footprint: the sandbox's clock may
// differ a little from ours, and between Footprint and restore lies at most the start of the sandbox.
const (
	ownBefore = time.Minute
	ownAfter  = 15 * time.Minute
)

// own says whether the drill's restore wrote c, and if not, why that is thought.
func (f Footprint) own(c *RestoreConfig) (bool, string) {
	d := c.descriptor
	switch {
	case d.ID != f.BackupID:
		return false, fmt.Sprintf("it is of backup %q", d.ID)
	case !maps.Equal(d.NodeMapping, f.NodeMapping):
		return false, "its restore maps nodes otherwise"
	case !f.Wrote.IsZero():
		return d.StartedAt.Equal(f.Wrote), "its restore began at " + d.StartedAt.UTC().Format(timeFormat) + ", the drill's at " + f.Wrote.UTC().Format(timeFormat)
	default:
		return d.StartedAt.After(f.Taken.Add(-ownBefore)) && d.StartedAt.Before(f.Taken.Add(ownAfter)),
			"its restore began at " + d.StartedAt.UTC().Format(timeFormat) + ", the drill at about " + f.Taken.UTC().Format(timeFormat)
	}
}

// Footprint tells what CleanUp needs. Before the restore it reads the restore_config.json that is there; once Run has begun, it also holds what
// that wrote.
func (r *Restoration) Footprint(ctx context.Context) (Footprint, error) {
	if r.footprint != nil {
		return *r.footprint, nil
	}
	f := Footprint{DrillID: r.options.DrillID, BackupID: r.id, From: r.options.From, NodeMapping: r.options.NodeMapping, Taken: time.Now()}
	if f.From == ByCopy {
		f.Copy = r.location()
	} else {
		c, err := readRestoreConfig(ctx, r.bucket, r.id)
		if err != nil {
			return f, err
		}
		f.Previous = c
	}
	r.footprint = &f
	return f, nil
}

// CleanUp removes from the bucket what a drill wrote there: its copy of the backup, or the restore_config.json beside the backup, where what was there before
// is put back byte for byte. What somebody else has written since is left alone. The notes say what was done, what was left and why; the
// lack of a right is a note, not an error. It is called when the sandbox is gone: a restore that runs would write again. Calling it twice does no harm.
func CleanUp(ctx context.Context, b *bucket.Bucket, f Footprint) (notes []string, err error) {
	if f.From == ByCopy {
		return removeCopy(ctx, b, f)
	}
	url := b.URL(f.BackupID, restoreObject)
	now, err := readRestoreConfig(ctx, b, f.BackupID)
	if errors.Is(err, bucket.ErrDenied) {
		return []string{fmt.Sprintf("%s may be the drill's, and was left: %v", url, err)}, nil
	}
	if err != nil && !errors.Is(err, ErrMalformed) {
		return nil, err
	}
	switch {
	case now == nil && f.Previous == nil, now != nil && f.Previous != nil && bytes.Equal(now.Content, f.Previous.Content):
		return nil, nil
	case now == nil:
		return []string{url + ", which was there before the drill, has been removed by somebody else: left so"}, nil
	}
	if own, why := f.own(now); !own {
		return []string{fmt.Sprintf("%s was left alone: somebody else wrote it after the drill began (%s)", url, why)}, nil
	}
	key := b.Key(f.BackupID, restoreObject)
	if f.Previous != nil {
		put, err := b.Client.PutObject(ctx, &s3.PutObjectInput{Bucket: &b.Name, Key: &key, Body: bytes.NewReader(f.Previous.Content), ContentType: optional(f.Previous.ContentType)})
		if err != nil {
			return leftBehind(now, url, fmt.Errorf("put back %s: %w", url, bucket.Explain(err)))
		}
		return []string{url + ": put back as it was before the drill" + versions(put.VersionId != nil)}, nil
	}
	gone, err := b.Client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &b.Name, Key: &key})
	if err != nil {
		return leftBehind(now, url, fmt.Errorf("remove %s: %w", url, bucket.Explain(err)))
	}
	return []string{url + ": removed, it was the drill's" + versions(gone.VersionId != nil)}, nil
}

// leftBehind makes a note of a right that is lacking, with what follows from the object's being there.
func leftBehind(c *RestoreConfig, url string, err error) ([]string, error) {
	if !errors.Is(err, bucket.ErrDenied) {
		return nil, err
	}
	note := fmt.Sprintf("%s, which the drill's restore wrote, was left with status %s (%v)", url, c.descriptor.Status, err)
	switch {
	case c.descriptor.Status == statusCancelling:
		note += "; REMOVE IT: while it is there, every restore of this backup does nothing"
	case !weaviate.Final(c.descriptor.Status):
		note += "; remove it: the next drill takes it for a restore under way"
	default:
		note += "; the next restore of this backup overwrites it"
	}
	return []string{note}, nil
}

// versions is the end of a note on an object that was removed or overwritten.
func versions(kept bool) string {
	if kept {
		return "; the bucket is versioned, so the drill's version remains as a noncurrent one until a lifecycle rule expires it"
	}
	return ""
}

func optional(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

// below is a key without the path of its bucket's backups.
func below(b *bucket.Bucket, key string) string {
	return strings.TrimPrefix(strings.TrimPrefix(key, b.Path), "/")
}
