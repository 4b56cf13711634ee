package pipeline

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"vedette/pipeline/job"
	"vedette/pipeline/topology"
)

// ErrServerTooOld is returned by [Connect] when the server cannot schedule
// messages, which it can from 2.14 on.
var ErrServerTooOld = errors.New("nats-server is too old")

// ErrUnknownUser is returned by [Connect] when the server does not let the user
// in.
var ErrUnknownUser = errors.New("the server does not know the user, or another password")

// ErrUntrusted is returned by [Connect] when the server's certificate is signed
// by nobody who is trusted, or good for another name.
var ErrUntrusted = errors.New("the server is not who it should be")

// Config says which server to use, and under which names.
type Config struct {
	// URL of the server, or several separated by commas. Credentials may stand
	// in it. Ignored when InProcess is set.
	URL string
	// InProcess connects to a server in this process, without a socket.
	InProcess InProcess
	// User and Password are for InProcess, where there is no URL to hold them.
	User, Password string
	// Login says how the server at URL is known, and how it knows us.
	Login Login
	// Process names this process in logs, results and the server's lists.
	// Defaults to host name and process id.
	Process string
	// Prefix begins every subject. Defaults to "vedette".
	Prefix string
	// Inbox is a token that sets this program's inboxes apart, for users of the
	// server who may read no others: "_INBOX.<Inbox>.>" for the server's
	// answers and "<Prefix>.reply.<Inbox>.>" for those of calls. Defaults to the
	// user's name in URL or Login; without one, inboxes are anywhere below "_INBOX" and
	// "<Prefix>.reply".
	Inbox string
	// Shards is how many clocks tick for the installation: the most scheduler
	// processes that can share the work. Fixed at the first start; defaults to 64.
	Shards int
	// Replicas of each stream that [Pipeline.Ensure] is to see to, 1, 3 or 5. Zero
	// leaves those that there are as they are, and makes new ones with 1.
	Replicas int
	// Patience is how long [Pipeline.RetryUnavailable], and with it all that a process does
	// at its start, waits for a cluster that does not answer or has no leader.
	// Defaults to 30s, which is longer than any election takes.
	Patience time.Duration
	// Refused, when set, is told what the server does not allow this user, as a
	// [RefusedError]. It is called from a goroutine of the connection.
	Refused func(error)
	// Logger defaults to one that discards.
	Logger *slog.Logger
}

// InProcess is a server that gives out connections without a socket;
// *broker.Broker is one.
type InProcess interface {
	InProcessConn() (net.Conn, error)
}

// Pipeline is a connection to one installation. It is safe for concurrent use.
// Close it when everything that was made of it has returned.
type Pipeline struct {
	conn     *nats.Conn
	js       jetstream.JetStream
	names    topology.Names
	config   Config
	log      *slog.Logger
	regained *broadcast
	began    time.Time
	changed  atomic.Int64 // when the connection was last lost or regained, since began
	lost     atomic.Int64 // when it was last lost
}

// reconnectWait is short because a server that is away costs missed slots.
const (
	reconnectWait = 250 * time.Millisecond
	// reconnectJitter keeps processes apart that lost the same node. The library's
	// own, with TLS, is four times the wait.
	reconnectJitter = 100 * time.Millisecond
	// A server that has gone without a word is noticed after two pings, about
	// when it gives this process's jobs to others.
	pingInterval   = 2 * time.Second
	maxPings       = 2
	maxPendingAcks = 4096 // publishes in flight; more made no difference when measured
	defaultShards  = 64
	minMinor       = 14 // message schedules that repeat: 2.14
)

// Connect joins an installation. It waits for the server until ctx ends, and
// afterwards reconnects for ever. The error is [ErrServerTooOld],
// [ErrUnknownUser], [ErrUntrusted], or says why the server was not reached.
func Connect(ctx context.Context, config Config) (*Pipeline, error) {
	config = config.withDefaults()
	names := topology.Names{Prefix: config.Prefix}
	if err := names.Validate(); err != nil {
		return nil, err
	}
	if config.Inbox != "" && !validInbox(config.Inbox) {
		return nil, fmt.Errorf("check inbox: found %q, expected letters, digits, _ and -", config.Inbox)
	}
	login, err := config.Login.options()
	if err != nil {
		return nil, err
	}
	p := &Pipeline{names: names, config: config, log: config.Logger, regained: newBroadcast(), began: time.Now()}
	conn, err := p.dial(ctx, login)
	if err != nil {
		return nil, fmt.Errorf("connect to nats: %w", err)
	}
	if err := checkVersion(conn.ConnectedServerVersion()); err != nil {
		conn.Close()
		return nil, err
	}
	js, err := jetstream.New(conn, jetstream.WithPublishAsyncMaxPending(maxPendingAcks))
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("open jetstream: %w", err)
	}
	p.conn, p.js = conn, js
	return p, nil
}

