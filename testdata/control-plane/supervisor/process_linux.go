package main

import (
	"bytes"
	"fmt"
	"os"
	"syscall"
)

// bound makes a child in a process group of its own, so that a terminal's
// Ctrl-C goes to us alone, and has the kernel end it with us.
func bound() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// startOf is when a process began, in the kernel's ticks since boot. A zombie
// has ended.
func startOf(pid int) (string, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", err
	}
	// The second field is the program's name in parentheses, with anything in it.
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 20 || fields[0][0] == 'Z' {
		return "", os.ErrProcessDone
	}
	return string(fields[19]), nil
}
