package check_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"vedette/pipeline/job"
	"vedette/workers/check"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func checker(tb testing.TB, config check.Config) *check.Checker {
	tb.Helper()
	c, err := check.New(config)
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

func httpSpec(url string, timeout time.Duration, expect ...string) job.Spec {
	return job.Spec{HTTP: &job.HTTP{URL: url}, Timeout: job.Duration(timeout), Expect: expect}
}

// serve serves http requests until the test ends.
func serve(tb testing.TB, handler http.HandlerFunc) *httptest.Server {
	tb.Helper()
	s := httptest.NewUnstartedServer(handler)
	s.Config.ErrorLog = nil
	s.Start()
	tb.Cleanup(s.Close)
	return s
}

// accept calls handle with each connection, and closes it, until the test ends.
func accept(tb testing.TB, handle func(net.Conn)) string {
	tb.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			handle(conn)
			conn.Close()
		}
	}()
	tb.Cleanup(func() {
		listener.Close()
		<-done
	})
	return listener.Addr().String()
}

// closedPort returns an address without a listener.
func closedPort(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// silent reads until the peer closes the connection.
func silent(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }

// answer reads a request header, writes text, and then is silent if hold is set.
func answer(text string, hold bool) func(net.Conn) {
	return func(conn net.Conn) {
		reader := bufio.NewReader(conn)
		for {
			line, err := reader.ReadString('\n')
			if err != nil || line == "\r\n" {
				break
			}
		}
		_, _ = io.WriteString(conn, text)
		if hold {
			silent(conn)
		}
	}
}

func TestResultsForMisbehavingServers(t *testing.T) {
	t.Parallel()
	const timeout = time.Second // less failed on a busy machine
	cases := []struct {
		name  string
		url   func(t *testing.T) string
		class job.Class
		cause string
	}{
		{"refused", closedPort, job.ClassConnect, "connect refused"},
		{"no such host", func(*testing.T) string { return "http://nosuchhost.invalid" }, job.ClassDNS, "nosuchhost.invalid"},
		{"silent after accepting", func(t *testing.T) string { return accept(t, silent) }, job.ClassTimeout, "waiting for the first byte of the answer"},
		{"silent in the headers", func(t *testing.T) string { return accept(t, answer("HTTP/1.1 200 OK\r\nX: ", true)) }, job.ClassTimeout, "no answer within 1s"},
		{"silent in the body", func(t *testing.T) string {
			return accept(t, answer("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", true))
		}, job.ClassTimeout, "reading the answer"},
		{"silent in the handshake", func(t *testing.T) string { return "https://" + accept(t, silent) }, job.ClassTimeout, "in the TLS handshake"},
		{"closed without an answer", func(t *testing.T) string { return accept(t, answer("", false)) }, job.ClassProtocol, "before the answer was complete"},
		{"closed in the body", func(t *testing.T) string {
			return accept(t, answer("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", false))
		}, job.ClassProtocol, "before the answer was complete"},
		{"garbage", func(t *testing.T) string { return accept(t, answer("SSH-2.0-OpenSSH_9.2\r\n\r\n", false)) }, job.ClassProtocol, "malformed HTTP"},
		{"http on an https URL", func(t *testing.T) string {
			return "https://" + accept(t, func(conn net.Conn) {
				_, _ = io.WriteString(conn, "HTTP/1.1 400 Bad Request\r\n\r\n")
				silent(conn)
			})
		}, job.ClassTLS, "does not speak TLS"},
		{"status 503", func(t *testing.T) string { return serve(t, status(503)).URL }, job.ClassStatus, "status 503 Service Unavailable"},
		{"status 304", func(t *testing.T) string { return serve(t, status(304)).URL }, job.ClassStatus, "status 304"},
		{"a redirect loop", func(t *testing.T) string {
			return serve(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/", http.StatusFound) }).URL
		}, job.ClassProtocol, "more than 10 redirects"},
		{"unknown authority", func(t *testing.T) string {
			s := httptest.NewUnstartedServer(status(200))
			s.Config.ErrorLog = quiet()
			s.StartTLS()
			t.Cleanup(s.Close)
			return s.URL
		}, job.ClassTLS, "unknown authority"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			started := time.Now()
			got := checker(t, check.Config{}).Check(t.Context(), httpSpec(c.url(t), timeout))
			if got.Health != job.Down || got.Class != c.class || !strings.Contains(got.Cause, c.cause) {
				t.Errorf("got %s %s %q, want down %s with %q", got.Health, got.Class, got.Cause, c.class, c.cause)
			}
			if took := time.Since(started); took > timeout+2*time.Second {
				t.Errorf("got a result after %s, want it after about %s", took, timeout)
			}
			checkPhases(t, got)
		})
	}
}

func checkPhases(t *testing.T, o job.ProbeResult) {
	t.Helper()
	var sum job.Duration
	for _, p := range []job.Duration{o.Phases.DNS, o.Phases.Connect, o.Phases.TLS, o.Phases.Processing, o.Phases.Transfer} {
		if p < 0 {
			t.Errorf("got phases %+v, want none below 0", o.Phases)
		}
		sum += p
	}
	if sum > o.Latency || o.Started.IsZero() {
		t.Errorf("got phases that sum to %s in a check of %s begun %s, want at most the whole", sum, o.Latency, o.Started)
	}
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

// tlsServer serves with a test certificate that the pool trusts.
func tlsServer(t *testing.T, change func(*x509.Certificate)) (string, *x509.CertPool) {
	t.Helper()
	config, workers := tlsConfig(t, change)
	s := httptest.NewUnstartedServer(status(200))
	s.Config.ErrorLog = quiet()
	s.EnableHTTP2 = true
	s.TLS = config
	s.StartTLS()
	t.Cleanup(s.Close)
	return s.URL, workers
}

// tlsConfig returns a server configuration with a test certificate that the pool
// trusts.
func tlsConfig(t *testing.T, change func(*x509.Certificate)) (*tls.Config, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotBefore: time.Now().Add(-time.Hour * 24 * 30), NotAfter: time.Now().Add(time.Hour * 24 * 30),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	change(template)
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	workers := x509.NewCertPool()
	workers.AddCert(cert)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}, workers
}

func TestCertificateErrorsAreDescribed(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name   string
		change func(*x509.Certificate)
		cause  string
	}{
		{"good", func(*x509.Certificate) {}, ""},
		{"expired", func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-73 * time.Hour) }, "certificate expired 3 days ago"},
		{"not yet valid", func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Hour) }, "not valid before"},
		{"another host's", func(c *x509.Certificate) { c.IPAddresses, c.DNSNames = nil, []string{"example.org"} }, "certificate is for example.org, not 127.0.0.1"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			url, workers := tlsServer(t, c.change)
			got := checker(t, check.Config{RootCAs: workers}).Check(t.Context(), httpSpec(url, 5*time.Second))
			if c.cause == "" {
				if got.Health != job.Up || got.Phases.TLS <= 0 {
					t.Errorf("got %+v, want up after a handshake", got)
				}
				return
			}
			if got.Class != job.ClassTLS || !strings.Contains(got.Cause, c.cause) {
				t.Errorf("got %s %q, want tls %q", got.Class, got.Cause, c.cause)
			}
		})
	}
}

