package broker

import (
	"crypto/tls"
	"fmt"

	"github.com/nats-io/nats-server/v2/server"
)

// TLS names the files that protect connections, all in PEM.
type TLS struct {
	// CertFile and KeyFile are shown to clients and to other nodes, so the
	// certificate must be good for servers and for clients.
	CertFile, KeyFile string
	// CAFile has signed the certificates of all nodes: whoever holds one of it
	// may join, so it should sign nothing else. Only nodes need it.
	CAFile string
}

// protectClients has clients use TLS. They show no certificate, but log in.
func (t *TLS) protectClients(options *server.Options) error {
	if t == nil {
		return nil
	}
	config, err := server.GenTLSConfig(&server.TLSConfigOpts{CertFile: t.CertFile, KeyFile: t.KeyFile})
	if err != nil {
		return fmt.Errorf("set up tls: %w", err)
	}
	options.TLS, options.TLSConfig = true, config
	return nil
}

// protectRoutes has nodes use TLS, each side with a certificate of the CA.
func (t *TLS) protectRoutes(options *server.Options) error {
	if t == nil {
		return nil
	}
	config, err := server.GenTLSConfig(&server.TLSConfigOpts{CertFile: t.CertFile, KeyFile: t.KeyFile, CaFile: t.CAFile, Verify: true})
	if err != nil {
		return fmt.Errorf("set up tls of routes: %w", err)
	}
	config.RootCAs = config.ClientCAs // a node is a client of the others too
	config.MinVersion = tls.VersionTLS13
	options.Cluster.TLSConfig = config
	return nil
}
