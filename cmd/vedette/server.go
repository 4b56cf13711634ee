package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"vedette/cmd/vedette/internal/cli"
	"vedette/cmd/vedette/internal/instance"
	"vedette/cmd/vedette/internal/signals"
	"vedette/pipeline/broker"
	"vedette/pipeline/job"
	"vedette/workers/health"
	"vedette/workers/storage"
	"vedette/workers/web"
)

// serverOptions are the flags for `vedette server`.
type serverOptions struct {
	data, name, listen, http string
	cluster, clusterName     string
	routes                   []string
	users                    string
	tls                      broker.TLS
	insecure                 bool
	logFormat, logLevel      string
}

func serverCommand() *cobra.Command {
	var o serverOptions
	cmd := &cobra.Command{
		Use:   "server",
		Short: "Run only a NATS server, alone or as a cluster node",
		Long: `Runs the NATS server inside vedette, for 'vedette run --nats' and 'vedette worker
--nats' in other processes. Alone it is the same server as in 'vedette run'. With
--cluster it is a cluster node. A cluster with three nodes survives the loss of any
one, even of its disk: with --replicas 3, acknowledged messages are on at least two
nodes. For the first start all nodes are needed.

Clients log in as one of the --users, which 'vedette roles' prints and all nodes
share. A server alone can also use the secret in its data directory. Addresses that
other machines can reach need TLS: clients and other nodes see the certificate from
--tls-cert. Nodes trust each other if --tls-ca has signed their certificates, so that
CA should sign for nothing else. 'vedette auth init' creates all these files. A
renewed certificate is used from the next connection on. SIGHUP reads the users
again: clients whose user has changed are disconnected, and a file with mistakes
changes nothing. A new CA is used from the next start on.

/healthz reports whether the process is alive, /readyz whether the node has joined
its cluster and is up to date: in a rolling restart, wait for it before the next
node. /varz, /jsz and /routez are those of nats-server.

When the data directory could not be written, such as on a full disk, the server is
started again inside the process once it can be. When the directory was removed, the
process ends with exit code 3, for a service manager to start it again.

Ctrl-C and SIGTERM stop it cleanly: a node first hands over its leadership. Another
one, more than half a second later, stops it at once.`,
		Example: `  vedette server
  vedette auth init secrets n1 n2 n3
  vedette server --name n1 --listen 0.0.0.0:4222 --cluster 0.0.0.0:6222 \
    --routes nats://n1:6222,nats://n2:6222,nats://n3:6222 --users secrets/users.conf \
    --tls-cert secrets/n1.pem --tls-key secrets/n1.key --tls-ca secrets/ca.pem`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.check(); err != nil {
				return cli.UsageError(cmd, err)
			}
			return o.run(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	o.flags(cmd)
	return cmd
}

func (o *serverOptions) flags(cmd *cobra.Command) {
	host, err := os.Hostname()
	if err != nil {
		host = broker.User
	}
	f := cmd.Flags()
	f.StringVar(&o.data, "data", cli.DefaultData, "data directory")
	f.StringVar(&o.name, "name", host, "name of the node, unique in the cluster")
	f.StringVar(&o.listen, "listen", "127.0.0.1:4222", "address for clients")
	f.StringVar(&o.http, "http", "127.0.0.1:8222", "address for /healthz, /readyz and the server's metrics; empty for none")
	f.StringVar(&o.cluster, "cluster", "", "address for other nodes, such as 0.0.0.0:6222; makes this a cluster node")
	f.StringVar(&o.clusterName, "cluster-name", "vedette", "name of the cluster")
	f.StringSliceVar(&o.routes, "routes", nil, "URLs of the cluster's nodes, which may include this one")
	f.StringVar(&o.users, "users", "", "NATS configuration file with only the users (default one user, for this machine)")
	f.StringVar(&o.tls.CertFile, "tls-cert", "", "file with the certificate for clients and nodes")
	f.StringVar(&o.tls.KeyFile, "tls-key", "", "file with the certificate's key")
	f.StringVar(&o.tls.CAFile, "tls-ca", "", "file with the CA for the nodes' certificates")
	f.BoolVar(&o.insecure, "insecure", false, "allow other machines to connect without TLS, and nodes without certificates")
	cli.LogFlags(cmd, &o.logFormat, &o.logLevel)
}

// run starts the server and serves until ctx ends.
func (o *serverOptions) run(ctx context.Context, stdout, stderr io.Writer) error {
	hangups, stopHangups := signals.Hangups()
	defer stopHangups()
	log, err := cli.Logger(stderr, o.logFormat, o.logLevel)
	if err != nil {
		return cli.InputError(err)
	}
	if o.http != "" {
		if err := cli.CheckListen(ctx, o.http); err != nil {
			return signals.Ended(ctx, stdout, signals.UnlessStopped(ctx, err))
		}
	}
	o.warnOfExposure(stderr)
	b, err := broker.Start(o.config(log))
	if errors.Is(err, broker.ErrUsers) {
		return cli.InputError(err)
	}
	if err != nil {
		return err
	}
	cli.Writef(stdout, "%s", o.banner())
	reloading, stop := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		o.reload(reloading, b, hangups, stdout, stderr)
	}()
	err = o.serve(ctx, b, log)
	stop()
	<-ended
	return signals.Ended(ctx, stdout, err)
}

// reload reads the users again at each SIGHUP, until ctx ends.
func (o *serverOptions) reload(ctx context.Context, b *broker.Broker, hangups <-chan os.Signal, stdout, stderr io.Writer) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangups:
		}
		switch err := b.Reload(); {
		case errors.Is(err, broker.ErrNothingToReload):
			cli.Writef(stderr, "vedette: SIGHUP changes nothing: %v; flags apply from the next start, certificates are read when they change\n", err)
		case err != nil:
			cli.PrintError(stderr, err)
			cli.Writef(stderr, "vedette: %s was not applied; nothing has changed\n", o.users)
		default:
			cli.Writef(stdout, "vedette has read the users in %s again; flags and CAs apply from the next start, certificates when they change\n", o.users)
		}
	}
}