func TestFactsOfTLSAndHTTP2(t *testing.T) {
	t.Parallel()
	url, workers := tlsServer(t, func(*x509.Certificate) {})
	spec := httpSpec(url, 5*time.Second,
		`http_version == "2"`, `certificate.expires_in > duration("700h")`, `certificate.subject == "CN=test"`, `"127.0.0.1" in certificate.sans`,
		`ip == "127.0.0.1"`, `phases["tls"] > duration("0s")`)
	spec.HTTP.HTTPVersion = "2"
	got := checker(t, check.Config{RootCAs: workers}).Check(t.Context(), spec)
	if got.Health != job.Up {
		t.Errorf("got %+v, want up", got)
	}
}

func TestRedirects(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/":
			http.SetCookie(w, &http.Cookie{Name: "seen", Value: "yes"})
			http.Redirect(w, r, "/end", http.StatusFound)
		default:
			if _, err := r.Cookie("seen"); err != nil {
				w.WriteHeader(http.StatusForbidden)
			}
		}
	})
	c := checker(t, check.Config{})
	if got := c.Check(t.Context(), httpSpec(s.URL, 5*time.Second)); got.Health != job.Up || got.Status != 200 {
		t.Errorf("got %+v, want up with the cookie from the redirect", got)
	}
	nowhere := 0
	spec := httpSpec(s.URL, 5*time.Second, "status == 302")
	spec.HTTP.MaxRedirects = &nowhere
	if got := c.Check(t.Context(), spec); got.Health != job.Up {
		t.Errorf("got %+v, want the redirect as the response", got)
	}
}

