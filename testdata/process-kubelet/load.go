package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"
)

// What `load` is told.
type order struct {
	target      *url.URL
	host        string
	headers     http.Header
	rate        int
	connections int
	patience    time.Duration
	span        time.Duration // 0: until stdin closes
}

// clients take requests off one schedule: the number i is due i/rate after the
// start, whether or not those before it are answered. So a server that is slow
// does not make for fewer requests, and how long one took counts from when it
// was due.
type clients struct {
	order
	begun time.Time
	tally *tally

	lock  sync.Mutex
	next  int
	until time.Time // zero as long as nobody has ended it
}

// load sends requests and prints what became of them: JSON lines, one for each
// second, one for each stage that stdin names, and the report at the end. There
// is one attempt for each request, over connections that are kept; what gets no
// whole answer of a pod, and with a status of success, is a failure.
func load(arguments []string) error {
	asked, err := orders(arguments)
	if err != nil {
		return err
	}
	c := &clients{order: asked, begun: time.Now()}
	c.tally = newTally(c.begun, os.Stdout)
	if c.span > 0 {
		c.until = c.begun.Add(c.span)
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	go func() {
		<-signals
		c.end()
	}()
	go c.listen()
	stop := c.tally.tell()

	var all sync.WaitGroup
	for range c.connections {
		all.Go(c.work)
	}
	all.Wait()
	stop()
	return c.tally.report(c.next, c.until)
}

func orders(arguments []string) (order, error) {
	asked := order{headers: http.Header{}}
	flags := flag.NewFlagSet("load", flag.ExitOnError)
	target := flags.String("url", "", "where requests go")
	flags.StringVar(&asked.host, "host", "", "their Host, if another than the URL's")
	flags.IntVar(&asked.rate, "rate", 500, "how many a second")
	flags.IntVar(&asked.connections, "connections", 8, "over how many connections at most")
	flags.DurationVar(&asked.patience, "patience", 5*time.Second, "how long an answer may take")
	flags.DurationVar(&asked.span, "for", 0, "how long; without it, until stdin closes")
	echo := flags.String("echo", "", "headers that pods are to tell, with commas between them")
	flags.Func("header", "a header `name: value` of each; may be given again", func(line string) error {
		name, value, found := strings.Cut(line, ":")
		if !found {
			return errors.New("no colon in it")
		}
		asked.headers.Add(name, strings.TrimSpace(value))
		return nil
	})
	_ = flags.Parse(arguments)
	if asked.rate < 1 || asked.connections < 1 {
		return asked, errors.New("load: -rate and -connections are at least 1")
	}
	if *echo != "" {
		asked.headers.Set(echoHeader, *echo)
	}
	var err error
	asked.target, err = url.Parse(*target)
	if err == nil && asked.target.Port() == "" {
		err = fmt.Errorf("load: -url %q names no host and port", *target)
	}
	return asked, err
}

// listen takes the name of a stage from each line of stdin. Requests that are
// sent once its line is printed belong to it.
func (c *clients) listen() {
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		c.tally.stage(lines.Text())
	}
	if c.span == 0 {
		c.end()
	}
}

func (c *clients) end() {
	c.lock.Lock()
	defer c.lock.Unlock()
	if now := time.Now(); c.until.IsZero() || now.Before(c.until) {
		c.until = now
	}
}

// take gives out the next request that was due before the end.
func (c *clients) take() (due time.Time, more bool) {
	for {
		c.lock.Lock()
		due = c.begun.Add(time.Duration(c.next) * time.Second / time.Duration(c.rate))
		over := !c.until.IsZero() && !due.Before(c.until)
		wait := time.Until(due)
		if !over && wait <= 0 {
			c.next++
		}
		c.lock.Unlock()
		if over || wait <= 0 {
			return due, !over
		}
		// Nobody owns what is not due yet: an end that comes meanwhile is seen.
		time.Sleep(min(wait, 10*time.Millisecond))
	}
}

// work is one connection after another, and requests one after another on each.
func (c *clients) work() {
	var on *connection
	for due, more := c.take(); more; due, more = c.take() {
		stage := c.tally.now()
		var got answer
		on, got = c.send(on)
		c.tally.add(stage, got, time.Since(due))
	}
	on.close()
}

// connection is one to the target. Go's own client sends a request once more
// when a kept connection turns out to be closed; this one does not, as such a
// request would be one that failed.
type connection struct {
	net.Conn
	read *bufio.Reader
}

func (on *connection) close() {
	if on != nil {
		_ = on.Close()
	}
}

// send makes one attempt, and returns the connection if it can be used again.
func (c *clients) send(on *connection) (*connection, answer) {
	if on == nil {
		made, err := net.DialTimeout("tcp", c.target.Host, c.patience)
		if err != nil {
			return nil, answer{Failed: reason("connect", err)}
		}
		on = &connection{made, bufio.NewReader(made)}
	}
	got, keep := c.exchange(on)
	if !keep {
		on.close()
		on = nil
	}
	return on, got
}

func (c *clients) exchange(on *connection) (got answer, keep bool) {
	_ = on.SetDeadline(time.Now().Add(c.patience))
	request := &http.Request{
		Method: http.MethodGet, URL: c.target, Host: c.host, Header: c.headers,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}
	if err := request.Write(on); err != nil {
		return answer{Failed: reason("send", err)}, false
	}
	response, err := http.ReadResponse(on.read, request)
	if err != nil {
		return answer{Failed: reason("answer", err)}, false
	}
	defer response.Body.Close()
	got.Status = response.StatusCode
	body, err := io.ReadAll(response.Body)
	if err != nil {
		got.Failed = reason("body", err)
		return got, false
	}
	var said told
	if json.Unmarshal(body, &said) == nil {
		got.Tag, got.Echo = said.Tag, said.Echo
	}
	switch {
	case got.Status < 200 || got.Status > 299:
		got.Failed = response.Status
	case got.Tag == "":
		got.Failed = "no pod's answer"
	}
	return got, !response.Close
}

// reason is an error without the addresses in it, so that equal ones count as
// one.
func reason(what string, err error) string {
	if operation := new(net.OpError); errors.As(err, &operation) {
		err = operation.Err
	}
	return what + ": " + err.Error()
}
