package mail_test

import (
	"bytes"
	"errors"
	"fmt"
	"mime"
	netmail "net/mail"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"vedette/pipeline/job"
	"vedette/workers/mail"
)

func TestHeaderOrderIsStable(t *testing.T) {
	t.Parallel()
	m := full()
	for n := range 20 {
		m.Headers[fmt.Sprintf("X-Field-%d", n)] = "value"
	}
	want := build(t, m).Bytes
	for range 100 {
		if diff := cmp.Diff(string(want), string(build(t, m).Bytes)); diff != "" {
			t.Fatalf("got other bytes from the same job (-first +now):\n%s", diff)
		}
	}
}

// Which value of a duplicate header counts would depend on the map's order.
func TestDuplicateHeadersAreRefused(t *testing.T) {
	t.Parallel()
	m := order("m1")
	m.Headers = map[string]string{"X-Ticket": "1", "x-ticket": "2"}
	if _, err := mail.Build(m, defaults); !errors.Is(err, mail.ErrInvalid) || !strings.Contains(err.Error(), "x-ticket twice") {
		t.Errorf("got %v, want the second one refused", err)
	}
}

// An encoded word can hide a line end.
func TestEncodedLineEndInNameAddsNoHeader(t *testing.T) {
	t.Parallel()
	const hidden = "=?utf-8?q?Ops=0D=0ABcc=3A_x=40example.org?= <ops@example.org>"
	m := order("m1")
	m.From, m.To, m.ReplyTo = hidden, hidden, hidden
	m.ShownTo, m.CC = []string{hidden}, []string{hidden}
	message, err := netmail.ReadMessage(bytes.NewReader(build(t, m).Bytes))
	if err != nil {
		t.Fatal(err)
	}
	if message.Header.Get("Bcc") != "" {
		t.Errorf("got header %q, want no Bcc", message.Header)
	}
	for _, name := range []string{"From", "To", "Cc", "Reply-To"} {
		all, err := message.Header.AddressList(name)
		if err != nil || len(all) != 1 || all[0].Address != "ops@example.org" {
			t.Errorf("%s: got %v, %v, want the one address", name, all, err)
		}
	}
}

// Some readers take a line with only blanks for the end of the header.
func TestLongBlankRunMakesNoBlankHeaderLine(t *testing.T) {
	t.Parallel()
	blanks := strings.Repeat(" ", 300)
	for name, value := range map[string]string{"within": "a" + blanks + "b", "at the end": "a" + blanks, "alone": blanks, "tabs": "a" + strings.Repeat("\t ", 150) + "b"} {
		m := order("m1")
		m.Subject, m.Headers, m.CC = value, map[string]string{"X-Note": value}, []string{`"a` + blanks + `b" <ops@example.org>`}
		built := build(t, m).Bytes
		header, _, _ := strings.Cut(string(built), "\r\n\r\n")
		if slices.ContainsFunc(strings.Split(header, "\r\n"), func(line string) bool { return strings.Trim(line, " \t") == "" }) {
			t.Errorf("%s: got a line of blanks in %q", name, header)
		}
		message, err := netmail.ReadMessage(bytes.NewReader(built))
		if err != nil {
			t.Fatal(err)
		}
		if got := message.Header.Get("Subject"); strings.Join(strings.Fields(got), " ") != strings.Join(strings.Fields(value), " ") {
			t.Errorf("%s: got subject %q, want %q", name, got, value)
		}
	}
}

// boundaries returns a mail's boundaries, outermost first.
func boundaries(t *testing.T, m job.Mail) []string {
	t.Helper()
	var found []string
	for line := range strings.SplitSeq(string(build(t, m).Bytes), "\r\n") {
		if _, boundary, ok := strings.Cut(line, "boundary="); ok {
			found = append(found, boundary)
		}
	}
	return found
}

func TestBoundariesDifferByLevelAndMail(t *testing.T) {
	t.Parallel()
	first := boundaries(t, full())
	if len(first) != 2 || strings.HasPrefix(first[0], first[1]) || strings.HasPrefix(first[1], first[0]) {
		t.Fatalf("got boundaries %q, want two that differ", first)
	}
	for name, change := range map[string]func(*job.Mail){
		"text": func(m *job.Mail) { m.Text = "--" + strings.Join(first, "--\n--") + "--\n" },
		"HTML": func(m *job.Mail) { m.HTML = "--" + strings.Join(first, "--\n--") + "--\n" },
	} {
		m := full()
		change(&m)
		for _, boundary := range boundaries(t, m) {
			if slices.Contains(first, boundary) {
				t.Errorf("got the boundary %s of a mail whose %s holds it", boundary, name)
			}
		}
	}
}

// A shown address that is not ASCII makes the header UTF-8.
func TestNonASCIIShownAddressNeedsSMTPUTF8(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*job.Mail){
		"shown_to": func(m *job.Mail) { m.ShownTo = []string{"größe@example.org"} },
		"cc":       func(m *job.Mail) { m.CC = []string{"größe@example.org"} },
		"reply_to": func(m *job.Mail) { m.ReplyTo = "größe@example.org" },
	} {
		for ehlo, want := range map[string]string{"250 SMTPUTF8": "done", "250 HELP": "dead permanent"} {
			relay := serveScripts(t, nil, script{"EHLO": "250-relay.test\r\n" + ehlo})
			m := order("m1")
			change(&m)
			_, err := newSender(t, mail.Config{Relays: []mail.Relay{relay.plain()}}).Send(t.Context(), m, stored)
			if got := resultOf(mail.JobError(err)); got != want {
				t.Errorf("%s, %s: got %q of %v, want %q", name, ehlo, got, err, want)
			}
			if asked := strings.HasSuffix(relay.lines()[1], " SMTPUTF8"); asked != (want == "done") {
				t.Errorf("%s, %s: got %q, want SMTPUTF8 %t", name, ehlo, relay.lines(), want == "done")
			}
		}
	}
}

// The mail must not need an extension for octets above 127.
func TestMailWithASCIIAddressesIsASCII(t *testing.T) {
	t.Parallel()
	m := full()
	m.From, m.Text, m.HTML = "Größe <a@example.org>", "größer\n", "<p>größer</p>\n"
	built := build(t, m)
	if at := bytes.IndexFunc(built.Bytes, func(r rune) bool { return r >= 0x80 }); at >= 0 || built.UTF8() {
		t.Errorf("got UTF-8 %t, first at %d, want none", built.UTF8(), at)
	}
	m.Attachments = []job.Attachment{{Name: "x", Type: `text/csv; name="größe"`}}
	if _, err := mail.Build(m, defaults); !errors.Is(err, mail.ErrInvalid) || !strings.Contains(err.Error(), "attachments: x: found the type") {
		t.Errorf("got %v, want a type that is not ASCII refused", err)
	}
	m.Attachments[0].Type = mime.FormatMediaType("text/csv", map[string]string{"name": "größe"})
	if _, err := mail.Build(m, defaults); err != nil {
		t.Errorf("got %v for the same type in its encoded form", err)
	}
}
