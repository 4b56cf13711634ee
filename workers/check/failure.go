package check

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"vedette/pipeline/job"
)

// targetError is a failure of the target that a probe has identified.
type targetError struct {
	class job.Class
	cause string
}

// Error returns the cause.
func (e *targetError) Error() string { return e.cause }

// failed returns a targetError.
func failed(class job.Class, format string, args ...any) error {
	return &targetError{class, fmt.Sprintf(format, args...)}
}

// localError is an error on this side, without relation to the target.
type localError struct{ err error }

// Error returns the cause's text.
func (e *localError) Error() string { return e.err.Error() }

// Unwrap returns the cause.
func (e *localError) Unwrap() error { return e.err }

func newLocalError(doing string, err error) error {
	return &localError{fmt.Errorf("%s: %w", doing, err)}
}

// failureResult returns the result for an error in a probe: whether the target
// or this side is at fault, the part of the check, and a short cause.
func (a *attempt) failureResult(ctx context.Context, err error) job.ProbeResult {
	if target, ok := errors.AsType[*targetError](err); ok {
		return downResult(target.class, target.cause)
	}
	if reason := localCause(err); reason != "" {
		return job.ProbeResult{Health: job.Unknown, Class: job.ClassInternal, Cause: reason}
	}
	class, cause := a.classify(ctx, err)
	if a.step > 0 {
		cause += fmt.Sprintf(", at step %d of the dialogue", a.step)
	}
	return downResult(class, cause)
}

// classify returns the class and the cause for an error from a connection.
func (a *attempt) classify(ctx context.Context, err error) (job.Class, string) {
	if deadlinePassed(ctx, err) {
		return job.ClassTimeout, fmt.Sprintf("no answer within %s (%s)", timeoutOf(a.spec), a.currentPhase())
	}
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		return job.ClassDNS, dnsCause(dns)
	}
	if cause := tlsCause(err); cause != "" {
		return job.ClassTLS, cause
	}
	if cause := connectCause(err); cause != "" {
		return job.ClassConnect, cause
	}
	if a.currentPhase() == inTLS {
		return job.ClassTLS, "handshake failed: " + innermostText(err)
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return job.ClassProtocol, "connection closed before the answer was complete"
	}
	return job.ClassProtocol, innermostText(err)
}

// localCause returns the cause for errors on this machine, or "".
func localCause(err error) string {
	if fault, ok := errors.AsType[*localError](err); ok {
		return fault.Error()
	}
	const firewall = "not permitted by this machine, such as by its firewall"
	number, _ := errors.AsType[syscall.Errno](err)
	return map[syscall.Errno]string{
		syscall.EMFILE:        "too many open files; raise the limit of open files",
		syscall.ENFILE:        "too many open files on this machine",
		syscall.ENOBUFS:       "no buffer space for sockets",
		syscall.ENOMEM:        "no memory for sockets",
		syscall.EADDRNOTAVAIL: "no local port is free for this destination",
		syscall.EPERM:         firewall,
		syscall.EACCES:        firewall,
	}[number]
}

// deadlinePassed reports whether the check's deadline caused an error. A name
// lookup with its own timeout counts too.
func deadlinePassed(ctx context.Context, err error) bool {
	if errors.Is(context.Cause(ctx), errDeadline) || errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded) {
		return true
	}
	timeout, ok := errors.AsType[net.Error](err)
	return ok && timeout.Timeout()
}

func dnsCause(err *net.DNSError) string {
	if err.IsNotFound {
		return "no such host " + err.Name
	}
	return "lookup of " + err.Name + " failed: " + err.Err
}

// tlsCause returns the cause for a certificate or handshake error, or "".
func tlsCause(err error) string {
	if invalid, ok := errors.AsType[x509.CertificateInvalidError](err); ok {
		if invalid.Reason == x509.Expired {
			return expiredCause(invalid.Cert, time.Now())
		}
		return "certificate is not valid: " + innermostText(invalid)
	}
	if host, ok := errors.AsType[x509.HostnameError](err); ok {
		return fmt.Sprintf("certificate is for %s, not %s", strings.Join(certificateNames(host.Certificate), ", "), host.Host)
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return "certificate is signed by an unknown authority"
	}
	if header, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return "the server does not speak TLS: " + header.Msg
	}
	if errors.Is(err, http.ErrSchemeMismatch) {
		return "the server does not speak TLS: it answered in plain HTTP"
	}
	if verify, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return "certificate is not valid: " + innermostText(verify.Err)
	}
	return ""
}

func expiredCause(cert *x509.Certificate, now time.Time) string {
	if now.Before(cert.NotBefore) {
		return "certificate is not valid before " + cert.NotBefore.UTC().Format(time.RFC3339)
	}
	switch days := int(now.Sub(cert.NotAfter).Hours() / 24); days {
	case 0:
		return "certificate expired today"
	case 1:
		return "certificate expired a day ago"
	default:
		return fmt.Sprintf("certificate expired %d days ago", days)
	}
}

func certificateNames(cert *x509.Certificate) []string {
	found := slices.Clone(cert.DNSNames)
	for _, ip := range cert.IPAddresses {
		found = append(found, ip.String())
	}
	if len(found) == 0 {
		return []string{"no name"}
	}
	return found
}

// connectCause returns the cause for a failed or lost connection, or "".
func connectCause(err error) string {
	number, _ := errors.AsType[syscall.Errno](err)
	return map[syscall.Errno]string{
		syscall.ECONNREFUSED: "connect refused",
		syscall.ECONNRESET:   "connection reset by the peer",
		syscall.EPIPE:        "connection closed by the peer",
		syscall.EHOSTUNREACH: "host is unreachable",
		syscall.ENETUNREACH:  "network is unreachable",
		syscall.ECONNABORTED: "connection aborted",
	}[number]
}

// innermostText returns the message of the innermost error. Outer errors repeat
// the URL, perhaps with a password.
func innermostText(err error) string {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err.Error()
		}
		err = inner
	}
}
