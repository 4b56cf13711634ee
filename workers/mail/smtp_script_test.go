package mail_test

import (
	"bufio"
	"cmp"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"math/big"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"vedette/workers/mail"
)

// Actions that a script may contain in place of a reply.
const (
	silence  = "!silence"    // send nothing until the client closes
	hangUp   = "!hang up"    // close the connection
	readABit = "!read a bit" // accept DATA, read a little, close the connection

	// After a reply: close the connection, or send nothing more.
	thenHangUp  = " !then hang up"
	thenSilence = " !then silence"
	// stall reads the start of a body, and the rest after resume.
	stall = "354 go ahead, I will be slow"
)

// script maps commands to a relay's replies. Any other command gets the reply of a
// relay that accepts all mails but checks the order: a transaction within another
// gets 503.
type script map[string]string

// "MAIL 2" names the second MAIL of a connection.
func (s script) reply(verb string, nth int) string {
	if said, ok := s[fmt.Sprintf("%s %d", verb, nth)]; ok {
		return said
	}
	if said, ok := s[verb]; ok {
		return said
	}
	switch verb {
	case "greeting":
		return "220 relay.test ESMTP"
	case "EHLO":
		return "250-relay.test\r\n250-8BITMIME\r\n250 ENHANCEDSTATUSCODES"
	case "DATA":
		return "354 go ahead"
	case ".":
		return "250 2.0.0 queued as 1"
	case "QUIT":
		return "221 bye"
	default:
		return "250 2.0.0 ok"
	}
}

// relay is a scripted relay that listens.
type relay struct {
	host string
	port int
	// resume lets stalled relays continue.
	resume  func()
	resumed chan struct{}

	mu          sync.Mutex
	news        sync.Cond // signals a change of the following fields
	connections int       // since the start
	open        int       // not closed by the client
	heard       []string  // command lines of all connections
	bodies      []string
}

// serveScripts starts a relay; the n-th connection follows the n-th script, later
// ones the last script.
func serveScripts(t *testing.T, certificate *tls.Certificate, scripts ...script) *relay {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{host: "127.0.0.1", port: listener.Addr().(*net.TCPAddr).Port, resumed: make(chan struct{})}
	r.resume = sync.OnceFunc(func() { close(r.resumed) })
	r.news.L = &r.mu
	var group sync.WaitGroup
	var open sync.Map
	group.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			open.Store(conn, true)
			n := r.connected()
			group.Go(func() {
				defer conn.Close()
				defer r.ended()
				r.talk(conn, certificate, scripts[min(n, len(scripts))-1])
				_, _ = io.Copy(io.Discard, conn) // until the client has closed its side
			})
		}
	})
	t.Cleanup(func() {
		r.resume()
		_ = listener.Close()
		open.Range(func(conn, _ any) bool { return conn.(net.Conn).Close() != nil || true })
		group.Wait()
	})
	return r
}

func (r *relay) connected() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.connections++
	r.open++
	return r.connections
}

func (r *relay) ended() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.open--
	r.news.Broadcast()
}

func (r *relay) note(line string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.heard = append(r.heard, line)
	r.news.Broadcast()
}

// await waits for a condition, which is checked with the lock held.
func (r *relay) await(t *testing.T, what string, so func() bool) {
	t.Helper()
	late := false
	timer := time.AfterFunc(20*time.Second, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		late = true
		r.news.Broadcast()
	})
	defer timer.Stop()
	r.mu.Lock()
	defer r.mu.Unlock()
	for !so() && !late {
		r.news.Wait()
	}
	if late {
		t.Errorf("got nothing in 20 s, want %s; heard %q", what, r.heard)
	}
}

// awaitCommand waits for a command.
func (r *relay) awaitCommand(t *testing.T, verb string) {
	t.Helper()
	r.await(t, verb, func() bool {
		return slices.ContainsFunc(r.heard, func(line string) bool { return strings.HasPrefix(line, verb) })
	})
}

// awaitEnd waits until the clients have closed all connections.
func (r *relay) awaitEnd(t *testing.T) {
	t.Helper()
	r.await(t, "all connections closed", func() bool { return r.open == 0 })
}

// commands returns the verbs received so far.
func (r *relay) commands() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var verbs []string
	for _, line := range r.heard {
		verb, _, _ := strings.Cut(line, " ")
		verbs = append(verbs, verb)
	}
	return verbs
}

func (r *relay) lines() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.heard)
}

func (r *relay) received() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.bodies)
}

func (r *relay) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.connections
}

// talk follows a script until the client or the script ends the connection.
func (r *relay) talk(conn net.Conn, certificate *tls.Certificate, s script) {
	reader := bufio.NewReader(conn)
	times := map[string]int{}
	reply := func(verb string) string {
		times[verb]++
		return s.reply(verb, times[verb])
	}
	if !act(conn, reader, reply("greeting")) {
		return
	}
	inMail := false
	for {
		line, err := reader.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimRight(line, "\r\n")
		r.note(line)
		verb, _, _ := strings.Cut(strings.ToUpper(line), " ")
		said := reply(verb)
		if verb == "MAIL" && inMail {
			said = "503 5.5.1 one mail after the other"
		}
		if !act(conn, reader, said) {
			return
		}
		switch {
		case verb == "MAIL":
			inMail = inMail || strings.HasPrefix(said, "250")
		case verb == "RSET" && strings.HasPrefix(said, "250"):
			inMail = false
		case verb == "STARTTLS" && certificate != nil:
			conn = tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{*certificate}})
			reader = bufio.NewReader(conn)
		case verb == "DATA" && strings.HasPrefix(said, "354"):
			inMail = false
			if said == stall {
				_, _ = reader.Peek(1000)
				r.note("(stalled)")
				<-r.resumed
			}
			if !r.readBody(reader) || !act(conn, reader, reply(".")) {
				return
			}
		case verb == "QUIT":
			return
		}
	}
}

func (r *relay) readBody(reader *bufio.Reader) bool {
	var body strings.Builder
	for {
		line, err := reader.ReadString('\n')
		if err != nil {
			return false
		}
		if line == ".\r\n" {
			break
		}
		body.WriteString(line)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.bodies = append(r.bodies, body.String())
	return true
}

// act replies and reports whether the dialogue continues.
func act(conn net.Conn, reader *bufio.Reader, reply string) bool {
	switch reply {
	case silence:
		_, _ = io.Copy(io.Discard, reader)
		return false
	case hangUp:
		_ = conn.Close()
		return false
	case readABit:
		_, _ = fmt.Fprint(conn, "354 go ahead\r\n")
		_, _ = io.CopyN(io.Discard, reader, 1000)
		_ = conn.Close()
		return false
	}
	reply, closes := strings.CutSuffix(reply, thenHangUp)
	reply, falls := strings.CutSuffix(reply, thenSilence)
	_, err := fmt.Fprint(conn, reply+"\r\n")
	if falls {
		return act(conn, reader, silence)
	}
	if closes {
		return act(conn, reader, hangUp)
	}
	return err == nil
}

// certify creates a certificate for 127.0.0.1 and a pool that trusts it.
func certify(t *testing.T) (*tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(parsed)
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, roots
}

// newSender returns a sender that is closed before the relay.
func newSender(tb testing.TB, config mail.Config) *mail.Sender {
	tb.Helper()
	config.From, config.Hello, config.CheckInterval = "vedette@example.com", "worker.test", cmp.Or(config.CheckInterval, -1)
	s, err := mail.New(config)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(s.Close)
	return s
}

func (r *relay) plain() mail.Relay {
	return mail.Relay{Host: r.host, Port: r.port, TLS: mail.TLSNone}
}
