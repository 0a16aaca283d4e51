package drill

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/weaviate-drill/weaviate-drill/backup"
	"github.com/weaviate-drill/weaviate-drill/backup/bucket"
	"github.com/weaviate-drill/weaviate-drill/backup/sandbox"
	"github.com/weaviate-drill/weaviate-drill/rto/evidence"
)

// leftover is what a drill writes into its journal before it touches anything: all that is needed to undo it when the drill dies.
type leftover struct {
	SandboxKind string            `json:"sandboxKind"`
	Bucket      string            `json:"bucket"`
	Path        string            `json:"path"`
	Footprint   *backup.Footprint `json:"footprint,omitempty"`
	Source      string            `json:"source,omitempty"`
	Tracers     string            `json:"tracers,omitempty"` // their collection on the source, when it may be there
}

// ErrExpired is that a sandbox which has expired, or whose expiry cannot be told, is still there.
var ErrExpired = errors.New("expired sandboxes are left")

// TidyUp undoes what drills that died left in the bucket, in the sandbox's place and on the source, and says what it did. Drills of another bucket, source or kind of sandbox are left to a run with their configuration. An error
// means that something is left; its drill is tidied up after the next time. One that wraps ErrExpired is only of sandboxes that are in nobody's way.
func TidyUp(ctx context.Context, c *Config, store *evidence.Store, b *bucket.Bucket, place sandbox.Sandbox) (notes []string, err error) {
	dead, err := store.Dead(ctx)
	if err != nil {
		return nil, err
	}
	for _, d := range dead {
		var l leftover
		if len(d.Raw) > 0 {
			if err := json.Unmarshal(d.Raw, &l); err != nil {
				return notes, fmt.Errorf("the journal of drill %s, which died, cannot be read: %w", d.ID, err)
			}
			if l.SandboxKind != place.Kind() || l.Bucket != b.Name || l.Path != b.Path || l.Tracers != "" && l.Source != c.Source.URL {
				notes = append(notes, fmt.Sprintf("drill %s died, and its bucket, source or sandbox is not of this configuration: what it left was not removed", d.ID))
				continue
			}
			if err := place.Tidy(ctx, d.ID); err != nil {
				return notes, fmt.Errorf("tidy up the sandbox of drill %s, which died: %w", d.ID, err)
			}
			if l.Footprint != nil {
				did, err := backup.CleanUp(ctx, b, *l.Footprint)
				notes = append(notes, did...)
				if err != nil {
					return notes, fmt.Errorf("tidy up the bucket after drill %s, which died: %w", d.ID, err)
				}
			}
			if l.Tracers != "" {
				did, err := c.removeTracers(ctx, l.Tracers, d.ID)
				notes = append(notes, did...)
				if err != nil {
					return notes, fmt.Errorf("tidy up the source after drill %s, which died: %w", d.ID, err)
				}
			}
		}
		if err := store.Forget(ctx, d.ID); err != nil {
			return notes, err
		}
		notes = append(notes, fmt.Sprintf("tidied up after drill %s, which died", d.ID))
	}
	if place, can := place.(sandbox.Collector); can {
		expired, err := place.Collect(ctx, time.Now())
		for _, id := range expired {
			notes = append(notes, fmt.Sprintf("removed the sandbox of drill %s, which had expired", id))
		}
		if err != nil {
			return notes, fmt.Errorf("%w: %w", ErrExpired, err)
		}
	}
	return notes, nil
}
