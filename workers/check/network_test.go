package check_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/miekg/dns"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"

	"vedette/pipeline/job"
	"vedette/workers/check"
)

// resolver returns a DNS server with some names.
func resolver(t *testing.T, names map[string][]string) job.Network {
	t.Helper()
	return job.Network{Resolver: dnsServer(t, "udp", func(w dns.ResponseWriter, r *dns.Msg) {
		m := new(dns.Msg)
		m.SetReply(r)
		for _, ip := range names[strings.TrimSuffix(r.Question[0].Name, ".")] {
			kind := "A"
			if strings.Contains(ip, ":") {
				kind = "AAAA"
			}
			if record, err := dns.NewRR(r.Question[0].Name + " 60 " + kind + " " + ip); err == nil && record.Header().Rrtype == r.Question[0].Qtype {
				m.Answer = append(m.Answer, record)
			}
		}
		_ = w.WriteMsg(m)
	})}
}

func TestOtherAddressesAreTriedAfterASilentOne(t *testing.T) {
	t.Parallel()
	s := serve(t, status(http.StatusOK))
	_, port, err := net.SplitHostPort(s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	network := resolver(t, map[string][]string{"two.example": {"127.0.0.2", "127.0.0.1"}, "six.example": {"::1", "127.0.0.1"}})
	at := func(host, family string) job.Spec {
		n := network
		n.IPFamily = family
		return job.Spec{HTTP: &job.HTTP{URL: "http://" + host + ":" + port, Network: n}, Timeout: job.Duration(5 * time.Second)}
	}
	for name, spec := range map[string]job.Spec{"the first refuses": at("two.example", ""), "one family": at("six.example", "4"), "the other family first": at("six.example", "")} {
		got := checker(t, check.Config{}).Check(t.Context(), spec)
		if got.Health != job.Up || got.Address != "127.0.0.1:"+port || got.Phases.DNS <= 0 {
			t.Errorf("%s: got %+v, want up at 127.0.0.1", name, got)
		}
	}
	if got := checker(t, check.Config{}).Check(t.Context(), at("two.example", "6")); got.Class != job.ClassDNS {
		t.Errorf("got %+v, want no such address", got)
	}
	policy, err := check.NewNetworkPolicy(nil, []string{"127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	spec := at("two.example", "")
	spec.HTTP.Resolver = network.Resolver
	if got := checker(t, check.Config{NetworkPolicy: policy}).Check(t.Context(), spec); got.Health != job.Unknown {
		t.Errorf("got %+v with a denied resolver, want unknown", got)
	}
}

func TestServerNameIsTheHostOfEachRedirect(t *testing.T) {
	t.Parallel()
	config, pool := tlsConfig(t, func(c *x509.Certificate) { c.DNSNames = []string{"one.example", "other.example"} })
	var mu sync.Mutex
	var asked []string
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.Host, "one.") {
			http.Redirect(w, r, "https://other"+strings.TrimPrefix(r.Host, "one")+"/", http.StatusFound)
		}
	}))
	s.TLS = config
	s.TLS.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		mu.Lock()
		defer mu.Unlock()
		asked = append(asked, hello.ServerName)
		return nil, nil //nolint:nilnil // says its documentation
	}
	s.StartTLS()
	t.Cleanup(s.Close)
	_, port, err := net.SplitHostPort(s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	network := resolver(t, map[string][]string{"one.example": {"127.0.0.1"}, "other.example": {"127.0.0.1"}})
	for _, version := range []string{"", "1.1"} {
		asked = nil
		spec := job.Spec{HTTP: &job.HTTP{URL: "https://one.example:" + port, HTTPVersion: version, Network: network}, Timeout: job.Duration(5 * time.Second)}
		if got := checker(t, check.Config{RootCAs: pool}).Check(t.Context(), spec); got.Health != job.Up {
			t.Fatalf("got %+v, want up", got)
		}
		if got := fmt.Sprint(asked); got != "[one.example other.example]" {
			t.Errorf("got server names %s, want the host names", got)
		}
	}
}

