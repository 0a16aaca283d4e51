package evidence

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
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

// What a store's folder holds: <id>.json of each drill, and below it folders of these names.
const (
	inventoriesDir = "inventories"
	runningDir     = "running"
	extension      = ".json"
)

// An id becomes a file name: it has Weaviate's letters for ids of backups (usecases/backup, "^[a-z0-9_-]+$"), and a length that fits.
var validID = regexp.MustCompile(`^[a-z0-9_-]{1,200}$`)

func checkID(id string) error {
	if !validID.MatchString(id) {
		return fmt.Errorf("evidence: id %q cannot name a file: 1 to 200 of a-z, 0-9, _ and - are allowed", id)
	}
	return nil
}

// Store keeps records, inventories of backups and journals of running drills in a folder, all readable by its owner alone. A file in it is whole or not there, whenever the program or the
// machine dies. Several processes may use one folder, also over NFS where it supports flock.
type Store struct{ dir string }

// Open makes no folder and no file: the first write does. It fails when dir is something else than a folder.
func Open(dir string) (*Store, error) {
	if info, err := os.Stat(dir); err == nil && !info.IsDir() {
		return nil, fmt.Errorf("evidence: %s is not a folder: set evidence.dir to one", dir)
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("evidence: %w", err)
	}
	return &Store{dir: dir}, nil
}

// Put writes a record for good and returns where. It wraps ErrExists when there is one of the same id.
func (s *Store) Put(r *Record) (path string, err error) {
	if err := checkID(r.ID); err != nil {
		return "", err
	}
	if r.ID == Latest {
		return "", fmt.Errorf("evidence: a record cannot have the id %q", Latest)
	}
	return s.putOnce(s.dir, r.ID+extension, r)
}

// Get reads the record of a drill, or the newest one when id is Latest. It wraps ErrNoRecord when there is none. The newest is the last by name; when that cannot be read, an older one is
// not passed off as the newest.
func (s *Store) Get(id string) (*Record, error) {
	if err := checkID(id); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoRecord, err)
	}
	if id == Latest {
		ids, err := s.ids()
		if err != nil {
			return nil, err
		}
		if len(ids) == 0 {
			return nil, fmt.Errorf("evidence: %w: none in %s yet", ErrNoRecord, s.dir)
		}
		id = ids[len(ids)-1]
	}
	raw, err := os.ReadFile(filepath.Join(s.dir, id+extension))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("evidence: %w: %s in %s", ErrNoRecord, id, s.dir)
	}
	if err != nil {
		return nil, fmt.Errorf("evidence: %w", err)
	}
	r, err := Parse(raw)
	if err == nil && r.ID != id {
		err = misnamed(r.ID)
	}
	if err != nil {
		return nil, fmt.Errorf("evidence: %s: %w", filepath.Join(s.dir, id+extension), err)
	}
	return r, nil
}

func misnamed(id string) error {
	return fmt.Errorf("it holds the record of drill %q and must be named after it", id)
}

// ids are the names of the JSON files in the folder, without the ending, sorted: for records that is by time.
func (s *Store) ids() ([]string, error) {
	files, err := os.ReadDir(s.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("evidence: %w", err)
	}
	var ids []string
	for _, f := range files {
		if id, ok := strings.CutSuffix(f.Name(), extension); ok && !strings.HasPrefix(id, ".") {
			ids = append(ids, id)
		}
	}
	return ids, nil
}
