package pipelinetest

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"vedette/pipeline"
	"vedette/pipeline/broker"
)

// clusterUsers is what the nodes of a test's cluster know.
const clusterUsers = "authorization { user: test, password: test }\n"

// Cluster is three brokers in the process, which form a cluster over loopback.
// Its methods are for the goroutine of the test.
type Cluster struct {
	tb    testing.TB
	users string
	nodes []*node
}

type node struct {
	dir            string
	listen, routes string // addresses, the same after each start
	broker         *broker.Broker
}

// Nodes is how many a [Cluster] has.
const Nodes = 3

// NewCluster starts a cluster, which ends with the test, and waits until it is
// one.
func NewCluster(tb testing.TB) *Cluster {
	tb.Helper()
	c := &Cluster{tb: tb, users: filepath.Join(tb.TempDir(), "users.conf")}
	if err := os.WriteFile(c.users, []byte(clusterUsers), 0o600); err != nil {
		tb.Fatal(err)
	}
	for range Nodes {
		c.nodes = append(c.nodes, &node{dir: tb.TempDir(), listen: freeAddress(tb), routes: freeAddress(tb)})
	}
	tb.Cleanup(c.stopAll)
	for i := range c.nodes {
		c.Start(i)
	}
	c.AwaitHealthy()
	return c
}

// freeAddress is one that stays free while a node is away: its port is below
// those that systems give to outgoing connections.
func freeAddress(tb testing.TB) string {
	tb.Helper()
	for range 100 {
		address := net.JoinHostPort("127.0.0.1", strconv.Itoa(lowestPort+rand.IntN(highestPort-lowestPort)))
		listener, err := net.Listen("tcp", address) //nolint:noctx // loopback
		if err == nil {
			_ = listener.Close()
			return address
		}
	}
	tb.Fatal("got no free port in 100 tries")
	return ""
}

const (
	lowestPort  = 12_000
	highestPort = 32_000
)

// stopAll stops what runs, all at once: the last ones would wait in vain for
// others to lead.
func (c *Cluster) stopAll() {
	var group sync.WaitGroup
	for _, n := range c.nodes {
		if n.broker != nil {
			group.Go(func() { _ = n.broker.Stop() })
		}
	}
	group.Wait()
}

// Name is that of the node i, counted from 0.
func (*Cluster) Name(i int) string { return fmt.Sprintf("node-%d", i+1) }

// URL names all nodes, for clients.
func (c *Cluster) URL() string {
	var urls []string
	for _, n := range c.nodes {
		urls = append(urls, "nats://test:test@"+n.listen)
	}
	return strings.Join(urls, ",")
}

// Start starts the node i over what it has stored.
func (c *Cluster) Start(i int) {
	c.tb.Helper()
	cluster := broker.Cluster{Listen: c.nodes[i].routes}
	for _, n := range c.nodes {
		cluster.Routes = append(cluster.Routes, "nats://"+n.routes)
	}
	b, err := broker.Start(broker.Config{
		Dir: c.nodes[i].dir, Listen: c.nodes[i].listen, Name: c.Name(i), Cluster: &cluster, UsersFile: c.users,
		Logger: slog.New(slog.NewTextHandler(c.tb.Output(), &slog.HandlerOptions{Level: slog.LevelError})),
	})
	if err != nil {
		c.tb.Fatalf("start %s: %v", c.Name(i), err)
	}
	c.nodes[i].broker = b
}

// Stop stops the node i cleanly.
func (c *Cluster) Stop(i int) {
	c.tb.Helper()
	b := c.nodes[i].broker
	c.nodes[i].broker = nil
	if err := b.Stop(); err != nil {
		c.tb.Fatalf("stop %s: %v", c.Name(i), err)
	}
}

// Wipe takes away what the node i, which must be stopped, has stored.
func (c *Cluster) Wipe(i int) {
	c.tb.Helper()
	if err := os.RemoveAll(c.nodes[i].dir); err != nil {
		c.tb.Fatalf("wipe %s: %v", c.Name(i), err)
	}
}

const (
	healthyWait = 60 * time.Second
	healthyLook = 20 * time.Millisecond
)

// AwaitHealthy returns when every node that runs does its work, with all that
// it holds up to date.
func (c *Cluster) AwaitHealthy() {
	c.tb.Helper()
	deadline, look := time.NewTimer(healthyWait), time.NewTicker(healthyLook)
	defer deadline.Stop()
	defer look.Stop()
	for {
		sick := c.sick()
		if sick == nil {
			return
		}
		select {
		case <-look.C:
		case <-deadline.C:
			c.tb.Fatalf("got a cluster that is not well after %s: %v", healthyWait, sick)
		}
	}
}

// sick is what is wrong with the first node that is not well.
func (c *Cluster) sick() error {
	for i, n := range c.nodes {
		if n.broker == nil {
			continue
		}
		if err := n.broker.Healthy(); err != nil {
			return fmt.Errorf("%s: %w", c.Name(i), err)
		}
	}
	return nil
}

// Connect opens a connection to the cluster, as a process would. It ends with
// the test.
func (c *Cluster) Connect(config pipeline.Config) *pipeline.Pipeline {
	c.tb.Helper()
	config.URL = c.URL()
	return connect(c.tb, config)
}
