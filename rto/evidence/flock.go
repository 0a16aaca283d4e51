package evidence

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// locked is a journal in a folder. Its lock dies with the process.
type locked struct {
	folder
	id   string
	lock *os.File // nil: released
}

func (f folder) begin(ctx context.Context, id string) (held context.Context, _ hold, err error) {
	h := &locked{folder: f, id: id}
	err = guarded(f.at(runningDir), func() error {
		if err := f.mustBeDead(id); err == nil {
			return left(id)
		} else if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		lock, err := openLock(f.at(lockFile(id)))
		if err != nil {
			return fmt.Errorf("evidence: %w", err)
		}
		if err := flock(lock, syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
			return fmt.Errorf("evidence: lock %s: %w", lock.Name(), errors.Join(err, lock.Close()))
		}
		h.lock = lock
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	return ctx, h, nil
}

func (h *locked) write(_ context.Context, raw []byte) error {
	path := h.at(journalFile(h.id))
	return guarded(filepath.Dir(path), func() error { return replace(path, raw) })
}

func (h *locked) release(context.Context) error {
	if h.lock == nil {
		return nil
	}
	err := guarded(h.at(runningDir), func() error { return h.remove(h.id) })
	_ = h.lock.Close()
	h.lock = nil
	return err
}

func (f folder) dead(context.Context) ([]string, error) {
	dir := f.at(runningDir)
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var dead []string
	err := guarded(dir, func() error {
		files, err := os.ReadDir(dir)
		if err != nil {
			return fmt.Errorf("evidence: %w", err)
		}
		for _, file := range files {
			id, ok := strings.CutSuffix(file.Name(), lockExtension)
			if !ok || checkID(id) != nil {
				continue
			}
			if err := f.mustBeDead(id); err == nil {
				dead = append(dead, id)
			} else if !errors.Is(err, ErrRunning) {
				return err
			}
		}
		return nil
	})
	return dead, err
}

func (f folder) forget(_ context.Context, id string) error {
	if _, err := os.Stat(f.at(lockFile(id))); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return guarded(f.at(runningDir), func() error {
		if err := f.mustBeDead(id); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return f.remove(id)
	})
}

// mustBeDead needs the guard; it takes the lock for a moment.
func (f folder) mustBeDead(id string) error {
	lock, err := os.OpenFile(f.at(lockFile(id)), os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("evidence: %w", err)
	}
	defer lock.Close()
	err = flock(lock, syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return running(id)
	}
	if err != nil {
		return fmt.Errorf("evidence: lock %s: %w", lock.Name(), err)
	}
	return nil
}

// remove needs the guard. The lock goes last: while it is there, the journal can be found.
func (f folder) remove(id string) error {
	for _, name := range []string{journalFile(id), lockFile(id)} {
		if err := os.Remove(f.at(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("evidence: %w", err)
		}
	}
	return nil
}
