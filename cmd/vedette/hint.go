package main

import (
	"context"
	"io/fs"
	"syscall"

	"vedette/cmd/vedette/internal/cli"
	"vedette/cmd/vedette/internal/instance"
	"vedette/pipeline"
	"vedette/pipeline/broker"
	"vedette/pipeline/deadletter"
	"vedette/pipeline/job"
	"vedette/producer"
)

type hint struct {
	err  error
	hint string
}

// hints are the ways out of errors that people meet.
func hints() []hint {
	return []hint{
		{broker.ErrPortTaken, "another program listens there; stop it, or choose another address with --nats-listen or server.nats in the file, and for 'vedette server' with --listen or --cluster"},
		{broker.ErrUsers, "'vedette roles' prints such a file, and 'vedette auth init' makes one with passwords"},
		{cli.ErrExposed, "'vedette auth init' makes certificates: name one with --nats-tls-cert and --nats-tls-key, and for 'vedette server' with --tls-cert, --tls-key and --tls-ca; where the network can be trusted, say --insecure"},
		{pipeline.ErrTooFewNodes, "start more nodes with 'vedette server', or choose fewer copies with --replicas or server.replicas in the file"},
		{job.ErrNewer, "upgrade this program; to go back to an older one, first apply with the newer one a file that uses nothing new"},
		{instance.ErrNoRelays, "name the FILE that 'vedette run' was given, or one with its section mail alone"},
		{broker.ErrLocked, "another vedette uses this directory; stop it, or choose another directory with --data, or server.data in the file"},
		{broker.ErrNotRunning, "start an instance with 'vedette run FILE', or name its directory with --data, or its server with --nats"},
		{pipeline.ErrNotInstalled, "is this the right server? an instance installs its streams when 'vedette run FILE' starts"},
		{errNoProcess, "start one with 'vedette run FILE'; of one that runs on another server, name that with --nats"},
		{pipeline.ErrUnknownUser, "the user stands in the URL of --nats, the password there or in --nats-password-file"},
		{pipeline.ErrRefused, "the user lacks a right; 'vedette roles' shows which role has which, and 'vedette run' needs the operator's"},
		{pipeline.ErrUntrusted, "--nats-ca names the CA that has signed the server's certificate, which must be good for the name in the URL"},
		{pipeline.ErrServerTooOld, "upgrade nats-server, or leave out --nats to use the one inside vedette"},
		{pipeline.ErrFull, "its workers are slower than its publishers: see the queues on the overview, and the section workers of the file"},
		{deadletter.ErrNotReplayable, "it can be looked at with 'vedette dead show', and dropped with 'vedette dead drop'"},
		{deadletter.ErrStillQueued, "run the same command again in a moment"},
		{producer.ErrDuplicate, "'vedette outcome' tells what became of it; another order needs another --id"},
		{producer.ErrPending, "nothing is lost: ask again later"},
		{producer.ErrUnknown, "outcomes are kept for two days, under the id that the order printed"},
		{syscall.ECONNREFUSED, "nothing listens there; is the instance running?"},
		{syscall.EADDRINUSE, "another program listens there; stop it, or choose another address with --http, or server.http in the file"},
		{fs.ErrPermission, "check who owns the file or directory"},
		{context.DeadlineExceeded, "the server did not answer in time; a cluster that has just lost a node does within seconds: try again"},
	}
}
