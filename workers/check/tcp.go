package check

import (
	"context"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/google/cel-go/cel"

	"vedette/pipeline/job"
)

// probeTCP opens a connection, and runs the dialogue if there is one. Up means
// that the connection opened and every step completed.
func (c *Checker) probeTCP(ctx context.Context, spec job.Spec) (job.ProbeResult, Facts) {
	var t timing
	d := &dialogue{c: c, spec: spec.TCP, t: &t}
	if len(spec.TCP.Dialogue) > 0 {
		d.captures = map[string]string{}
	}
	err := d.run(ctx)
	result := job.ProbeResult{Health: job.Up}
	switch {
	case errors.Is(err, errUnexpected):
		result = downResult(job.ClassExpectation, textAfter(err, errUnexpected))
	case err != nil:
		result = failureResult(ctx, err, &t, timeoutOf(spec))
		if d.at > 0 && result.Health == job.Down {
			result.Cause += fmt.Sprintf(", at step %d of the dialogue", d.at)
		}
	}
	t.addTo(&result)
	if d.tls != nil {
		result.CertificateExpires = certificateExpiry(*d.tls)
	}
	if err != nil || len(spec.Expect)+len(spec.Warn) == 0 {
		return result, nil
	}
	facts := Facts{"captures": d.captures}
	facts.addCertificate(d.tls, time.Now())
	return result, facts
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
	c        *Checker
	spec     *job.TCP
	t        *timing
	conn     net.Conn
	received []byte // not yet matched by an expectation
	captures map[string]string
	at       int // the current step, from 1
	tls      *tls.ConnectionState
}

func (d *dialogue) run(ctx context.Context) error {
	conn, err := d.c.dial(ctx, "tcp", d.spec.Address, d.spec.Network, d.t)
	if err != nil {
		return err
	}
	plain := withContext(ctx, conn)
	defer plain.Close()
	d.conn = plain
	if d.spec.TLS != nil && !startsTLS(d.spec.Dialogue) {
		if err := d.secure(ctx); err != nil {
			return err
		}
	}
	for i, step := range d.spec.Dialogue {
		d.at = i + 1
		if err := d.step(ctx, step); err != nil {
			return err
		}
	}
	d.t.done()
	return nil
}

func startsTLS(steps []job.Step) bool {
	for _, step := range steps {
		if step.StartTLS {
			return true
		}
	}
	return false
}

// secure starts TLS on the connection. All data received before must have been
// expected: an attacker on the path could have inserted it (CVE-2011-0411).
func (d *dialogue) secure(ctx context.Context) error {
	if len(d.received) > 0 {
		return fmt.Errorf("%w: the server sent unexpected data before the TLS handshake: %q", errUnexpected, truncate(d.received))
	}
	host, _, _ := net.SplitHostPort(d.spec.Address) // valid, since it was dialled
	secured, err := d.c.handshake(ctx, d.conn, host, d.spec.TLS, handshakeOffer{}, d.t)
	if err != nil {
		return err
	}
	state := secured.ConnectionState()
	d.conn, d.tls = secured, &state
	return nil
}

func (d *dialogue) step(ctx context.Context, step job.Step) error {
	switch {
	case step.StartTLS:
		return d.secure(ctx)
	case step.Send != "", step.SendHex != "":
		return d.send(step)
	default:
		return d.expect(step)
	}
}

func (d *dialogue) send(step job.Step) error {
	d.t.enter(inProcessing)
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
