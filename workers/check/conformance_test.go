package check_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"vedette/pipeline/job"
	"vedette/workers/check"
)

// peer listens, and reports when its connections have ended.
type peer struct {
	address string
	ended   chan struct{}
}

// silentAfter returns a peer that runs begin on each connection and is silent
// until the other side closes it.
func silentAfter(t *testing.T, begin func(net.Conn) net.Conn) *peer {
	t.Helper()
	p := &peer{ended: make(chan struct{}, 100)}
	p.address = accept(t, func(conn net.Conn) {
		if conn = begin(conn); conn != nil {
			_, _ = io.Copy(io.Discard, conn)
		}
		p.ended <- struct{}{}
	})
	return p
}

func atOnce(conn net.Conn) net.Conn { return conn }

// saying writes text first.
func saying(text string) func(net.Conn) net.Conn {
	return func(conn net.Conn) net.Conn {
		_, _ = io.WriteString(conn, text)
		return conn
	}
}

// hearing waits for a line that contains a text, and then writes an answer.
func hearing(line, answer string) func(net.Conn) net.Conn {
	return func(conn net.Conn) net.Conn {
		reader := bufio.NewReader(conn)
		for {
			got, err := reader.ReadString('\n')
			if err != nil {
				return nil
			}
			if strings.Contains(got, line) {
				_, _ = io.WriteString(conn, answer)
				return conn
			}
		}
	}
}

// secured makes the TLS handshake, and then calls another function.
func secured(config *tls.Config, then func(net.Conn) net.Conn) func(net.Conn) net.Conn {
	return func(conn net.Conn) net.Conn {
		server := tls.Server(conn, config)
		if server.Handshake() != nil {
			return nil
		}
		return then(server)
	}
}

// silentUDP returns the address of a peer that ignores all datagrams.
func silentUDP(t *testing.T) string {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn.LocalAddr().String()
}

const upgraded = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n"

