package broker

import (
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// Cluster says how a broker finds the other nodes.
type Cluster struct {
	// Name is the same on each node. Defaults to "vedette".
	Name string
	// Listen is the host:port for other nodes. Port 0 takes a free one.
	Listen string
	// Routes are the URLs of the nodes, nats://host:port; the node's own may be
	// among them, so that all nodes can have the same list.
	Routes []string
}

// A node that falls silent, without closing its connections, is noticed after
// two pings. The server's own 30 s would let clients of others talk to it for
// that long.
const (
	routePing     = 2 * time.Second
	maxRoutePings = 2
)

func (c Config) validate() error {
	if c.Cluster == nil {
		return nil
	}
	var problems []error
	if c.Listen == "" {
		problems = append(problems, errors.New("listen address: found none, expected host:port"))
	}
	if len(c.Cluster.Routes) == 0 {
		problems = append(problems, errors.New("routes: found none, expected those of the other nodes"))
	}
	if c.UsersFile == "" {
		problems = append(problems, fmt.Errorf("users: found none: %w", ErrUsers))
	}
	if c.TLS != nil && c.TLS.CAFile == "" {
		problems = append(problems, errors.New("tls: found no CA, by which nodes know each other"))
	}
	if err := errors.Join(problems...); err != nil {
		return fmt.Errorf("check cluster: %w", err)
	}
	return nil
}

// join makes a server a node.
func (c *Cluster) join(options *server.Options, config Config) error {
	name := c.Name
	if name == "" {
		name = defaultName
	}
	host, port, err := freeAddress(c.Listen)
	if err != nil {
		return err
	}
	options.Cluster = server.ClusterOpts{
		Name: name, Host: host, Port: port, PingInterval: routePing, MaxPingsOut: maxRoutePings,
		// Clients keep to the addresses that they were given. Those that nodes know
		// of each other may be of a network of their own, or in no certificate.
		NoAdvertise: true,
	}
	for _, route := range c.Routes {
		parsed, err := url.Parse(route)
		if err != nil || parsed.Hostname() == "" || parsed.Port() == "" {
			return fmt.Errorf("read route: found %q, expected nats://host:port", route)
		}
		options.Routes = append(options.Routes, parsed)
	}
	return config.TLS.protectRoutes(options, config.Logger)
}
