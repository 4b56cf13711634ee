package mail

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	"vedette/pipeline/job"
)

// Config configures a [Sender].
type Config struct {
	// Relays are tried in order. The next one is tried when a relay is
	// unreachable or refuses us, never when it has refused the mail or may have
	// accepted it.
	Relays []Relay
	// From is the sender of mails without one: one address, RFC 5322.
	From string
	// DKIM, if set, signs mails from its domain.
	DKIM *DKIM
	// Hello is the name in EHLO. Defaults to the host name.
	Hello string
	// Sessions is the maximum number of sessions with each relay. Defaults to
	// 4. Postfix gains nothing from more than 8 to 16.
	Sessions int
	// PerSession is the maximum number of mails in a session. Defaults to 100,
	// the limit that many relays have.
	PerSession int
	// Idle is how long a session stays open without a mail. Defaults to 30 s,
	// well below the 5 min in RFC 5321, 4.5.3.2.7, because idle sessions count
	// against the relay's limits.
	Idle time.Duration
	// CommandTimeout bounds the reply to a command, the transfer of 64 KiB of
	// content, and opening a session. Defaults to 30 s. RFC 5321, 4.5.3.2,
	// allows 2 to 5 min, but a shorter time costs no more than an attempt.
	CommandTimeout time.Duration
	// DotTimeout bounds the reply to the final dot. Defaults to 5 min. RFC
	// 5321, 4.5.3.2.6, asks for 10 min, since a mail that is given up here may
	// arrive twice; but a job must end.
	DotTimeout time.Duration
	// CheckInterval is how often Serve connects to each relay, so that one that is
	// away is noticed before a mail needs it. Defaults to 15 s; negative means
	// never.
	CheckInterval time.Duration
	// Logger defaults to one that discards.
	Logger *slog.Logger
}

func (c Config) withDefaults() (Config, error) {
	if c.Hello == "" {
		name, err := os.Hostname()
		if err != nil {
			return c, fmt.Errorf("get host name for hello: %w", err)
		}
		c.Hello = name
	}
	c.Sessions = cmp.Or(c.Sessions, 4)
	c.PerSession = cmp.Or(c.PerSession, 100)
	c.Idle = cmp.Or(c.Idle, 30*time.Second)
	c.CommandTimeout = cmp.Or(c.CommandTimeout, 30*time.Second)
	c.DotTimeout = cmp.Or(c.DotTimeout, 5*time.Minute)
	c.CheckInterval = cmp.Or(c.CheckInterval, defaultCheckInterval)
	c.Logger = cmp.Or(c.Logger, slog.New(slog.DiscardHandler))
	relays := make([]Relay, len(c.Relays))
	for i, relay := range c.Relays {
		relays[i] = relay.withDefaults()
	}
	c.Relays = relays
	return c, nil
}

func (c Config) validate() error {
	var p problems
	p.require(len(c.Relays) > 0, "relays: found none, expected at least one")
	for i, relay := range c.Relays {
		err := relay.validate()
		p.require(err == nil, "relay %d: %w", i+1, err)
	}
	_, err := parseAddress("from", c.From)
	p = append(p, err)
	if c.DKIM != nil {
		p = append(p, c.DKIM.validate())
	}
	p.require(validHost(c.Hello), "hello: found %q, expected a host name", c.Hello)
	p.require(min(c.Sessions, c.PerSession) >= 0 && min(c.Idle, c.CommandTimeout, c.DotTimeout) >= 0, "limits: found a negative value")
	return errors.Join(p...)
}

// Receipt confirms that a relay has accepted a mail.
type Receipt struct {
	// Relay is the relay as host:port, or a Maildir.
	Relay string
	// Reply is its reply on one line, such as "250 2.0.0 queued as 4bX".
	Reply string
}

// Sender sends mails through relays. It is safe for concurrent use: each mail
// has its own session, and no lock is held while a mail is sent.
type Sender struct {
	config Config
	pools  []*sessionPool
}

// New returns a Sender. It opens no connection; sessions are opened on demand.
// The error names every wrong setting.
func New(config Config) (*Sender, error) {
	config, err := config.withDefaults()
	if err == nil {
		err = config.validate()
	}
	if err != nil {
		return nil, fmt.Errorf("set up mail: %w", err)
	}
	s := &Sender{config: config}
	for _, relay := range config.Relays {
		s.pools = append(s.pools, &sessionPool{
			relay: relay, config: &s.config,
			slots: make(chan struct{}, cmp.Or(relay.Sessions, config.Sessions)), firstSession: make(chan struct{}, 1), limit: newRateLimit(relay.PerMinute),
			record: newRelayRecord(time.Now()),
		})
	}
	return s, nil
}

// Send makes one attempt to send a mail whose job was stored at the given time.
// It waits for a free session. When ctx ends, Send returns at once before the
// final dot, and within 1.5 s after it.
//
// The error wraps [ErrInvalid] for a mail that cannot be built, and is an
// [*Error] otherwise; see [JobError]. If no relay could be used, the error is
// from the one that can be tried again first.
func (s *Sender) Send(ctx context.Context, m job.Mail, stored time.Time) (Receipt, error) {
	message, err := Build(m, Defaults{From: s.config.From, Stored: stored, DKIM: s.config.DKIM})
	if err != nil {
		return Receipt{}, err
	}
	var soonest *Error
	for _, p := range s.pools {
		v, after := p.send(ctx, message)
		if ctx.Err() == nil {
			p.record.attempted(m, v, time.Now())
		}
		if v.Class == ClassDelivered {
			return Receipt{Relay: p.relay.String(), Reply: v.Reply.String()}, nil
		}
		failed := &Error{Verdict: v, Relay: p.relay.String(), RetryAfter: after, RetryWithin: p.retryWithin(v)}
		if v.Class != ClassRelay && v.Class != ClassConfig {
			return Receipt{}, failed
		}
		s.config.Logger.DebugContext(ctx, "relay could not be used", "id", m.ID, "relay", p.relay, "error", failed)
		if soonest == nil || failed.RetryAfter < soonest.RetryAfter {
			soonest = failed
		}
		if ctx.Err() != nil {
			break
		}
	}
	return Receipt{}, soonest
}

// Available reports whether the circuit breaker of any relay is closed.
// Otherwise it is pointless to start a mail.
func (s *Sender) Available() bool {
	return slices.ContainsFunc(s.pools, func(p *sessionPool) bool { return p.breaker.state(time.Now()) == closed })
}

// Relays returns the states of the relays, in the order in which they are tried.
func (s *Sender) Relays() []RelayState {
	states := make([]RelayState, len(s.pools))
	for i, p := range s.pools {
		states[i] = p.state()
	}
	return states
}

// Serve keeps sessions open between mails, checks the relays, and probes those
// whose circuit breaker is half-open. When ctx ends, Serve closes the sessions
// and returns nil. It may be called again afterwards.
func (s *Sender) Serve(ctx context.Context) error {
	var group sync.WaitGroup
	for _, p := range s.pools {
		p.start()
		group.Go(func() { p.watch(ctx) })
	}
	<-ctx.Done()
	group.Wait()
	s.Close()
	return nil
}

// Close ends the idle sessions and waits for that, at most 2 s. Mails that are
// being sent are not disturbed. Their sessions, and those opened later, end
// after one mail.
func (s *Sender) Close() {
	var group sync.WaitGroup
	for _, p := range s.pools {
		group.Go(p.stop)
	}
	group.Wait()
}
