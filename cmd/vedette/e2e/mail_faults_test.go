package e2e_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"vedette/cmd/vedette/internal/cli"
	"vedette/pipeline/job"
)

// mailFault is an instance with one or two relays, of which something is wrong.
type mailFault struct {
	*running

	first, second *inbox
	shown         atomic.Pointer[tls.Certificate]
	good, expired *tls.Certificate
	unknown       *tls.Certificate
}

// Whatever keeps mails from leaving is shown within 30 s in every place where
// people look, and ends on its own within seconds after its cause.
func TestWhatKeepsMailsFromLeavingIsShownEverywhere(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		relays     string // with %s for the port of the first
		begin, end func(*testing.T, *mailFault)
		reason     job.ProcessConditionReason
		detail     string
		remedy     string
	}{
		"the first relay is away": {
			relays: "{host: 127.0.0.1, port: %s, tls: none}, {host: 127.0.0.1, port: %s, tls: none}",
			begin:  func(_ *testing.T, f *mailFault) { f.first.Close() },
			end:    func(t *testing.T, f *mailFault) { t.Helper(); f.first.Listen(t) },
			reason: job.FaultRelayAway, detail: `relay 127.0.0.1:\d+ cannot be reached since .* UTC \(connection refused\); 127.0.0.1:\d+ is used`,
			remedy: "do   start that relay",
		},
		"the only relay is away": {
			relays: "{host: 127.0.0.1, port: %s, tls: none}",
			begin:  func(_ *testing.T, f *mailFault) { f.first.Close() },
			end:    func(t *testing.T, f *mailFault) { t.Helper(); f.first.Listen(t) },
			reason: job.FaultRelaysDown, detail: `relay 127.0.0.1:\d+ cannot be reached since .* UTC \(connection refused\)`,
			remedy: "do   start a relay",
		},
		"the certificate is not trusted": {
			relays: "{host: 127.0.0.1, port: %s, tls: starttls}",
			begin:  func(_ *testing.T, f *mailFault) { f.shown.Store(f.unknown) },
			end:    func(_ *testing.T, f *mailFault) { f.shown.Store(f.good) },
			reason: job.FaultRelayTLS, detail: `TLS with relay 127.0.0.1:\d+ fails since .* UTC \(certificate signed by unknown authority`,
			remedy: "do   renew the certificate",
		},
		"the certificate has expired": {
			relays: "{host: 127.0.0.1, port: %s, tls: starttls}",
			begin:  func(_ *testing.T, f *mailFault) { f.shown.Store(f.expired) },
			end:    func(_ *testing.T, f *mailFault) { f.shown.Store(f.good) },
			reason: job.FaultRelayTLS, detail: `TLS with relay 127.0.0.1:\d+ fails since .* UTC \(certificate expired at .* UTC\)`,
			remedy: "do   renew the certificate",
		},
		"the password is wrong": {
			relays: "{host: 127.0.0.1, port: %s, tls: none, allow_cleartext: true, username: me, password_file: password}",
			begin: func(t *testing.T, f *mailFault) {
				t.Helper()
				f.writePassword(t, "old")
				f.enqueue(t, "m1") // a login is due at once
			},
			end:    func(t *testing.T, f *mailFault) { t.Helper(); f.writePassword(t, "s3cret") },
			reason: job.FaultRelayLogin, detail: `login to relay 127.0.0.1:\d+ fails since .* UTC \(535 `,
			remedy: "do   correct username and password",
		},
		"every mail is deferred": {
			relays: "{host: 127.0.0.1, port: %s, tls: none}",
			begin: func(t *testing.T, f *mailFault) {
				t.Helper()
				f.first.Refuse(true)
				f.enqueue(t, "m1", "m2", "m3")
			},
			end:    func(_ *testing.T, f *mailFault) { f.first.Refuse(false) },
			reason: job.FaultRelayDefers, detail: `relay 127.0.0.1:\d+ has accepted no mail since .* UTC \(RCPT: 451 4.3.0 come back later\)`,
			remedy: "do   see the log of the relay",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newMailFault(t, c.relays)
			f.start()
			f.ready()
			eventually(t, "mails can leave", func() bool { known, failing := f.mailCondition(); return known && failing == nil })
			began := time.Now()
			c.begin(t, f)
			eventually(t, string(c.reason), func() bool { _, failing := f.mailCondition(); return failing != nil && failing.Reason == c.reason })
			noticed := time.Since(began)
			f.isShown(t, regexp.MustCompile(c.detail), c.remedy)
			ended := time.Now()
			c.end(t, f)
			eventually(t, "mails can leave again", func() bool { _, failing := f.mailCondition(); return failing == nil })
			t.Logf("shown after %s, ended after %s", noticed.Round(100*time.Millisecond), time.Since(ended).Round(100*time.Millisecond))
			if output, code := f.vedette("status"); code != cli.ExitOK || strings.Contains(output, "VEDETTE:") {
				t.Errorf("got %d %s, want no fault any more", code, output)
			}
			f.stop()
		})
	}
}

