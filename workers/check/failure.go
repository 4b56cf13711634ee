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
	"strings"
	"syscall"
	"time"

	"vedette/pipeline/job"
)

// failureResult returns the result for an error in a probe: whether the target
// or this side is at fault, the part of the check, and a short cause.
func failureResult(ctx context.Context, err error, t *timing, timeout time.Duration) job.ProbeResult {
	if reason := localCause(err); reason != "" {
		return job.ProbeResult{Health: job.Unknown, Class: job.ClassInternal, Cause: reason}
	}
	if deadlinePassed(ctx, err) {
		return downResult(job.ClassTimeout, fmt.Sprintf("no answer within %s (%s)", timeout, t.currentActivity()))
	}
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		return downResult(job.ClassDNS, dnsCause(dns))
	}
	if none, ok := errors.AsType[*noAddressError](err); ok {
		return downResult(job.ClassDNS, none.text)
	}
	if cause := tlsCause(err); cause != "" {
		return downResult(job.ClassTLS, cause)
	}
	if cause := connectCause(err); cause != "" {
		return downResult(job.ClassConnect, cause)
	}
	if t.inHandshake() {
		return downResult(job.ClassTLS, "handshake failed: "+innermostText(err))
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return downResult(job.ClassProtocol, "connection closed before the answer was complete")
	}
	return downResult(job.ClassProtocol, innermostText(err))
}

// localCause returns the cause for errors on this machine, or "".
func localCause(err error) string {
	if fault, ok := errors.AsType[*localError](err); ok {
		return fault.Error()
	}
	if errors.Is(err, errDenied) {
		return innermostDenial(err)
	}
	for number, reason := range map[syscall.Errno]string{
		syscall.EMFILE:        "too many open files; raise the limit of open files",
		syscall.ENFILE:        "too many open files on this machine",
		syscall.ENOBUFS:       "no buffer space for sockets",
		syscall.ENOMEM:        "no memory for sockets",
		syscall.EADDRNOTAVAIL: "no local port is free for this destination",
		syscall.EPERM:         "not permitted by this machine, such as by its firewall",
		syscall.EACCES:        "not permitted by this machine, such as by its firewall",
	} {
		if errors.Is(err, number) {
			return reason
		}
	}
	return ""
}

// innermostDenial returns the message of the network policy without outer
// errors.
func innermostDenial(err error) string {
	for {
		inner := errors.Unwrap(err)
		if inner == nil || inner == errDenied { //nolint:errorlint // the sentinel without its wrapper
			return err.Error()
		}
		err = inner
	}
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
	days := int(now.Sub(cert.NotAfter).Hours() / 24)
	switch days {
	case 0:
		return "certificate expired today"
	case 1:
		return "certificate expired a day ago"
	default:
		return fmt.Sprintf("certificate expired %d days ago", days)
	}
}

func certificateNames(cert *x509.Certificate) []string {
	found := append([]string{}, cert.DNSNames...)
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
	for number, cause := range map[syscall.Errno]string{
		syscall.ECONNREFUSED: "connect refused",
		syscall.ECONNRESET:   "connection reset by the peer",
		syscall.EPIPE:        "connection closed by the peer",
		syscall.EHOSTUNREACH: "host is unreachable",
		syscall.ENETUNREACH:  "network is unreachable",
		syscall.ECONNABORTED: "connection aborted",
	} {
		if errors.Is(err, number) {
			return cause
		}
	}
	return ""
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