// conformance returns checks for peers that become silent at some step, with the
// activity that the cause must name.
func conformance(t *testing.T, config *tls.Config, insecure *job.TLSOptions) []struct {
	name string
	spec job.Spec
	peer *peer
	what string
} {
	t.Helper()
	const processing = "waiting for the first byte of the answer"
	smtp := []job.Step{{Expect: `^220 .*\r\n`}, {Send: "STARTTLS\r\n"}, {Expect: `^220 .*\r\n`}, {StartTLS: true}, {Send: "EHLO x\r\n"}, {Expect: "^250 "}}
	type row = struct {
		name string
		spec job.Spec
		peer *peer
		what string
	}
	var rows []row
	add := func(name, what string, begin func(net.Conn) net.Conn, spec func(address string) job.Spec) {
		p := silentAfter(t, begin)
		rows = append(rows, row{name, spec(p.address), p, what})
	}
	web := func(scheme string) func(string) job.Spec {
		return func(a string) job.Spec {
			return job.Spec{HTTP: &job.HTTP{URL: scheme + "://" + a, TLS: insecure}}
		}
	}
	add("http, after accepting", processing, atOnce, web("http"))
	add("http, in the head", "reading the answer", hearing("GET", "HTTP/1.1 200 OK\r\nA: "), web("http"))
	add("http, in the body", "reading the answer", hearing("GET", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"), web("http"))
	add("http, after informing", "reading the answer", hearing("GET", "HTTP/1.1 103 Early Hints\r\n\r\n"), web("http"))
	add("https, in the handshake", "in the TLS handshake", atOnce, web("https"))
	add("https, after the handshake", processing, secured(config, atOnce), web("https"))
	add("http 2, after the handshake", processing, secured(withProtocol(config, "h2"), atOnce), func(a string) job.Spec {
		return job.Spec{HTTP: &job.HTTP{URL: "https://" + a, HTTPVersion: "2", TLS: insecure}}
	})
	add("http, by a silent proxy", processing, atOnce, func(a string) job.Spec {
		return job.Spec{HTTP: &job.HTTP{URL: "http://example.org", Proxy: "http://" + a}}
	})
	tcp := func(o *job.TLSOptions, steps ...job.Step) func(string) job.Spec {
		return func(a string) job.Spec { return job.Spec{TCP: &job.TCP{Address: a, TLS: o, Dialogue: steps}} }
	}
	add("tcp, before its banner", processing, atOnce, tcp(nil, job.Step{Expect: "ready"}))
	add("tcp, in its banner", processing, saying("220 rea"), tcp(nil, job.Step{Expect: "ready"}))
	add("tcp, after a question", processing, hearing("PING", ""), tcp(nil, job.Step{Send: "PING\r\n"}, job.Step{Expect: "PONG"}))
	add("tcp, in the handshake", "in the TLS handshake", atOnce, tcp(insecure, job.Step{Expect: "ready"}))
	add("smtp, in STARTTLS", "in the TLS handshake", func(conn net.Conn) net.Conn {
		saying("220 a\r\n")(conn)
		return hearing("STARTTLS", "220 go\r\n")(conn)
	}, tcp(insecure, smtp...))
	add("smtp, after STARTTLS", processing, func(conn net.Conn) net.Conn {
		saying("220 a\r\n")(conn)
		if hearing("STARTTLS", "220 go\r\n")(conn) == nil {
			return nil
		}
		return secured(config, atOnce)(conn)
	}, tcp(insecure, smtp...))
	add("tls, after accepting", "in the TLS handshake", atOnce, func(a string) job.Spec { return job.Spec{TLS: &job.TLS{Address: a}} })
	rows = append(rows, row{"dns by udp", job.Spec{DNS: &job.DNS{Name: "example.org", Server: silentUDP(t)}}, nil, processing})
	add("dns by tcp", processing, atOnce, func(a string) job.Spec {
		return job.Spec{DNS: &job.DNS{Name: "example.org", Server: a, Protocol: "tcp"}}
	})
	add("dns by tls, in the handshake", "in the TLS handshake", atOnce, func(a string) job.Spec {
		return job.Spec{DNS: &job.DNS{Name: "example.org", Server: a, Protocol: "tls", TLS: insecure}}
	})
	add("dns by tls, after the handshake", processing, secured(config, atOnce), func(a string) job.Spec {
		return job.Spec{DNS: &job.DNS{Name: "example.org", Server: a, Protocol: "tls", TLS: insecure}}
	})
	add("grpc, after accepting", processing, atOnce, func(a string) job.Spec { return job.Spec{GRPC: &job.GRPC{Address: a}} })
	add("grpc, in the handshake", "in the TLS handshake", atOnce, func(a string) job.Spec { return job.Spec{GRPC: &job.GRPC{Address: a, TLS: insecure}} })
	add("grpc, after the handshake", processing, secured(withProtocol(config, "h2"), atOnce), func(a string) job.Spec {
		return job.Spec{GRPC: &job.GRPC{Address: a, TLS: insecure}}
	})
	add("websocket, after accepting", processing, atOnce, func(a string) job.Spec { return job.Spec{WebSocket: &job.WebSocket{URL: "ws://" + a}} })
	add("websocket, in the handshake", "in the TLS handshake", atOnce, func(a string) job.Spec {
		return job.Spec{WebSocket: &job.WebSocket{URL: "wss://" + a, TLS: insecure}}
	})
	add("websocket, after the upgrade", processing, agreeing, func(a string) job.Spec {
		return job.Spec{WebSocket: &job.WebSocket{URL: "ws://" + a, Send: "hello", Expect: "world"}}
	})
	return rows
}

func withProtocol(config *tls.Config, protocol string) *tls.Config {
	config = config.Clone()
	config.NextProtos = []string{protocol}
	return config
}

func TestEveryProbeEndsAtItsDeadlineInEveryStep(t *testing.T) {
	t.Parallel()
	const timeout = 400 * time.Millisecond
	config, _ := tlsConfig(t, func(*x509.Certificate) {})
	insecure := &job.TLSOptions{InsecureSkipVerify: true}
	for _, row := range conformance(t, config, insecure) {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			row.spec.Timeout = job.Duration(timeout)
			c := checker(t, check.Config{})
			got := c.Check(t.Context(), row.spec)
			for range 2 { // a second try, for a busy machine
				if got.Latency.Std() <= timeout*11/10+50*time.Millisecond {
					break
				}
				got = c.Check(t.Context(), row.spec)
			}
			if got.Health != job.Down || got.Class != job.ClassTimeout || !strings.Contains(got.Cause, row.what) {
				t.Errorf("got %s %s %q, want down timeout with %q", got.Health, got.Class, got.Cause, row.what)
			}
			if took := got.Latency.Std(); took < timeout*9/10 || took > timeout*11/10+50*time.Millisecond {
				t.Errorf("got a result after %s, want it after %s", took, timeout)
			}
			checkPhases(t, got)
			if row.peer == nil {
				return
			}
			if got.Phases.Connect <= 0 {
				t.Errorf("got phases %+v, want the completed ones", got.Phases)
			}
			select {
			case <-row.peer.ended:
			case <-time.After(5 * time.Second):
				t.Error("got an open connection, want it closed with the check")
			}
		})
	}
}

