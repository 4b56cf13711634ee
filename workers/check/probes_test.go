package check_test

import (
	"compress/gzip"
	"context"
	"crypto/sha1"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/miekg/dns"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	grpcstatus "google.golang.org/grpc/status"

	"vedette/pipeline/job"
	"vedette/workers/check"
)

// agreeing accepts an upgrade.
func agreeing(conn net.Conn) net.Conn {
	buffer := make([]byte, 4096)
	n, err := conn.Read(buffer)
	if err != nil {
		return nil
	}
	_, key, _ := strings.Cut(string(buffer[:n]), "Sec-Websocket-Key: ")
	key, _, _ = strings.Cut(key, "\r\n")
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	_, _ = fmt.Fprintf(conn, upgraded, base64.StdEncoding.EncodeToString(sum[:]))
	return conn
}

// results runs a table of specs. want is a prefix of the description.
func results(t *testing.T, config check.Config, cases []struct {
	name string
	spec job.Spec
	want string
},
) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if c.spec.Timeout == 0 {
				c.spec.Timeout = job.Duration(5 * time.Second)
			}
			got := checker(t, config).Check(t.Context(), c.spec)
			if text := strings.TrimSpace(describe(got)); !strings.HasPrefix(text, c.want) || c.want == "up" && text != "up" {
				t.Errorf("got %q, want %q", text, c.want)
			}
			checkPhases(t, got)
		})
	}
}

type resultCase = struct {
	name string
	spec job.Spec
	want string
}

func TestHTTPRequestMatchesTheSpec(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "body")
	if err := os.WriteFile(file, []byte("from a file"), 0o600); err != nil {
		t.Fatal(err)
	}
	echo := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		user, password, _ := r.BasicAuth()
		if r.URL.Path == "/cookie" {
			http.SetCookie(w, &http.Cookie{Name: "session", Value: "s1", Path: "/"})
			http.Redirect(w, r, "/", http.StatusFound)
			return
		}
		if r.URL.Path == "/zip" {
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			_, _ = z.Write([]byte(strings.Repeat("unzipped ", 1000)))
			_ = z.Close()
			return
		}
		if r.URL.Path == "/early" {
			w.WriteHeader(http.StatusEarlyHints)
		}
		cookie := ""
		if c, err := r.Cookie("session"); err == nil {
			cookie = c.Value
		}
		_, _ = fmt.Fprintf(w, "%s host=%s agent=%s auth=%s user=%s:%s body=%s cookie=%s encoding=%s close=%t",
			r.Method, r.Host, r.UserAgent(), r.Header.Get("Authorization"), user, password, body, cookie, r.Header.Get("Accept-Encoding"), r.Close)
	})
	host := strings.TrimPrefix(echo.URL, "http://")
	says := func(h job.HTTP, part string) job.Spec {
		if h.URL == "" {
			h.URL = echo.URL
		}
		return job.Spec{HTTP: &h, Expect: []string{fmt.Sprintf("body.contains(%q)", part)}}
	}
	results(t, check.Config{}, []resultCase{
		{"get", says(job.HTTP{}, "GET host="+host+" agent=vedette auth= user=: body= cookie= encoding= close=true"), "up"},
		{"post", says(job.HTTP{Method: "POST", Body: "hello"}, "body=hello"), "up"},
		{"body file", says(job.HTTP{Method: "PUT", BodyFile: file}, "body=from a file"), "up"},
		{"no body file", says(job.HTTP{Method: "PUT", BodyFile: file + "x"}, ""), "unknown internal read body_file"},
		{"basic", says(job.HTTP{BasicAuth: &job.BasicAuth{Username: "me", Password: "pass"}}, "user=me:pass"), "up"},
		{"in the URL", says(job.HTTP{URL: "http://me:pass@" + host}, "user=me:pass"), "up"},
		{"bearer", says(job.HTTP{BearerToken: "abc"}, "auth=Bearer abc"), "up"},
		{"headers", says(job.HTTP{Headers: map[string]string{"Host": "other.example", "user-agent": "me"}}, "host=other.example agent=me"), "up"},
		{"cookies across redirects", says(job.HTTP{URL: echo.URL + "/cookie"}, "cookie=s1"), "up"},
		{"no scheme", says(job.HTTP{URL: host}, "GET"), "up"},
		{"any case", says(job.HTTP{URL: "HtTp://" + host}, "GET"), "up"},
		{"early hints", says(job.HTTP{URL: echo.URL + "/early"}, "GET"), "up"},
		{"compressed", says(job.HTTP{URL: echo.URL + "/zip", Compression: "gzip"}, "unzipped unzipped"), "up"},
		{"compressed, as it comes", job.Spec{HTTP: &job.HTTP{URL: echo.URL + "/zip"}, Expect: []string{`!body.contains("unzipped")`}}, "up"},
		{"limit after decompression", job.Spec{HTTP: &job.HTTP{URL: echo.URL + "/zip", Compression: "gzip", BodyLimit: 10}, Expect: []string{`body == "unzipped u"`}}, "up"},
		{"version 1.1", job.Spec{HTTP: &job.HTTP{URL: echo.URL, HTTPVersion: "1.1"}, Expect: []string{`http_version == "1.1"`}}, "up"},
		{"http 2 in clear text", job.Spec{HTTP: &job.HTTP{URL: echo.URL, HTTPVersion: "2"}}, "down protocol"},
		{"require TLS", job.Spec{HTTP: &job.HTTP{URL: echo.URL, RequireTLS: true}}, "down tls the last server answered without TLS"},
		{"family", job.Spec{HTTP: &job.HTTP{URL: echo.URL, Network: job.Network{IPFamily: "6"}}}, "down dns 127.0.0.1 has no address of family IPv6"},
		{"warn", job.Spec{HTTP: &job.HTTP{URL: echo.URL}, Warn: []string{"status == 201"}}, "degraded expectation expected status == 201, found status = 200"},
		{"no warning", job.Spec{HTTP: &job.HTTP{URL: echo.URL}, Warn: []string{"status == 200"}}, "up"},
		{"expect before warn", job.Spec{HTTP: &job.HTTP{URL: echo.URL}, Expect: []string{"status == 202"}, Warn: []string{"status == 201"}}, "down expectation expected status == 202"},
		{"negate", job.Spec{HTTP: &job.HTTP{URL: echo.URL}, Negate: true}, "down expectation up, expected down (negate)"},
		{"negate of what is not as expected", job.Spec{HTTP: &job.HTTP{URL: echo.URL}, Expect: []string{"status == 500"}, Negate: true}, "up"},
		{"secrets are masked", job.Spec{HTTP: &job.HTTP{URL: echo.URL, BearerToken: "topsecret"}, Expect: []string{`body == "x"`}}, "down expectation expected body == \"x\", found body = \"GET host=" + host + " agent=vedette auth=Bearer ****"},
	})
}

