package mail

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"mime"
	"strings"

	"vedette/pipeline/job"
)

// validateAttachments refuses attachments that are too large or have an invalid
// name or type.
func validateAttachments(all []job.Attachment) error {
	if len(all) > job.MaxAttachments {
		return fmt.Errorf("attachments: found %d, expected at most %d", len(all), job.MaxAttachments)
	}
	var p problems
	size := 0
	for _, a := range all {
		size += len(a.Content)
		p.require(a.Name != "" && !strings.ContainsAny(a.Name, "/\\\r\n\x00") && len(a.Name) <= maxFileName,
			"attachments: found the name %q, expected a file name without a folder", a.Name)
		p.require(a.Type == "" || validType(a.Type), "attachments: %s: found the type %q, expected a media type such as text/csv", a.Name, a.Type)
	}
	p.require(size <= job.MaxAttached, "attachments: found %d bytes, expected at most %d", size, job.MaxAttached)
	return errors.Join(p...)
}

func validType(text string) bool {
	kind, _, err := mime.ParseMediaType(text)
	return err == nil && !strings.ContainsAny(text, "\r\n\x00") && isASCII(text) && strings.Contains(kind, "/") && !strings.HasPrefix(kind, "multipart/")
}

// maxFileName is the longest file name that file systems allow.
const maxFileName = 255

// addAttachments turns a rendered mail into the first part of a multipart mail
// and adds the attachments. go-mail cannot be used for it: it has one boundary
// for all levels, and the ones it generates are random.
func addAttachments(rendered []byte, m job.Mail) ([]byte, error) {
	if len(m.Attachments) == 0 {
		return rendered, nil
	}
	header, body, ok := bytes.Cut(rendered, []byte("\r\n\r\n"))
	if !ok {
		return nil, errors.New("render: found no end of the header")
	}
	own, content := splitHeader(string(header))
	boundary := "mixed-" + job.DeriveID("mixed", m.ID, m.Text, m.HTML)
	var b bytes.Buffer
	b.WriteString(own + "Content-Type: multipart/mixed;\r\n boundary=" + boundary + "\r\n\r\n")
	b.WriteString("--" + boundary + "\r\n" + content + "\r\n")
	b.Write(bytes.TrimRight(body, "\r\n"))
	for _, a := range m.Attachments {
		b.WriteString("\r\n--" + boundary + "\r\n")
		writeAttachment(&b, a)
	}
	b.WriteString("\r\n--" + boundary + "--\r\n")
	return b.Bytes(), nil
}

// splitHeader separates the fields that describe the content, with their
// continuation lines, from the other fields.
func splitHeader(header string) (own, content string) {
	var to *string
	for line := range strings.SplitSeq(header, "\r\n") {
		continued := strings.HasPrefix(line, " ") || strings.HasPrefix(line, "\t")
		if !continued || to == nil {
			to = &own
			if strings.HasPrefix(strings.ToLower(line), "content-") {
				to = &content
			}
		}
		*to += line + "\r\n"
	}
	return own, content
}

// lineLength is the length of base64 lines, RFC 2045, 6.8.
const lineLength = 76

func writeAttachment(b *bytes.Buffer, a job.Attachment) {
	kind := a.Type
	if kind == "" || strings.HasPrefix(strings.ToLower(kind), "message/") { // RFC 2046, 5.2.1: a message must not be base64
		kind = "application/octet-stream"
	}
	b.WriteString("Content-Type: " + kind + "\r\nContent-Transfer-Encoding: base64\r\n")
	b.WriteString("Content-Disposition: " + mime.FormatMediaType("attachment", map[string]string{"filename": a.Name}) + "\r\n\r\n")
	encoded := base64.StdEncoding.EncodeToString(a.Content)
	for len(encoded) > lineLength {
		b.WriteString(encoded[:lineLength] + "\r\n")
		encoded = encoded[lineLength:]
	}
	b.WriteString(encoded)
}
