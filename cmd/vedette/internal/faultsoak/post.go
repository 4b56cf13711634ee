package faultsoak

import (
	"bytes"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"vedette/cmd/vedette/internal/harness"
)

// received is a mail that a relay has accepted.
type received struct {
	at                    time.Time
	to, id, subject, text string
}

// post has the mails that all relays have accepted.
type post struct {
	mu    sync.Mutex
	mails []received
}

// keep adds a mail.
func (p *post) keep(to []string, data []byte) {
	m := readMail(data)
	m.at, m.to = time.Now(), strings.Join(to, " ")
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mails = append(p.mails, m)
}

// since returns the mails from a time on.
func (p *post) since(at time.Time) []received {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(p.mails), func(m received) bool { return m.at.Before(at) })
}

// about reports whether a mail has words, in its subject or in a paragraph. A
// paragraph that begins with an earlier time is about something else: a mail to the
// operators has what happened since the last one.
func (m *received) about(words []string, since time.Time) bool {
	for _, paragraph := range append(strings.Split(m.text, "\n\n"), m.subject) {
		missing := func(word string) bool { return !strings.Contains(paragraph, word) }
		if slices.ContainsFunc(words, missing) {
			continue
		}
		stamp, _, dated := strings.Cut(paragraph, " UTC  ")
		at, err := time.Parse(noticeTime, strings.TrimSpace(stamp))
		switch {
		case m.to != operator:
			return true
		case dated && err == nil && !at.Before(since.UTC().Truncate(time.Second)):
			return true
		}
	}
	return false
}

// noticeTime is how a time begins a paragraph.
const noticeTime = "Mon 2 Jan 2006 15:04:05"

// readMail reads what it can; the rest stays empty.
func readMail(data []byte) received {
	message, err := mail.ReadMessage(bytes.NewReader(data))
	if err != nil {
		return received{text: string(data)}
	}
	m := received{id: message.Header.Get("Message-Id"), subject: message.Header.Get("Subject")}
	if decoded, err := new(mime.WordDecoder).DecodeHeader(m.subject); err == nil {
		m.subject = decoded
	}
	body := message.Body
	if _, params, err := mime.ParseMediaType(message.Header.Get("Content-Type")); err == nil && params["boundary"] != "" {
		if part, err := multipart.NewReader(body, params["boundary"]).NextPart(); err == nil { // the plain text, decoded
			body = part
		}
	} else if message.Header.Get("Content-Transfer-Encoding") == "quoted-printable" {
		body = quotedprintable.NewReader(body)
	}
	text, _ := io.ReadAll(body) // what can be read of it
	m.text = strings.ReplaceAll(string(text), "\r\n", "\n")
	return m
}

// relay is a mail relay that can be away, or answer 451 to each mail.
type relay struct {
	*service

	busy atomic.Bool
}

func newRelay(to *post) (*relay, error) {
	r := &relay{}
	server := harness.Relay{Message: to.keep, Refusal: func() string {
		if r.busy.Load() {
			return "451 4.3.0 try again later"
		}
		return ""
	}}
	var err error
	r.service, err = newService(server.Serve)
	return r, err
}