func TestRequestMatchesTheSpec(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s %s %s %s %s", r.Method, r.Host, r.Header.Get("X-Probe"), r.UserAgent(), body, r.Header.Get("Accept-Encoding"))
	})
	spec := httpSpec(strings.Replace(s.URL, "http://", "HTTP://", 1), 5*time.Second, `body == "POST example.org yes vedette ping "`)
	spec.HTTP.Method, spec.HTTP.Body = http.MethodPost, "ping"
	spec.HTTP.Headers = map[string]string{"Host": "example.org", "X-Probe": "yes"}
	if got := checker(t, check.Config{}).Check(t.Context(), spec); got.Health != job.Up {
		t.Errorf("got %+v, want up", got)
	}
}

func TestBodyIsReadUpToItsLimitAndTimed(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, strings.Repeat("x", 1<<20)) })
	got := checker(t, check.Config{BodyLimit: 1000}).Check(t.Context(), httpSpec(s.URL, 5*time.Second, `size(body) == 1000`))
	if got.Health != job.Up || got.Phases.Transfer <= 0 || got.Phases.Processing <= 0 || got.Phases.Connect <= 0 {
		t.Errorf("got %+v, want up, with phases", got)
	}
}

func TestResultContainsNoPasswordFromAURL(t *testing.T) {
	t.Parallel()
	for _, url := range []string{
		"http://user:hunter2@" + closedPort(t), "http://user:hunter2@127.0.0.1:1:1/", "http://user:hunter2@nosuchhost.invalid/", "http://user:hunter2%zz@host/",
	} {
		got := checker(t, check.Config{}).Check(t.Context(), httpSpec(url, time.Second))
		if strings.Contains(fmt.Sprintf("%+v", got), "hunter2") {
			t.Errorf("got %+v, want no password", got)
		}
	}
}

func TestTCP(t *testing.T) {
	t.Parallel()
	c := checker(t, check.Config{})
	spec := func(address string) job.Spec {
		return job.Spec{TCP: &job.TCP{Address: address}, Timeout: job.Duration(2 * time.Second)}
	}
	up := spec(accept(t, silent))
	up.Expect = []string{`latency < duration("2s")`, `ip == "127.0.0.1"`}
	if got := c.Check(t.Context(), up); got.Health != job.Up || got.Phases.Connect <= 0 || got.Address != up.TCP.Address {
		t.Errorf("got %+v, want up", got)
	}
	if got := c.Check(t.Context(), spec(closedPort(t))); got.Class != job.ClassConnect || got.Cause != "connect refused" {
		t.Errorf("got %+v, want refused", got)
	}
	if got := c.Check(t.Context(), spec("nosuchhost.invalid:80")); got.Class != job.ClassDNS {
		t.Errorf("got %+v, want dns", got)
	}
}

