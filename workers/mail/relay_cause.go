package mail

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"
	"time"
)

// causeText is the reply or the failure behind a verdict in a few words, without
// the addresses that the standard library adds.
func causeText(v Verdict) string {
	if v.Reply.Code != 0 {
		return v.Reply.String()
	}
	if v.Err == nil {
		return ""
	}
	return oneLine(failureText(v.Err))
}

func failureText(err error) string {
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		return errno.Error()
	}
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		return fmt.Sprintf("lookup of %s: %s", dns.Name, dns.Err)
	}
	if invalid, ok := errors.AsType[x509.CertificateInvalidError](err); ok && invalid.Reason == x509.Expired && invalid.Cert != nil {
		if time.Now().Before(invalid.Cert.NotBefore) {
			return "certificate is valid only from " + dateText(invalid.Cert.NotBefore)
		}
		return "certificate expired at " + dateText(invalid.Cert.NotAfter)
	}
	if network, ok := errors.AsType[net.Error](err); ok && network.Timeout() {
		return "no answer in time"
	}
	text := err.Error()
	if _, rest, found := strings.Cut(text, "x509: "); found {
		return rest
	}
	return text
}

// brief is the step and the cause, for the status of a mail, which has the relay.
func (e *Error) brief() string { return string(e.Stage) + ": " + causeText(e.Verdict) }

func dateText(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }
