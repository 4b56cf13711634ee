package pipeline

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"vedette/pipeline/clock"
	"vedette/pipeline/topology"
)

// ErrServerTooOld is returned by [Connect] for a server before 2.14, which cannot
// schedule messages.
var ErrServerTooOld = errors.New("nats-server is too old")

// ErrUnknownUser is returned by [Connect] when the server rejects the user.
var ErrUnknownUser = errors.New("the server does not know the user, or another password")

// ErrUntrusted is returned by [Connect] when the server's certificate has no
// trusted signature, or another name.
var ErrUntrusted = errors.New("the server is not who it should be")

// Pipeline is a connection to one installation. It is safe for concurrent use.
// Close it after everything that uses it has returned.
type Pipeline struct {
	conn     *nats.Conn
	js       jetstream.JetStream
	names    topology.Names
	config   Config
	log      *slog.Logger
	regained *broadcast
	unstored publishWatch
	began    time.Time
	changed  atomic.Int64 // when the connection was last lost or regained, since began
	lost     atomic.Int64 // when it was last lost
	clock    *clock.Watch
}

// reconnectWait is short because each outage costs missed slots.
const (
	reconnectWait = 250 * time.Millisecond
	// reconnectJitter spreads processes that lost the same node. With TLS, the
	// library's default is four times the wait.
	reconnectJitter = 100 * time.Millisecond
	// A dead server is detected after two pings, about when it delivers this
	// process's jobs to others.
	pingInterval   = 2 * time.Second
	maxPings       = 2
	maxPendingAcks = 4096 // publishes in flight; more made no difference when measured
	defaultShards  = 64
	minMinor       = 14 // message schedules that repeat: 2.14
)

// Connect connects to an installation. It waits for the server until ctx ends;
// later it reconnects for ever. The error is [ErrServerTooOld], [ErrUnknownUser],
// [ErrUntrusted], or the reason why the server was not reached.
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
	p := &Pipeline{names: names, config: config, log: config.Logger, regained: newBroadcast(), began: time.Now(), clock: clock.NewWatch(config.Logger)}
	conn, err := dial(ctx, config.URL, append(p.options(), login...))
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

// dial tries until it is connected or ctx ends. The library's own retry would
// hide why the first connection fails.
func dial(ctx context.Context, url string, options []nats.Option) (*nats.Conn, error) {
	for {
		conn, err := nats.Connect(url, options...)
		if err == nil {
			return conn, nil
		}
		if refused := permanent(err); refused != nil {
			return nil, refused
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(reconnectWait):
		}
	}
}

// permanent returns a connection error after which another attempt would fail in
// the same way, nil otherwise.
func permanent(err error) error {
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
				p.log.Warn("connection to nats lost; reconnecting", "error", err)
			}
		}),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			if errors.Is(err, nats.ErrConsumerNotActive) && !p.Connected() {
				return // each watch reports this every ten seconds while the server is away
			}
			p.log.Warn("nats reported an error", "error", err)
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

// checkVersion checks that a server is not too old.
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

// Process is this process's name in results and logs.
func (p *Pipeline) Process() string { return p.config.Process }

// Shards is how many clocks the installation has.
func (p *Pipeline) Shards() int { return p.config.Shards }

// Names maps the installation's names to those on the server.
func (p *Pipeline) Names() topology.Names { return p.names }

// Inbox is the first token in this program's inbox addresses; it may be empty.
func (p *Pipeline) Inbox() string { return p.config.Inbox }

// Logger returns the connection's logger.
func (p *Pipeline) Logger() *slog.Logger { return p.log }

// Conn is the connection to NATS, for packages in this directory.
func (p *Pipeline) Conn() *nats.Conn { return p.conn }

// JetStream is the JetStream client, for packages in this directory.
func (p *Pipeline) JetStream() jetstream.JetStream { return p.js }

// Regained returns a channel that holds a token once the connection has been
// lost and regained, and a function that stops this.
func (p *Pipeline) Regained() (<-chan struct{}, func()) { return p.regained.listen() }

// Connected reports whether the server can be reached now.
func (p *Pipeline) Connected() bool { return p.conn.IsConnected() }

// Away reports whether the server cannot be reached, or could not be within the
// last d, which may explain a failure in that time.
func (p *Pipeline) Away(d time.Duration) bool {
	changed := p.changed.Load()
	return !p.Connected() || changed != 0 && time.Since(p.began)-time.Duration(changed) < d
}

// Lost returns when the connection was last lost, by this process's clock; zero
// if it never was.
func (p *Pipeline) Lost() time.Time {
	if lost := p.lost.Load(); lost != 0 {
		return p.began.Add(time.Duration(lost))
	}
	return time.Time{}
}

// Clock returns the watch over this process's clock. It notices changes at once
// only while its Serve runs.
func (p *Pipeline) Clock() *clock.Watch { return p.clock }

// URL returns the server's address without credentials.
func (p *Pipeline) URL() string { return p.conn.ConnectedUrlRedacted() }

// flushTimeout bounds the last flush to a server that may be stopping.
const flushTimeout = 2 * time.Second

// Close flushes the connection and closes it. If the server is away, there is
// nothing to flush, and no error.
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
