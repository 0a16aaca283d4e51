// Package group gives processes that the tool starts a process group of their own.
package group

import "syscall"

// Own keeps a Ctrl-C that is meant for this program from reaching the process before its turn. It also ties the process to this program's life, unless it may outlive it: a drill that is killed leaves nothing behind.
func Own(outlive bool) *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Setpgid: true}
	if !outlive {
		attr.Pdeathsig = syscall.SIGKILL
	}
	return attr
}