func TestHTTPUsesAProxy(t *testing.T) {
	t.Parallel()
	proxy := serve(t, func(w http.ResponseWriter, r *http.Request) { _, _ = fmt.Fprintf(w, "proxy for %s", r.URL) })
	results(t, check.Config{}, []resultCase{
		{"plain", job.Spec{HTTP: &job.HTTP{URL: "http://example.invalid/x", Proxy: proxy.URL}, Expect: []string{`body == "proxy for http://example.invalid/x"`}}, "up"},
		{"CONNECT refused by the proxy", job.Spec{HTTP: &job.HTTP{URL: "https://example.invalid/x", Proxy: proxy.URL}}, "down"},
	})
}

func TestRedirectToClearTextLosesCredentials(t *testing.T) {
	t.Parallel()
	got := make(chan string, 1)
	plain := serve(t, func(_ http.ResponseWriter, r *http.Request) { got <- r.Header.Get("Authorization") })
	config, pool := tlsConfig(t, func(*x509.Certificate) {})
	address := accept(t, secureAnswer(config, "HTTP/1.1 302 Found\r\nLocation: "+plain.URL+"\r\nContent-Length: 0\r\n\r\n"))
	spec := job.Spec{HTTP: &job.HTTP{URL: "https://" + address, BearerToken: "abcd"}, Timeout: job.Duration(5 * time.Second)}
	if o := checker(t, check.Config{RootCAs: pool}).Check(t.Context(), spec); o.Health != job.Up {
		t.Fatalf("got %+v, want up", o)
	}
	if auth := <-got; auth != "" {
		t.Errorf("got %q sent in clear text, want nothing", auth)
	}
}

// secureAnswer answers one request over TLS.
func secureAnswer(config *tls.Config, text string) func(net.Conn) {
	return func(conn net.Conn) {
		answer(text, false)(tls.Server(conn, config))
	}
}

