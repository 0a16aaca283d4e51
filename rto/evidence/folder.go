package evidence

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// In each folder that is written to.
const (
	guardFile   = ".lock"    // locked while the folder is changed
	pendingFile = ".pending" // what is being written
)

// folder is a place on a disk, readable by its owner alone. Processes that share it over NFS need flock there.
type folder struct{ dir string }

// Open opens a store in a folder. It makes no folder and no file: the first write does. It fails when dir is something else than a folder.
func Open(dir string) (*Store, error) {
	if info, err := os.Stat(dir); err == nil && !info.IsDir() {
		return nil, fmt.Errorf("evidence: %s is not a folder: set evidence.dir to one", dir)
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("evidence: %w", err)
	}
	return &Store{folder{dir}}, nil
}

func (f folder) at(name string) string { return filepath.Join(f.dir, filepath.FromSlash(name)) }

func (f folder) read(_ context.Context, name string) ([]byte, error) {
	raw, err := os.ReadFile(f.at(name))
	if err != nil {
		return nil, fmt.Errorf("evidence: %w", err)
	}
	return raw, nil
}

func (f folder) create(_ context.Context, name string, raw []byte) error {
	path := f.at(name)
	return guarded(filepath.Dir(path), func() error {
		if _, err := os.Lstat(path); err == nil {
			return exists(path)
		}
		return replace(path, raw)
	})
}

func (f folder) list(_ context.Context, dir string) ([]string, error) {
	files, err := os.ReadDir(f.at(dir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("evidence: %w", err)
	}
	names := make([]string, len(files))
	for i, file := range files {
		names[i] = file.Name()
	}
	return names, nil
}

func (f folder) drop(_ context.Context, names ...string) error {
	for _, name := range names {
		if err := os.Remove(f.at(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("evidence: %w", err)
		}
	}
	return nil
}

// replace puts a file in place as a whole or not at all. The folder's guard must be held, since the name under which the file grows is always the same: what a crash leaves of it is
// overwritten by the next write.
func replace(path string, raw []byte) error {
	dir := filepath.Dir(path)
	pending := filepath.Join(dir, pendingFile)
	err := writeSynced(pending, raw)
	if err == nil {
		err = os.Rename(pending, path)
	}
	if err == nil {
		return syncDir(dir)
	}
	_ = os.Remove(pending)
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("evidence: %s is not written, %d bytes do not fit (%w): free space there or set evidence.dir to another folder", path, len(raw), err)
	}
	return fmt.Errorf("evidence: %s is not written: %w", path, err)
}

func writeSynced(path string, raw []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(raw)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// syncDir makes the names in a folder last.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err == nil {
		err = errors.Join(d.Sync(), d.Close())
	}
	if err != nil {
		return fmt.Errorf("evidence: %w", err)
	}
	return nil
}

// guarded makes the folder if need be and calls change while no other process changes it.
func guarded(dir string, change func() error) error {
	if err := makeDir(dir); err != nil {
		return err
	}
	guard, err := openLock(filepath.Join(dir, guardFile))
	if err != nil {
		return fmt.Errorf("evidence: %w", err)
	}
	defer guard.Close() // and so unlocks it
	if err := flock(guard, syscall.LOCK_EX); err != nil {
		return fmt.Errorf("evidence: lock %s: %w", guard.Name(), err)
	}
	return change()
}

func makeDir(dir string) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("evidence: %w", err)
	}
	return syncDir(filepath.Dir(dir))
}

func openLock(path string) (*os.File, error) { return os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600) }

// flock locks an open file until it is closed, or its process ends however that happens. Processes that it started do not inherit the lock: Go closes its files in them.
func flock(f *os.File, how int) error {
	for {
		if err := syscall.Flock(int(f.Fd()), how); !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}
