package check_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"html"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	grpcstatus "google.golang.org/grpc/status"

	"vedette/pipeline/job"
	"vedette/workers/check"
)

// vault has secrets by name.
type vault map[string]string

func (v vault) Secret(name string) (string, error) {
	if value, ok := v[name]; ok {
		return value, nil
	}
	return "", fmt.Errorf("read secret %s: nowhere", name)
}

// awkward contains the syntax of every context.
const awkward = `p@ss/w%{0}"<é>?#&`

func TestHTTPSendsSecretsInPlaceOfReferences(t *testing.T) {
	t.Parallel()
	s := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		name, password, _ := r.BasicAuth()
		for what, same := range map[string]bool{
			"path": r.URL.Path == "/hook/"+awkward, "query": r.URL.Query().Get("a") == awkward && r.URL.Query().Get("b") == "${secret:P}", "header": r.Header.Get("X-Key") == "Key "+awkward+" $5",
			"body": string(body) == awkward+awkward, "user": name == "me" && password == awkward,
		} {
			if !same {
				t.Errorf("got %s in %s %v and %q, want the secret in it", what, r.URL, r.Header, body)
			}
		}
	})
	spec := job.Spec{HTTP: &job.HTTP{
		URL: s.URL + "/hook/${secret:P}?a=${secret:P}&b=$${secret:P}", Method: "POST", Headers: map[string]string{"X-Key": "Key ${secret:P} $5"}, Body: "${secret:P}${secret:P}",
		BasicAuth: &job.BasicAuth{Username: "${secret:U}", Password: "${secret:P}"},
	}}
	c := checker(t, check.Config{Secrets: vault{"P": awkward, "U": "me"}})
	if got := c.Check(t.Context(), spec); got.Health != job.Up {
		t.Errorf("got %+v, want up", got)
	}
	inURL := job.Spec{HTTP: &job.HTTP{
		URL: strings.Replace(s.URL, "://", "://${secret:U}:${secret:P}@", 1) + "/hook/${secret:P}?a=${secret:P}&b=$${secret:P}", Method: "POST",
		Headers: map[string]string{"X-Key": "Key ${secret:P} $5"}, Body: "${secret:P}${secret:P}",
	}}
	if got := c.Check(t.Context(), inURL); got.Health != job.Up {
		t.Errorf("got %+v with credentials in the URL, want up", got)
	}
}

func TestBearerTokenMayBeASecret(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer hunter2" {
			w.WriteHeader(http.StatusUnauthorized)
		}
	})
	spec := job.Spec{HTTP: &job.HTTP{URL: s.URL, BearerToken: "${secret:T}"}}
	for value, want := range map[string]job.Health{"hunter2": job.Up, "hunter3": job.Down} {
		if got := checker(t, check.Config{Secrets: vault{"T": value}}).Check(t.Context(), spec); got.Health != want {
			t.Errorf("got %+v with %s, want %s", got, value, want)
		}
	}
}

func TestDialogueSendsSecretsVerbatim(t *testing.T) {
	t.Parallel()
	address := accept(t, func(conn net.Conn) {
		_, _ = conn.Write([]byte("hello 7\n"))
		line := make([]byte, 256)
		n, _ := conn.Read(line)
		_, _ = fmt.Fprintf(conn, "no: %s", line[:n])
		silent(conn)
	})
	spec := job.Spec{TCP: &job.TCP{Address: address, Dialogue: []job.Step{
		{Expect: `hello (\d)`}, {Send: "%{1} %%${secret:P} 100%%\n"}, {Expect: "no: 7 %(.*) 100%\n$"},
	}}}
	spec.Expect = []string{`captures["1"] == "nothing"`}
	got := checker(t, check.Config{Secrets: vault{"P": awkward}}).Check(t.Context(), spec)
	if got.Class != job.ClassExpectation || !strings.Contains(got.Cause, `captures["1"] = "****"`) {
		t.Errorf("got %+v, want the sent text, redacted", got)
	}
}

