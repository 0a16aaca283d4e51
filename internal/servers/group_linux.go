package servers

import "syscall"

// ownGroup also ties the process to this program's life, unless it may outlive it: a drill that is killed leaves no server behind.
func ownGroup(outlive bool) *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Setpgid: true}
	if !outlive {
		attr.Pdeathsig = syscall.SIGKILL
	}
	return attr
}
