package mail

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"strings"
)

// Class says what an attempt came to. The set is closed.
type Class string

// The classes.
const (
	ClassDelivered Class = "delivered" // the relay has taken the mail
	ClassTemporary Class = "temporary" // refused for now; the attempt counts
	ClassRelay     Class = "relay"     // the relay is not there or not well; nothing of this mail was tried
	ClassConfig    Class = "config"    // the relay will not talk to us until somebody changes something
	ClassPermanent Class = "permanent" // refused for good
	ClassUnknown   Class = "unknown"   // lost after the final dot: delivered or not, nobody knows
)

// Stage is how far an attempt got.
type Stage string

// The stages, in their order.
const (
	StageConnect Stage = "connect" // name lookup to AUTH: all that comes before a mail
	StageMail    Stage = "MAIL"
	StageRcpt    Stage = "RCPT"
	StageData    Stage = "DATA"
	StageBody    Stage = "body" // the content, before the final dot
	StageDot     Stage = "dot"  // the final dot and the reply to it
)

// Reply is what a relay said. The zero value means that it said nothing.
type Reply struct {
	// Code is the reply code, RFC 5321, 4.2.
	Code int
	// Enhanced is the status code of RFC 3463 at the start of the text, such
	// as "5.1.1", if there is one whose class is that of Code.
	Enhanced string
	// Text is the relay's words on one line, cut after 500 bytes.
	Text string
}

// String writes the reply as the relay did, on one line.
func (r Reply) String() string { return fmt.Sprintf("%d %s", r.Code, r.Text) }

// ParseReply reads a reply from its code and text; the lines of the text are
// separated by \n.
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

// maxReplyLength is the longest reply that is kept: RFC 5321, 4.5.3.1.5, allows 512
// octets a line with the code and the line end.
const maxReplyLength = 500

// oneLine makes foreign words fit for logs and headers: one line, no control
// characters, valid UTF-8, not endless.
func oneLine(text string) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, text)
	return strings.ToValidUTF8(text[:min(len(text), maxReplyLength)], "?")
}

// Verdict is what an attempt came to, and why.
type Verdict struct {
	Class Class
	Stage Stage
	// Reply is the relay's last word, if that decided.
	Reply Reply
	// Err is what broke, if no reply decided.
	Err error
}

// Classify turns the end of an attempt into its verdict: a pure function of the
// stage, of the reply and, where there was no reply, of the error. The rules
// are those of RFC 5321, 4.2.1 and 4.2.4, with RFC 4954, 6, for what concerns
// authentication and RFC 3463 for the enhanced codes:
//
//	             2xx         4xx         421, 503   530 534 535 538   other 5xx   no reply
//	connect      -           relay       relay      config            config      relay; config for TLS, and for what is not offered
//	MAIL…DATA    relay       temporary   relay      config            permanent   relay
//	body         relay       temporary   relay      config            permanent   relay
//	dot          delivered   temporary   relay      config            permanent   unknown
//
// 552 with 5.2.2 is temporary: a full mailbox is emptied some day (RFC 3463,
// 3.3). 503 means that client and relay disagree about the session, which is
// not the mail's fault. A reply that the stage does not have, such as 250 to
// DATA, is that of a relay that is not well.
func Classify(stage Stage, reply Reply, err error) Verdict {
	if reply.Code == 0 {
		return Verdict{Class: classifyFailure(stage, err), Stage: stage, Err: err}
	}
	return Verdict{Class: classifyReply(stage, reply), Stage: stage, Reply: reply}
}

func classifyReply(stage Stage, reply Reply) Class {
	switch code := reply.Code; {
	case code == 421 || code == 503:
		return ClassRelay
	case code == 530 || code == 534 || code == 535 || code == 538:
		return ClassConfig
	case code == 552 && reply.Enhanced == "5.2.2" && stage != StageConnect:
		return ClassTemporary
	case code/100 == 2 && stage == StageDot:
		return ClassDelivered
	case code/100 == 4 && stage == StageConnect:
		return ClassRelay
	case code/100 == 4:
		return ClassTemporary
	case code/100 == 5 && stage == StageConnect:
		return ClassConfig
	case code/100 == 5:
		return ClassPermanent
	default:
		return ClassRelay
	}
}

func classifyFailure(stage Stage, err error) Class {
	switch {
	case stage == StageDot:
		return ClassUnknown
	case stage == StageConnect && !isNetworkError(err):
		return ClassConfig
	default:
		return ClassRelay
	}
}

// isNetworkError tells an unreachable or broken relay from one that could be
// reached and with which no session can be had: a certificate that is not
// trusted, STARTTLS or AUTH that is not offered. The latter are many and not
// all typed, so the former are named.
func isNetworkError(err error) bool {
	var certificate *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	if errors.As(err, &certificate) || errors.As(err, &record) || errors.Is(err, ErrNoPassword) {
		return false
	}
	var op *net.OpError
	if errors.As(err, &op) && (op.Op == "remote error" || op.Op == "local error") {
		return false // how crypto/tls reports an alert
	}
	var network net.Error
	var garbage textproto.ProtocolError
	return errors.As(err, &network) || errors.As(err, &garbage) ||
		errors.Is(err, context.Canceled) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed)
}

// classifyClientError judges an error of go-mail's client, in which a reply may stand.
func classifyClientError(stage Stage, err error) Verdict {
	if refused, ok := errors.AsType[*textproto.Error](err); ok {
		return Classify(stage, ParseReply(refused.Code, refused.Msg), nil)
	}
	return Classify(stage, Reply{}, err)
}

// beforeBody reports whether nothing of the mail was sent yet.
func (v Verdict) beforeBody() bool { return v.Stage != StageBody && v.Stage != StageDot }

// keepsSession reports whether the session can carry another mail.
func (v Verdict) keepsSession() bool {
	return v.Reply.Code != 0 && v.Stage != StageBody && v.Class != ClassRelay && v.Class != ClassConfig
}