func TestWebSocketSendsSecrets(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("token") != awkward || r.Header.Get("X-Key") != awkward {
			http.NotFound(w, r)
			return
		}
		conn, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer func() { _ = conn.CloseNow() }()
		_, message, _ := conn.Read(r.Context())
		_ = conn.Write(r.Context(), websocket.MessageText, append([]byte("echo "), message...))
	})
	spec := job.Spec{WebSocket: &job.WebSocket{
		URL: strings.Replace(s.URL, "http", "ws", 1) + "/?token=${secret:P}", Headers: map[string]string{"X-Key": "${secret:P}"}, Send: "say ${secret:P}", Expect: "nothing",
	}}
	got := checker(t, check.Config{Secrets: vault{"P": awkward}}).Check(t.Context(), spec)
	if got.Class != job.ClassExpectation || !strings.Contains(got.Cause, `"echo say ****", then the end`) {
		t.Errorf("got %+v, want the sent text, redacted", got)
	}
}

func TestGRPCSendsSecrets(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer(grpc.UnaryInterceptor(func(ctx context.Context, _ any, _ *grpc.UnaryServerInfo, _ grpc.UnaryHandler) (any, error) {
		md, _ := metadata.FromIncomingContext(ctx)
		return nil, grpcstatus.Errorf(codes.PermissionDenied, "not with %v and %q", md.Get("authorization"), md.Get("key-bin"))
	}))
	grpc_health_v1.RegisterHealthServer(server, grpc_health_v1.UnimplementedHealthServer{})
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	t.Cleanup(func() { server.Stop(); <-done })
	spec := job.Spec{GRPC: &job.GRPC{Address: listener.Addr().String(), Metadata: map[string]string{"authorization": "Bearer ${secret:T}", "key-bin": "${secret:B}"}}}
	got := checker(t, check.Config{Secrets: vault{"T": "hunter2", "B": "a\n\xff\x00b"}}).Check(t.Context(), spec)
	if got.Class != job.ClassStatus || !strings.Contains(got.Cause, `not with [Bearer ****] and ["****"]`) && !strings.Contains(got.Cause, `not with [****] and ["****"]`) {
		t.Errorf("got %+v, want the sent text, redacted", got)
	}
}