func TestTLSOptions(t *testing.T) {
	t.Parallel()
	config, _ := tlsConfig(t, func(c *x509.Certificate) { c.IPAddresses, c.DNSNames = nil, []string{"inside.example"} })
	dir := t.TempDir()
	ca, cert, key := writePEM(t, dir, config.Certificates[0])
	old := config.Clone()
	old.MaxVersion = tls.VersionTLS12
	wantsCert := config.Clone()
	wantsCert.ClientAuth = tls.RequireAnyClientCert
	at := func(c *tls.Config) string {
		return accept(t, func(conn net.Conn) {
			server := tls.Server(conn, c)
			if server.Handshake() == nil {
				silent(server)
			}
		})
	}
	good, only12, client := at(config), at(old), at(wantsCert)
	spec := func(address string, o job.TLSOptions, expect ...string) job.Spec {
		return job.Spec{TLS: &job.TLS{Address: address, TLSOptions: o}, Expect: expect}
	}
	results(t, check.Config{}, []resultCase{
		{"unknown authority", spec(good, job.TLSOptions{ServerName: "inside.example"}), "down tls certificate is signed by an unknown authority"},
		{"its own authority, another name", spec(good, job.TLSOptions{CAFile: ca}), "down tls certificate is for inside.example, not 127.0.0.1"},
		{"its own authority and name", spec(good, job.TLSOptions{CAFile: ca, ServerName: "inside.example"}, `certificate.subject == "CN=test"`, `certificate.expires_in > duration("700h")`, `tls_version == "TLS 1.3"`), "up"},
		{"anything goes, and the expiry is known", spec(good, job.TLSOptions{InsecureSkipVerify: true}, `certificate.expires_in > duration("700h")`), "up"},
		{"no such file", spec(good, job.TLSOptions{CAFile: ca + "x"}), "unknown internal read ca_file"},
		{"no certificate in it", spec(good, job.TLSOptions{CAFile: key}), "unknown internal read ca_file"},
		{"too old", spec(only12, job.TLSOptions{InsecureSkipVerify: true, MinVersion: "1.3"}), "down tls"},
		{"old enough", spec(only12, job.TLSOptions{InsecureSkipVerify: true}, `tls_version == "TLS 1.2"`), "up"},
		{"client certificate", spec(client, job.TLSOptions{InsecureSkipVerify: true, CertFile: cert, KeyFile: key}), "up"},
	})
	got := checker(t, check.Config{}).Check(t.Context(), spec(good, job.TLSOptions{InsecureSkipVerify: true}))
	if days := time.Until(got.CertificateExpires).Hours() / 24; days < 29 || days > 31 {
		t.Errorf("got a certificate expiring at %s, want it in a month", got.CertificateExpires)
	}
}

func TestServerThatRejectsTheFirstHandshakeIsUp(t *testing.T) {
	t.Parallel()
	config, pool := tlsConfig(t, func(*x509.Certificate) {})
	hybrid := config.Clone()
	hybrid.CurvePreferences = []tls.CurveID{tls.X25519MLKEM768}
	for name, c := range map[string]*tls.Config{"http 2 alone": withProtocol(config, "h2"), "a hybrid key exchange": hybrid} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := httptest.NewUnstartedServer(status(http.StatusOK))
			s.Config.ErrorLog = quiet()
			s.EnableHTTP2 = len(c.NextProtos) > 0
			s.TLS = c
			s.StartTLS()
			t.Cleanup(s.Close)
			s.TLS.NextProtos = c.NextProtos
			spec := httpSpec(s.URL, 5*time.Second, `certificate.subject == "CN=test"`)
			if got := checker(t, check.Config{RootCAs: pool}).Check(t.Context(), spec); got.Health != job.Up || got.Phases.TLS <= 0 {
				t.Errorf("got %+v, want up", got)
			}
		})
	}
}

