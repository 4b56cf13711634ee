package main

import (
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/spf13/cobra"

	"vedette/pipeline/broker"
)

func listenFlags(cmd *cobra.Command, o *runOptions) {
	f := cmd.Flags()
	f.StringVar(&o.clients.CertFile, "nats-tls-cert", "", "file with the certificate that the server inside shows other NATS clients")
	f.StringVar(&o.clients.KeyFile, "nats-tls-key", "", "file with its key")
	f.StringVar(&o.clients.CAFile, "nats-tls-ca", "", "file with the CA whose certificates these clients must show, besides the secret")
	f.BoolVar(&o.insecure, "insecure", false, "let the server inside listen in clear text beyond this machine")
}

// clientTLS is nil for clear text.
func (o runOptions) clientTLS() *broker.TLS {
	if o.clients.CertFile == "" {
		return nil
	}
	return &o.clients
}

// checkListen refuses to let others listen in, unless it is told to; then it
// says so at each start.
func (o runOptions) checkListen(stderr io.Writer) error {
	tls := o.clients
	switch {
	case (tls.CertFile == "") != (tls.KeyFile == ""):
		return errors.New("read --nats-tls-cert, --nats-tls-key: found one of them, expected both")
	case tls.CertFile == "" && tls.CAFile != "":
		return errors.New("read --nats-tls-ca: found no --nats-tls-cert, expected the server's own certificate too")
	case o.nats != "" && tls.CertFile != "":
		return errors.New("read --nats-tls-cert: found --nats too, expected one of them: it is for the server inside")
	case o.nats != "" || isLocal(o.listen) || tls.CertFile != "":
		return nil
	case !o.insecure:
		return fmt.Errorf("listen on %s: %w", o.listen, errExposed)
	}
	say(stderr, "WARNING: --insecure: NATS listens on %s in clear text. Whoever is on the way reads its secret, all definitions, results and mails, and can order any.\n", o.listen)
	return nil
}

// isLocal tells whether an address is of this machine alone. What is no address
// at all counts as such: the server says better what is wrong with it.
func isLocal(address string) bool {
	_, _, err := net.SplitHostPort(address)
	return err != nil || local(address)
}
