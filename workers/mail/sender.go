package mail

import (
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

// Config says how mails are sent.
type Config struct {
	// Relays are tried in their order: the next one when one is away or will
	// not talk to us, never when one has refused a mail or may have taken it.
	Relays []Relay
	// From is who sends mails that do not say so: one address, RFC 5322.
	From string
	// DKIM signs the mails of its domain, if it is set.
	DKIM *DKIM
	// Hello is the name by which we greet. Defaults to the host's name.
	Hello string
	// Sessions is how many sessions each relay has at most. Defaults to 4: a
	// Postfix takes no more mail from more than 8 to 16.
	Sessions int
	// PerSession is how many mails a session carries before it ends. Defaults
	// to 100, the limit of many relays.
	PerSession int
	// Idle is how long a session is kept without a mail. Defaults to 30 s,
	// well below the 5 min of RFC 5321, 4.5.3.2.7: idle sessions count against
	// a relay's limits for everybody.
	Idle time.Duration
	// CommandTimeout is how long a relay may take to answer a command, to take
	// 64 KiB of a body, and to open a session. Defaults to 30 s. RFC 5321,
	// 4.5.3.2, allows 2 to 5 min; but what is lost by less is one attempt.
	CommandTimeout time.Duration
	// DotTimeout is how long a relay may take to answer the final dot. Defaults
	// to 5 min. RFC 5321, 4.5.3.2.6, asks for 10, since a mail that is given up
	// here may arrive twice; but a job must end some time.
	DotTimeout time.Duration
	// Logger defaults to one that discards.
	Logger *slog.Logger
}

// The defaults of [Config].
const (
	defaultSessions       = 4
	defaultPerSession     = 100
	defaultIdle           = 30 * time.Second
	defaultCommandTimeout = 30 * time.Second
	defaultDotTimeout     = 5 * time.Minute
)

func (c Config) withDefaults() (Config, error) {
	if c.Hello == "" {
		name, err := os.Hostname()
		if err != nil {
			return c, fmt.Errorf("find a name for hello: %w", err)
		}
		c.Hello = name
	}
	if c.Sessions == 0 {
		c.Sessions = defaultSessions
	}
	if c.PerSession == 0 {
		c.PerSession = defaultPerSession
	}
	if c.Idle == 0 {
		c.Idle = defaultIdle
	}
	if c.CommandTimeout == 0 {
		c.CommandTimeout = defaultCommandTimeout
	}
	if c.DotTimeout == 0 {
		c.DotTimeout = defaultDotTimeout
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	relays := make([]Relay, len(c.Relays))
	for i, relay := range c.Relays {
		relays[i] = relay.withDefaults()
	}
	c.Relays = relays
	return c, nil
}

func (c Config) validate() error {
	var problems []error
	if len(c.Relays) == 0 {
		problems = append(problems, errors.New("relays: found none"))
	}
	for i, relay := range c.Relays {
		if err := relay.validate(); err != nil {
			problems = append(problems, fmt.Errorf("relay %d: %w", i+1, err))
		}
	}
	if _, err := parseAddress("from", c.From); err != nil {
		problems = append(problems, err)
	}
	if c.DKIM != nil {
		problems = append(problems, c.DKIM.validate())
	}
	if !validHost(c.Hello) {
		problems = append(problems, fmt.Errorf("hello: found %q, expected a host's name", c.Hello))
	}
	if c.Sessions < 0 || c.PerSession < 0 || c.Idle < 0 || c.CommandTimeout < 0 || c.DotTimeout < 0 {
		problems = append(problems, errors.New("limits: found a negative one"))
	}
	return errors.Join(problems...)
}

// Receipt is a relay's word that it has taken a mail.
type Receipt struct {
	// Relay is host and port, or a Maildir.
	Relay string
	// Reply is what it said, on one line: "250 2.0.0 queued as 4bX".
	Reply string
}

// Sender sends mails through relays. It is safe for concurrent use: each mail
// has a session to itself, and no lock is held while it is sent.
type Sender struct {
	from  string
	dkim  *DKIM
	log   *slog.Logger
	pools []*sessionPool
}

// New returns a Sender. It opens no connection: sessions are opened when mails
// need them. The error names every setting that is wrong.
func New(config Config) (*Sender, error) {
	config, err := config.withDefaults()
	if err == nil {
		err = config.validate()
	}
	if err != nil {
		return nil, fmt.Errorf("set up mail: %w", err)
	}
	s := &Sender{from: config.From, dkim: config.DKIM, log: config.Logger}
	for _, relay := range config.Relays {
		sessions := relay.Sessions
		if sessions == 0 {
			sessions = config.Sessions
		}
		s.pools = append(s.pools, &sessionPool{
			relay: relay, hello: config.Hello, timeouts: timeouts{command: config.CommandTimeout, dot: config.DotTimeout},
			idleTimeout: config.Idle, mailsPerSession: config.PerSession, log: config.Logger,
			slots: make(chan struct{}, sessions), firstSession: make(chan struct{}, 1), limit: newRateLimit(relay.PerMinute),
		})
	}
	return s, nil
}

// Send makes one attempt to send a mail that was stored at the given time. It
// waits for a free session, and returns soon after ctx ends: at once before
// the final dot, within 1.5 s after it.
//
// The error wraps [ErrInvalid] for a mail that cannot be built, and is an
// [*Error] otherwise. [] says what to do about either. When no relay could
// be used, it is the one that can be tried again first.
func (s *Sender) Send(ctx context.Context, m job.Mail, stored time.Time) (Receipt, error) {
	message, err := Build(m, Defaults{From: s.from, Stored: stored, DKIM: s.dkim})
	if err != nil {
		return Receipt{}, err
	}
	var soonest *Error
	for _, p := range s.pools {
		v, after := p.send(ctx, message)
		if v.Class == ClassDelivered {
			return Receipt{Relay: p.relay.String(), Reply: v.Reply.String()}, nil
		}
		failed := &Error{Verdict: v, Relay: p.relay.String(), RetryAfter: after}
		if v.Class != ClassRelay && v.Class != ClassConfig {
			return Receipt{}, failed
		}
		s.log.DebugContext(ctx, "relay not used", "id", m.ID, "relay", p.relay, "error", failed)
		if soonest == nil || failed.RetryAfter < soonest.RetryAfter {
			soonest = failed
		}
		if ctx.Err() != nil {
			break
		}
	}
	return Receipt{}, soonest
}

// Available tells whether any relay can be used, as far as is known. While none can,
// it is of no use to begin with a mail.
func (s *Sender) Available() bool {
	return slices.ContainsFunc(s.pools, func(p *sessionPool) bool { return p.breaker.closed() })
}

// probeInterval is how often relays that rest are looked at.
const probeInterval = 250 * time.Millisecond

// Serve keeps sessions open between mails, and opens one with a relay that was
// away as soon as it has rested, until ctx ends; then it closes them. It
// returns nil, and may be called again after it has returned.
func (s *Sender) Serve(ctx context.Context) error {
	for _, p := range s.pools {
		p.reopen()
	}
	look := time.NewTicker(probeInterval)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			s.Close()
			return nil
		case <-look.C:
			for _, p := range s.pools {
				p.probe(ctx)
			}
		}
	}
}

// Close ends the idle sessions, which takes 2 s at most, and waits for that.
// Mails that are being sent are not disturbed; their sessions, and those of
// mails that are sent later, end after one mail.
func (s *Sender) Close() {
	var group sync.WaitGroup
	for _, p := range s.pools {
		group.Go(p.close)
	}
	group.Wait()
}
