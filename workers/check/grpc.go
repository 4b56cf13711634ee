package check

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync"

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
func probeGRPC(ctx context.Context, a *attempt) (Facts, error) {
	call := &healthCall{attempt: a}
	serving, err := call.call(ctx, a.spec.GRPC)
	call.mu.Lock() // the library's goroutines may go on
	defer call.mu.Unlock()
	a.tls = call.secured
	return Facts{"serving": serving.String()}, call.failure(ctx, serving, err)
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
	*attempt

	mu         sync.Mutex
	connectErr error // which the library would rephrase
	secured    *tls.ConnectionState
}

func (h *healthCall) call(ctx context.Context, spec *job.GRPC) (grpc_health_v1.HealthCheckResponse_ServingStatus, error) {
	// The dialer does the TLS handshake, not the library, to measure its phases.
	conn, err := grpc.NewClient("passthrough:///"+spec.Address,
		grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithContextDialer(h.connect), grpc.WithDisableServiceConfig(), grpc.WithNoProxy())
	if err != nil {
		return 0, err
	}
	defer func() { _ = conn.Close() }() // fails only if closed
	ctx = metadata.NewOutgoingContext(ctx, metadata.New(spec.Metadata))
	answer, err := grpc_health_v1.NewHealthClient(conn).Check(ctx, &grpc_health_v1.HealthCheckRequest{Service: spec.Service})
	if err != nil {
		return 0, err
	}
	h.done()
	return answer.GetStatus(), nil
}

// connect dials, and remembers the error and the TLS state.
func (h *healthCall) connect(ctx context.Context, address string) (net.Conn, error) {
	conn, state, err := h.open(ctx, address, h.spec.GRPC)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.connectErr = err
	if err != nil {
		return nil, err
	}
	h.secured = state
	h.enter(inProcessing)
	return conn, nil
}

func (h *healthCall) open(ctx context.Context, address string, spec *job.GRPC) (net.Conn, *tls.ConnectionState, error) {
	conn, err := h.dial(ctx, "tcp", address, spec.Network)
	if err != nil {
		return nil, nil, err
	}
	short := &abortingConn{Conn: conn, release: func() bool { return true }} // the library closes it with the call
	if spec.TLS == nil {
		return short, nil, nil
	}
	secured, err := h.handshake(ctx, short, tlsOffer{address: address, options: spec.TLS, protocols: []string{"h2"}})
	if err != nil {
		abort(conn)
		return nil, nil, err
	}
	state := secured.ConnectionState()
	return &abortingTLSConn{Conn: secured, raw: short}, &state, nil
}

// failure returns why the service is not up, or nil. The caller holds the lock.
func (h *healthCall) failure(ctx context.Context, serving grpc_health_v1.HealthCheckResponse_ServingStatus, err error) error {
	code := status.Code(err)
	switch {
	case err == nil && (serving == grpc_health_v1.HealthCheckResponse_SERVING || len(h.spec.Expect) > 0):
		return nil
	case err == nil:
		return failed(job.ClassStatus, "the service is %s", serving)
	case h.connectErr != nil:
		return h.connectErr
	case ctx.Err() != nil, code == codes.DeadlineExceeded:
		return context.DeadlineExceeded
	case code == codes.NotFound:
		return failed(job.ClassStatus, "the server does not know the service %q", h.spec.GRPC.Service)
	case code == codes.Unimplemented:
		return failed(job.ClassProtocol, "the server has no health service (grpc.health.v1)")
	case code == codes.Unavailable:
		return errors.New(status.Convert(err).Message())
	default:
		return failed(job.ClassStatus, "the server answered %s: %s", code, status.Convert(err).Message())
	}
}