func TestExpectations(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Version", "7")
		_, _ = io.WriteString(w, `{"n": 5, "name": "web", "items": [{"ok": true}], "nothing": null, "secret": "`+strings.Repeat("s", 300)+`"}`)
	})
	c := checker(t, check.Config{})
	cases := []struct{ expression, cause string }{
		{`status == 200`, ""},
		{`status == 201`, "expected status == 201, found status = 200"},
		{`latency < duration("1ns")`, "found latency = "},
		{`headers["x-version"] == "7"`, ""},
		{`headers["x-none"] == "7"`, `no headers["x-none"]`},
		{`headers["x-none"] != "7"`, `no headers["x-none"]`},
		{`json.n == 5`, ""},
		{`json.n > 4.5`, ""},
		{`json.n == "5"`, "json.n = 5"},
		{`json.n != "5"`, "json.n = 5, double is compared with string"},
		{`json.missing == 1`, "no json.missing"},
		{`json.missing != 1`, "no json.missing"},
		{`!(json.missing == 1)`, "no json.missing"},
		{`!(json.n == "x")`, "double is compared with string"},
		{`json.name.length > 3`, "no json.name.length"},
		{`has(json.name) && !has(json.missing)`, ""},
		{`json.nothing == null`, ""},
		{`json.nothing != 1`, ""},
		{`json.items[0].ok`, ""},
		{`json.items.exists(i, i.ok)`, ""},
		{`json.n`, "neither true nor false"},
		{`json.secret == ""`, "ssss…"},
		{`body.matches("\"name\": *\"web\"")`, ""},
		{`certificate.expires_in > duration("1h")`, "no certificate.expires_in"},
	}
	for _, tc := range cases {
		got := c.Check(t.Context(), httpSpec(s.URL, 5*time.Second, tc.expression))
		if tc.cause == "" {
			if got.Health != job.Up {
				t.Errorf("%s: got %s %q, want up", tc.expression, got.Health, got.Cause)
			}
			continue
		}
		if got.Class != job.ClassExpectation || !strings.Contains(got.Cause, tc.cause) || len(got.Cause) > 300 {
			t.Errorf("%s: got %s %q, want %q", tc.expression, got.Class, got.Cause, tc.cause)
		}
	}
}

func TestOtherBodiesHaveNoJSON(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>error</html>") })
	for _, expression := range []string{`json.a == 0`, `json.a != 0`} {
		got := checker(t, check.Config{}).Check(t.Context(), httpSpec(s.URL, 5*time.Second, expression))
		if got.Class != job.ClassExpectation {
			t.Errorf("%s: got %+v, want the expectation failed", expression, got)
		}
	}
}

func TestExpensiveExpressionIsStopped(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "["+strings.Repeat("1,", 5000)+"1]")
	})
	expression := `json.all(a, json.all(b, json.all(c, a + b + c > 0)))`
	started := time.Now()
	got := checker(t, check.Config{}).Check(t.Context(), httpSpec(s.URL, 30*time.Second, expression))
	if got.Class != job.ClassExpectation || !strings.Contains(got.Cause, "took longer than 1s") || time.Since(started) > 20*time.Second {
		t.Errorf("got %+v after %s, want it stopped", got, time.Since(started))
	}
}

func TestLocalFailuresAreNeverDown(t *testing.T) {
	t.Parallel()
	probes := map[string]check.Probe{job.KindTCP: func(_ context.Context, spec job.Spec) (job.ProbeResult, check.Facts) {
		if spec.TCP.Address == "goexit" {
			runtime.Goexit()
		}
		panic("boom")
	}}
	c := checker(t, check.Config{Probes: probes})
	for address, cause := range map[string]string{"panic": "probe panicked: boom", "goexit": "runtime.Goexit"} {
		got := c.Check(t.Context(), job.Spec{TCP: &job.TCP{Address: address}})
		if got.Health != job.Unknown || got.Class != job.ClassInternal || !strings.Contains(got.Cause, cause) || got.Stack == "" {
			t.Errorf("%s: got %+v, want unknown with a stack", address, got)
		}
	}
	if got := c.Check(t.Context(), job.Spec{}); got.Health != job.Unknown {
		t.Errorf("got %+v for a spec without a probe, want unknown", got)
	}
	if got := c.Check(t.Context(), httpSpec(serve(t, status(200)).URL, time.Second, "nonsense ==")); got.Health != job.Unknown {
		t.Errorf("got %+v for an invalid expression, want unknown", got)
	}
}