func (c Config) withDefaults() Config {
	if c.Process == "" {
		host, err := os.Hostname()
		if err != nil {
			host = "unknown"
		}
		c.Process = host + "-" + strconv.Itoa(os.Getpid())
	}
	if c.Prefix == "" {
		c.Prefix = "vedette"
	}
	if c.Inbox == "" {
		c.Inbox = userOf(c.URL)
	}
	if c.Inbox == "" && validInbox(c.Login.User) {
		c.Inbox = c.Login.User
	}
	if c.Shards == 0 {
		c.Shards = defaultShards
	}
	if c.Patience == 0 {
		c.Patience = defaultPatience
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

// userOf is the user's name in a URL, or in the first of several; empty when
// it has none that a subject can hold.
func userOf(urls string) string {
	first, _, _ := strings.Cut(urls, ",")
	parsed, err := url.Parse(strings.TrimSpace(first))
	if err != nil || parsed.User == nil || !validInbox(parsed.User.Username()) {
		return ""
	}
	return parsed.User.Username()
}

func validInbox(token string) bool { return job.ValidName(token) && !strings.Contains(token, ".") }

// dial tries until it is connected or ctx ends; the library's own retry would
// hide why the first connection does not come about.
func (p *Pipeline) dial(ctx context.Context, login []nats.Option) (*nats.Conn, error) {
	for {
		conn, err := nats.Connect(p.config.URL, append(p.options(), login...)...)
		if err == nil {
			return conn, nil
		}
		if refused := hopeless(err); refused != nil {
			return nil, refused
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(reconnectWait):
		}
	}
}

// hopeless is the error of an attempt after which the next would end the same
// way, as the server refuses us or we do not trust it; nil otherwise.
func hopeless(err error) error {
	_, untrusted := errors.AsType[*tls.CertificateVerificationError](err)
	switch {
	case untrusted:
		return fmt.Errorf("%w: %w", ErrUntrusted, err)
	case errors.Is(err, nats.ErrAuthorization):
		return fmt.Errorf("%w: %w", ErrUnknownUser, err)
	case errors.Is(err, nats.ErrSecureConnWanted):
		return err
	default:
		return nil
	}
}

func (p *Pipeline) options() []nats.Option {
	options := []nats.Option{
		nats.Name("vedette " + p.config.Process),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(reconnectWait),
		nats.ReconnectJitter(reconnectJitter, reconnectJitter),
		nats.PingInterval(pingInterval),
		nats.MaxPingsOutstanding(maxPings),
		nats.ReconnectHandler(func(*nats.Conn) {
			p.changed.Store(int64(time.Since(p.began)))
			p.log.Info("reconnected to nats")
			p.regained.notify()
		}),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			p.changed.Store(int64(time.Since(p.began)))
			p.lost.Store(int64(time.Since(p.began)))
			if err != nil {
				p.log.Warn("connection to nats lost; trying again", "error", err)
			}
		}),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			if errors.Is(err, nats.ErrConsumerNotActive) && !p.Connected() {
				return // each watch says so every ten seconds, as long as the server is away
			}
			p.log.Warn("nats reports an error", "error", err)
			if p.config.Refused != nil && errors.Is(err, nats.ErrPermissionViolation) {
				p.config.Refused(refusal(err))
			}
		}),
	}
	if p.config.Inbox != "" {
		options = append(options, nats.CustomInboxPrefix("_INBOX."+p.config.Inbox))
	}
	if p.config.InProcess != nil {
		options = append(options,
			nats.InProcessServer(p.config.InProcess),
			nats.UserInfo(p.config.User, p.config.Password))
	}
	return options
}

// checkVersion compares a server's version with the oldest that will do.
func checkVersion(version string) error {
	parts := strings.SplitN(version, ".", 3)
	if len(parts) == 3 {
		major, majorErr := strconv.Atoi(parts[0])
		minor, minorErr := strconv.Atoi(parts[1])
		if majorErr == nil && minorErr == nil && (major > 2 || major == 2 && minor >= minMinor) {
			return nil
		}
	}
	return fmt.Errorf("check server: %w: found version %q, expected 2.%d or later", ErrServerTooOld, version, minMinor)
}

// Process is the name of this process, as results and logs show it.
func (p *Pipeline) Process() string { return p.config.Process }

// Shards is the number of clocks of the installation.
func (p *Pipeline) Shards() int { return p.config.Shards }

// Names maps the installation's names to those on the server.
func (p *Pipeline) Names() topology.Names { return p.names }

// Inbox is the token that begins the addresses of answers to this program; it
// may be empty.
func (p *Pipeline) Inbox() string { return p.config.Inbox }

// Logger is that of the connection.
func (p *Pipeline) Logger() *slog.Logger { return p.log }

// Conn is the connection to NATS, for packages below this one.
func (p *Pipeline) Conn() *nats.Conn { return p.conn }

// JetStream is the client of JetStream, for packages below this one.
func (p *Pipeline) JetStream() jetstream.JetStream { return p.js }

// Regained returns a channel that holds a token once the connection has been
// lost and regained, and a function that stops this.
func (p *Pipeline) Regained() (<-chan struct{}, func()) { return p.regained.listen() }

// Connected reports whether the server can be reached at this moment.
func (p *Pipeline) Connected() bool { return p.conn.IsConnected() }

// Away reports whether the server is out of reach, or was within the last d.
// What failed in that time may have failed for that reason.
func (p *Pipeline) Away(d time.Duration) bool {
	changed := p.changed.Load()
	return !p.Connected() || changed != 0 && time.Since(p.began)-time.Duration(changed) < d
}

// Lost returns when the connection was last lost, by this process's clock; zero
// when it never was.
func (p *Pipeline) Lost() time.Time {
	if lost := p.lost.Load(); lost != 0 {
		return p.began.Add(time.Duration(lost))
	}
	return time.Time{}
}

// URL returns the server's address without credentials, for people.
func (p *Pipeline) URL() string { return p.conn.ConnectedUrlRedacted() }

// flushTimeout bounds the last words to a server that may be going away.
const flushTimeout = 2 * time.Second

// Close sends what is still buffered and disconnects. While the server is away
// there is nobody to send to, which is no error.
func (p *Pipeline) Close() error {
	defer p.conn.Close()
	if !p.conn.IsConnected() {
		return nil
	}
	if err := p.conn.FlushTimeout(flushTimeout); err != nil && p.conn.IsConnected() {
		return fmt.Errorf("close connection to nats: %w", err)
	}
	return nil
}
