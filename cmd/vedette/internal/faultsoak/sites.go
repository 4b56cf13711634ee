package faultsoak

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// answer answers one HTTP request with 200, and calls seen with its path.
func answer(seen func(path string)) func(net.Conn) {
	return func(conn net.Conn) {
		request, err := http.ReadRequest(bufio.NewReader(conn))
		if err != nil {
			return // the client has gone
		}
		_, _ = io.Copy(io.Discard, request.Body) // what it says is not needed
		seen(request.URL.Path)
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n") // the client may have gone
	}
}

// newSite starts a target for checks.
func newSite() (*service, error) { return newService(answer(func(string) {})) }

// receiver is what the watchdog pings.
type receiver struct {
	*service

	mu    sync.Mutex
	pings []time.Time
	fails []time.Time
}

// pingEvery is how often the watchdog pings; after three missing pings the
// receiver would report silence.
const (
	pingEvery = 2 * time.Second
	silence   = 3 * pingEvery
)

func newReceiver() (*receiver, error) {
	r := &receiver{}
	var err error
	r.service, err = newService(answer(r.ping))
	return r, err
}

func (r *receiver) ping(path string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	r.pings = append(r.pings, now)
	if strings.HasSuffix(path, "/fail") {
		r.fails = append(r.fails, now)
	}
}

// failed returns the first ping to /fail from a time on.
func (r *receiver) failed(since time.Time) (time.Time, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	i := slices.IndexFunc(r.fails, func(at time.Time) bool { return !at.Before(since) })
	if i < 0 {
		return time.Time{}, false
	}
	return r.fails[i], true
}

// silent returns when the receiver would have reported silence, in a pause that
// began at or after the last ping before a time.
func (r *receiver) silent(since, now time.Time) (time.Time, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	last := time.Time{}
	for _, at := range append(slices.Clone(r.pings), now) {
		if !last.IsZero() && at.After(since) && at.Sub(last) > silence {
			return last.Add(silence), true // may be shortly before since, if pings are late
		}
		last = at
	}
	return time.Time{}, false
}

// well reports whether the last ping is recent and did not say that something is
// wrong.
func (r *receiver) well(now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.pings) == 0 {
		return false
	}
	last := r.pings[len(r.pings)-1]
	failed := len(r.fails) > 0 && !r.fails[len(r.fails)-1].Before(last)
	return !failed && now.Sub(last) < silence
}
