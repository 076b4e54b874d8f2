// A git server for tests: smart HTTP by `git http-backend`, SSH by one
// `sshd -i` for each connection, both on loopback ports. It is told by lines on
// its standard input which faults to show, answers each line with one line,
// and ends when that input closes.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
)

// fault is what a request meets instead of an answer.
type fault struct {
	kind  string // see serve
	where string // info, upload, receive, ssh or any
	left  int    // how many more requests; negative: all
	text  string
}

// state is what the test may set and ask.
type state struct {
	sync.Mutex
	faults   []*fault
	Requests int `json:"requests"`
	// Authorized counts requests that carried credentials of any kind.
	Authorized int `json:"authorized"`
	Refused    int `json:"refused"`
	SSH        int `json:"ssh"`
}

func (s *state) take(where string) *fault {
	s.Lock()
	defer s.Unlock()
	for _, f := range s.faults {
		if f.left != 0 && (f.where == "any" || f.where == where) {
			f.left--
			return f
		}
	}
	return nil
}

// command does what one line of standard input says.
func (s *state) command(line string) string {
	words := strings.SplitN(line, " ", 5)
	s.Lock()
	defer s.Unlock()
	switch {
	case words[0] == "heal":
		s.faults = nil
		return "ok"
	case words[0] == "seen":
		told, _ := json.Marshal(s)
		return string(told)
	case words[0] == "fault" && len(words) >= 4:
		left, err := strconv.Atoi(words[3])
		if err != nil {
			return "no number: " + words[3]
		}
		f := &fault{kind: words[1], where: words[2], left: left}
		if len(words) == 5 {
			f.text = words[4]
		}
		s.faults = append(s.faults, f)
		return "ok"
	}
	return "unknown command"
}

func main() {
	root := flag.String("root", "", "directory of bare repositories")
	backend := flag.String("backend", "", "the git http-backend program")
	user := flag.String("user", "", "user of basic authentication")
	header := flag.String("header-env", "GIT_HTTP_HEADER", "variable with an Authorization value that is taken too")
	password := flag.String("password-env", "GIT_HTTP_PASSWORD", "variable with the password; unset: open to all")
	sshd := flag.String("sshd", "", "the sshd program; empty: no SSH")
	cert := flag.String("cert", "", "where the certificate of the https side goes")
	config := flag.String("sshd-config", "", "its configuration")
	flag.Parse()

	s := &state{}
	web, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	handler := &server{state: s, root: *root, backend: *backend, user: *user,
		password: os.Getenv(*password), header: os.Getenv(*header)}
	os.Unsetenv(*password)
	os.Unsetenv(*header)
	go func() { _ = http.Serve(web, handler) }()
	tls, err := secure(*cert)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	go func() { _ = http.Serve(tls, handler) }()
	port := 0
	if *sshd != "" {
		lines, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		port = lines.Addr().(*net.TCPAddr).Port
		go serveSSH(s, lines, *sshd, *config)
	}
	of := func(l net.Listener) int { return l.Addr().(*net.TCPAddr).Port }
	fmt.Printf("ready %d %d %d\n", of(web), of(tls), port)
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		fmt.Println(s.command(in.Text()))
	}
}

// serveSSH hands each connection to an sshd of its own.
func serveSSH(s *state, listener net.Listener, sshd, config string) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		s.Lock()
		s.SSH++
		s.Unlock()
		go func() {
			defer conn.Close()
			if f := s.take("ssh"); f != nil {
				if f.kind == "hang" {
					_, _ = conn.Read(make([]byte, 1<<16))
					_, _ = conn.Read(make([]byte, 1<<16))
				}
				return
			}
			socket, err := conn.(*net.TCPConn).File()
			if err != nil {
				return
			}
			defer socket.Close()
			conn.Close()
			daemon := exec.Command(sshd, "-i", "-e", "-f", config)
			daemon.Stdin, daemon.Stdout = socket, socket
			daemon.Stderr = os.Stderr
			_ = daemon.Run()
		}()
	}
}