func TestSmallestNetworkInThePolicyDecides(t *testing.T) {
	t.Parallel()
	s := serve(t, status(http.StatusOK))
	inside := serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://169.254.169.254/latest", http.StatusFound)
	})
	for name, c := range map[string]struct {
		allow, deny []string
		url         string
		health      job.Health
	}{
		"no rules":             {nil, nil, s.URL, job.Up},
		"denied":               {nil, []string{"127.0.0.1"}, s.URL, job.Unknown},
		"smaller allows":       {[]string{"127.0.0.1/32"}, []string{"127.0.0.0/8"}, s.URL, job.Up},
		"smaller denies":       {[]string{"127.0.0.0/8"}, []string{"127.0.0.1/32"}, s.URL, job.Unknown},
		"same network":         {[]string{"127.0.0.1"}, []string{"127.0.0.1"}, s.URL, job.Unknown},
		"one network only":     {[]string{"127.0.0.0/8"}, []string{"0.0.0.0/0", "::/0"}, s.URL, job.Up},
		"no network":           {nil, []string{"0.0.0.0/0", "::/0"}, s.URL, job.Unknown},
		"redirect to metadata": {nil, nil, inside.URL, job.Unknown},
		"mapped metadata":      {nil, nil, "http://[::ffff:169.254.169.254]/", job.Unknown},
	} {
		policy, err := check.NewNetworkPolicy(c.allow, c.deny)
		if err != nil {
			t.Fatal(err)
		}
		got := checker(t, check.Config{NetworkPolicy: policy}).Check(t.Context(), httpSpec(c.url, 5*time.Second))
		if got.Health != c.health {
			t.Errorf("%s: got %+v, want %s", name, got, c.health)
		}
	}
	if _, err := check.NewNetworkPolicy([]string{"example.org"}, []string{"10.0.0.0/99"}); err == nil || strings.Count(err.Error(), "found network") != 2 {
		t.Errorf("got %v, want both errors", err)
	}
}

func TestChecksOnOneHostAreLimited(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	now, most := 0, 0
	release := make(chan struct{})
	s := serve(t, func(http.ResponseWriter, *http.Request) {
		mu.Lock()
		now++
		most = max(most, now)
		mu.Unlock()
		<-release
		mu.Lock()
		now--
		mu.Unlock()
	})
	c := checker(t, check.Config{PerHost: 2})
	results := make(chan job.ProbeResult, 6)
	for range 6 {
		go func() { results <- c.Check(context.WithoutCancel(t.Context()), httpSpec(s.URL, 10*time.Second)) }()
	}
	other := serve(t, status(http.StatusOK))
	elsewhere := strings.Replace(other.URL, "127.0.0.1", "localhost", 1)
	if got := c.Check(t.Context(), httpSpec(elsewhere, 5*time.Second)); got.Health != job.Up {
		t.Errorf("got %+v for another host, want up", got)
	}
	crowded := httpSpec(s.URL, 50*time.Millisecond)
	for { // until both slots are taken
		got := c.Check(t.Context(), crowded)
		if got.Health == job.Unknown {
			if !strings.Contains(got.Cause, "wait for a slot at host 127.0.0.1 (limit 2)") {
				t.Errorf("got %+v, want the reason why it did not run", got)
			}
			break
		}
	}
	close(release)
	for range 6 {
		if got := <-results; got.Health != job.Up {
			t.Errorf("got %+v, want up after waiting", got)
		}
	}
	if most > 3 { // two, and one that an abandoned check left at the server
		t.Errorf("got %d requests at once, want 2", most)
	}
}

func TestOtherProbesSpeakTLS(t *testing.T) {
	t.Parallel()
	config, pool := tlsConfig(t, func(*x509.Certificate) {})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer(grpc.Creds(credentials.NewTLS(config.Clone())))
	grpc_health_v1.RegisterHealthServer(server, health.NewServer())
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	t.Cleanup(func() {
		server.Stop()
		<-done
	})
	web := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if conn, err := websocket.Accept(w, r, nil); err == nil {
			_, _, _ = conn.Read(r.Context())
			_ = conn.CloseNow()
		}
	}))
	web.TLS = config.Clone()
	web.StartTLS()
	t.Cleanup(web.Close)
	names := secureDNS(t, config.Clone())
	days := []string{`certificate.expires_in > duration("700h")`}
	results(t, check.Config{RootCAs: pool}, []resultCase{
		{"grpc", job.Spec{GRPC: &job.GRPC{Address: listener.Addr().String(), TLS: &job.TLSOptions{}}, Expect: days}, "up"},
		{"websocket", job.Spec{WebSocket: &job.WebSocket{URL: strings.Replace(web.URL, "https", "wss", 1)}, Expect: days}, "up"},
		{"tcp", job.Spec{TCP: &job.TCP{Address: web.Listener.Addr().String(), TLS: &job.TLSOptions{}}, Expect: days}, "up"},
		{"dns", job.Spec{DNS: &job.DNS{Name: "example.org", Server: names, Protocol: "tls"}, Expect: []string{`answers == ["192.0.2.5"]`}}, "up"},
	})
}

