package servertest

import (
	"syscall"
	"testing"
)

// SmallDisk returns an empty folder on a file system of its own, of 64 KiB, that a test can fill.
func SmallDisk(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=64k,mode=700"); err != nil {
		Lacking(t, "the right to mount a small file system that can be filled (root): "+err.Error())
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	return dir
}
