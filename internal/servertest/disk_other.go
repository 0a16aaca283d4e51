//go:build !linux

package servertest

import "testing"

// SmallDisk needs Linux.
func SmallDisk(t testing.TB) string {
	t.Helper()
	Lacking(t, "Linux, to mount a small file system that can be filled")
	return ""
}
