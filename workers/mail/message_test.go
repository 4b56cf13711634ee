package mail_test

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	netmail "net/mail"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vedette/pipeline/job"
	"vedette/workers/mail"
)

var stored = time.Date(2026, 3, 1, 12, 0, 7, 0, time.UTC)

func order(id string) job.Mail {
	return job.Mail{
		V: 1, ID: id, To: "Ops <ops@example.org>", Subject: "[DOWN] website: Verbindung verweigert – zurückgewiesen",
		Text: "It is down.\n.\nA line that begins with a dot: ok.\n", HTML: "<p>It is down, señor.</p>\n", Thread: "incident1", List: "alerts",
	}
}

var defaults = mail.Defaults{From: "Vedette <vedette@example.com>", Stored: stored}

func build(t *testing.T, m job.Mail) mail.Message {
	t.Helper()
	message, err := mail.Build(m, defaults)
	if err != nil {
		t.Fatal(err)
	}
	return message
}

func TestBuildIsDeterministic(t *testing.T) {
	t.Parallel()
	want := build(t, order("m1"))
	for range 50 {
		if diff := cmp.Diff(want, build(t, order("m1"))); diff != "" {
			t.Fatalf("got another mail from the same job (-first +now):\n%s", diff)
		}
	}
	elsewhere := order("m1")
	elsewhere.Date = stored.In(time.FixedZone("elsewhere", 3600))
	if diff := cmp.Diff(string(want.Bytes), string(build(t, elsewhere).Bytes)); diff != "" {
		t.Errorf("the zone of the worker shows in the mail:\n%s", diff)
	}
	if other := build(t, order("m2")); bytes.Equal(other.Bytes, want.Bytes) {
		t.Error("got the same bytes for another job, want its own Message-ID at least")
	}
}

func TestBuiltMailParses(t *testing.T) {
	t.Parallel()
	message := build(t, order("m1"))
	parsed, err := netmail.ReadMessage(bytes.NewReader(message.Bytes))
	if err != nil {
		t.Fatal(err)
	}
	subject, err := new(mime.WordDecoder).DecodeHeader(parsed.Header.Get("Subject"))
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{"Subject": subject}
	for _, name := range []string{"Date", "From", "To", "Message-Id", "References", "In-Reply-To", "List-Id", "Auto-Submitted", "X-Auto-Response-Suppress", "User-Agent", "X-Mailer", "Mime-Version"} {
		got[name] = parsed.Header.Get(name)
	}
	want := map[string]string{
		"Subject": order("m1").Subject, "Date": "Sun, 01 Mar 2026 12:00:07 +0000", "From": `"Vedette" <vedette@example.com>`,
		"To": `"Ops" <ops@example.org>`, "Message-Id": "<m1@example.com>", "References": "<incident1@example.com>",
		"In-Reply-To": "<incident1@example.com>", "List-Id": "<alerts.example.com>", "Auto-Submitted": "auto-generated", "X-Auto-Response-Suppress": "All",
		"User-Agent": "", "X-Mailer": "", "Mime-Version": "1.0",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("headers (-want +got):\n%s", diff)
	}
	parts := readParts(t, parsed)
	wantParts := []string{
		"text/plain; charset=UTF-8", strings.ReplaceAll(order("m1").Text, "\n", "\r\n"),
		"text/html; charset=UTF-8", strings.ReplaceAll(order("m1").HTML, "\n", "\r\n"),
	}
	if diff := cmp.Diff(wantParts, parts); diff != "" {
		t.Errorf("parts (-want +got):\n%s", diff)
	}
	if message.From != "vedette@example.com" || message.To != "ops@example.org" || message.ID != "m1@example.com" {
		t.Errorf("got envelope %q to %q, id %q", message.From, message.To, message.ID)
	}
}

func readParts(t *testing.T, message *netmail.Message) (parts []string) {
	t.Helper()
	kind, parameters, err := mime.ParseMediaType(message.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/alternative" {
		t.Fatalf("got content type %q, %v, want multipart/alternative", kind, err)
	}
	reader := multipart.NewReader(message.Body, parameters["boundary"])
	for {
		part, err := reader.NextPart() // which decodes quoted-printable
		if errors.Is(err, io.EOF) {
			return parts
		}
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(part)
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, part.Header.Get("Content-Type"), string(body))
	}
}

func TestSingleBodyIsNotMultipart(t *testing.T) {
	t.Parallel()
	for kind, m := range map[string]job.Mail{
		"text/plain": {ID: "m1", To: "ops@example.org", Subject: "s", Text: "größer\n"},
		"text/html":  {ID: "m1", To: "ops@example.org", Subject: "s", HTML: "größer\n"},
	} {
		parsed, err := netmail.ReadMessage(bytes.NewReader(build(t, m).Bytes))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(quotedprintable.NewReader(parsed.Body))
		if err != nil {
			t.Fatal(err)
		}
		if got := parsed.Header.Get("Content-Type"); got != kind+"; charset=UTF-8" || string(body) != "größer\r\n" {
			t.Errorf("got %q with %q, want %s alone", got, body, kind)
		}
		if parsed.Header.Get("References") != "" {
			t.Errorf("got References %q without a thread, want none", parsed.Header.Get("References"))
		}
	}
}

