package mail

import (
	"fmt"
	"strings"
)

// Reply is an SMTP reply. The zero value means that there was none.
type Reply struct {
	// Code is the reply code, RFC 5321, 4.2.
	Code int
	// Enhanced is the enhanced status code (RFC 3463) at the start of the text,
	// such as "5.1.1", if its class matches Code.
	Enhanced string
	// Text is the relay's text on one line, cut after 500 bytes.
	Text string
}

// String returns code and text on one line.
func (r Reply) String() string { return fmt.Sprintf("%d %s", r.Code, r.Text) }

// ParseReply returns the reply with a code and a text, whose lines are separated
// by \n.
func ParseReply(code int, text string) Reply {
	reply := Reply{Code: code, Text: oneLine(text)}
	enhanced, _, _ := strings.Cut(reply.Text, " ")
	if isEnhancedCode(enhanced) && int(enhanced[0]-'0') == code/100 {
		reply.Enhanced = enhanced
	}
	return reply
}

func isEnhancedCode(s string) bool {
	parts := strings.Split(s, ".")
	if len(parts) != 3 || len(parts[0]) != 1 {
		return false
	}
	for _, part := range parts {
		if part == "" || len(part) > 3 || strings.Trim(part, "0123456789") != "" {
			return false
		}
	}
	return true
}

// maxReplyLength is the longest text that is kept. RFC 5321, 4.5.3.1.5, allows
// 512 octets a line with the code and the line end.
const maxReplyLength = 500

// oneLine makes a foreign text safe for logs and headers: one line, no control
// characters, valid UTF-8, bounded length.
func oneLine(text string) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, text)
	return strings.ToValidUTF8(text[:min(len(text), maxReplyLength)], "?")
}
