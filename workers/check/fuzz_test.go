package check_test

import (
	"net"
	"testing"
	"time"

	"vedette/pipeline/job"
	"vedette/workers/check"
)

// fuzzPeer checks a server that sends the fuzzed bytes for any request and closes
// the connection. No response may cause a panic, or count as a local failure.
func fuzzPeer(f *testing.F, seeds []string, spec func(address string) job.Spec) {
	f.Helper()
	for _, seed := range seeds {
		f.Add([]byte(seed))
	}
	c := checker(f, check.Config{})
	bodies := make(chan []byte, 1)
	address := accept(f, func(conn net.Conn) {
		body := <-bodies
		bodies <- body // for the next connection of the same check
		_, _ = conn.Write(body)
		_ = conn.(*net.TCPConn).CloseWrite()
		_ = conn.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
		silent(conn)
	})
	s := spec(address)
	s.Timeout = job.Duration(2 * time.Second)
	f.Fuzz(func(t *testing.T, body []byte) {
		bodies <- body
		got := c.Check(t.Context(), s)
		<-bodies
		if got.Stack != "" || got.Class == job.ClassInternal || got.Health == job.Unknown {
			t.Errorf("got %+v, want up or down", got)
		}
		checkPhases(t, got)
	})
}

func FuzzHTTP(f *testing.F) {
	fuzzPeer(f, []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
		"HTTP/1.1 302 Found\r\nLocation: /\r\nSet-Cookie: a=b\r\n\r\n", "HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n\x1f\x8b",
		"HTTP/1.1 302 Found\r\nLocation: http://[::1\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n{\"a\":[1,2", "", "\x00",
	}, func(a string) job.Spec {
		return job.Spec{HTTP: &job.HTTP{URL: "http://" + a, Compression: "gzip"}, Expect: []string{"status == 200", "json.a[0] == 1"}}
	})
}

func FuzzDialogue(f *testing.F) {
	fuzzPeer(f, []string{"220 hello x=y\r\n", "", "220 \xff x=\r\n"}, func(a string) job.Spec {
		return job.Spec{TCP: &job.TCP{Address: a, Dialogue: []job.Step{{Expect: `^220 .*x=(?P<x>\w*)\r\n`}, {Send: "%{x}\r\n"}, {ExpectHex: "6f6b"}}}}
	})
}

func FuzzTLS(f *testing.F) {
	fuzzPeer(f, []string{"\x15\x03\x03\x00\x02\x02\x28", "\x16\x03\x03\x00\x04\x02\x00\x00\x00", "HTTP/1.1 400 Bad Request\r\n\r\n", ""}, func(a string) job.Spec {
		return job.Spec{TLS: &job.TLS{Address: a}}
	})
}

func FuzzDNS(f *testing.F) {
	fuzzPeer(f, []string{"\x00\x0c\x00\x00\x81\x80\x00\x00\x00\x00\x00\x00\x00\x00", "\x00\x02ab", "\xff\xff", ""}, func(a string) job.Spec {
		return job.Spec{DNS: &job.DNS{Name: "example.org", Server: a, Protocol: "tcp"}}
	})
}

func FuzzWebSocket(f *testing.F) {
	fuzzPeer(f, []string{"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n", ""}, func(a string) job.Spec {
		return job.Spec{WebSocket: &job.WebSocket{URL: "ws://" + a, Expect: "x"}}
	})
}

func FuzzGRPC(f *testing.F) {
	fuzzPeer(f, []string{"\x00\x00\x00\x04\x00\x00\x00\x00\x00", "HTTP/1.1 400 Bad Request\r\n\r\n", ""}, func(a string) job.Spec {
		return job.Spec{GRPC: &job.GRPC{Address: a}}
	})
}
