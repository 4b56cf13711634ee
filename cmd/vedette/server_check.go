package main

import (
	"errors"
	"fmt"
	"net"
	"net/url"

	"vedette/cmd/vedette/internal/cli"
	"vedette/pipeline/broker"
)

// check returns the mistakes in the flags, before anything is started.
func (o *serverOptions) check() error {
	problems := []error{addressProblem("--listen", o.listen), o.tlsProblems(), o.clusterProblems()}
	if o.http != "" {
		problems = append(problems, addressProblem("--http", o.http))
	}
	if exposed := o.exposed(); len(exposed) > 0 && o.tls.CertFile == "" && !o.insecure {
		problems = append(problems, fmt.Errorf("listen on %s: %w", exposed[0], cli.ErrExposed))
	}
	return errors.Join(problems...)
}

func (o *serverOptions) tlsProblems() error {
	var problems []error
	if (o.tls.CertFile == "") != (o.tls.KeyFile == "") {
		problems = append(problems, errors.New("read --tls-cert, --tls-key: found one of them, expected both"))
	}
	if o.tls.CertFile == "" && o.tls.CAFile != "" {
		problems = append(problems, errors.New("read --tls-ca: found no --tls-cert, expected the node's certificate too"))
	}
	if o.cluster != "" && o.tls.CertFile != "" && o.tls.CAFile == "" {
		problems = append(problems, errors.New("read --tls-ca: found none with --cluster and --tls-cert, expected the CA for the nodes' certificates"))
	}
	return errors.Join(problems...)
}

func (o *serverOptions) clusterProblems() error {
	if o.cluster == "" {
		if len(o.routes) > 0 {
			return errors.New("read --routes: found no --cluster, expected the address for other nodes")
		}
		return nil
	}
	problems := []error{addressProblem("--cluster", o.cluster), o.routeProblems()}
	if o.users == "" {
		problems = append(problems, fmt.Errorf("read --users: found none with --cluster: %w", broker.ErrUsers))
	}
	if len(o.routes) == 0 {
		problems = append(problems, errors.New("read --routes: found none with --cluster, expected the URLs of its nodes"))
	}
	return errors.Join(problems...)
}

func (o *serverOptions) routeProblems() error {
	var problems []error
	for _, route := range o.routes {
		parsed, err := url.Parse(route)
		if err != nil || parsed.Hostname() == "" || parsed.Port() == "" {
			problems = append(problems, fmt.Errorf("read --routes: found %q, expected nats://host:port", route))
		}
	}
	return errors.Join(problems...)
}

func addressProblem(flag, address string) error {
	if _, port, err := net.SplitHostPort(address); err != nil || port == "" {
		return fmt.Errorf("read %s: found %q, expected host:port", flag, address)
	}
	return nil
}

// exposed returns the addresses for clients and nodes that other machines can
// reach.
func (o *serverOptions) exposed() []string {
	var exposed []string
	for _, address := range []string{o.listen, o.cluster} {
		if cli.Exposed(address) {
			exposed = append(exposed, address)
		}
	}
	return exposed
}