// The operators hear by the second relay that the first one is away.
func TestOperatorsHearOfARelayByTheOther(t *testing.T) {
	t.Parallel()
	box := newInbox(t)
	away := &inbox{Address: freeAddress(t)}
	r := newInstance(t, fmt.Sprintf("operators: boss\nrecipients: {boss: boss@example.org}\nmail: {from: vedette@example.org, relays: [%s, %s]}\nmonitors: []\n", away.Relay(), box.Relay()))
	r.start()
	r.ready()
	eventually(t, "the mail about the first relay", func() bool {
		return box.Holds("To: <boss@example.org>", "relay "+away.Address+" cannot be reached since ", box.Address+" is used")
	})
	r.stop()
}

// Addresses count as notified once a relay has accepted their mails.
func TestNotifiedMeansAcceptedByARelay(t *testing.T) {
	t.Parallel()
	x, box := newTarget(t), newInbox(t)
	box.Close()
	x.setIll(true)
	r := newInstance(t, fmt.Sprintf("recipients: {ops: ops@example.org, gone: gone@example.org}\n"+
		"mail: {from: vedette@example.org, relays: [%s]}\nnotifications: {group_wait: 0s}\n"+
		"monitors: [{name: website, http: %s, interval: 1s, failure_threshold: 1, notify: [ops, gone]}]\n", box.Relay(), x.url))
	r.start()
	r.ready()
	explained := func(pattern string) {
		t.Helper()
		output := ""
		eventually(t, pattern, func() bool {
			output, _ = r.vedette("explain", "website")
			return regexp.MustCompile(pattern).MatchString(output)
		})
		if strings.Contains(output, "notified at") != strings.Contains(pattern, "notified at") {
			t.Errorf("got %s, want notified only for an accepted mail", output)
		}
	}
	explained(`down since .*: enqueued at .*, not accepted by a relay yet: .*connection refused.*, in mail `)
	if output, code := r.vedette("mail", "log"); code != cli.ExitOK || !regexp.MustCompile(`2 mails wait for the first attempt|ops@example\.org +\[DOWN\] website.* attempt at \d`).MatchString(output) {
		t.Errorf("got %d %s, want the mails that wait", code, output)
	}
	box.Listen(t)
	explained(`(?s)gone@example\.org\n +down since .*: not delivered: dead letter \d+, .*550 5.1.1 no such user; 'vedette dead replay \d+', in mail .*` +
		`ops@example\.org\n +down since .*: notified at .* through ` + regexp.QuoteMeta(box.Address) + `, in mail `)
	if output, _ := r.vedette("mail", "log"); !regexp.MustCompile(`failed .*gone@example\.org +\[DOWN\] website.* dead letter \d+ `).MatchString(output) {
		t.Errorf("got %s, want the failed mail with recipient, subject and dead letter", output)
	}
	r.stop()
}

