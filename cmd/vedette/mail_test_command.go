package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"vedette/cmd/vedette/internal/cli"
	"vedette/cmd/vedette/internal/instance"
	"vedette/pipeline/job"
	"vedette/producer/monitor"
	"vedette/workers/mail"
)

func mailTestCommand() *cobra.Command {
	var to string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "test FILE",
		Short: "Connect to the relays in a monitor file and show their settings",
		Long: `Opens a session with each relay in the file, as for a mail, and shows TLS, login
and extensions, or the error with a hint. With --to, it sends a mail through each
relay. If the file has a DKIM key, it checks that the DNS has the public key. No
running instance is needed. Exits with 1 if a relay cannot be used, or the key is
not published.`,
		Example: "  vedette mail test monitors.yaml --to you@example.org",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			file, err := cli.LoadFile(args[0], cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			if len(file.Mail.Relays) == 0 {
				return cli.InputError(&cli.HintError{Err: fmt.Errorf("test relays: found none in %s, expected one in the section mail", args[0]), Hint: "without relays, mails go to the Maildir in the data directory"})
			}
			t := relayTest{file: file.Mail, to: to, json: asJSON, out: cmd.OutOrStdout(), lookup: net.DefaultResolver.LookupTXT}
			return t.run(cmd.Context())
		},
	}
	cmd.Flags().StringVar(&to, "to", "", "send a mail through each relay to this address")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON, a line for each relay")
	return cmd
}

// relayTest tests relays.
type relayTest struct {
	file   monitor.Mail
	to     string
	json   bool
	out    io.Writer
	lookup func(ctx context.Context, name string) ([]string, error) // looks up TXT records
}

// relayTestTime bounds the test of one relay.
const relayTestTime = time.Minute

func (t *relayTest) run(ctx context.Context) error {
	hello, err := os.Hostname()
	if err != nil {
		return fmt.Errorf("get host name for hello: %w", err)
	}
	key, err := instance.DKIMKey(t.file)
	if err != nil {
		return err
	}
	failed := false
	if key != nil {
		published, err := t.signature(ctx, key)
		if err != nil {
			return err
		}
		failed = !published
	}
	for _, relay := range instance.Relays(t.file.Relays) {
		limited, cancel := context.WithTimeout(ctx, relayTestTime)
		found, err := mail.Inspect(limited, relay, hello)
		var receipt mail.Receipt
		if err == nil && t.to != "" {
			receipt, err = t.send(limited, relay, key)
		}
		cancel()
		failed = failed || err != nil
		if err := t.printRelay(found, receipt, err); err != nil {
			return err
		}
	}
	if failed {
		return cli.ErrFound
	}
	return nil
}

// send sends one mail through a relay.
func (t *relayTest) send(ctx context.Context, relay mail.Relay, key *mail.DKIM) (mail.Receipt, error) {
	sender, err := mail.New(mail.Config{Relays: []mail.Relay{relay}, From: t.file.From, DKIM: key, Sessions: 1})
	if err != nil {
		return mail.Receipt{}, err
	}
	defer sender.Close()
	now := time.Now().UTC()
	return sender.Send(ctx, job.Mail{
		V: job.Version, ID: job.DeriveID("test", relay.String(), now.Format(time.RFC3339Nano)), To: t.to,
		Subject: "[VEDETTE] test of " + relay.String(),
		Text:    "This mail shows that " + relay.String() + " accepts mails from Vedette.\n",
	}, now)
}

func (t *relayTest) printRelay(found mail.Inspection, receipt mail.Receipt, err error) error {
	if t.json {
		line := struct {
			mail.Inspection

			Took  job.Duration `json:"took"`
			Reply string       `json:"reply,omitempty"`
			Error string       `json:"error,omitempty"`
		}{Inspection: found, Took: job.Duration(found.Took), Reply: receipt.Reply}
		if err != nil {
			line.Error = err.Error()
		}
		return json.NewEncoder(t.out).Encode(line)
	}
	cli.Writef(t.out, "%s\n", found.Relay)
	if err != nil {
		cli.Writef(t.out, "  cannot be used: %s\n", cli.Printable(err.Error()))
		if hint := relayHint(err); hint != "" {
			cli.Writef(t.out, "  hint: %s\n", hint)
		}
		return nil
	}
	secured := "none: mails are sent in clear text"
	if found.TLS != "" {
		secured = fmt.Sprintf("%s, %s; certificate for %s until %s", found.TLS, found.Cipher, found.Certificate, found.Expires.Format(time.DateOnly))
	}
	login := "none"
	if found.Login {
		login = "accepted"
	}
	cli.Writef(t.out, "  connected in  %s\n  tls           %s\n  login         %s\n  offers        %s\n", found.Took.Round(time.Millisecond), secured, login, strings.Join(found.Extensions, ", "))
	if receipt.Relay != "" {
		cli.Writef(t.out, "  accepted      %s\n", cli.Printable(receipt.Reply))
	}
	return nil
}

// relayHint returns a hint for a relay that cannot be used, or "".
func relayHint(err error) string {
	failed, ok := errors.AsType[*mail.Error](err)
	if !ok {
		return ""
	}
	text := err.Error()
	switch {
	case strings.Contains(text, "certificate"):
		return "its certificate is for another host, or not signed by a trusted authority"
	case errors.Is(err, mail.ErrNoAuth):
		return "it offers no supported login; many relays offer one only with TLS"
	case errors.Is(err, mail.ErrNoPassword):
		return "run this command as the user who can read password_file"
	case errors.Is(err, mail.ErrCleartext):
		return "use TLS; allow_cleartext: true would send the password in clear text"
	case strings.Contains(text, "STARTTLS"):
		return "it does not offer STARTTLS: try tls: implicit (port 465) or, inside your own network, tls: none"
	case failed.Reply.Code == 535: //nolint:mnd // RFC 4954, 6
		return "it does not accept the username or the password"
	case failed.Class == mail.ClassPermanent:
		return "it refuses mails from this sender to this recipient"
	case failed.Class == mail.ClassRelay:
		return "check the host, and whether this machine may connect to the port; many networks block port 25"
	default:
		return ""
	}
}
