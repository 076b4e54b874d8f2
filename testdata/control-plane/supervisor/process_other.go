//go:build !linux

package main

import (
	"bytes"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
)

// bound makes a child in a process group of its own, so that a terminal's
// Ctrl-C goes to us alone.
func bound() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}

// startOf is when a process began, as ps says it.
func startOf(pid int) (string, error) {
	said, err := exec.Command("ps", "-o", "lstart=", "-p", strconv.Itoa(pid)).Output()
	if err != nil || len(bytes.TrimSpace(said)) == 0 {
		return "", os.ErrProcessDone
	}
	return strings.Join(strings.Fields(string(said)), "-"), nil
}
