package servers

import "syscall"

// ownGroup also ties the process to this program's life: a drill that is killed leaves no server behind.
func ownGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