func TestTCPDialogue(t *testing.T) {
	t.Parallel()
	config, _ := tlsConfig(t, func(*x509.Certificate) {})
	insecure := &job.TLSOptions{InsecureSkipVerify: true}
	// challenge sends a word, and expects it back.
	challenge := accept(t, func(conn net.Conn) {
		_, _ = io.WriteString(conn, "220 hello nonce=x42y\r\nREADY\r\n")
		buffer := make([]byte, 100)
		n, _ := conn.Read(buffer)
		_, _ = fmt.Fprintf(conn, "got %s", buffer[:n])
	})
	starting := accept(t, func(conn net.Conn) {
		_, _ = io.WriteString(conn, "220 a\r\n")
		if hearing("STARTTLS", "220 go\r\n")(conn) == nil {
			return
		}
		server := tls.Server(conn, config)
		_ = hearing("EHLO", "250 secured\r\n")(server)
	})
	injecting := accept(t, func(conn net.Conn) {
		_, _ = io.WriteString(conn, "220 a\r\n")
		_ = hearing("STARTTLS", "220 go\r\n250 from the man between\r\n")(conn)
		silent(conn)
	})
	dialogue := func(address string, o *job.TLSOptions, steps ...job.Step) job.Spec {
		return job.Spec{TCP: &job.TCP{Address: address, TLS: o, Dialogue: steps}}
	}
	smtp := []job.Step{{Expect: `^220 .*\r\n`}, {Send: "STARTTLS\r\n"}, {Expect: `^220 .*\r\n`}, {StartTLS: true}, {Send: "EHLO x\r\n"}, {Expect: "^250 secured"}}
	captured := dialogue(challenge, nil, job.Step{Expect: `nonce=(?P<nonce>\w+)\r\n(READY)`}, job.Step{Send: "%{nonce} %{2} 100%%\r\n"}, job.Step{Expect: "got x42y READY 100%"})
	captured.Expect = []string{`captures.nonce == "x42y"`, `captures["2"] == "READY"`}
	results(t, check.Config{}, []resultCase{
		{"captures", captured, "up"},
		{"bytes", dialogue(challenge, nil, job.Step{ExpectHex: "52454144590d0a"}, job.Step{SendHex: "6162"}, job.Step{Expect: "^got ab$"}), "up"},
		{"something else", dialogue(challenge, nil, job.Step{Send: "x"}, job.Step{Expect: "got y"}), `down expectation expected "got y", found "220 hello`},
		{"starttls", dialogue(starting, insecure, smtp...), "up"},
		{"starttls with an unknown authority", dialogue(starting, &job.TLSOptions{}, smtp...), "down tls certificate is signed by an unknown authority"},
		{"man in the middle", dialogue(injecting, insecure, smtp...), `down expectation the server sent unexpected data before the TLS handshake: "250 from`},
	})
}

func TestDNS(t *testing.T) {
	t.Parallel()
	handle := func(w dns.ResponseWriter, r *dns.Msg) {
		m := new(dns.Msg)
		m.SetReply(r)
		m.Authoritative = true
		name := r.Question[0].Name
		add := func(text string) {
			record, err := dns.NewRR(name + " " + text)
			if err != nil {
				panic(err)
			}
			m.Answer = append(m.Answer, record)
		}
		switch {
		case name == "gone.example.":
			m.Rcode = dns.RcodeNameError
		case name == "empty.example.":
		case name == "recursion.example.":
			if r.RecursionDesired {
				m.Rcode = dns.RcodeRefused
			} else {
				add("60 A 192.0.2.9")
			}
		case name == "big.example." && w.RemoteAddr().Network() == "udp":
			m.Truncated = true
		case name == "big.example.":
			add("60 A 192.0.2.7")
		case r.Question[0].Qtype == dns.TypeMX:
			add("3600 MX 10 mail.example.")
			add("300 MX 20 backup.example.")
		default:
			add("60 A 192.0.2.1")
		}
		if err := w.WriteMsg(m); err != nil {
			t.Error(err)
		}
	}
	server := dnsServer(t, "udp", handle)
	tcpListener := dnsServer(t, "tcp", handle)
	ask := func(d job.DNS, expect ...string) job.Spec {
		if d.Server == "" {
			d.Server = server
		}
		return job.Spec{DNS: &d, Expect: expect}
	}
	no := false
	results(t, check.Config{}, []resultCase{
		{"a", ask(job.DNS{Name: "www.example"}, `rcode == "NOERROR"`, `answers == ["192.0.2.1"]`, "ttl == 60", "authoritative", "authority == []"), "up"},
		{"mx", ask(job.DNS{Name: "www.example", Type: "mx"}, `"10 mail.example." in answers`, "ttl == 300", "size(answers) == 2"), "up"},
		{"tcp", ask(job.DNS{Name: "www.example", Server: tcpListener, Protocol: "tcp"}), "up"},
		{"no recursion", ask(job.DNS{Name: "recursion.example", Recursion: &no}), "up"},
		{"recursion refused", ask(job.DNS{Name: "recursion.example"}), "down status the server answered REFUSED"},
		{"no such name", ask(job.DNS{Name: "gone.example"}), "down status the server answered NXDOMAIN"},
		{"no such name, as expected", ask(job.DNS{Name: "gone.example"}, `rcode == "NXDOMAIN"`), "up"},
		{"no record of the type", ask(job.DNS{Name: "empty.example"}), "down status the name has no record of the type"},
		{"no ttl without an answer", ask(job.DNS{Name: "empty.example"}, "ttl > 0"), "down expectation expected ttl > 0, found no ttl"},
	})
}