func TestEveryProbeReportsARefusedConnection(t *testing.T) {
	t.Parallel()
	closed := closedPort(t)
	for name, spec := range map[string]job.Spec{
		"http":       {HTTP: &job.HTTP{URL: "http://" + closed}},
		"https":      {HTTP: &job.HTTP{URL: "https://" + closed}},
		"tcp":        {TCP: &job.TCP{Address: closed}},
		"tls":        {TLS: &job.TLS{Address: closed}},
		"dns by tcp": {DNS: &job.DNS{Name: "example.org", Server: closed, Protocol: "tcp"}},
		"grpc":       {GRPC: &job.GRPC{Address: closed}},
		"websocket":  {WebSocket: &job.WebSocket{URL: "ws://" + closed}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			spec.Timeout = job.Duration(5 * time.Second)
			got := checker(t, check.Config{}).Check(t.Context(), spec)
			if got.Health != job.Down || got.Class != job.ClassConnect || got.Cause != "connect refused" || got.Address != closed {
				t.Errorf("got %+v, want a refusal by %s", got, closed)
			}
			if got.Latency.Std() > time.Second {
				t.Errorf("got a result after %s, want it at once", got.Latency)
			}
			spec.Negate = true
			if got := checker(t, check.Config{}).Check(t.Context(), spec); got.Health != job.Up || got.Cause != "" {
				t.Errorf("got %+v with negate, want up", got)
			}
		})
	}
}

func TestEveryProbeAppliesTheNetworkPolicy(t *testing.T) {
	t.Parallel()
	policy, err := check.NewNetworkPolicy(nil, []string{"127.0.0.0/8"})
	if err != nil {
		t.Fatal(err)
	}
	p := silentAfter(t, atOnce)
	for name, spec := range map[string]job.Spec{
		"http":       {HTTP: &job.HTTP{URL: "http://" + p.address}},
		"http 2":     {HTTP: &job.HTTP{URL: "https://" + p.address, HTTPVersion: "2"}},
		"proxy":      {HTTP: &job.HTTP{URL: "http://example.org", Proxy: "http://" + p.address}},
		"tcp":        {TCP: &job.TCP{Address: p.address}},
		"tls":        {TLS: &job.TLS{Address: p.address}},
		"dns by udp": {DNS: &job.DNS{Name: "example.org", Server: p.address}},
		"dns by tcp": {DNS: &job.DNS{Name: "example.org", Server: p.address, Protocol: "tcp"}},
		"resolver":   {TCP: &job.TCP{Address: "example.org:80", Network: job.Network{Resolver: p.address}}},
		"icmp":       {ICMP: &job.ICMP{Host: "127.0.0.1"}},
		"grpc":       {GRPC: &job.GRPC{Address: p.address}},
		"websocket":  {WebSocket: &job.WebSocket{URL: "ws://" + p.address}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			spec.Timeout = job.Duration(5 * time.Second)
			got := checker(t, check.Config{NetworkPolicy: policy}).Check(t.Context(), spec)
			if got.Health != job.Unknown || got.Class != job.ClassInternal || !strings.Contains(got.Cause, "is denied by the network policy on this worker (127.0.0.0/8)") {
				t.Errorf("got %+v, want it denied by the policy", got)
			}
			spec.Negate = true
			if got := checker(t, check.Config{NetworkPolicy: policy}).Check(t.Context(), spec); got.Health != job.Unknown {
				t.Errorf("got %+v with negate, want unknown", got)
			}
		})
	}
}

// dnsServer answers queries until the test ends.
func dnsServer(t *testing.T, network string, handle dns.HandlerFunc) string {
	t.Helper()
	started := make(chan string, 1)
	server := &dns.Server{Net: network, Addr: "127.0.0.1:0", Handler: handle}
	server.NotifyStartedFunc = func() {
		if server.Listener != nil {
			started <- server.Listener.Addr().String()
			return
		}
		started <- server.PacketConn.LocalAddr().String()
	}
	done := make(chan error, 1)
	go func() { done <- server.ListenAndServe() }()
	address := <-started
	t.Cleanup(func() {
		if err := server.ShutdownContext(context.Background()); err != nil {
			t.Error(err)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return address
}

func describe(o job.ProbeResult) string { return fmt.Sprintf("%s %s %s", o.Health, o.Class, o.Cause) }

// writePEM writes a self-signed certificate and its key to files.
func writePEM(t *testing.T, dir string, c tls.Certificate) (ca, cert, key string) {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	write := func(name, kind string, bytes []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: bytes}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	cert = write("cert.pem", "CERTIFICATE", c.Certificate[0])
	return cert, cert, write("key.pem", "PRIVATE KEY", der)
}