func TestEnvelopeAddresses(t *testing.T) {
	t.Parallel()
	cases := []struct {
		to, want string
		utf8     bool
	}{
		{"ops@example.org", "ops@example.org", false},
		{`"Größe, Ltd." <ops@example.org>`, "ops@example.org", false},
		{`"on call"@example.org`, `"on call"@example.org`, false},
		{`"a\"b"@example.org`, `"a\"b"@example.org`, false},
		{"größe@example.org", "größe@example.org", true},
	}
	for _, c := range cases {
		m := order("m1")
		m.To = c.to
		if message := build(t, m); message.To != c.want || message.UTF8() != c.utf8 {
			t.Errorf("%s: got %q, UTF-8 %v, want %q, %v", c.to, message.To, message.UTF8(), c.want, c.utf8)
		}
	}
}

func TestBuildRefusesInvalidMail(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		spoil func(*job.Mail)
		says  string
	}{
		"a header in the subject":        {func(m *job.Mail) { m.Subject = "a\r\nBcc: x@example.org" }, "subject"},
		"a bare line feed":               {func(m *job.Mail) { m.Subject = "a\nb" }, "subject"},
		"a bare carriage return":         {func(m *job.Mail) { m.Subject = "a\rb" }, "subject"},
		"a header in the recipient":      {func(m *job.Mail) { m.To = "ops@example.org\r\nBcc: x@example.org" }, "to"},
		"a folded recipient":             {func(m *job.Mail) { m.To = "Ops\r\n <ops@example.org>" }, "to"},
		"a header in the sender":         {func(m *job.Mail) { m.From = "a@example.org\r\nBcc: x@example.org" }, "from"},
		"brackets in a quoted recipient": {func(m *job.Mail) { m.To = `"a> NOTIFY=<b"@example.org` }, "to"},
		"a header in the id":             {func(m *job.Mail) { m.ID = "m1>\r\nBcc: x@example.org" }, "id"},
		"no id":                          {func(m *job.Mail) { m.ID = "" }, "id"},
		"a header in the thread":         {func(m *job.Mail) { m.Thread = "t\r\nBcc: x@example.org" }, "thread"},
		"no recipient":                   {func(m *job.Mail) { m.To = "" }, "to"},
		"two recipients":                 {func(m *job.Mail) { m.To = "a@example.org, b@example.org" }, "to"},
		"a recipient without a domain":   {func(m *job.Mail) { m.To = "root" }, "to"},
		"a sender that is no address":    {func(m *job.Mail) { m.From = "nobody" }, "from"},
		"an endless word in the subject": {func(m *job.Mail) { m.Subject = strings.Repeat("x", 1200) }, "1201"},
	}
	for name, c := range cases {
		m := order("m1")
		c.spoil(&m)
		_, err := mail.Build(m, defaults)
		if !errors.Is(err, mail.ErrInvalid) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: got %v, want ErrInvalid that says %q", name, err, c.says)
		}
		if got := resultOf(mail.JobError(err)); got != "dead invalid" {
			t.Errorf("%s: got result %q, want a dead letter: invalid", name, got)
		}
	}
	if _, err := mail.Build(order("m1"), mail.Defaults{From: defaults.From}); !errors.Is(err, mail.ErrInvalid) {
		t.Errorf("no date at all: got %v, want ErrInvalid", err)
	}
}

// FuzzBuild searches for jobs that can add a line to the header.
func FuzzBuild(f *testing.F) {
	f.Add("m1", "ops@example.org", "", "subject", "text", "<p>html</p>", "t1")
	f.Add("m1", "Größe <ops@example.org>", "a@b.example", "=?utf-8?q?=0D=0AX:y?=", "a\r.\r\nb", "", "")
	f.Add("m1", "\"a b\"@example.org", "a@größe.example", "ü\tx", "\n--part\n", "\x00", "t")
	allowed := map[string]bool{}
	for name := range strings.FieldsSeq("Auto-Submitted Content-Transfer-Encoding Content-Type Date From In-Reply-To Message-Id Mime-Version References Subject To X-Auto-Response-Suppress") {
		allowed[name] = true
	}
	f.Fuzz(func(t *testing.T, id, to, from, subject, text, html, thread string) {
		m := job.Mail{ID: id, To: to, From: from, Subject: subject, Text: text, HTML: html, Thread: thread}
		message, err := mail.Build(m, defaults)
		if err != nil {
			if !errors.Is(err, mail.ErrInvalid) {
				t.Fatalf("got %v, want ErrInvalid", err)
			}
			return
		}
		rest := strings.ReplaceAll(string(message.Bytes), "\r\n", "")
		if strings.ContainsAny(rest, "\r\n") {
			t.Errorf("got a bare CR or LF in %q", message.Bytes)
		}
		if strings.ContainsAny(message.From+message.To, "\r\n<>") {
			t.Errorf("got envelope %q to %q, want no line ends and brackets", message.From, message.To)
		}
		parsed, err := netmail.ReadMessage(bytes.NewReader(message.Bytes))
		if err != nil {
			t.Fatalf("parse: %v\n%q", err, message.Bytes)
		}
		for name, values := range parsed.Header {
			if !allowed[name] || len(values) != 1 {
				t.Errorf("got header %s %d times in\n%s", name, len(values), message.Bytes)
			}
		}
	})
}
