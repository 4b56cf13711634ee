package check

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/google/cel-go/cel"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"vedette/pipeline/job"
)

// probeGRPC calls a server's health service. Up means that the service is
// SERVING.
func (c *Checker) probeGRPC(ctx context.Context, spec job.Spec) (job.ProbeResult, Facts) {
	var t timing
	call := &healthCall{c: c, spec: spec.GRPC, t: &t}
	serving, err := call.call(ctx)
	result := call.result(ctx, spec, serving, err)
	t.addTo(&result)
	state := call.state()
	if state != nil {
		result.CertificateExpires = certificateExpiry(*state)
	}
	if result.Health != job.Up {
		return result, nil
	}
	facts := Facts{"serving": serving.String()}
	facts.addCertificate(state, time.Now())
	return result, facts
}

func grpcFacts() map[string]*cel.Type {
	return map[string]*cel.Type{"serving": cel.StringType, "certificate": certificateType()}
}

func validateGRPC(spec job.Spec, p *problems) {
	g := spec.GRPC
	p.check("address", checkAddress(g.Address))
	validateHeaders(g.Metadata, "metadata", p)
	validateNetwork(g.Network, p)
	validateNestedTLS(g.TLS, p)
}

// healthCall is one call to the health service, over a new connection.
type healthCall struct {
	c    *Checker
	spec *job.GRPC
	t    *timing

	mu         sync.Mutex
	connectErr error // which the library would rephrase
	tls        *tls.ConnectionState
}

func (h *healthCall) call(ctx context.Context) (grpc_health_v1.HealthCheckResponse_ServingStatus, error) {
	// The dialer does the TLS handshake, not the library, to measure its phases.
	conn, err := grpc.NewClient("passthrough:///"+h.spec.Address,
		grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithContextDialer(h.dial), grpc.WithDisableServiceConfig(), grpc.WithNoProxy())
	if err != nil {
		return 0, err
	}
	defer func() { _ = conn.Close() }() // fails only if closed
	ctx = metadata.NewOutgoingContext(ctx, metadata.New(h.spec.Metadata))
	answer, err := grpc_health_v1.NewHealthClient(conn).Check(ctx, &grpc_health_v1.HealthCheckRequest{Service: h.spec.Service})
	if err != nil {
		return 0, err
	}
	h.t.done()
	return answer.GetStatus(), nil
}

func (h *healthCall) dial(ctx context.Context, address string) (net.Conn, error) {
	conn, err := h.connect(ctx, address)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.connectErr = err
	return conn, err
}

func (h *healthCall) connect(ctx context.Context, address string) (net.Conn, error) {
	conn, err := h.c.dial(ctx, "tcp", address, h.spec.Network, h.t)
	if err != nil {
		return nil, err
	}
	short := &abortingConn{Conn: conn, release: func() bool { return true }} // the library closes it with the call
	if h.spec.TLS == nil {
		h.t.enter(inProcessing)
		return short, nil
	}
	host, _, _ := net.SplitHostPort(address) // valid, since it was dialled
	secured, err := h.c.handshake(ctx, short, host, h.spec.TLS, handshakeOffer{protocols: []string{"h2"}}, h.t)
	if err != nil {
		abort(conn)
		return nil, err
	}
	state := secured.ConnectionState()
	h.mu.Lock()
	h.tls = &state
	h.mu.Unlock()
	h.t.enter(inProcessing)
	return &abortingTLSConn{Conn: secured, raw: short}, nil
}

func (h *healthCall) state() *tls.ConnectionState {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.tls
}

func (h *healthCall) result(ctx context.Context, spec job.Spec, serving grpc_health_v1.HealthCheckResponse_ServingStatus, err error) job.ProbeResult {
	h.mu.Lock()
	refused := h.connectErr
	h.mu.Unlock()
	code := status.Code(err)
	switch {
	case err == nil && (serving == grpc_health_v1.HealthCheckResponse_SERVING || len(spec.Expect) > 0):
		return job.ProbeResult{Health: job.Up}
	case err == nil:
		return downResult(job.ClassStatus, "the service is "+serving.String())
	case refused != nil:
		return failureResult(ctx, refused, h.t, timeoutOf(spec))
	case ctx.Err() != nil, code == codes.DeadlineExceeded:
		return failureResult(ctx, context.DeadlineExceeded, h.t, timeoutOf(spec))
	case code == codes.NotFound:
		return downResult(job.ClassStatus, fmt.Sprintf("the server does not know the service %q", h.spec.Service))
	case code == codes.Unimplemented:
		return downResult(job.ClassProtocol, "the server has no health service (grpc.health.v1)")
	case code == codes.Unavailable:
		return failureResult(ctx, errors.New(status.Convert(err).Message()), h.t, timeoutOf(spec))
	default:
		return downResult(job.ClassStatus, fmt.Sprintf("the server answered %s: %s", code, status.Convert(err).Message()))
	}
}
