package check

import (
	"context"
	"encoding/hex"
	"fmt"
	"net"
	"slices"

	"github.com/google/cel-go/cel"

	"vedette/pipeline/job"
)

// probeTCP opens a connection, and runs the dialogue if there is one. Up means
// that the connection opened and every step completed.
func probeTCP(ctx context.Context, a *attempt) (Facts, error) {
	d := &dialogue{attempt: a, captures: map[string]string{}}
	err := d.run(ctx, a.spec.TCP)
	return Facts{"captures": d.captures}, err
}

func tcpFacts() map[string]*cel.Type {
	return map[string]*cel.Type{"captures": cel.MapType(cel.StringType, cel.StringType), "certificate": certificateType()}
}

func validateTCP(spec job.Spec, p *problems) {
	p.check("address", checkAddress(spec.TCP.Address))
	validateNetwork(spec.TCP.Network, p)
	validateNestedTLS(spec.TCP.TLS, p)
	known := captureNames{}
	for i, step := range spec.TCP.Dialogue {
		p.check(fmt.Sprintf("dialogue[%d]", i), known.addStep(step))
		if step.StartTLS && spec.TCP.TLS == nil {
			p.add(fmt.Sprintf("dialogue[%d]", i), "a step starttls without tls", "tls: {} next to the dialogue")
		}
	}
}

// dialogue is a running dialogue.
type dialogue struct {
	*attempt

	conn     net.Conn
	received []byte // not yet matched by an expectation
	captures map[string]string
}

func (d *dialogue) run(ctx context.Context, spec *job.TCP) error {
	conn, err := d.dial(ctx, "tcp", spec.Address, spec.Network)
	if err != nil {
		return err
	}
	plain := withContext(ctx, conn)
	defer plain.Close()
	d.conn = plain
	startsTLS := func(step job.Step) bool { return step.StartTLS }
	if spec.TLS != nil && !slices.ContainsFunc(spec.Dialogue, startsTLS) {
		if err := d.secure(ctx, spec); err != nil {
			return err
		}
	}
	for i, step := range spec.Dialogue {
		d.step = i + 1
		switch {
		case step.StartTLS:
			err = d.secure(ctx, spec)
		case step.Send != "", step.SendHex != "":
			err = d.send(step)
		default:
			err = d.expect(step)
		}
		if err != nil {
			return err
		}
	}
	d.done()
	return nil
}

// secure starts TLS on the connection. All data received before must have been
// expected: an attacker on the path could have inserted it (CVE-2011-0411).
func (d *dialogue) secure(ctx context.Context, spec *job.TCP) error {
	if len(d.received) > 0 {
		return failed(job.ClassExpectation, "the server sent unexpected data before the TLS handshake: %q", truncate(d.received))
	}
	secured, err := d.handshake(ctx, d.conn, tlsOffer{address: spec.Address, options: spec.TLS})
	if err != nil {
		return err
	}
	state := secured.ConnectionState()
	d.conn, d.tls = secured, &state
	return nil
}

func (d *dialogue) send(step job.Step) error {
	d.enter(inProcessing)
	var body []byte
	var err error
	if step.SendHex != "" {
		body, err = hex.DecodeString(step.SendHex)
	} else {
		body, err = fillCaptures(step.Send, d.captures)
	}
	if err != nil {
		return newLocalError("send", err)
	}
	_, err = d.conn.Write(body)
	return err
}
