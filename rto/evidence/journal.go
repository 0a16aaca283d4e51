package evidence

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
)

// Errors about journals that callers decide on.
var (
	ErrRunning = errors.New("drill is running")         // its process lives
	ErrLost    = errors.New("drill was taken for dead") // while it ran, and what it had done so far was undone
)

// The two files of a journal: what it says, and what shows that its drill lives. The second is there for as long as the journal is, so that by it the journal is found.
func journalFile(id string) string { return path.Join(runningDir, id+extension) }
func lockFile(id string) string    { return path.Join(runningDir, id+lockExtension) }

const lockExtension = ".lock"

// Journal is what a running drill would need tidied up after it. It is there from Begin to Close; when it is found and its drill does not hold it any more, the drill died.
type Journal struct {
	where string
	hold  hold
}

// hold is how a living drill has its journal.
type hold interface {
	write(ctx context.Context, raw []byte) error
	// release removes the journal. A second call does nothing.
	release(ctx context.Context) error
}

// Begin opens the journal of a drill. It wraps ErrRunning when a living process has it, and ErrExists when that drill died and is not yet forgotten. held is ctx, and ends as well, its cause wrapping ErrLost, when
// others have taken the drill for dead.
func (s *Store) Begin(ctx context.Context, drillID string) (held context.Context, j *Journal, err error) {
	if err := checkID(drillID); err != nil {
		return nil, nil, err
	}
	held, h, err := s.place.begin(ctx, drillID)
	if err != nil {
		return nil, nil, err
	}
	return held, &Journal{s.place.at(journalFile(drillID)), h}, nil
}

func running(id string) error { return fmt.Errorf("evidence: %w: %s", ErrRunning, id) }

func left(id string) error {
	return fmt.Errorf("evidence: the journal of drill %s %w: that drill died, and what it left is to be tidied up first", id, ErrExists)
}

// Write replaces what the journal says. After it has returned, that outlives the process and the machine. It wraps ErrLost when others have taken the drill for dead.
func (j *Journal) Write(ctx context.Context, v any) error {
	raw, err := encode(v)
	if err != nil {
		return fmt.Errorf("evidence: write %s: %w", j.where, err)
	}
	return j.hold.write(ctx, raw)
}

// Close removes the journal: nothing is left to tidy up. A second call does nothing.
func (j *Journal) Close(ctx context.Context) error { return j.hold.release(ctx) }

// Dead is a drill whose process is gone, with what it last wrote.
type Dead struct {
	ID  string
	Raw json.RawMessage // nil: it wrote nothing
}

// Dead lists the drills whose process is gone, the oldest first. In a bucket a drill counts as dead a minute after it died, not before.
func (s *Store) Dead(ctx context.Context) ([]Dead, error) {
	ids, err := s.place.dead(ctx)
	if err != nil {
		return nil, err
	}
	var dead []Dead
	for _, id := range ids {
		raw, err := s.place.read(ctx, journalFile(id))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		dead = append(dead, Dead{ID: id, Raw: raw})
	}
	return dead, nil
}

// Forget removes the journal of a dead drill, once all is tidied up. It wraps ErrRunning when the drill lives; that there is no such journal is no error.
func (s *Store) Forget(ctx context.Context, drillID string) error {
	if err := checkID(drillID); err != nil {
		return err
	}
	return s.place.forget(ctx, drillID)
}
