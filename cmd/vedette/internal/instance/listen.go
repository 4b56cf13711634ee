package instance

import (
	"errors"
	"fmt"
	"io"

	"vedette/cmd/vedette/internal/cli"
)

// checkListen refuses clear text on an address that other machines can reach.
// With --insecure it prints a warning instead.
func (o Options) checkListen(stderr io.Writer) error {
	tls := o.Clients
	switch {
	case (tls.CertFile == "") != (tls.KeyFile == ""):
		return errors.New("read --nats-tls-cert, --nats-tls-key: found one of them, expected both")
	case tls.CertFile == "" && tls.CAFile != "":
		return errors.New("read --nats-tls-ca: found no --nats-tls-cert, expected the server's certificate too")
	case o.NATS != "" && tls.CertFile != "":
		return errors.New("read --nats-tls-cert: found --nats too, expected one of them: the certificate is for the server inside vedette")
	case o.NATS != "" || !cli.Exposed(o.Listen) || tls.CertFile != "":
		return nil
	case !o.Insecure:
		return fmt.Errorf("listen on %s: %w", o.Listen, cli.ErrExposed)
	}
	cli.Writef(stderr, "WARNING: --insecure: NATS listens on %s in clear text. Anyone on the network path can read its secret, all definitions, results and mails, and enqueue jobs.\n", o.Listen)
	return nil
}
