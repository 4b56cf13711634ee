package mail

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"strings"
	"time"

	"vedette/pipeline/job"
)

// Class is the result of an attempt. The set is closed.
type Class string

// The classes.
const (
	ClassDelivered Class = "delivered" // the relay has accepted the mail
	ClassTemporary Class = "temporary" // refused for now; counts as an attempt
	ClassRelay     Class = "relay"     // the relay is unreachable or broken; this mail was not tried
	ClassConfig    Class = "config"    // the relay refuses us until a setting is changed
	ClassPermanent Class = "permanent" // refused permanently
	ClassUnknown   Class = "unknown"   // connection lost after the final dot: it may have been delivered
)

// Stage is the step of the SMTP dialogue in which an attempt ended.
type Stage string

// The stages, in order.
const (
	StageConnect Stage = "connect" // from the name lookup to AUTH
	StageMail    Stage = "MAIL"
	StageRcpt    Stage = "RCPT"
	StageData    Stage = "DATA"
	StageBody    Stage = "body" // the content up to the final dot
	StageDot     Stage = "dot"  // the final dot and the reply to it
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

// Verdict is the class of an attempt, with the reason.
type Verdict struct {
	Class Class
	Stage Stage
	// Reply is the relay's reply that decided, if any.
	Reply Reply
	// Err is the failure that decided, if no reply did.
	Err error
}

// Classify derives the verdict for an attempt from its stage and the reply or,
// without a reply, from the error. The rules follow RFC 5321, 4.2.1 and 4.2.4,
// RFC 4954, 6, for authentication, and RFC 3463 for enhanced codes:
//
//	             2xx         4xx         421, 503   530 534 535 538   other 5xx   no reply
//	connect      -           relay       relay      config            config      relay; config for TLS and missing extensions
//	MAIL…DATA    relay       temporary   relay      config            permanent   relay
//	body         relay       temporary   relay      config            permanent   relay
//	dot          delivered   temporary   relay      config            permanent   unknown
//
// 552 with 5.2.2 is temporary, because a full mailbox is emptied some day (RFC
// 3463, 3.3). 503 means that client and relay disagree about the session, which
// does not concern the mail. A reply that does not exist in the stage, such as
// 250 to DATA, means that the relay is broken.
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

// isNetworkError distinguishes an unreachable or broken relay from a reachable
// one that cannot be used: its certificate is not trusted, or it does not offer
// STARTTLS or AUTH. The function lists errors from the first group, because not
// all errors from the second have types.
func isNetworkError(err error) bool {
	_, untrusted := errors.AsType[*tls.CertificateVerificationError](err)
	_, noTLS := errors.AsType[tls.RecordHeaderError](err)
	op, ok := errors.AsType[*net.OpError](err)
	alert := ok && (op.Op == "remote error" || op.Op == "local error") // how crypto/tls reports one
	if untrusted || noTLS || alert || errors.Is(err, ErrNoPassword) {
		return false
	}
	_, network := errors.AsType[net.Error](err)
	_, garbage := errors.AsType[textproto.ProtocolError](err)
	return network || garbage ||
		errors.Is(err, context.Canceled) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed)
}

// classifyClientError classifies an error from go-mail's client, which may hold a
// reply.
func classifyClientError(stage Stage, err error) Verdict {
	if refused, ok := errors.AsType[*textproto.Error](err); ok {
		return Classify(stage, ParseReply(refused.Code, refused.Msg), nil)
	}
	return Classify(stage, Reply{}, err)
}

// notTried is the verdict for a mail that no session could carry.
func notTried(err error) Verdict {
	return Verdict{Class: ClassRelay, Stage: StageConnect, Err: err}
}

// beforeBody reports whether the attempt ended before any content was sent.
func (v Verdict) beforeBody() bool { return v.Stage != StageBody && v.Stage != StageDot }

// keepsSession reports whether the session can carry another mail.
func (v Verdict) keepsSession() bool {
	return v.Reply.Code != 0 && v.Stage != StageBody && v.Class != ClassRelay && v.Class != ClassConfig
}

// problems collects what is invalid in a mail or a configuration.
type problems []error

// require adds a problem unless a condition is met.
func (p *problems) require(met bool, format string, args ...any) {
	if !met {
		*p = append(*p, fmt.Errorf(format, args...))
	}
}

// Error describes an attempt that did not deliver its mail.
type Error struct {
	Verdict

	// Relay is the relay that was tried, as host:port, or a Maildir.
	Relay string
	// RetryAfter is how long another attempt is pointless, for the classes relay
	// and config; zero means a default.
	RetryAfter time.Duration
	// RetryWithin, for the class temporary, is how long the next attempt should wait
	// at most, because the relay defers all mails; zero means no limit.
	RetryWithin time.Duration
}

// Error returns the relay, the stage and the cause: the relay's reply or the
// failure of the connection.
func (e *Error) Error() string {
	cause := any(e.Err)
	if e.Reply.Code != 0 {
		cause = e.Reply
	}
	return fmt.Sprintf("send mail through %s: %s: %v", e.Relay, e.Stage, cause)
}

// Unwrap returns the failure of the connection, or nil if a reply decided.
func (e *Error) Unwrap() error { return e.Err }

const (
	// relayDelay is short, because the circuit breaker keeps an early retry from
	// opening a connection. configDelay is long, because relays lock accounts
	// after repeated login failures.
	relayDelay  = time.Second
	configDelay = time.Minute
)

// JobError turns an error from a [Transport] into the error by which a handler
// ends or retries its job:
//
//	delivered   nil           done
//	temporary   plain error   counts as an attempt; retried with the stage's backoff
//	relay       Interrupted   no attempt; retried after 1 s or the breaker's open time
//	config      Interrupted   no attempt; retried after 1 min or the breaker's open time
//	permanent   Dead          dead letter "permanent" with the relay's reply
//	unknown     plain error   counts as an attempt; the same bytes are sent again
//
// A mail that cannot be built ([ErrInvalid]) becomes a dead letter "invalid".
// Any other error counts as an attempt.
func JobError(err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, ErrInvalid) {
		return job.Dead(job.ReasonInvalid, err)
	}
	failed, ok := errors.AsType[*Error](err)
	if !ok {
		return err
	}
	switch failed.Class {
	case ClassDelivered:
		return nil
	case ClassRelay:
		return job.Interrupted(err, max(failed.RetryAfter, relayDelay))
	case ClassConfig:
		return job.Interrupted(err, max(cmp.Or(failed.RetryAfter, configDelay), relayDelay))
	case ClassPermanent:
		return job.Dead(job.ReasonPermanent, err)
	default: // counts as an attempt
		return err
	}
}
