package evidence

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"strings"
)

// Errors that callers decide on.
var (
	ErrNoRecord = errors.New("no such record")
	ErrExists   = errors.New("is there already") // a record or an inventory, which are written once
)

// Latest is the name by which Get gives the newest record.
const Latest = "latest"

// What a store holds: <id>.json of each drill, and below it folders of these names. In a bucket keys are named as the files are in a folder, so that a copy of one is the other.
const (
	inventoriesDir  = "inventories"
	fingerprintsDir = "fingerprints"
	comparisonsDir  = runningDir + "/comparisons" // where the tool may remove files
	runningDir      = "running"
	extension       = ".json"
)

// An id becomes a file name: it has Weaviate's letters for ids of backups (usecases/backup, "^[a-z0-9_-]+$"), and a length that fits.
var validID = regexp.MustCompile(`^[a-z0-9_-]{1,200}$`)

func checkID(id string) error {
	if !validID.MatchString(id) {
		return fmt.Errorf("evidence: id %q cannot name a file: 1 to 200 of a-z, 0-9, _ and - are allowed", id)
	}
	return nil
}

// Store keeps records, inventories of backups and journals of running drills, in a folder (Open) or in a bucket (OpenS3). What is in it is whole or not there, whenever the program or the machine dies. Several
// processes may use one place.
type Store struct{ place place }

// place is where a Store's files are. Names have slashes; errors are complete, and say where.
type place interface {
	// at names a file for people, and the place itself for "".
	at(name string) string
	// read wraps fs.ErrNotExist when there is no such file.
	read(ctx context.Context, name string) ([]byte, error)
	// create writes a file as a whole or not at all, and never over another: it wraps ErrExists.
	create(ctx context.Context, name string, raw []byte) error
	// list gives the names of the files in a folder, "" for the top, in order and without the folder's; none when it is not there yet.
	list(ctx context.Context, dir string) ([]string, error)
	// drop removes files and empty folders, one after the other. That one is not there is no error.
	drop(ctx context.Context, names ...string) error

	// begin opens the journal of a drill as Store.Begin does.
	begin(ctx context.Context, id string) (held context.Context, h hold, err error)
	// dead gives the ids of the journals whose drill is gone, in order.
	dead(ctx context.Context) ([]string, error)
	// forget removes a journal as Store.Forget does.
	forget(ctx context.Context, id string) error
}

// Put writes a record for good and returns where. It wraps ErrExists when there is one of the same id.
func (s *Store) Put(ctx context.Context, r *Record) (where string, err error) {
	if err := checkID(r.ID); err != nil {
		return "", err
	}
	if r.ID == Latest {
		return "", fmt.Errorf("evidence: a record cannot have the id %q", Latest)
	}
	return s.create(ctx, r.ID+extension, r)
}

func (s *Store) create(ctx context.Context, name string, v any) (where string, err error) {
	where = s.place.at(name)
	raw, err := encode(v)
	if err != nil {
		return "", fmt.Errorf("evidence: write %s: %w", where, err)
	}
	return where, s.place.create(ctx, name, raw)
}

func encode(v any) ([]byte, error) {
	raw, err := json.MarshalIndent(v, "", "  ")
	return append(raw, '\n'), err
}

func exists(where string) error {
	return fmt.Errorf("evidence: %s %w, and evidence is never overwritten", where, ErrExists)
}

// Get reads the record of a drill, or the newest one when id is Latest. It wraps ErrNoRecord when there is none. The newest is the last by name; when that cannot be read, an older one is
// not passed off as the newest.
func (s *Store) Get(ctx context.Context, id string) (*Record, error) {
	if err := checkID(id); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoRecord, err)
	}
	if id == Latest {
		ids, err := s.ids(ctx)
		if err != nil {
			return nil, err
		}
		if len(ids) == 0 {
			return nil, fmt.Errorf("evidence: %w: none in %s yet", ErrNoRecord, s.place.at(""))
		}
		id = ids[len(ids)-1]
	}
	raw, err := s.place.read(ctx, id+extension)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("evidence: %w: %s in %s", ErrNoRecord, id, s.place.at(""))
	}
	if err != nil {
		return nil, err
	}
	r, err := Parse(raw)
	if err == nil && r.ID != id {
		err = misnamed(r.ID)
	}
	if err != nil {
		return nil, fmt.Errorf("evidence: %s: %w", s.place.at(id+extension), err)
	}
	return r, nil
}

func misnamed(id string) error {
	return fmt.Errorf("it holds the record of drill %q and must be named after it", id)
}

// ids are the names of the JSON files at the top, without the ending, sorted: for records that is by time.
func (s *Store) ids(ctx context.Context) ([]string, error) {
	names, err := s.place.list(ctx, "")
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, name := range names {
		if id, ok := strings.CutSuffix(name, extension); ok && !strings.HasPrefix(id, ".") {
			ids = append(ids, id)
		}
	}
	return ids, nil
}
