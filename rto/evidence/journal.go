package evidence

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// ErrRunning says that the drill's process lives.
var ErrRunning = errors.New("drill is running")

const lockExtension = ".lock"

// Journal is what a running drill would need tidied up after it. It is there from Begin to Close; when it is found and nobody holds its lock, the drill died.
type Journal struct {
	dir, id string
	lock    *os.File // held for the life of the process
}

// Begin opens the journal of a drill. It wraps ErrRunning when a living process has it, and ErrExists when that drill died and is not yet forgotten.
func (s *Store) Begin(drillID string) (*Journal, error) {
	if err := checkID(drillID); err != nil {
		return nil, err
	}
	j := &Journal{dir: filepath.Join(s.dir, runningDir), id: drillID}
	err := guarded(j.dir, func() error {
		if err := j.mustBeDead(); err == nil {
			return fmt.Errorf("evidence: the journal of drill %s %w: that drill died, and what it left is to be tidied up first", drillID, ErrExists)
		} else if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		lock, err := openLock(j.path(lockExtension))
		if err != nil {
			return fmt.Errorf("evidence: %w", err)
		}
		if err := flock(lock, syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
			return fmt.Errorf("evidence: lock %s: %w", lock.Name(), errors.Join(err, lock.Close()))
		}
		j.lock = lock
		return nil
	})
	if err != nil {
		return nil, err
	}
	return j, nil
}

func (j *Journal) path(ext string) string { return filepath.Join(j.dir, j.id+ext) }

// Write replaces what the journal says. After it has returned, that outlives the process and the machine.
func (j *Journal) Write(v any) error {
	raw, err := encode(v)
	if err != nil {
		return fmt.Errorf("evidence: write %s: %w", j.path(extension), err)
	}
	return guarded(j.dir, func() error { return replace(j.path(extension), raw) })
}

// Close removes the journal: nothing is left to tidy up. A second call does nothing.
func (j *Journal) Close() error {
	if j.lock == nil {
		return nil
	}
	err := guarded(j.dir, j.remove)
	_ = j.lock.Close()
	j.lock = nil
	return err
}

// remove needs the guard. The lock goes last: while it is there, the journal can be found.
func (j *Journal) remove() error {
	for _, ext := range []string{extension, lockExtension} {
		if err := os.Remove(j.path(ext)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("evidence: %w", err)
		}
	}
	return nil
}

// Dead is a drill whose process is gone, with what it last wrote.
type Dead struct {
	ID  string
	Raw json.RawMessage // nil: it wrote nothing
}

// Dead lists the drills whose process is gone, the oldest first.
func (s *Store) Dead() ([]Dead, error) {
	dir := filepath.Join(s.dir, runningDir)
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var dead []Dead
	err := guarded(dir, func() error {
		files, err := os.ReadDir(dir)
		if err != nil {
			return fmt.Errorf("evidence: %w", err)
		}
		for _, f := range files {
			id, ok := strings.CutSuffix(f.Name(), lockExtension)
			if !ok || checkID(id) != nil {
				continue
			}
			j := &Journal{dir: dir, id: id}
			if err := j.mustBeDead(); errors.Is(err, ErrRunning) {
				continue
			} else if err != nil {
				return err
			}
			raw, err := os.ReadFile(j.path(extension))
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("evidence: %w", err)
			}
			dead = append(dead, Dead{ID: id, Raw: raw})
		}
		return nil
	})
	return dead, err
}

// mustBeDead needs the guard; it takes the lock for a moment.
func (j *Journal) mustBeDead() error {
	lock, err := os.OpenFile(j.path(lockExtension), os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("evidence: %w", err)
	}
	defer lock.Close()
	err = flock(lock, syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return fmt.Errorf("evidence: %w: %s", ErrRunning, j.id)
	}
	if err != nil {
		return fmt.Errorf("evidence: lock %s: %w", lock.Name(), err)
	}
	return nil
}

// Forget removes the journal of a dead drill, once all is tidied up. It wraps ErrRunning when the drill lives; that there is no such journal is no error.
func (s *Store) Forget(drillID string) error {
	if err := checkID(drillID); err != nil {
		return err
	}
	j := &Journal{dir: filepath.Join(s.dir, runningDir), id: drillID}
	if _, err := os.Stat(j.path(lockExtension)); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return guarded(j.dir, func() error {
		if err := j.mustBeDead(); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return j.remove()
	})
}