func TestInterruptedCheckIsNotDown(t *testing.T) {
	t.Parallel()
	accepted := make(chan struct{})
	address := accept(t, func(conn net.Conn) {
		close(accepted)
		silent(conn)
	})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-accepted
		cancel()
	}()
	got := checker(t, check.Config{}).Check(ctx, httpSpec(address, 10*time.Second))
	if got.Health != job.Unknown || !strings.Contains(got.Cause, "interrupted") {
		t.Errorf("got %+v, want unknown: the checker was stopped", got)
	}
}

func TestCheckAllYieldsAResultForEverySpec(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	probes := map[string]check.Probe{job.KindTCP: func(_ context.Context, spec job.Spec) (job.ProbeResult, check.Facts) {
		switch spec.TCP.Address {
		case "panics":
			panic("boom")
		case "hangs":
			<-release
		}
		return job.ProbeResult{Health: job.Up}, check.Facts{}
	}}
	c := checker(t, check.Config{Probes: probes})
	specs := make([]job.Spec, 100)
	for i := range specs {
		specs[i] = job.Spec{TCP: &job.TCP{Address: "good"}, Timeout: job.Duration(200 * time.Millisecond)}
	}
	specs[3].TCP.Address, specs[70].TCP.Address = "panics", "hangs"
	healths := map[job.Health]int{}
	seen := map[int]bool{}
	for place, result := range check.CheckAll(t.Context(), specs, 8, c.Check) {
		healths[result.Health]++
		seen[place] = true
	}
	close(release)
	if len(seen) != 100 || healths[job.Up] != 98 || healths[job.Unknown] != 1 || healths[job.Down] != 1 {
		t.Errorf("got %d results, %v, want 100: 98 up, 1 unknown, 1 down", len(seen), healths)
	}
}

func TestCheckAllCanEndEarly(t *testing.T) {
	t.Parallel()
	address := accept(t, silent)
	specs := []job.Spec{httpSpec(closedPort(t), time.Second), httpSpec(address, time.Hour), httpSpec(address, time.Hour)}
	for range check.CheckAll(t.Context(), specs, 3, checker(t, check.Config{}).Check) {
		break
	}
}

func TestParseTarget(t *testing.T) {
	t.Parallel()
	for input, want := range map[string]string{
		"https://example.org/a?b": "http https://example.org/a?b", "example.org": "http example.org", "example.org/health:1": "http example.org/health:1",
		"example.org:5432": "tcp example.org:5432", "[::1]:22": "tcp [::1]:22", "tcp://db:1": "tcp db:1", "HTTP://x": "http HTTP://x",
		"tls://x:443": "tls x:443", "dns://example.org": "dns example.org", "icmp://10.0.0.1": "icmp 10.0.0.1", "grpc://x:1": "grpc x:1",
		"GRPCS://x:1": "grpc x:1", "wss://x/y": "websocket wss://x/y",
	} {
		spec, err := check.ParseTarget(input)
		kind, _ := spec.Kind()
		if got := kind + " " + spec.Target(); err != nil || got != want {
			t.Errorf("%s: got %s, %v, want %s", input, got, err, want)
		}
	}
	for _, input := range []string{"", "ftp://x", "tcp://db", "db:0", "db:99999", "http://", "db:http", "http://a b", "tls://x", "icmp://", "dns://", "grpc://x", "ws://"} {
		if spec, err := check.ParseTarget(input); err == nil {
			t.Errorf("%q: got %+v, want an error", input, spec)
		}
	}
}

