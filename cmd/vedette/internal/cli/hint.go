package cli

import (
	"context"
	"errors"
	"io/fs"
	"syscall"

	"vedette/pipeline"
	"vedette/pipeline/broker"
	"vedette/pipeline/datadir"
	"vedette/pipeline/deadletter"
	"vedette/pipeline/job"
	"vedette/producer"
)

// ErrNoProcess is returned when no process of an installation answers.
var ErrNoProcess = errors.New("no process answers")

// knownHint returns a solution for an error, or "" if none is known.
func knownHint(err error) string {
	for _, known := range []struct {
		err  error
		hint string
	}{
		{broker.ErrPortTaken, "another program listens there; stop it, or choose another address with --nats-listen or server.nats in the file, and for 'vedette server' with --listen or --cluster"},
		{broker.ErrUsers, "'vedette roles' prints such a file, and 'vedette auth init' creates one with passwords"},
		{ErrExposed, "'vedette auth init' creates certificates: use them with --nats-tls-cert and --nats-tls-key, and for 'vedette server' with --tls-cert, --tls-key and --tls-ca; in a trusted network, use --insecure"},
		{pipeline.ErrTooFewNodes, "start more nodes with 'vedette server', or use fewer copies with --replicas or server.replicas in the file"},
		{job.ErrNewer, "upgrade this program; to return to an older version, first apply a file without new settings with the newer version"},
		{broker.ErrLocked, "another vedette uses this directory; stop it, or choose another directory with --data, or server.data in the file"},
		{broker.ErrNotRunning, "start an instance with 'vedette run FILE', or set its directory with --data, or its server with --nats"},
		{pipeline.ErrNotInstalled, "check that this is the right server: 'vedette run FILE' creates the streams when it starts"},
		{ErrNoProcess, "start one with 'vedette run FILE'; if it uses another server, set that with --nats"},
		{pipeline.ErrUnknownUser, "the username belongs in the URL for --nats, the password there or in --nats-password-file"},
		{pipeline.ErrRefused, "the user lacks a right; 'vedette roles' shows the rights for each role, and 'vedette run' needs the role admin"},
		{pipeline.ErrUntrusted, "set --nats-ca to the CA that signed the server's certificate; the certificate must be valid for the host in the URL"},
		{pipeline.ErrServerTooOld, "upgrade nats-server, or omit --nats to use the server inside vedette"},
		{pipeline.ErrFull, "its workers are slower than its publishers: see the queues on the status page, and the section workers in the file"},
		{deadletter.ErrNotReplayable, "'vedette dead show' shows it, and 'vedette dead drop' removes it"},
		{deadletter.ErrStillQueued, "run the same command again in a moment"},
		{producer.ErrRemovals, "check that the file is complete; if these monitors should go, use 'vedette apply --allow-removals FILE'"},
		{producer.ErrDuplicate, "'vedette outcome' shows its outcome; another job needs another --id"},
		{producer.ErrPending, "the job stays in its queue: ask again later"},
		{producer.ErrUnknown, "outcomes are kept for two days, under the id that 'vedette enqueue' printed"},
		{syscall.ECONNREFUSED, "nothing listens there; check that the instance is running"},
		{syscall.EADDRINUSE, "another program listens there; stop it, or choose another address with --http, or server.http in the file"},
		{fs.ErrPermission, "check the owner of the file or directory"},
		{context.DeadlineExceeded, "the server did not answer in time; after the loss of a node, a cluster needs a few seconds: try again"},
	} {
		if errors.Is(err, known.err) {
			return known.hint
		}
	}
	if damaged, ok := errors.AsType[*datadir.PathError](err); ok {
		return "move " + damaged.Path + " away, or restore it from a backup, and start again; what is missing is created again, and the log says what was lost"
	}
	return ""
}