func newMailFault(t *testing.T, relays string) *mailFault {
	t.Helper()
	f := &mailFault{first: &inbox{Address: "127.0.0.1:0", password: "s3cret"}, second: newInbox(t)}
	var roots []byte
	now := time.Now()
	f.good, roots = issue(t, now.AddDate(0, 0, 60))
	f.expired, _ = issue(t, now.Add(-time.Hour))
	f.unknown, _ = issue(t, now.AddDate(0, 0, 60))
	f.shown.Store(f.good)
	f.first.TLS = &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return f.shown.Load(), nil }}
	f.first.Listen(t)
	t.Cleanup(f.first.Close)
	for _, box := range []*inbox{f.first, f.second} {
		_, port, _ := net.SplitHostPort(box.Address)
		relays = strings.Replace(relays, "%s", port, 1)
	}
	f.running = newInstance(t, fmt.Sprintf("operators: ops\nrecipients: {ops: ops@example.org}\nmail: {from: vedette@example.org, relays: [%s]}\nmonitors: []\n", relays))
	trusted := filepath.Join(f.dir, "roots.pem")
	if err := os.WriteFile(trusted, roots, 0o600); err != nil {
		t.Fatal(err)
	}
	f.env = []string{"SSL_CERT_FILE=" + trusted, "SSL_CERT_DIR=" + f.dir}
	f.writePassword(t, "s3cret")
	return f
}

func (f *mailFault) writePassword(t *testing.T, password string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(f.dir, "password"), []byte(password), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (f *mailFault) enqueue(t *testing.T, ids ...string) {
	t.Helper()
	client := clientAt(t, f.natsURL())
	for _, id := range ids {
		if _, err := client.EnqueueMail(t.Context(), job.Mail{ID: id, To: id + "@example.org", Subject: "s", Text: "t"}); err != nil {
			t.Fatal(err)
		}
	}
}

// mailCondition returns the condition mail on /readyz if it fails, and whether it is
// known. The process must be ready all the same.
func (f *mailFault) mailCondition() (known bool, failing *job.ProcessCondition) {
	f.t.Helper()
	body, code := f.get("/readyz")
	var answer struct{ Conditions []job.ProcessCondition }
	if err := json.Unmarshal([]byte(body), &answer); err != nil {
		return false, nil
	}
	for _, c := range answer.Conditions {
		if c.Name != job.ProcessMail {
			continue
		}
		if code != http.StatusOK || !c.OK && !c.Advisory {
			f.t.Errorf("got %d %s, want a ready process", code, body)
		}
		if !c.OK {
			return true, &c
		}
		known = true
	}
	return known, nil
}

// isShown checks each place where people look.
func (f *mailFault) isShown(t *testing.T, detail *regexp.Regexp, remedy string) {
	t.Helper()
	if _, failing := f.mailCondition(); failing == nil || !detail.MatchString(failing.Detail) {
		t.Errorf("got %+v at /readyz, want %s", failing, detail)
	}
	for _, path := range []string{"/", "/status.json"} {
		if body, _ := f.get(path); !detail.MatchString(body) {
			t.Errorf("got %s at %s, want %s", body, path, detail)
		}
	}
	for _, command := range [][]string{{"status"}, {"doctor"}} {
		output, code := f.vedette(command...)
		if code != cli.ExitFound || !detail.MatchString(output) {
			t.Errorf("got %d %s from %s, want %s", code, output, command, detail)
		}
		if command[0] == "doctor" && !strings.Contains(output, remedy) {
			t.Errorf("got %s, want the remedy %q", output, remedy)
		}
	}
	if output, code := f.vedette("ps"); code != cli.ExitOK || !detail.MatchString(output) {
		t.Errorf("got %d %s from ps, want %s", code, output, detail)
	}
	if output, code := f.vedette("ps", "--json"); code != cli.ExitOK || !detail.MatchString(output) {
		t.Errorf("got %d %s from ps, want %s", code, output, detail)
	}
}

// issue creates a certificate for 127.0.0.1 and the authority that signed it, as PEM.
func issue(t *testing.T, until time.Time) (*tls.Certificate, []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: until.AddDate(0, 0, -90), NotAfter: until, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}
