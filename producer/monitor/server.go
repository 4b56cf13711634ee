package monitor

import (
	"fmt"
	"net"
	"strconv"
	"strings"
)

func (r *reader) readServer(root mapping) Server {
	server := Server{Data: DefaultData, HTTP: DefaultHTTP, NATS: DefaultNATS, Grace: DefaultGrace}
	v, ok := section(root, "server")
	if !ok {
		return server
	}
	m, ok := r.mapping(v, "fields such as data", "data", "http", "nats", "grace", "replicas")
	if !ok {
		return server
	}
	if v, ok := m.get("data"); ok {
		if data, ok := r.filled(v, "the path of a directory"); ok {
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

// replicas reads how many copies of a stream there are; an even number would
// cost more than the odd one below it, and bear the loss of no more nodes.
func (r *reader) replicas(v value) int {
	n, ok := r.integer(v, 1, 5)
	if ok && n%2 == 0 {
		r.wrong(v, "1, 3 or 5")
		return 0
	}
	return n
}

const maxPort = 65535

// hostPort reads a TCP address. Port 0, any free port, and no host, all
// addresses, make sense where something listens; the lowest port tells.
func (r *reader) hostPort(v value, lowest int) string {
	expected := fmt.Sprintf("host:port with a port from %d to %d", lowest, maxPort)
	text, ok := r.filled(v, expected)
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
		r.wrongHint(v, expected, hint)
		return ""
	default:
		return text
	}
}
