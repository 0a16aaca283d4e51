//go:build unix && !linux

// Package group gives processes that the tool starts a process group of their own.
package group

import "syscall"

// Own keeps a Ctrl-C that is meant for this program from reaching the process before its turn.
func Own(bool) *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
