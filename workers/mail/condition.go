package mail

import (
	"fmt"
	"strings"
	"time"

	"vedette/pipeline/job"
	"vedette/workers/health"
)

// Queue is how mails wait.
type Queue struct {
	// Waiting mails were not tried yet, Unsettled ones run or wait for another
	// attempt.
	Waiting, Unsettled uint64
	// Oldest is how long the first waiting mail waits, as far as is known. Growing
	// is for how long the number of waiting mails has grown without a break.
	Oldest, Growing time.Duration
}

const (
	// unansweredFor is how long a connection may wait for an answer. With
	// [defaultCheckInterval] it stays below 30 s.
	unansweredFor = 12 * time.Second
	// queueLate and queueGrows are how long mails may wait, or increase, before
	// people should know.
	queueLate  = 2 * time.Minute
	queueGrows = time.Minute
	// expiresSoon is how long before its end people should hear of a certificate.
	// One that is valid for less than four times as long has a quarter of its
	// validity: it is renewed late by design.
	expiresSoon = 7 * 24 * time.Hour
)

// Assess decides whether mails can leave, from the relays in the order in which
// they are tried. The problem has the worst reason, and a line about each. It is a
// pure function.
func Assess(relays []RelayState, q Queue, now time.Time) (problem health.Problem, failed bool) {
	a := assessment{now: now, queue: q}
	for i := range relays {
		if a.isAway(&relays[i]) {
			a.away = append(a.away, &relays[i])
		} else {
			a.usable = append(a.usable, &relays[i])
		}
	}
	a.examine()
	if a.reason == "" {
		return health.Problem{}, false
	}
	return health.Problem{Reason: a.reason, Detail: strings.Join(a.lines, "; "), Advisory: true}, true
}

type assessment struct {
	now          time.Time
	queue        Queue
	away, usable []*RelayState

	reason job.ProcessConditionReason // the first and worst
	lines  []string
}

func (a *assessment) add(reason job.ProcessConditionReason, format string, args ...any) {
	if a.reason == "" {
		a.reason = reason
	}
	a.lines = append(a.lines, fmt.Sprintf(format, args...))
}

// examine looks for problems, the worst first.
func (a *assessment) examine() {
	if len(a.usable) == 0 && len(a.away) > 0 {
		a.add(a.commonReason(), "%s", a.awayText())
		return // the queue waits for that reason
	}
	a.deferring()
	a.late()
	if len(a.away) > 0 {
		a.add(job.FaultRelayAway, "%s; %s is used", a.awayText(), a.usable[0].Relay)
	}
	for _, s := range a.usable {
		if left, soon := s.expires(a.now); soon {
			a.add(job.FaultCertificateExpires, "the certificate of relay %s expires at %s, in %s", s.Relay, dateText(s.CertificateUntil), roughly(left))
		}
	}
}

// isAway reports whether a relay cannot be used, or does not answer.
func (a *assessment) isAway(s *RelayState) bool { return !s.Usable || s.unanswered(a.now) }

func (s *RelayState) unanswered(now time.Time) bool {
	return !s.Asked.IsZero() && now.Sub(s.Asked) >= unansweredFor
}

// commonReason is the reason if no relay can be used.
func (a *assessment) commonReason() job.ProcessConditionReason {
	first := a.away[0]
	for _, s := range a.away[1:] {
		if s.Trouble != first.Trouble {
			return job.FaultRelaysDown
		}
	}
	switch {
	case first.Maildir:
		return job.FaultMaildir
	case first.Trouble == TroubleLogin:
		return job.FaultRelayLogin
	case first.Trouble == TroubleTLS:
		return job.FaultRelayTLS
	default:
		return job.FaultRelaysDown
	}
}

func (a *assessment) awayText() string {
	texts := make([]string, len(a.away))
	for i, s := range a.away {
		texts[i] = s.awayText()
	}
	return strings.Join(texts, "; ")
}

// awayText says since when and why a relay cannot be used.
func (s *RelayState) awayText() string {
	if s.Usable {
		return fmt.Sprintf("relay %s does not answer since %s", s.Relay, dateText(s.Asked))
	}
	return fmt.Sprintf("%s since %s (%s)", s.awayWords(), dateText(s.Since), s.Cause)
}

func (s *RelayState) awayWords() string {
	switch {
	case s.Maildir:
		return "mails cannot be stored in " + s.Relay
	case s.Trouble == TroubleLogin:
		return "login to relay " + s.Relay + " fails"
	case s.Trouble == TroubleTLS:
		return "TLS with relay " + s.Relay + " fails"
	case s.Trouble == TroubleRefused:
		return "relay " + s.Relay + " refuses sessions"
	default:
		return "relay " + s.Relay + " cannot be reached"
	}
}

// deferring looks for a relay that defers all mails, while some wait.
func (a *assessment) deferring() {
	for _, s := range a.usable {
		if a.queue.Waiting+a.queue.Unsettled > 0 && s.DefersAll(a.now) {
			a.add(job.FaultRelayDefers, "relay %s has accepted no mail since %s (%s: %s)", s.Relay, dateText(s.Deferral.Since), s.Deferral.Stage, s.Deferral.Cause)
			return
		}
	}
}

// late looks for mails that wait for long.
func (a *assessment) late() {
	switch q := a.queue; {
	case q.Waiting == 0:
	case q.Oldest >= queueLate:
		a.add(job.FaultMailQueue, "mails wait for more than %s before their first attempt", roughly(q.Oldest))
	case q.Growing >= queueGrows:
		a.add(job.FaultMailQueue, "the queue of mails has grown for more than %s", roughly(q.Growing))
	}
}

// expires returns the rest of a certificate's validity, and whether it ends soon.
func (s *RelayState) expires(now time.Time) (left time.Duration, soon bool) {
	if s.CertificateUntil.IsZero() {
		return 0, false
	}
	left = s.CertificateUntil.Sub(now)
	return left, left < min(expiresSoon, s.CertificateUntil.Sub(s.CertificateFrom)/4)
}

// roughly rounds down, so that the text of a lasting problem rarely changes.
func roughly(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d >= 2*day:
		return fmt.Sprintf("%d days", d/day)
	case d >= 2*time.Hour:
		return fmt.Sprintf("%d hours", d/time.Hour)
	case d >= 2*time.Minute:
		return fmt.Sprintf("%d minutes", d/time.Minute)
	default:
		return "a minute"
	}
}
