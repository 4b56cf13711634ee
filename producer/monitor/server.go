package monitor

import (
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"
)

// Defaults for the section server.
const (
	DefaultData  = "vedette-data"
	DefaultHTTP  = "127.0.0.1:8080"
	DefaultNATS  = "127.0.0.1:4222"
	DefaultGrace = 20 * time.Second
)

// Server is the section server.
type Server struct {
	// Data is the data directory, relative to the working directory.
	Data string
	// HTTP is the host:port for the status page, /healthz and /readyz; NATS is the
	// one for the embedded server.
	HTTP, NATS string
	// Grace is how long running jobs may finish when the process stops.
	Grace time.Duration
	// Replicas is how many copies of each stream a cluster keeps: 1, 3 or 5; zero if
	// the file does not set it.
	Replicas int
}

// processReader reads the sections server and workers.
type processReader struct{ *reader }

func (r processReader) readServer(root mapping) Server {
	server := Server{Data: DefaultData, HTTP: DefaultHTTP, NATS: DefaultNATS, Grace: DefaultGrace}
	m, ok := r.sectionMapping(root, "server", "fields such as data")
	if !ok {
		return server
	}
	if v, ok := m.get("data"); ok {
		if data, ok := r.nonEmpty(v, "the path of a directory"); ok {
			server.Data = data
		}
	}
	if v, ok := m.get("http"); ok {
		server.HTTP = r.hostPort(v, 0)
	}
	if v, ok := m.get("nats"); ok {
		server.NATS = r.hostPort(v, 0)
	}
	if v, ok := m.get("grace"); ok {
		if grace, ok := r.duration(v); ok {
			server.Grace = grace
		}
	}
	if v, ok := m.get("replicas"); ok {
		server.Replicas = r.replicas(v)
	}
	return server
}

// replicas reads 1, 3 or 5: an even number tolerates no more lost nodes than the odd
// one below it.
func (r processReader) replicas(v value) int {
	n, ok := r.integer(v, 1, 5)
	if ok && n%2 == 0 {
		r.reject(v, "1, 3 or 5")
		return 0
	}
	return n
}

const maxPort = 65535

// hostPort reads a TCP address. With 0 as the lowest port, the address is for
// listening: port 0 is any free port, and no host is all addresses.
func (r processReader) hostPort(v value, lowest int) string {
	expected := fmt.Sprintf("host:port with a port from %d to %d", lowest, maxPort)
	text, ok := r.nonEmpty(v, expected)
	if !ok {
		return ""
	}
	host, port, err := net.SplitHostPort(text)
	number, notNumber := strconv.Atoi(port)
	switch {
	case err != nil || notNumber != nil || number < lowest || number > maxPort || host == "" && lowest > 0,
		strings.ContainsAny(host, " \t\r\n/@"), strings.HasPrefix(port, "+"):
		hint := ""
		if strings.Contains(text, "://") {
			hint = "leave out what stands before the host"
		}
		r.rejectWithHint(v, expected, hint)
		return ""
	default:
		return text
	}
}
