package pipelinetest

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"vedette/pipeline"
	"vedette/pipeline/broker"
)

// clusterUsers is the users file for the nodes.
const clusterUsers = "authorization { user: test, password: test }\n"

// Cluster is three brokers in the test process that form a cluster over loopback.
// Its methods must be called from the test's goroutine.
type Cluster struct {
	tb    testing.TB
	users string
	nodes []*node
}

type node struct {
	dir            string
	listen, routes string // fixed addresses
	broker         *broker.Broker
}

// Nodes is the number of nodes in a [Cluster].
const Nodes = 3

// NewCluster starts a cluster that ends with the test, and waits until it is
// healthy.
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

// freeAddress returns an address that stays free while its node is down: the port
// is below the range for outgoing connections.
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

// stopAll stops all running nodes concurrently. One by one, the last would wait
// in vain to hand over its leaderships.
func (c *Cluster) stopAll() {
	var group sync.WaitGroup
	for _, n := range c.nodes {
		if n.broker != nil {
			group.Go(func() { _ = n.broker.Stop() })
		}
	}
	group.Wait()
}

// Name returns the name for node i, counted from 0.
func (*Cluster) Name(i int) string { return fmt.Sprintf("node-%d", i+1) }

// URL returns the addresses of all nodes, for clients.
func (c *Cluster) URL() string {
	var urls []string
	for _, n := range c.nodes {
		urls = append(urls, "nats://test:test@"+n.listen)
	}
	return strings.Join(urls, ",")
}

// Start starts node i with its stored data.
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

// Stop stops node i cleanly.
func (c *Cluster) Stop(i int) {
	c.tb.Helper()
	b := c.nodes[i].broker
	c.nodes[i].broker = nil
	if err := b.Stop(); err != nil {
		c.tb.Fatalf("stop %s: %v", c.Name(i), err)
	}
}

// Wipe deletes the data of node i, which must be stopped.
func (c *Cluster) Wipe(i int) {
	c.tb.Helper()
	if err := os.RemoveAll(c.nodes[i].dir); err != nil {
		c.tb.Fatalf("wipe %s: %v", c.Name(i), err)
	}
}

// AwaitHealthy waits until every running node is healthy.
func (c *Cluster) AwaitHealthy() {
	c.tb.Helper()
	sick := func(n *node) bool { return n.broker != nil && n.broker.Healthy() != nil }
	Eventually(c.tb, "a healthy cluster", func() bool { return !slices.ContainsFunc(c.nodes, sick) })
}

// Connect opens a connection to the cluster, like a separate process. It ends with
// the test.
func (c *Cluster) Connect(config pipeline.Config) *pipeline.Pipeline {
	c.tb.Helper()
	config.URL = c.URL()
	return connect(c.tb, config)
}
