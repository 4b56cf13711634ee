package soak

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"vedette/cmd/vedette/internal/harness"
)

// witness is the target for checks and the relay for mails. It sees which
// jobs are done, and when.
type witness struct {
	checks, mails net.Listener
	group         sync.WaitGroup

	mu     sync.Mutex
	done   map[string]int // how often each job was done, by ID
	alerts []string       // subjects from other mails
	last   time.Time
	first  chan struct{} // closed at the first finished job
	pause  time.Duration // the longest between two jobs since the last call to lap
}

func newWitness(ctx context.Context, host string) (*witness, error) {
	w := &witness{done: map[string]int{}, first: make(chan struct{})}
	for _, listener := range []*net.Listener{&w.checks, &w.mails} {
		var err error
		if *listener, err = (&net.ListenConfig{}).Listen(ctx, "tcp", net.JoinHostPort(host, "0")); err != nil {
			return nil, fmt.Errorf("listen for checks and mails: %w", err)
		}
	}
	w.group.Go(func() { harness.Accept(w.checks, w.answer) })
	w.group.Go(func() { harness.Accept(w.mails, harness.Relay{Taken: w.take}.Serve) })
	return w, nil
}

// stop stops listening. The connections end with the processes at their other
// ends.
func (w *witness) stop() {
	_ = w.checks.Close()
	_ = w.mails.Close()
	w.group.Wait()
}

// monitorWord is what the scheduled check sends in place of a job ID.
const monitorWord = "monitor"

// answer answers a check, which sends its ID.
func (w *witness) answer(conn net.Conn) {
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		return
	}
	if id := strings.TrimSpace(line); id != monitorWord {
		w.record(id)
	}
	_, _ = conn.Write([]byte("well\n")) // the worker may have been killed
}

// take records a mail by its Message-ID, once the relay has accepted it.
func (w *witness) take(id, subject string) {
	id, _, _ = strings.Cut(strings.Trim(id, "<> "), "@")
	if strings.HasPrefix(id, "soak-") {
		w.record(id)
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.alerts = append(w.alerts, subject)
}

func (w *witness) record(id string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.done) == 0 {
		close(w.first)
		w.last = time.Now()
	}
	w.done[id]++
	w.pause, w.last = max(w.pause, time.Since(w.last)), time.Now()
}

// times returns how often a job was done.
func (w *witness) times(id string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.done[id]
}

// awaitFirst waits for the first job: there is no pause before it.
func (w *witness) awaitFirst(ctx context.Context) error {
	limited, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	select {
	case <-w.first:
		return nil
	case <-limited.Done():
		return fmt.Errorf("await first job: %w", limited.Err())
	}
}

// lap returns the longest pause since its last call.
func (w *witness) lap() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	longest := max(w.pause, time.Since(w.last))
	w.pause = 0
	return longest
}
