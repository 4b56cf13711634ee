package instance

import (
	"errors"
	"fmt"
	"io"

	"vedette/cmd/vedette/internal/cli"
)

// checkListen refuses to let others listen in, unless it is told to; then it
// says so at each start.
func (o Options) checkListen(stderr io.Writer) error {
	tls := o.Clients
	switch {
	case (tls.CertFile == "") != (tls.KeyFile == ""):
		return errors.New("read --nats-tls-cert, --nats-tls-key: found one of them, expected both")
	case tls.CertFile == "" && tls.CAFile != "":
		return errors.New("read --nats-tls-ca: found no --nats-tls-cert, expected the server's own certificate too")
	case o.NATS != "" && tls.CertFile != "":
		return errors.New("read --nats-tls-cert: found --nats too, expected one of them: it is for the server inside")
	case o.NATS != "" || cli.IsLocal(o.Listen) || tls.CertFile != "":
		return nil
	case !o.Insecure:
		return fmt.Errorf("listen on %s: %w", o.Listen, cli.ErrExposed)
	}
	cli.Writef(stderr, "WARNING: --insecure: NATS listens on %s in clear text. Whoever is on the way reads its secret, all definitions, results and mails, and can order any.\n", o.Listen)
	return nil
}
