// Command supervisor holds the parts of a control plane as its children, so
// that none of them outlives the process that asked for them, however that
// one ends.
//
//	supervisor hold DIR        orders on stdin, one JSON object a line
//	supervisor end PID START…  ends processes that an earlier one has left
//
// The one who asks keeps the write end of stdin. When it closes, by an
// orderly end as by a SIGKILL, every part is ended by its id and DIR removed.
// On Linux the kernel ends the parts if the supervisor itself is killed.
package main

import (
	"bufio"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"syscall"
	"time"
)

// How long a part may take to end by itself.
const patience = 5 * time.Second

// What a directory has to hold before it may be removed with all in it.
const marker = ".tranche-lab"

type order struct {
	Op   string   `json:"op"`
	Name string   `json:"name"`
	Argv []string `json:"argv"`
	Env  []string `json:"env"`
	Log  string   `json:"log"`
	Path string   `json:"path"`
}

type answer struct {
	OK      bool   `json:"ok"`
	Error   string `json:"error,omitempty"`
	Pid     int    `json:"pid,omitempty"`
	Start   string `json:"start,omitempty"`
	Running bool   `json:"running,omitempty"`
}

type part struct {
	name    string
	command *exec.Cmd
	ended   chan struct{}
}

func init() {
	// The kernel ends a child with the thread that made it (Pdeathsig): all
	// children are made by the main thread, which lives as long as we do.
	runtime.LockOSThread()
}

func main() {
	var err error
	switch {
	case len(os.Args) == 3 && os.Args[1] == "hold":
		err = hold(os.Args[2])
	case len(os.Args) >= 4 && len(os.Args)%2 == 0 && os.Args[1] == "end":
		err = end(os.Args[2:])
	default:
		err = errors.New("usage: supervisor hold DIR | end PID START [PID START…]")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "supervisor:", err)
		os.Exit(1)
	}
}

func hold(dir string) error {
	if _, err := os.Stat(filepath.Join(dir, marker)); err != nil {
		return fmt.Errorf("%s is not a directory of the laboratory: %w", dir, err)
	}
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	orders := make(chan order)
	go read(orders)
	var parts []*part
	replies := json.NewEncoder(os.Stdout)
	kept := false
	for open := true; open; {
		select {
		case got := <-signals:
			// A terminal that closes says nothing about a cluster that was
			// started to stay.
			open = kept && got == syscall.SIGHUP
		case next, more := <-orders:
			switch {
			case more && next.Op == "keep":
				kept = true
				started, _ := startOf(os.Getpid())
				_ = replies.Encode(answer{OK: true, Pid: os.Getpid(), Start: started})
			case more:
				_ = replies.Encode(obey(&parts, next))
			case kept:
				orders = nil
			default:
				open = false
			}
		}
	}
	stop(parts)
	return os.RemoveAll(dir)
}

func read(orders chan<- order) {
	defer close(orders)
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var next order
		if err := json.Unmarshal(lines.Bytes(), &next); err != nil {
			next = order{Op: "unreadable: " + err.Error()}
		}
		orders <- next
	}
}

func obey(parts *[]*part, next order) answer {
	switch next.Op {
	case "start":
		return start(parts, next)
	case "stop":
		if at := find(*parts, next.Name); at >= 0 {
			stop((*parts)[at : at+1])
			*parts = slices.Delete(*parts, at, at+1)
		}
		return answer{OK: true}
	case "running":
		at := find(*parts, next.Name)
		return answer{OK: true, Running: at >= 0 && (*parts)[at].running()}
	case "key":
		if err := key(next.Path); err != nil {
			return answer{Error: err.Error()}
		}
		return answer{OK: true}
	}
	return answer{Error: "unknown order " + next.Op}
}

func start(parts *[]*part, next order) answer {
	if find(*parts, next.Name) >= 0 {
		return answer{Error: next.Name + " was started before"}
	}
	log, err := os.OpenFile(next.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return answer{Error: err.Error()}
	}
	defer log.Close()
	command := exec.Command(next.Argv[0], next.Argv[1:]...)
	command.Env = append(os.Environ(), next.Env...)
	command.Stdout, command.Stderr = log, log
	command.SysProcAttr = bound()
	if err := command.Start(); err != nil {
		return answer{Error: err.Error()}
	}
	held := &part{name: next.Name, command: command, ended: make(chan struct{})}
	go func() {
		_ = command.Wait()
		close(held.ended)
	}()
	*parts = append(*parts, held)
	started, _ := startOf(command.Process.Pid)
	return answer{OK: true, Pid: command.Process.Pid, Start: started}
}

func find(parts []*part, name string) int {
	return slices.IndexFunc(parts, func(held *part) bool { return held.name == name })
}

func (held *part) running() bool {
	select {
	case <-held.ended:
		return false
	default:
		return true
	}
}

// stop ends parts from the last to the first: a server whose store has gone
// before it waits in vain.
func stop(parts []*part) {
	deadline := time.Now().Add(patience)
	for _, held := range slices.Backward(parts) {
		_ = held.command.Process.Signal(syscall.SIGTERM)
		select {
		case <-held.ended:
		case <-time.After(time.Until(deadline)):
			_ = held.command.Process.Kill()
			<-held.ended
		}
	}
}

// end ends processes that are not our children. The start time keeps it from
// ending another one that has been given the same id since.
func end(pairs []string) error {
	for i := 0; i < len(pairs); i += 2 {
		pid, err := strconv.Atoi(pairs[i])
		if err != nil || pid < 2 {
			return fmt.Errorf("%q is no process id", pairs[i])
		}
		same := func() bool {
			started, err := startOf(pid)
			return err == nil && started == pairs[i+1]
		}
		for _, sent := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
			// The supervisor ends its own parts with the same patience.
			for waited := time.Duration(0); same() && waited < 2*patience; waited += 50 * time.Millisecond {
				if waited == 0 {
					_ = syscall.Kill(pid, sent)
				}
				time.Sleep(50 * time.Millisecond)
			}
		}
		if same() {
			return fmt.Errorf("process %d does not end", pid)
		}
	}
	return nil
}

// key writes a new private key, with which the API server signs the tokens of
// service accounts.
func key(path string) error {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	block := pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(private)}
	return os.WriteFile(path, pem.EncodeToMemory(&block), fs.FileMode(0o600))
}