func TestICMP(t *testing.T) {
	t.Parallel()
	spec := job.Spec{ICMP: &job.ICMP{Host: "127.0.0.1", Count: 2, Pause: job.Duration(time.Millisecond)}, Timeout: job.Duration(5 * time.Second)}
	spec.Expect = []string{"sent == 2", "received == 2", "loss == 0.0", `rtt.avg < duration("1s")`}
	got := checker(t, check.Config{}).Check(t.Context(), spec)
	switch got.Health {
	case job.Up:
		if got.Latency.Std() > time.Second || got.Address != "127.0.0.1" {
			t.Errorf("got %+v, want two quick replies", got)
		}
	case job.Unknown: // without permission, the cause must include the remedy
		if !strings.Contains(got.Cause, "ping_group_range") {
			t.Errorf("got %+v, want the remedy", got)
		}
	default:
		t.Errorf("got %+v, want up", got)
	}
}

func TestGRPCHealth(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	states := health.NewServer()
	states.SetServingStatus("good", grpc_health_v1.HealthCheckResponse_SERVING)
	states.SetServingStatus("bad", grpc_health_v1.HealthCheckResponse_NOT_SERVING)
	server := grpc.NewServer(grpc.UnaryInterceptor(func(ctx context.Context, r any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
		if md, _ := metadata.FromIncomingContext(ctx); len(md.Get("locked")) > 0 && md.Get("locked")[0] != "no" {
			return nil, grpcstatus.Error(codes.PermissionDenied, "not you")
		}
		return next(ctx, r)
	}))
	grpc_health_v1.RegisterHealthServer(server, states)
	empty := grpc.NewServer()
	emptyListener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 2)
	go func() { done <- server.Serve(listener) }()
	go func() { done <- empty.Serve(emptyListener) }()
	t.Cleanup(func() {
		server.Stop()
		empty.Stop()
		for range 2 {
			if err := <-done; err != nil && !errors.Is(err, grpc.ErrServerStopped) {
				t.Error(err)
			}
		}
	})
	ask := func(service string, metadata map[string]string, expect ...string) job.Spec {
		return job.Spec{GRPC: &job.GRPC{Address: listener.Addr().String(), Service: service, Metadata: metadata}, Expect: expect}
	}
	results(t, check.Config{}, []resultCase{
		{"the server", ask("", nil, `serving == "SERVING"`), "up"},
		{"a good service", ask("good", map[string]string{"locked": "no"}), "up"},
		{"a bad service", ask("bad", nil), "down status the service is NOT_SERVING"},
		{"a bad service, as expected", ask("bad", nil, `serving == "NOT_SERVING"`), "up"},
		{"an unknown service", ask("other", nil), `down status the server does not know the service "other"`},
		{"not allowed", ask("", map[string]string{"locked": "yes"}), "down status the server answered PermissionDenied: not you"},
		{"no health service", job.Spec{GRPC: &job.GRPC{Address: emptyListener.Addr().String()}}, "down protocol the server has no health service"},
		{"no grpc at all", job.Spec{GRPC: &job.GRPC{Address: strings.TrimPrefix(serve(t, http.NotFound).URL, "http://")}}, "down protocol"},
	})
}

func TestWebSocket(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/no" {
			http.NotFound(w, r)
			return
		}
		conn, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer func() { _ = conn.CloseNow() }()
		_ = conn.Write(r.Context(), websocket.MessageText, []byte("welcome"))
		if _, message, err := conn.Read(r.Context()); err == nil {
			_ = conn.Write(r.Context(), websocket.MessageText, append([]byte("echo "), message...))
			_, _, _ = conn.Read(r.Context())
		}
	})
	at := func(path string, w job.WebSocket, expect ...string) job.Spec {
		u, err := url.Parse(s.URL)
		if err != nil {
			t.Fatal(err)
		}
		w.URL = "ws://" + u.Host + path
		return job.Spec{WebSocket: &w, Expect: expect}
	}
	results(t, check.Config{}, []resultCase{
		{"upgrade", at("/", job.WebSocket{}, "status == 101"), "up"},
		{"message", at("/", job.WebSocket{Send: "hello", Expect: "^echo h"}, `message == "echo hello"`), "up"},
		{"first message", at("/", job.WebSocket{Expect: "welcome"}), "up"},
		{"no upgrade", at("/no", job.WebSocket{}), "down status status 404 Not Found, expected 101"},
		{"not http", job.Spec{WebSocket: &job.WebSocket{URL: "ws://" + accept(t, func(c net.Conn) { _, _ = io.WriteString(c, "SSH-2.0\r\n") })}}, "down protocol"},
	})
}
