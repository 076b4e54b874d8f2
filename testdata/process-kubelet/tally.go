package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"
	"time"
)

// answer is what became of one request. Equal ones are counted as one.
type answer struct {
	Status int    `json:"status,omitempty"`
	Tag    string `json:"tag,omitempty"`
	Echo   string `json:"echo,omitempty"`
	// Failed says why it is a failure; empty if it is none.
	Failed string `json:"failed,omitempty"`
}

// counted are answers of a kind, failures with the second they came in.
type counted struct {
	Second *int `json:"second,omitempty"`
	answer
	Count int `json:"count"`
}

// count is what became of requests over a while.
type count struct {
	answers map[answer]int
	failed  map[failure]int
	took    []time.Duration
}

type failure struct {
	second int
	answer
}

type stage struct {
	name string
	from time.Duration // since the start
	count
}

// tally accounts for every request, twice: by the stage it was sent in, and by
// the second its answer came in.
type tally struct {
	begun  time.Time
	lock   sync.Mutex
	stages []*stage
	recent map[int]*count // seconds that are not printed yet
	total  int
	// How long the slowest answer took, from when its request was due.
	slowest time.Duration
	out     *json.Encoder
}

func newTally(begun time.Time, out io.Writer) *tally {
	first := &stage{count: newCount()}
	return &tally{
		begun: begun, stages: []*stage{first}, recent: map[int]*count{}, out: json.NewEncoder(out),
	}
}

func newCount() count {
	return count{answers: map[answer]int{}, failed: map[failure]int{}}
}

// now is the stage that a request which is sent now belongs to.
func (t *tally) now() *stage {
	t.lock.Lock()
	defer t.lock.Unlock()
	return t.stages[len(t.stages)-1]
}

// add accounts for one request.
func (t *tally) add(sent *stage, got answer, took time.Duration) {
	t.lock.Lock()
	defer t.lock.Unlock()
	// Asked under the lock: a second that was printed is over.
	second := int(time.Since(t.begun) / time.Second)
	if t.recent[second] == nil {
		fresh := newCount()
		t.recent[second] = &fresh
	}
	t.recent[second].add(second, got, took)
	sent.add(second, got, took)
	t.total++
	t.slowest = max(t.slowest, took)
}

func (c *count) add(second int, got answer, took time.Duration) {
	c.answers[got]++
	if got.Failed != "" {
		c.failed[failure{second, got}]++
	}
	c.took = append(c.took, took)
}

// stage begins a stage, and says so.
func (t *tally) stage(name string) {
	t.lock.Lock()
	defer t.lock.Unlock()
	from := time.Since(t.begun)
	t.stages = append(t.stages, &stage{name: name, from: from, count: newCount()})
	t.print(map[string]any{"stage": name, "from_ms": from.Milliseconds()})
}

// tell prints a line for each second that is over, until it is stopped.
func (t *tally) tell() (stop func()) {
	over, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for second := 0; ; second++ {
			select {
			case <-time.After(time.Until(t.begun.Add(time.Duration(second+1) * time.Second))):
				t.flush(second)
			case <-over:
				return
			}
		}
	}()
	return func() {
		close(over)
		<-ended
	}
}

// flush prints the seconds up to this one.
func (t *tally) flush(last int) {
	t.lock.Lock()
	defer t.lock.Unlock()
	for _, second := range slices.Sorted(maps.Keys(t.recent)) {
		if second <= last {
			// What the newest stage has by now, for who waits for so many.
			inStage := len(t.stages[len(t.stages)-1].took)
			t.print(t.recent[second].line(map[string]any{"second": second, "in_stage": inStage}))
			delete(t.recent, second)
		}
	}
}

// report prints the rest and the end: how many requests were given out until
// when. It fails if not every one of them is accounted for.
func (t *tally) report(sent int, until time.Time) error {
	t.flush(int(time.Since(t.begun) / time.Second))
	t.lock.Lock()
	defer t.lock.Unlock()
	var stages []any
	sum := 0
	for _, one := range t.stages {
		stages = append(stages, one.line(map[string]any{"name": one.name, "from_ms": one.from.Milliseconds()}))
		sum += len(one.took)
	}
	t.print(map[string]any{
		"end_ms": until.Sub(t.begun).Milliseconds(), "requests": sent,
		"slowest_us": t.slowest.Microseconds(), "stages": stages,
	})
	if sum != sent || t.total != sent {
		return fmt.Errorf("load: %d requests were sent, %d and %d are accounted for", sent, sum, t.total)
	}
	return nil
}

// line adds what was counted to the fields of a line.
func (c *count) line(line map[string]any) map[string]any {
	answers, failures := []counted{}, []counted{}
	for got, times := range c.answers {
		answers = append(answers, counted{nil, got, times})
	}
	for one, times := range c.failed {
		failures = append(failures, counted{&one.second, one.answer, times})
	}
	slices.SortFunc(answers, func(a, b counted) int {
		return cmp.Or(cmp.Compare(a.Status, b.Status), cmp.Compare(a.Tag, b.Tag), cmp.Compare(a.Echo, b.Echo), cmp.Compare(a.Failed, b.Failed))
	})
	slices.SortFunc(failures, func(a, b counted) int {
		return cmp.Or(cmp.Compare(*a.Second, *b.Second), cmp.Compare(a.Status, b.Status), cmp.Compare(a.Tag, b.Tag), cmp.Compare(a.Failed, b.Failed))
	})
	line["requests"], line["answers"], line["failures"] = len(c.took), answers, failures
	slices.Sort(c.took)
	line["p50_us"], line["p99_us"] = c.quantile(50), c.quantile(99)
	return line
}

// quantile is the time that so many in a hundred took at most, of sorted times.
func (c *count) quantile(hundredth int) int64 {
	if len(c.took) == 0 {
		return 0
	}
	return c.took[(len(c.took)-1)*hundredth/100].Microseconds()
}

// print writes a line. A reader who has gone is seen by the end of stdin.
func (t *tally) print(line any) { _ = t.out.Encode(line) }
