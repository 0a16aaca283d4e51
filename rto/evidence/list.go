package evidence

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

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
	Level      string          `json:"level,omitempty"` // of the verification; empty: there was none
	Verdicts   verify.Verdicts `json:"verdicts"`
	RTO        rto.Measured    `json:"rto"` // actual; known only when measured
	RPO        rto.Measured    `json:"rpo"`
	Unreadable string          `json:"unreadable,omitempty"` // why nothing else is known of it
	Err        error           `json:"-"`                    // the same, for errors.Is
}

// List sums up all records, the oldest first, which is by name. A file that is not a record, or cannot be read, is an entry that says so. Only the error of reading the folder is one of List.
func (s *Store) List() ([]Entry, error) {
	ids, err := s.ids()
	if err != nil {
		return nil, err
	}
	entries := make([]Entry, len(ids))
	for i, id := range ids {
		entries[i] = s.entry(id)
	}
	return entries, nil
}

// entry decodes no more of a record than it tells: a record can hold 100,000 objects.
func (s *Store) entry(id string) Entry {
	e := Entry{ID: id, Path: filepath.Join(s.dir, id+extension)}
	var r struct {
		Schema       string
		ID           string
		Began, Ended time.Time
		Status       Status
		Backup       struct{ ID string }
		Verification struct {
			Level    string
			Verdicts verify.Verdicts
		}
		Assessment struct{ Recovered, RPO rto.Measured }
	}
	raw, err := os.ReadFile(e.Path)
	if err == nil {
		if err = json.Unmarshal(raw, &r); err != nil {
			err = notARecord(err)
		} else {
			err = checkSchema(r.Schema)
		}
	}
	if err == nil && r.ID != id {
		err = misnamed(r.ID)
	}
	if err != nil {
		e.Err = fmt.Errorf("evidence: %s: %w", e.Path, err)
		e.Unreadable = e.Err.Error()
		return e
	}
	e.Began, e.Ended, e.Status, e.Backup = r.Began, r.Ended, r.Status, r.Backup.ID
	e.Level, e.Verdicts, e.RTO, e.RPO = r.Verification.Level, r.Verification.Verdicts, r.Assessment.Recovered, r.Assessment.RPO
	return e
}
