package mail_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	netmail "net/mail"
	"slices"
	"strings"
	"testing"
)

// opened is a delivered mail as a strict reader sees it.
type opened struct {
	header netmail.Header
	// own is the mail without the fields that Postfix has added.
	own string
	// leaves are the parts without parts, in order.
	leaves []leaf
}

// leaf is a part with its decoded content.
type leaf struct {
	// Path has the types of the enclosing parts and its own.
	Path, Charset, Filename string
	Content                 string
}

// openMail parses a mail from a Maildir and fails the test for all that RFC 5322
// and RFC 2045 to 2049 forbid.
func openMail(t *testing.T, raw string) opened {
	t.Helper()
	for i, line := range strings.Split(raw, "\n") {
		if len(line) > 998 || strings.ContainsAny(line, "\r\x00") {
			t.Fatalf("line %d: got %d octets %.80q, want at most 998 and no line end in it", i+1, len(line), line)
		}
	}
	message, err := netmail.ReadMessage(strings.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"From", "To", "Cc", "Reply-To", "Subject", "Date", "Message-Id", "In-Reply-To", "References", "Mime-Version", "Content-Type"} {
		if got := len(message.Header[name]); got > 1 {
			t.Errorf("got %d fields %s, want one at most", got, name)
		}
	}
	leaves, err := openPart(message.Header.Get, message.Body, "")
	if err != nil {
		t.Fatalf("%v in\n%s", err, raw)
	}
	return opened{header: message.Header, own: belowPostfix(raw), leaves: leaves}
}

// openPart parses the content that a header describes.
func openPart(field func(string) string, body io.Reader, around string) ([]leaf, error) {
	kind, params, err := mime.ParseMediaType(field("Content-Type"))
	if err != nil {
		return nil, fmt.Errorf("read type %q: %w", field("Content-Type"), err)
	}
	path := around + kind
	if strings.HasPrefix(kind, "multipart/") {
		return openParts(multipart.NewReader(body, params["boundary"]), path)
	}
	content, err := decode(field("Content-Transfer-Encoding"), body)
	if err != nil {
		return nil, fmt.Errorf("decode %s: %w", path, err)
	}
	one := leaf{Path: path, Charset: params["charset"], Content: content}
	if disposition := field("Content-Disposition"); disposition != "" {
		_, params, err := mime.ParseMediaType(disposition)
		if err != nil {
			return nil, fmt.Errorf("read disposition %q: %w", disposition, err)
		}
		one.Filename = params["filename"]
	}
	return []leaf{one}, nil
}

// openParts parses parts up to the closing boundary, which must be present.
func openParts(reader *multipart.Reader, path string) ([]leaf, error) {
	var all []leaf
	for {
		part, err := reader.NextRawPart()
		if errors.Is(err, io.EOF) && len(all) > 0 {
			return all, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read part of %s: %w", path, err)
		}
		inner, err := openPart(part.Header.Get, part, path+" ")
		if err != nil {
			return nil, err
		}
		all = append(all, inner...)
	}
}

// decode decodes a transfer encoding. Only these keep all bytes on each path.
func decode(encoding string, body io.Reader) (string, error) {
	switch encoding {
	case "quoted-printable":
		content, err := io.ReadAll(quotedprintable.NewReader(body))
		return string(content), err
	case "base64":
		content, err := io.ReadAll(body)
		if err != nil {
			return "", err
		}
		lines := strings.Split(strings.TrimSpace(string(content)), "\n")
		if slices.ContainsFunc(lines, func(line string) bool { return len(line) > 76 }) {
			return "", errors.New("found a line of more than 76 octets")
		}
		decoded, err := base64.StdEncoding.Strict().DecodeString(strings.Join(lines, ""))
		return string(decoded), err
	default:
		return "", fmt.Errorf("found encoding %q", encoding)
	}
}

// belowPostfix removes the fields that Postfix has added.
func belowPostfix(raw string) string {
	below, inField := 0, false
	for line := range strings.Lines(raw) {
		name, _, _ := strings.Cut(line, ":")
		continued := strings.HasPrefix(line, "\t") || strings.HasPrefix(line, " ")
		inField = inField && continued || slices.Contains([]string{"Return-Path", "X-Original-To", "Delivered-To", "Received"}, name)
		if !inField {
			break
		}
		below += len(line)
	}
	return raw[below:]
}

// id returns a mail's Message-ID.
func (o opened) id() string { return strings.Trim(o.header.Get("Message-Id"), "<>") }

// words returns a field's text, decoded.
func (o opened) words(t *testing.T, name string) string {
	t.Helper()
	text, err := new(mime.WordDecoder).DecodeHeader(o.header.Get(name))
	if err != nil {
		t.Errorf("%s: %v", name, err)
	}
	return text
}