func (o *serverOptions) warnOfExposure(stderr io.Writer) {
	exposed := o.exposed()
	if len(exposed) == 0 || o.tls != (broker.TLS{}) {
		return
	}
	risk := ""
	if o.cluster != "" {
		risk = ", and join the cluster with all rights"
	}
	cli.Writef(stderr, "warning: --insecure: anyone who can reach %s can read all traffic%s\n", strings.Join(exposed, " and "), risk)
}

func (o *serverOptions) config(log *slog.Logger) broker.Config {
	config := broker.Config{Dir: o.data, Listen: o.listen, Name: o.name, UsersFile: o.users, Logger: log}
	if o.tls != (broker.TLS{}) {
		config.TLS = &o.tls
	}
	if o.cluster != "" {
		config.Cluster = &broker.Cluster{Name: o.clusterName, Listen: o.cluster, Routes: o.routes}
	}
	return config
}

// errDataRemoved ends a server whose data directory was removed. It could start
// again on an empty one, but a cluster node gets its data from the other nodes only
// when it starts, and alone nothing would define the streams.
var errDataRemoved = errors.New("the server must be started again, on an empty directory or a copy")

// serve watches the storage, and runs the health server, which is there before the
// broker starts to stop and until it has stopped.
func (o *serverOptions) serve(ctx context.Context, b *broker.Broker, log *slog.Logger) error {
	conditions := health.NewConditions(time.Now)
	ctx, end := context.WithCancelCause(ctx)
	watched := make(chan error, 1)
	go func() {
		watched <- storage.NewWatch(storage.Config{
			Conditions: conditions, Server: b, Logger: log,
			Lost: func(_ context.Context, detail string) { end(fmt.Errorf("%s: %w", detail, errDataRemoved)) },
		}).Serve(ctx)
	}()
	err := o.serveHealth(ctx, b, conditions, log)
	end(nil)
	if lost := context.Cause(ctx); errors.Is(lost, errDataRemoved) {
		err = errors.Join(lost, err)
	}
	return errors.Join(err, <-watched)
}

func (o *serverOptions) serveHealth(ctx context.Context, b *broker.Broker, conditions *health.Conditions, log *slog.Logger) error {
	if o.http == "" {
		<-ctx.Done()
		return b.Stop()
	}
	page, err := web.NewHealthServer(web.HealthServerConfig{
		Listen: o.http, Ready: func() []job.ProcessCondition { return serverConditions(ctx, b, conditions) }, Fallback: b.Metrics(), Logger: log,
	})
	if err != nil {
		return errors.Join(err, b.Stop())
	}
	serving, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- page.Serve(serving) }()
	select {
	case <-ctx.Done():
		err = b.Stop()
		stop()
		return errors.Join(err, <-ended)
	case err := <-ended: // it failed
		return errors.Join(err, b.Stop())
	}
}

// serverConditions returns what a node needs to do its work.
func serverConditions(ctx context.Context, b *broker.Broker, conditions *health.Conditions) []job.ProcessCondition {
	running := instance.Condition(job.ProcessRunning, ctx.Err() == nil, "it is stopping")
	if !running.OK {
		return []job.ProcessCondition{running}
	}
	state, known := conditions.Find(job.ProcessStorage)
	if known && !state.OK {
		return []job.ProcessCondition{running, state}
	}
	state = job.ProcessCondition{Name: job.ProcessStorage, OK: true}
	if err := b.Healthy(); err != nil {
		state.OK, state.Detail = false, err.Error()
	}
	all := []job.ProcessCondition{running, state}
	if lost := b.Lost(); len(lost) > 0 {
		all = append(all, job.ProcessCondition{Name: job.ProcessData, Advisory: true, Reason: job.FaultDataLost, Detail: instance.LossDetail(lost)})
	}
	return all
}

// banner returns the addresses and how they are secured.
func (o *serverOptions) banner() string {
	how := ", in clear text"
	if o.tls != (broker.TLS{}) {
		how = ", with TLS"
	}
	who := ", for this user only: see 'vedette env'"
	if o.users != "" {
		who = ", for the users in " + o.users
	}
	var text strings.Builder
	fmt.Fprintf(&text, "vedette serves NATS as %s\n  clients   %s%s%s\n", o.name, o.listen, how, who)
	if o.cluster != "" {
		fmt.Fprintf(&text, "  nodes     %s%s: cluster %s, %s\n", o.cluster, how, o.clusterName, cli.Count(len(o.routes), "route"))
	}
	if o.http != "" {
		fmt.Fprintf(&text, "  health    http://%s/readyz\n", o.http)
	}
	return text.String()
}
