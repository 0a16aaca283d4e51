package backup

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/weaviate-drill/weaviate-drill/backup/bucket"
	"github.com/weaviate-drill/weaviate-drill/internal/weaviate"
)

// ErrRefused says that a drill would get in the way of somebody else. Its message tells of what, since when, and what to do.
var ErrRefused = errors.New("refused by the interlock")

// deadAfter is the age of its newest object from which a backup that still reads STARTED is taken for dead, and does not hold up drills for ever: its node was
// killed, and nothing will ever change its status. A live backup writes an object at least this often: a chunk has 50 GiB at most (Weaviate's
// BACKUP_SPLIT_FILE_SIZE), which 8 MB/s upload in less.
const deadAfter = 2 * time.Hour

// Interlock refuses (ErrRefused) while somebody may be restoring this backup, or while a backup is being made in the same bucket and path, which a starting
// Weaviate can cancel (1.27.4 to 1.27.8, 1.28.0; later with ENABLE_CLEANUP_UNFINISHED_BACKUPS). It refuses for a drill by copy too: a leftover in
// CANCELLING would let the drill pass and a real restore do nothing.
func (r *Restoration) Interlock(ctx context.Context) error {
	if err := r.noRestore(ctx); err != nil {
		return err
	}
	return r.noBackup(ctx)
}

func (r *Restoration) noRestore(ctx context.Context) error {
	url := r.bucket.URL(r.id, restoreObject)
	c, err := readRestoreConfig(ctx, r.bucket, r.id)
	switch {
	case errors.Is(err, ErrMalformed):
		return fmt.Errorf("%w: %w (written at %s): whether backup %s is being restored is not known; look at it, and remove it when it is nobody's",
			ErrRefused, err, c.Modified.UTC().Format(timeFormat), r.id)
	case err != nil:
		return err
	case c == nil || weaviate.Final(c.descriptor.Status):
		return nil
	case c.descriptor.Status == statusCancelling:
		return fmt.Errorf("%w: %s reads CANCELLING since %s: while it is there, every restore of backup %s, a real one too, answers STARTED and does nothing; "+
			"when nobody is cancelling a restore right now, remove it: aws s3 rm %s", ErrRefused, url, c.Modified.UTC().Format(timeFormat), r.id, url)
	default:
		return fmt.Errorf("%w: %s reads %s (restore begun at %s, written at %s): somebody may be restoring backup %s for real; wait until that has ended, "+
			"or when its Weaviate is known to be gone, remove it: aws s3 rm %s", ErrRefused, url, c.descriptor.Status,
			c.descriptor.StartedAt.UTC().Format(timeFormat), c.Modified.UTC().Format(timeFormat), r.id, url)
	}
}

func (r *Restoration) noBackup(ctx context.Context) error {
	list, err := List(ctx, r.bucket)
	if err != nil {
		return bucket.Explain(err)
	}
	for _, l := range list {
		switch {
		case l.Err != nil && (errors.Is(l.Err, ErrNoSuchBackup) || errors.Is(l.Err, ErrMalformed)):
			continue // no backup of Weaviate's
		case l.Err != nil:
			return fmt.Errorf("whether a backup is being made is not known: %w", bucket.Explain(l.Err))
		case weaviate.Final(l.Status):
			continue
		}
		objects, err := listObjects(ctx, r.bucket, l.ID)
		if err != nil {
			return bucket.Explain(err)
		}
		if last := newest(objects); r.now().Sub(last) < deadAfter {
			return fmt.Errorf("%w: backup %s in %s reads %s since %s and wrote its last object at %s: it is being made, and a starting Weaviate may cancel it; wait until it has ended, "+
				"or cancel it; one that writes nothing for %s is taken for dead", ErrRefused, l.ID, r.bucket.URL(l.ID), l.Status,
				l.StartedAt.UTC().Format(timeFormat), last.UTC().Format(timeFormat), deadAfter)
		}
		logger(r.options.Log).Warn("a backup has stopped without an end: its node was killed", "backup", l.ID, "status", l.Status, "started", l.StartedAt)
	}
	return nil
}