func TestValidateFindsEveryProblem(t *testing.T) {
	t.Parallel()
	v, err := check.NewValidator()
	if err != nil {
		t.Fatal(err)
	}
	many := 1000
	bad := job.Spec{
		HTTP:   &job.HTTP{URL: "ftp://x", Method: "get", Headers: map[string]string{"a b": "x", "c": "d\r\n"}, MaxRedirects: &many},
		Expect: []string{"status == 200", `status == "200"`, "statsu == 200", "1 + 1", "status =="}, Timeout: -1,
	}
	got := ""
	for _, p := range v.Validate(bad) {
		got += fmt.Sprintf("{%s %v}", p.Path, p)
	}
	for _, want := range []string{"scheme", "method", "a b", "line break", "max_redirects 1000", "timeout", `{expect[1] found "status == \"200\"" (found no matching overload`, `{expect[2] found "statsu == 200" (undeclared reference`, "{expect[3] found an expression of type int", `{expect[4] found "status ==" (Syntax error`} {
		if !strings.Contains(got, want) {
			t.Errorf("got %s, want %q in it", got, want)
		}
	}
	if strings.Contains(got, "{expect[0] ") {
		t.Errorf("got %s, want no problem in the first expression", got)
	}
	if got := v.Validate(job.Spec{TCP: &job.TCP{Address: "db"}, Expect: []string{"status == 200"}}); len(got) != 2 {
		t.Errorf("got %v, want problems for the address, and for status in tcp", got)
	}
	if got := v.Validate(job.Spec{}); len(got) != 1 {
		t.Errorf("got %v, want a problem for the missing probe", got)
	}
}

func TestDocumentationListsAllFacts(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]map[string]bool{}
	for _, kind := range job.Kinds() {
		documented[kind] = map[string]bool{}
	}
	for line := range strings.Lines(string(source)) {
		words := strings.Fields(strings.TrimPrefix(line, "//\t"))
		if !strings.HasPrefix(line, "//\t") || len(words) < 3 {
			continue
		}
		for kind := range documented {
			if words[0] == kind || words[0] == "all" {
				documented[kind][words[1]] = true
			}
		}
	}
	for kind, facts := range documented {
		types := check.FactTypes(kind)
		for name := range facts {
			if types[name] == "" {
				t.Errorf("%s: got the documented fact %s, want it to exist", kind, name)
			}
		}
		for name := range types {
			if !facts[name] {
				t.Errorf("%s: got the fact %s, want it documented", kind, name)
			}
		}
	}
}

func TestNewRejectsAnInvalidConfig(t *testing.T) {
	t.Parallel()
	if _, err := check.New(check.Config{BodyLimit: -1}); err == nil {
		t.Error("got nil, want an error")
	}
}

func FuzzParseTarget(f *testing.F) {
	for _, seed := range []string{"https://example.org", "example.org:22", "[::1]:1", "tcp://a:1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, input string) {
		spec, err := check.ParseTarget(input)
		if err != nil {
			return
		}
		if _, err := spec.Kind(); err != nil {
			t.Errorf("%q: got %v, want a probe", input, err)
		}
	})
}

func BenchmarkHTTP(b *testing.B) {
	s := serve(b, status(200))
	b.Run("vedette", func(b *testing.B) {
		c := checker(b, check.Config{})
		spec := httpSpec(s.URL, 5*time.Second)
		for b.Loop() {
			if got := c.Check(b.Context(), spec); got.Health != job.Up {
				b.Fatal(got.Cause)
			}
		}
	})
	b.Run("bare", func(b *testing.B) {
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		for b.Loop() {
			response, err := client.Get(s.URL)
			if err != nil {
				b.Fatal(err)
			}
			if _, err := io.Copy(io.Discard, response.Body); err != nil && !errors.Is(err, io.EOF) {
				b.Fatal(err)
			}
			response.Body.Close()
		}
	})
}