func TestCheckWithoutItsSecretIsUnknownAndSendsNothing(t *testing.T) {
	t.Parallel()
	s := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("got a request, want none") })
	at := func(h job.HTTP) job.Spec { h.URL = s.URL; return job.Spec{HTTP: &h} }
	ws := func(w job.WebSocket) job.Spec {
		w.URL = strings.Replace(s.URL, "http", "ws", 1)
		return job.Spec{WebSocket: &w}
	}
	rpc := func(value string) job.Spec {
		return job.Spec{GRPC: &job.GRPC{Address: s.Listener.Addr().String(), Metadata: map[string]string{"a": value}}}
	}
	secrets := vault{"LINES": "hunter\n2", "COLON": "hunter:2", "BELL": "hunter\a2", "BYTES": "hunter\xff2", "GOOD": "hunter2", "ZERO": "hunter\x002"}
	for name, c := range map[string]struct {
		spec job.Spec
		says string
	}{
		"unknown":           {at(job.HTTP{BearerToken: "${secret:NONE}"}), "read secret NONE: nowhere"},
		"two, one unknown":  {at(job.HTTP{Body: "${secret:GOOD} ${secret:NONE}"}), "read secret NONE: nowhere"},
		"header":            {at(job.HTTP{Headers: map[string]string{"X-A": "${secret:LINES}"}}), "insert secret LINES into headers.X-A: found a line break"},
		"control character": {at(job.HTTP{Headers: map[string]string{"X-A": "${secret:BELL}"}}), "a control character"},
		"bearer token":      {at(job.HTTP{BearerToken: "${secret:LINES}"}), "into bearer_token: found a line break"},
		"username":          {at(job.HTTP{BasicAuth: &job.BasicAuth{Username: "${secret:COLON}", Password: "x"}}), "into basic_auth.username: found a colon"},
		"password":          {at(job.HTTP{BasicAuth: &job.BasicAuth{Username: "x", Password: "${secret:LINES}"}}), "into basic_auth.password: found a line break"},
		"metadata":          {rpc("${secret:BYTES}"), "into metadata.a: found a character that is not printable ASCII"},
		"message":           {ws(job.WebSocket{Send: "${secret:BYTES}"}), "into send: found invalid UTF-8"},
		"dialogue":          {job.Spec{TCP: &job.TCP{Address: s.Listener.Addr().String(), Dialogue: []job.Step{{Send: "${secret:LINES}"}}}}, "into dialogue[0].send: found a line break"},
		"zero byte":         {job.Spec{TCP: &job.TCP{Address: s.Listener.Addr().String(), Dialogue: []job.Step{{Send: "${secret:ZERO}"}}}}, "a zero byte"},
		"group":             {job.Spec{TCP: &job.TCP{Address: s.Listener.Addr().String(), Dialogue: []job.Step{{Send: "%%%${secret:GOOD}"}}}}, "a percent sign directly before"},
		"malformed":         {at(job.HTTP{Body: "${secret:hunter 2}"}), "body: found a reference to a secret whose name holds another character"},
		"host":              {job.Spec{HTTP: &job.HTTP{URL: "http://${secret:GOOD}/"}}, "in the host of a URL"},
		"port":              {job.Spec{HTTP: &job.HTTP{URL: s.URL + "${secret:GOOD}"}}, "in the host of a URL"},
		"expectation":       {job.Spec{HTTP: &job.HTTP{URL: s.URL, Proxy: "gopher://x:${secret:GOOD}@y"}}, "invalid spec: found an invalid proxy"},
	} {
		c.spec.Negate = true
		got := checker(t, check.Config{Secrets: secrets}).Check(t.Context(), c.spec)
		if got.Health != job.Unknown || got.Class != job.ClassInternal || !strings.Contains(got.Cause, c.says) || strings.Contains(got.Cause, "hunter") {
			t.Errorf("%s: got %+v, want unknown because %q", name, got, c.says)
		}
	}
	if got := checker(t, check.Config{}).Check(t.Context(), at(job.HTTP{BearerToken: "${secret:GOOD}"})); got.Health != job.Unknown || !strings.Contains(got.Cause, "read secret GOOD: this process has no secrets") {
		t.Errorf("got %+v from a process without secrets, want unknown", got)
	}
}

func TestBasicAuthPasswordMayContainAColon(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if _, password, _ := r.BasicAuth(); password != "a:b" {
			w.WriteHeader(http.StatusUnauthorized)
		}
	})
	spec := job.Spec{HTTP: &job.HTTP{URL: s.URL, BasicAuth: &job.BasicAuth{Username: "x", Password: "${secret:P}"}}}
	if got := checker(t, check.Config{Secrets: vault{"P": "a:b"}}).Check(t.Context(), spec); got.Health != job.Up {
		t.Errorf("got %+v, want up", got)
	}
}

// echoes returns the forms in which a server may echo a value.
func echoes(secret string) map[string]string {
	return map[string]string{
		"as it is": secret, "in capitals": strings.ToUpper(url.QueryEscape(secret)), "in small letters": strings.ToLower(url.QueryEscape(secret)), "twice": secret + secret, "in a word": "x" + secret + "x", "in HTML": html.EscapeString(secret),
		"in a URL": url.QueryEscape(secret), "in a path": url.PathEscape(secret), "quoted": fmt.Sprintf("%q", secret),
		"base64": base64.StdEncoding.EncodeToString([]byte(secret)), "credentials": base64.StdEncoding.EncodeToString([]byte("me:" + secret)),
	}
}

