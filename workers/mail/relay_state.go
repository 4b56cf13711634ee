package mail

import (
	"errors"
	"slices"
	"sync"
	"time"

	"vedette/pipeline/job"
)

// Trouble is why a relay cannot be used. The set is closed.
type Trouble string

// The troubles.
const (
	TroubleUnreachable Trouble = "unreachable" // no connection, or it was lost
	TroubleTLS         Trouble = "tls"         // no TLS, or a certificate that is not valid
	TroubleLogin       Trouble = "login"       // the login was refused, or is not possible
	TroubleRefused     Trouble = "refused"     // the relay answers a new session with an error
)

// Trouble says why the relay of a failed attempt cannot be used. It is meant for
// the classes relay and config.
func (v Verdict) Trouble() Trouble {
	switch code := v.Reply.Code; {
	case code == 530 || code == 534 || code == 535 || code == 538: // RFC 4954, 6
		return TroubleLogin
	case code != 0:
		return TroubleRefused
	case errors.Is(v.Err, ErrNoAuth) || errors.Is(v.Err, ErrCleartext) || errors.Is(v.Err, ErrNoPassword):
		return TroubleLogin
	case v.Class == ClassConfig:
		return TroubleTLS
	default:
		return TroubleUnreachable
	}
}

// RelayState is what is known about a relay.
type RelayState struct {
	// Relay is the relay as host:port, or a Maildir.
	Relay   string
	Maildir bool
	// Usable is false from a failure until the relay works again, and Since is when
	// it changed, or the start.
	Usable bool
	Since  time.Time
	// Trouble is the kind of the last failure, Cause its words, and NextTry when the
	// relay is tried again; all are empty for a usable relay.
	Trouble Trouble
	Cause   string
	NextTry time.Time
	// Asked is since when a connection waits for an answer, zero if none does.
	Asked time.Time
	// Delivered is when the relay last accepted a mail.
	Delivered time.Time
	// Deferral describes the mails deferred since then.
	Deferral Deferral
	// CertificateFrom and CertificateUntil are the validity of the certificate that
	// the relay showed last, zero without TLS.
	CertificateFrom, CertificateUntil time.Time
}

// Deferral describes mails that a relay answered with 4xx, or by closing the
// connection, with no accepted mail in between.
type Deferral struct {
	// Since is when the first one was deferred, zero if there is none.
	Since time.Time
	// Mails counts different mails, up to [severalMails].
	Mails int
	// Cause is the last answer, and Stage its step.
	Cause string
	Stage Stage
}

const (
	// severalMails is how many different mails must be deferred before that counts
	// as the relay's fault.
	severalMails = 3
	// deferredFor is how long mails must be deferred at least. It is longer than the
	// pause before the first repetition.
	deferredFor = 10 * time.Second
	// fewDeferredFor is how long fewer mails must be deferred: longer than most
	// relays greylist (postgrey: 5 min). Meanwhile no mail was accepted for
	// longSilence; otherwise it is the fault of one recipient.
	fewDeferredFor = 6 * time.Minute
	longSilence    = time.Hour
)

// DefersAll reports whether the relay defers all mails.
func (s *RelayState) DefersAll(now time.Time) bool {
	d := s.Deferral
	switch age := now.Sub(d.Since); {
	case d.Since.IsZero() || age < deferredFor:
		return false
	case d.Mails >= severalMails || d.Stage == StageMail:
		return true
	default:
		return age >= fewDeferredFor && (s.Delivered.IsZero() || now.Sub(s.Delivered) >= longSilence)
	}
}

// relayRecord gathers what is known about a relay, except the state of its
// breaker.
type relayRecord struct {
	mu       sync.Mutex
	state    RelayState
	deferred []string // ids
}

func newRelayRecord(now time.Time) *relayRecord {
	return &relayRecord{state: RelayState{Usable: true, Since: now}}
}

// failed records a failure for which the breaker opened, and reports whether its
// cause is new.
func (r *relayRecord) failed(v Verdict, now time.Time) (news bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.state.Usable {
		r.state.Usable, r.state.Since = false, now
	}
	before := r.state.Cause
	r.state.Trouble, r.state.Cause = v.Trouble(), causeText(v)
	return r.state.Cause != before
}

// recovered records that the breaker is closed, and reports whether that is new.
func (r *relayRecord) recovered(now time.Time) (news bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.state.Usable {
		return false
	}
	r.state.Usable, r.state.Since, r.state.Trouble, r.state.Cause = true, now, "", ""
	return true
}

// saw records the certificate of a session.
func (r *relayRecord) saw(s *session) {
	state, encrypted := s.client.TLSConnectionState()
	if !encrypted || len(state.PeerCertificates) == 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	leaf := state.PeerCertificates[0]
	r.state.CertificateFrom, r.state.CertificateUntil = leaf.NotBefore, leaf.NotAfter
}

// asked and answered record the time in which a check or a probe waits.
func (r *relayRecord) asked(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.state.Asked = now
}

func (r *relayRecord) answered() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.state.Asked = time.Time{}
}

// attempted records what became of a mail. A mail that was refused for good says
// nothing about the relay.
func (r *relayRecord) attempted(m job.Mail, v Verdict, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case v.Class == ClassDelivered:
		r.state.Delivered, r.state.Deferral, r.deferred = now, Deferral{}, nil
	case v.Class == ClassTemporary, v.Class == ClassRelay && v.Stage != StageConnect:
		d := &r.state.Deferral
		if d.Since.IsZero() {
			d.Since = now
		}
		if !slices.Contains(r.deferred, m.ID) && len(r.deferred) < severalMails {
			r.deferred = append(r.deferred, m.ID)
		}
		d.Mails, d.Cause, d.Stage = len(r.deferred), causeText(v), v.Stage
	}
}

// state returns what is known about the relay.
func (p *sessionPool) state() RelayState {
	if now := time.Now(); p.breaker.state(now) == closed {
		p.record.recovered(now) // also after a success and a failure at the same time
	}
	p.record.mu.Lock()
	s := p.record.state
	p.record.mu.Unlock()
	s.Relay = p.relay.String()
	if !s.Usable {
		s.NextTry = p.breaker.nextTry()
	}
	return s
}

// deferRetry is the longest pause of a mail while its relay defers all mails:
// otherwise mails would wait for half an hour after it works again.
const deferRetry = time.Minute

// retryWithin returns [deferRetry] if the relay defers all mails, and does not ask
// for fewer.
func (p *sessionPool) retryWithin(v Verdict) time.Duration {
	if state := p.state(); v.Class != ClassTemporary || throttled(v) || !state.DefersAll(time.Now()) {
		return 0
	}
	return deferRetry
}
