package soak

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"vedette/cmd/vedette/internal/sink"
)

// witness is what checks look at, and the relay that takes mails. It sees what
// is done, and when.
type witness struct {
	checks, mails net.Listener
	group         sync.WaitGroup

	mu     sync.Mutex
	done   map[string]int // how often each job was, by its id
	alarms []string       // subjects of mails that nobody ordered
	last   time.Time
	first  chan struct{} // closed when something was done
	pause  time.Duration // the longest time in which nothing was done, since lap was called
}

func newWitness(ctx context.Context, host string) (*witness, error) {
	w := &witness{done: map[string]int{}, first: make(chan struct{})}
	for _, listener := range []*net.Listener{&w.checks, &w.mails} {
		var err error
		if *listener, err = (&net.ListenConfig{}).Listen(ctx, "tcp", net.JoinHostPort(host, "0")); err != nil {
			return nil, fmt.Errorf("listen for checks and mails: %w", err)
		}
	}
	w.group.Go(func() { w.accept(w.checks, w.check) })
	w.group.Go(func() { w.accept(w.mails, w.mail) })
	return w, nil
}

// close lets connections end by themselves: the processes at their other ends
// are gone, or go soon.
func (w *witness) close() {
	_ = w.checks.Close()
	_ = w.mails.Close()
	w.group.Wait()
}

func (*witness) accept(listener net.Listener, serve func(net.Conn)) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		go func() {
			defer conn.Close()
			serve(conn)
		}()
	}
}

// check answers a check, which says which one it is.
func (w *witness) check(conn net.Conn) {
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		return
	}
	if id := strings.TrimSpace(line); id != monitorWord {
		w.saw(id)
	}
	_, _ = conn.Write([]byte("well\n")) // whoever asked may have been killed
}

// monitorWord is what the check of the schedule says.
const monitorWord = "monitor"

// mail takes mails.
func (w *witness) mail(conn net.Conn) {
	session := &sink.Session{Conn: conn, In: bufio.NewReader(conn), Took: w.took}
	_ = session.Talk() // the client has gone
}

// took sees a mail by its Message-ID, once the relay answers for it.
func (w *witness) took(id, subject string) {
	id, _, _ = strings.Cut(strings.Trim(id, "<> "), "@")
	if strings.HasPrefix(id, "soak-") {
		w.saw(id)
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.alarms = append(w.alarms, subject)
}

func (w *witness) saw(id string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.done) == 0 {
		close(w.first)
		w.last = time.Now()
	}
	w.done[id]++
	w.pause, w.last = max(w.pause, time.Since(w.last)), time.Now()
}

// begin waits until work flows: until then there is no pause in it.
func (w *witness) begin(ctx context.Context) error {
	limited, cancel := context.WithTimeout(ctx, clusterPatience)
	defer cancel()
	select {
	case <-w.first:
		return nil
	case <-limited.Done():
		return fmt.Errorf("wait for work to flow: %w", limited.Err())
	}
}

// lap returns the longest pause since it was called before.
func (w *witness) lap() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	longest := max(w.pause, time.Since(w.last))
	w.pause = 0
	return longest
}