func TestEchoedSecretIsRedactedInEveryForm(t *testing.T) {
	t.Parallel()
	for _, secret := range []string{awkward, "hunter2", "ünsäglich geheim", strings.Repeat("long and secret ", 20), `{"key": "\u00e9\n"}` + "<&>"} {
		for how, echo := range echoes(secret) {
			s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("X-Echo", url.QueryEscape(echo))
				_, _ = io.WriteString(w, strings.Repeat(".", 90-min(len(secret), 20))+echo)
			})
			spec := job.Spec{HTTP: &job.HTTP{URL: s.URL, Body: "${secret:P}", Method: "POST", BasicAuth: &job.BasicAuth{Username: "me", Password: "${secret:P}"}}}
			c := checker(t, check.Config{Secrets: vault{"P": secret}})
			for _, expression := range []string{`body == "x"`, `headers["x-echo"] == "x"`, `body.contains("no such thing")`} {
				spec.Expect = []string{expression}
				got := c.Check(t.Context(), spec)
				if got.Class != job.ClassExpectation || !strings.Contains(got.Cause, "****") || leaks(got.Cause, secret) {
					t.Errorf("%s, %s: got %+v, want it redacted", how, expression, got)
				}
			}
		}
	}
}

// leaks reports whether several consecutive characters of a secret remain.
func leaks(text, secret string) bool {
	const telling = 7
	text = strings.ToLower(text)
	runes := []rune(strings.ToLower(secret))
	for i := range runes {
		if i+telling <= len(runes) && strings.Contains(text, string(runes[i:i+telling])) {
			return true
		}
	}
	return false
}

func TestEchoedLineOfASecretIsRedacted(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "line 2 is bad: hunter2") })
	spec := job.Spec{HTTP: &job.HTTP{URL: s.URL, Method: "POST", Body: "${secret:P}"}, Expect: []string{`body == "x"`}}
	got := checker(t, check.Config{Secrets: vault{"P": "first\nhunter2\nlast"}}).Check(t.Context(), spec)
	if want := `expected body == "x", found body = "line 2 is bad: ****"`; got.Cause != want {
		t.Errorf("got %q, want %q", got.Cause, want)
	}
}

func TestShortSecretsAreRedactedAsWholeWords(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "sa, message of sa") })
	spec := job.Spec{HTTP: &job.HTTP{URL: s.URL, BasicAuth: &job.BasicAuth{Username: "${secret:U}", Password: "x"}}, Expect: []string{`body == "x"`}}
	got := checker(t, check.Config{Secrets: vault{"U": "sa"}}).Check(t.Context(), spec)
	if want := `expected body == "x", found body = "****, message of ****"`; got.Cause != want {
		t.Errorf("got %q, want %q", got.Cause, want)
	}
}

func TestRedirectToAnotherHostGetsNoSecret(t *testing.T) {
	t.Parallel()
	requests := make(chan *http.Request, 1)
	other := serve(t, func(_ http.ResponseWriter, r *http.Request) { requests <- r })
	elsewhere := strings.Replace(other.URL, "127.0.0.1", "localhost", 1)
	first := serve(t, func(w http.ResponseWriter, r *http.Request) {
		status := http.StatusFound
		if r.Method == http.MethodPost {
			status = http.StatusTemporaryRedirect
		}
		to := elsewhere
		if r.URL.Query().Has("near") {
			to = other.URL
		}
		http.Redirect(w, r, to, status)
	})
	spec := job.Spec{HTTP: &job.HTTP{
		URL: first.URL + "/${secret:P}", BearerToken: "${secret:P}", Headers: map[string]string{"X-Key": "${secret:P}", "X-Plain": "yes"},
	}, Timeout: job.Duration(5 * time.Second)}
	c := checker(t, check.Config{Secrets: vault{"P": "hunter2"}})
	if got := c.Check(t.Context(), spec); got.Health != job.Up {
		t.Fatalf("got %+v, want up", got)
	}
	if r := <-requests; strings.Contains(fmt.Sprint(r.Header, r.URL), "hunter2") || r.Header.Get("X-Plain") != "yes" {
		t.Errorf("got %v, want the header without a secret only", r.Header)
	}
	spec.HTTP.URL = first.URL + "/?near"
	if got := c.Check(t.Context(), spec); got.Health != job.Up {
		t.Fatalf("got %+v, want up", got)
	}
	if r := <-requests; r.Header.Get("X-Key") != "hunter2" {
		t.Errorf("got %v at the same host, want the secret", r.Header)
	}
	spec.HTTP = &job.HTTP{URL: first.URL, Method: http.MethodPost, Body: "${secret:P}"}
	if got := c.Check(t.Context(), spec); got.Health != job.Down || got.Status != http.StatusTemporaryRedirect {
		t.Errorf("got %+v, want the redirect as the response, since a body with a secret is not sent again", got)
	}
}

