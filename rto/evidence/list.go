package evidence

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/weaviate-drill/weaviate-drill/rto"
	"github.com/weaviate-drill/weaviate-drill/verify"
)

// Entry is a record as List sums it up.
type Entry struct {
	ID         string          `json:"id"` // of the drill, which is also the file's name
	Path       string          `json:"path"`
	Began      time.Time       `json:"began,omitzero"`
	Ended      time.Time       `json:"ended,omitzero"`
	Status     Status          `json:"status"` // means nothing when Unreadable is set
	Backup     string          `json:"backup,omitempty"`
	Level      verify.Level    `json:"level,omitempty"` // of the verification, or of a drill that restores nothing; empty: there was no verification
	Verdicts   verify.Verdicts `json:"verdicts"`
	RTO        rto.Measured    `json:"rto"` // actual; known only when measured
	RPO        rto.Measured    `json:"rpo"`
	Unreadable string          `json:"unreadable,omitempty"` // why nothing else is known of it
	Err        error           `json:"-"`                    // the same, for errors.Is
}

// readers is how many records are read at once: over S3 each takes a round trip.
const readers = 8

// List sums up all records, the oldest first, which is by name. A file that is not a record, or cannot be read, is an entry that says so. Only the error of listing the names, or the end of ctx, is one of List.
func (s *Store) List(ctx context.Context) ([]Entry, error) {
	ids, err := s.ids(ctx)
	if err != nil {
		return nil, err
	}
	entries := make([]Entry, len(ids))
	var group errgroup.Group
	group.SetLimit(readers)
	for i, id := range ids {
		group.Go(func() error {
			entries[i] = s.entry(ctx, id)
			return ctx.Err()
		})
	}
	if err := group.Wait(); err != nil {
		return nil, fmt.Errorf("evidence: %w", err)
	}
	return entries, nil
}

func (s *Store) entry(ctx context.Context, id string) Entry {
	e := Entry{ID: id, Path: s.place.at(id + extension)}
	r, err := s.summary(ctx, id)
	if err != nil {
		e.Err, e.Unreadable = err, err.Error()
		return e
	}
	e.Began, e.Ended, e.Status, e.Backup = r.Began, r.Ended, r.Status, r.Backup.ID
	e.Level, e.Verdicts, e.RTO, e.RPO = r.Verification.Level, r.Verification.Verdicts, r.Assessment.Recovered, r.Assessment.RPO
	if r.Level != "" && !r.Level.Restores() {
		e.Level = r.Level
	}
	return e
}

// summary is no more of a record than an Entry tells: a record can hold 100,000 objects.
type summary struct {
	Schema       string
	ID           string
	Began, Ended time.Time
	Status       Status
	Level        verify.Level
	Backup       struct{ ID string }
	Verification struct {
		Level    verify.Level
		Verdicts verify.Verdicts
	}
	Assessment struct{ Recovered, RPO rto.Measured }
}

func (s *Store) summary(ctx context.Context, id string) (*summary, error) {
	raw, err := s.place.read(ctx, id+extension)
	if err != nil {
		return nil, err
	}
	var r summary
	if err = json.Unmarshal(raw, &r); err != nil {
		err = notARecord(err)
	} else if err = checkSchema(r.Schema); err == nil && r.ID != id {
		err = misnamed(r.ID)
	}
	if err != nil {
		return nil, fmt.Errorf("evidence: %s: %w", s.place.at(id+extension), err)
	}
	return &r, nil
}
