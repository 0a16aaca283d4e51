package backup

import (
	"path"
	"time"
)

// Listing is the backup as List would give it.
func (c *Catalogue) Listing() Listing {
	d := c.Backup()
	return listing(d.ID, d, nil)
}

// Compression is gzip, zstd or none.
func (d Descriptor) Compression() string { return d.compression() }

// End is when the backup really ended: when S3 took the last node's backup.json. The completedAt of the descriptor is up to 10 s later, because the coordinator asks its nodes that seldom.
func (c *Catalogue) End() time.Time {
	var end time.Time
	for _, o := range c.listed[c.Backup().ID] {
		if path.Base(o.Key) == nodeObject && o.LastModified.After(end) {
			end = o.LastModified
		}
	}
	return end
}