func TestLogAndPanicContainNoSecret(t *testing.T) {
	t.Parallel()
	spec := job.Spec{HTTP: &job.HTTP{URL: "http://127.0.0.1/${secret:P}"}, Timeout: job.Duration(10 * time.Millisecond)}
	var log bytes.Buffer
	ended := make(chan struct{})
	hang := func(context.Context, job.Spec) (job.ProbeResult, check.Facts) {
		<-ended
		return job.ProbeResult{}, nil
	}
	c := checker(t, check.Config{Secrets: vault{"P": "hunter2"}, Probes: map[string]check.Probe{job.KindHTTP: hang}, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	c.Check(t.Context(), spec)
	close(ended)
	if strings.Contains(log.String(), "hunter2") || !strings.Contains(log.String(), "${secret:P}") {
		t.Errorf("got %s, want the target with its reference", log.String())
	}
	spec.Timeout = 0
	fall := func(_ context.Context, spec job.Spec) (job.ProbeResult, check.Facts) {
		panic(errors.New(spec.HTTP.URL))
	}
	got := checker(t, check.Config{Secrets: vault{"P": "hunter2"}, Probes: map[string]check.Probe{job.KindHTTP: fall}}).Check(t.Context(), spec)
	if got.Health != job.Unknown || !strings.Contains(got.Cause, "/****") || strings.Contains(got.Cause+got.Stack, "hunter2") {
		t.Errorf("got %+v, want the panic without the secret", got)
	}
}

func TestValidateFindsInvalidReferences(t *testing.T) {
	t.Parallel()
	v, err := check.NewValidator()
	if err != nil {
		t.Fatal(err)
	}
	spec := job.Spec{HTTP: &job.HTTP{
		URL: "https://me:${secret:OK}@example.org:${secret:PORT}/", Headers: map[string]string{"X-A": "${secret:}"}, Body: "${secret:OK}",
	}, Expect: []string{`body == "${secret:A}"`}}
	found := map[string]string{}
	for _, p := range v.Validate(spec) {
		found[p.Path] = p.Error()
	}
	for path, want := range map[string]string{"http.url": "in the host of a URL", "http.headers.X-A": "without a name", "expect[0]": "expected an expression without one"} {
		if !strings.Contains(found[path], want) {
			t.Errorf("got %q at %s, want %q", found[path], path, want)
		}
		delete(found, path)
	}
	if len(found) > 0 {
		t.Errorf("got more problems: %v", found)
	}
	good := job.Spec{HTTP: &job.HTTP{URL: "https://${secret:A}:${secret:B}@example.org/${secret:C}", Proxy: "http://x:${secret:D}@proxy:1"}, Expect: []string{"status == 200"}}
	if found := v.Validate(good); len(found) > 0 {
		t.Errorf("got %v, want no problem", found)
	}
}

func TestTargetURLsMayContainSecretReferences(t *testing.T) {
	t.Parallel()
	for target, want := range map[string]string{
		"https://me:${secret:P}@example.org": "", "example.org/${secret:P}": "", "wss://example.org/${secret:P}": "",
		"https://${secret:P}/": "in the host", "https://example.org/${secret:}": "without a name", "tcp://${secret:P}:1": "only in an http or websocket URL", "${secret:P}": "only in an http",
	} {
		if _, err := check.ParseTarget(target); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", target, err, want)
		}
	}
}
