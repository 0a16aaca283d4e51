package backup

import (
	"encoding/json"
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

// Tenants are the tenants of each multi-tenant collection of the backup, with their activity at the capture point as the server writes it (HOT when it writes none). A collection whose sharding state cannot be read is left out.
// Source: Weaviate 1.38.5, usecases/sharding/state.go.
func (c *Catalogue) Tenants() map[string]map[string]string {
	all := map[string]map[string]string{}
	for _, node := range c.Nodes {
		for _, class := range node.Classes {
			var state struct {
				PartitioningEnabled bool                               `json:"partitioningEnabled"`
				Physical            map[string]struct{ Status string } `json:"physical"`
			}
			if json.Unmarshal(class.ShardingState, &state) != nil || !state.PartitioningEnabled {
				continue
			}
			tenants := make(map[string]string, len(state.Physical))
			for name, shard := range state.Physical {
				tenants[name] = shard.Status
			}
			all[class.Name] = tenants // each node writes all of them
		}
	}
	return all
}
