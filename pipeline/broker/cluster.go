package broker

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// Cluster configures a cluster node.
type Cluster struct {
	// Name is the cluster name, the same on all nodes. Defaults to "vedette".
	Name string
	// Listen is the host:port for other nodes. Port 0 chooses a free port.
	Listen string
	// Routes are the node URLs, nats://host:port. They may include the node's own,
	// so that all nodes can have the same list.
	Routes []string
}

// A silent node with open connections is detected after two pings. During the
// server's default of 30 s, other nodes would still forward messages to it.
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
		problems = append(problems, errors.New("routes: found none, expected the URLs of the other nodes"))
	}
	if c.UsersFile == "" {
		problems = append(problems, fmt.Errorf("users: found none: %w", ErrUsers))
	}
	if c.TLS != nil && c.TLS.CAFile == "" {
		problems = append(problems, errors.New("tls: found no CA, expected one for the certificates of the nodes"))
	}
	if err := errors.Join(problems...); err != nil {
		return fmt.Errorf("check cluster: %w", err)
	}
	return nil
}

// apply configures a server as a node.
func (c *Cluster) apply(options *server.Options, config Config) error {
	host, port, err := checkAddress(c.Listen)
	if err != nil {
		return err
	}
	options.Cluster = server.ClusterOpts{
		Name: cmp.Or(c.Name, defaultName), Host: host, Port: port, PingInterval: routePing, MaxPingsOut: maxRoutePings,
		// Clients use only their configured addresses. The addresses between nodes
		// may belong to a separate network, or be missing from the certificate.
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
