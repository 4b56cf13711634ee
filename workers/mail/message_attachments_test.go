package mail_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	netmail "net/mail"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"vedette/pipeline/job"
	"vedette/workers/mail"
)

// full is a mail with all fields of a job.
func full() job.Mail {
	m := order("m1")
	m.ShownTo = []string{"Ops <ops@example.org>", "dev@example.org"}
	m.CC, m.ReplyTo = []string{"Chef <chef@example.org>"}, "help@example.org"
	m.List, m.Headers = "", map[string]string{"x-ticket": "4711", "List-Id": "Reports <reports.example.org>", "X-Note": "größer"}
	m.Attachments = []job.Attachment{
		{Name: "report ü.csv", Type: "text/csv; charset=utf-8", Content: []byte("a,b\n1,2\n")},
		{Name: "data.bin", Content: bytes.Repeat([]byte{0, 1, 2, 255}, 1000)},
		{Name: "empty.txt", Type: "text/plain"},
	}
	return m
}

func TestMailWithAllFieldsParses(t *testing.T) {
	t.Parallel()
	built := build(t, full())
	if built.To != "ops@example.org" {
		t.Errorf("got envelope %s, want the one recipient of the job", built.To)
	}
	message, err := netmail.ReadMessage(bytes.NewReader(built.Bytes))
	if err != nil {
		t.Fatal(err)
	}
	decoder := new(mime.WordDecoder)
	for name, want := range map[string]string{
		"To": `"Ops" <ops@example.org>, <dev@example.org>`, "Cc": `"Chef" <chef@example.org>`, "Reply-To": "<help@example.org>",
		"X-Ticket": "4711", "List-Id": "Reports <reports.example.org>", "X-Note": "größer",
	} {
		if got, err := decoder.DecodeHeader(message.Header.Get(name)); err != nil || got != want {
			t.Errorf("%s: got %q, %v, want %q", name, got, err, want)
		}
	}
	kind, params, err := mime.ParseMediaType(message.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/mixed" {
		t.Fatalf("got %s, %v, want multipart/mixed", kind, err)
	}
	var got []string
	reader := multipart.NewReader(message.Body, params["boundary"])
	for {
		part, err := reader.NextRawPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, describe(t, part))
	}
	want := []string{
		"multipart/alternative: text/plain, text/html", `text/csv "report ü.csv" 8 bytes`, `application/octet-stream "data.bin" 4000 bytes`,
		`text/plain "empty.txt" 0 bytes`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for range 20 {
		if !bytes.Equal(build(t, full()).Bytes, built.Bytes) {
			t.Fatal("got other bytes from the same job")
		}
	}
}

// describe returns the type and the content of a part.
func describe(t *testing.T, part *multipart.Part) string {
	t.Helper()
	kind, params, err := mime.ParseMediaType(part.Header.Get("Content-Type"))
	if err != nil {
		t.Fatal(err)
	}
	if kind == "multipart/alternative" {
		var inner []string
		reader := multipart.NewReader(part, params["boundary"])
		for {
			one, err := reader.NextPart()
			if errors.Is(err, io.EOF) {
				return kind + ": " + strings.Join(inner, ", ")
			}
			if err != nil {
				t.Fatal(err)
			}
			innerKind, _, _ := mime.ParseMediaType(one.Header.Get("Content-Type"))
			inner = append(inner, innerKind)
		}
	}
	content, err := io.ReadAll(base64.NewDecoder(base64.StdEncoding, part))
	if err != nil {
		t.Fatal(err)
	}
	_, disposition, err := mime.ParseMediaType(part.Header.Get("Content-Disposition"))
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%s %q %d bytes", kind, disposition["filename"], len(content))
}

func TestAttachedMessageIsEncodedAsFile(t *testing.T) {
	t.Parallel()
	m := order("m1")
	m.Attachments = []job.Attachment{{Name: "x.eml", Type: "Message/RFC822", Content: []byte("Subject: x\r\n\r\ny\r\n")}}
	text := string(build(t, m).Bytes)
	if strings.Contains(strings.ToLower(text), "rfc822") || !strings.Contains(text, "Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n") {
		t.Errorf("got %s, want the message as a file: its own type must not be base64", text)
	}
}

func TestSinglePartMailHasAttachments(t *testing.T) {
	t.Parallel()
	m := full()
	m.HTML = ""
	message, err := netmail.ReadMessage(bytes.NewReader(build(t, m).Bytes))
	if err != nil {
		t.Fatal(err)
	}
	_, params, _ := mime.ParseMediaType(message.Header.Get("Content-Type"))
	part, err := multipart.NewReader(message.Body, params["boundary"]).NextPart()
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(part)
	if err != nil || strings.ReplaceAll(string(text), "\r\n", "\n") != strings.TrimSuffix(m.Text, "\n") {
		t.Errorf("got %q, %v, want the text", text, err)
	}
}

func TestInvalidFieldsAreRefused(t *testing.T) {
	t.Parallel()
	for field, change := range map[string]func(*job.Mail){
		"cc: ":                            func(m *job.Mail) { m.CC = []string{"a@example.org\r\nBcc: b@example.org"} },
		"shown_to: ":                      func(m *job.Mail) { m.ShownTo = []string{"nobody"} },
		"reply_to: ":                      func(m *job.Mail) { m.ReplyTo = "a, b" },
		"headers: found the name \"X Y\"": func(m *job.Mail) { m.Headers = map[string]string{"X Y": "z"} },
		"headers: found the name \"X:\"":  func(m *job.Mail) { m.Headers = map[string]string{"X:": "z"} },
		"headers: found Bcc, which cannot be set": func(m *job.Mail) { m.Headers = map[string]string{"Bcc": "a@example.org"} },
		"headers: found Content-Type":             func(m *job.Mail) { m.Headers = map[string]string{"Content-Type": "text/plain"} },
		"headers: X-A: found":                     func(m *job.Mail) { m.Headers = map[string]string{"X-A": "b\r\nBcc: a@example.org"} },
		"list: found \"a b\"":                     func(m *job.Mail) { m.List = "a b" },
		"list: found the header": func(m *job.Mail) {
			m.List, m.Headers = "a", map[string]string{"list-ID": "<b.example.org>"}
		},
		"attachments: found the name \"../x\"":     func(m *job.Mail) { m.Attachments = []job.Attachment{{Name: "../x"}} },
		"attachments: found the name \"a\\r\\nb\"": func(m *job.Mail) { m.Attachments = []job.Attachment{{Name: "a\r\nb"}} },
		"attachments: x: found the type": func(m *job.Mail) {
			m.Attachments = []job.Attachment{{Name: "x", Type: "text/plain\r\nX: y"}}
		},
		"attachments: y: found the type": func(m *job.Mail) { m.Attachments = []job.Attachment{{Name: "y", Type: "multipart/mixed"}} },
		"attachments: found 21":          func(m *job.Mail) { m.Attachments = make([]job.Attachment, 21) },
		"expected at most 4194304": func(m *job.Mail) {
			m.Attachments = []job.Attachment{{Name: "x", Content: make([]byte, job.MaxAttached+1)}}
		},
	} {
		m := order("m1")
		change(&m)
		if _, err := mail.Build(m, defaults); !errors.Is(err, mail.ErrInvalid) || !strings.Contains(err.Error(), field) {
			t.Errorf("%s: got %v, want it refused by that name", field, err)
		}
	}
}