// secureDNS returns a DNS server that speaks TLS.
func secureDNS(t *testing.T, config *tls.Config) string {
	t.Helper()
	listener, err := tls.Listen("tcp", "127.0.0.1:0", config)
	if err != nil {
		t.Fatal(err)
	}
	server := &dns.Server{Listener: listener, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, r *dns.Msg) {
		m := new(dns.Msg)
		m.SetReply(r)
		if record, err := dns.NewRR(r.Question[0].Name + " 60 A 192.0.2.5"); err == nil {
			m.Answer = append(m.Answer, record)
		}
		_ = w.WriteMsg(m)
	})}
	started := make(chan struct{})
	server.NotifyStartedFunc = func() { close(started) }
	done := make(chan error, 1)
	go func() { done <- server.ActivateAndServe() }()
	<-started
	t.Cleanup(func() {
		if err := server.ShutdownContext(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
		<-done
	})
	return listener.Addr().String()
}

func TestEchoRequestsEndWithTheDeadline(t *testing.T) {
	t.Parallel()
	const timeout = 3 * time.Second // long enough for replies on a busy machine
	spec := job.Spec{ICMP: &job.ICMP{Host: "127.0.0.1", Count: 1000, Pause: job.Duration(100 * time.Millisecond)}, Timeout: job.Duration(timeout)}
	if got := checker(t, check.Config{}).Check(t.Context(), spec); got.Latency.Std() > 2*timeout || got.Health == job.Down {
		t.Errorf("got %+v, want an end with the deadline", got)
	}
}

func TestInvalidSpecIsUnknown(t *testing.T) {
	t.Parallel()
	for name, spec := range map[string]job.Spec{
		"http": {HTTP: &job.HTTP{URL: "ftp://x"}}, "tcp": {TCP: &job.TCP{Address: "x"}}, "tls": {TLS: &job.TLS{Address: "x:1", TLSOptions: job.TLSOptions{MinVersion: "9"}}},
		"dns": {DNS: &job.DNS{Name: "x", Type: "ZZ"}}, "icmp": {ICMP: &job.ICMP{}}, "grpc": {GRPC: &job.GRPC{Address: "x"}},
		"websocket": {WebSocket: &job.WebSocket{URL: "http://x"}}, "heartbeat": {Heartbeat: &job.Heartbeat{Token: "short"}},
		"dialogue": {TCP: &job.TCP{Address: "x:1", Dialogue: []job.Step{{Send: "%{none}"}}}}, "none": {},
	} {
		if got := checker(t, check.Config{}).Check(t.Context(), spec); got.Health != job.Unknown || got.Class != job.ClassInternal {
			t.Errorf("%s: got %+v, want unknown", name, got)
		}
	}
}

func TestManualDescribesEveryProbeAndFact(t *testing.T) {
	t.Parallel()
	manual := ""
	for _, page := range []string{"probes", "expressions"} {
		text, err := os.ReadFile("../../cmd/vedette/help/" + page + ".md")
		if err != nil {
			t.Fatal(err)
		}
		manual += string(text)
	}
	for _, kind := range job.Kinds() {
		if !strings.Contains(manual, "\n| `"+kind+"` | ") {
			t.Errorf("got no row for the probe %s", kind)
		}
		for fact := range check.FactTypes(kind) {
			if !strings.Contains(manual, "`"+fact+"`") {
				t.Errorf("got no description for the fact %s of %s", fact, kind)
			}
		}
	}
}
