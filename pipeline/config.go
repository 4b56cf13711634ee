package pipeline

import (
	"log/slog"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"vedette/pipeline/job"
)

// DefaultPrefix begins every subject unless [Config].Prefix is set.
const DefaultPrefix = "vedette"

// Config describes a connection.
type Config struct {
	// URL of the server, or several separated by commas. It may have credentials.
	// Ignored if InProcess is set.
	URL string
	// InProcess connects to a server in this process, without a socket.
	InProcess InProcess
	// User and Password are for InProcess.
	User, Password string
	// Login authenticates the server at URL and this program.
	Login Login
	// Process names this process in logs, results and the server's lists.
	// Defaults to host name and process id.
	Process string
	// Prefix begins every subject. Defaults to [DefaultPrefix].
	Prefix string
	// Inbox is a token in this program's inbox subjects, for users that may read no
	// others: "_INBOX.<Inbox>.>" for the server's answers and
	// "<Prefix>.reply.<Inbox>.>" for those to calls. Defaults to the user name in
	// URL or Login; without one, the subjects do not have the token.
	Inbox string
	// Shards is how many clocks the installation has: the most scheduler processes
	// that can share the work. Defaults to 64.
	Shards int
	// Replicas is the replica count, 1, 3 or 5, that [Pipeline.Ensure] configures.
	// Zero leaves existing streams as they are, and creates new ones with 1.
	Replicas int
	// Patience is how long [Pipeline.RetryUnavailable], and with it a process that
	// starts, waits for a cluster that does not answer or has no leader. Defaults
	// to 30s, longer than any election takes.
	Patience time.Duration
	// Refused, when set, is called with a [RefusedError] for each request that the
	// server does not allow this user, from a goroutine of the connection.
	Refused func(error)
	// Logger defaults to one that discards.
	Logger *slog.Logger
}

// InProcess is a server with connections that need no socket, such as
// *broker.Broker.
type InProcess interface {
	InProcessConn() (net.Conn, error)
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
		c.Prefix = DefaultPrefix
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

// userOf is the user name in a URL, or in the first of several; empty if there is
// none that a subject can have.
func userOf(urls string) string {
	first, _, _ := strings.Cut(urls, ",")
	parsed, err := url.Parse(strings.TrimSpace(first))
	if err != nil || parsed.User == nil || !validInbox(parsed.User.Username()) {
		return ""
	}
	return parsed.User.Username()
}

func validInbox(token string) bool { return job.ValidName(token) && !strings.Contains(token, ".") }
