package broker

import (
	"fmt"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"vedette/pipeline/datadir"
)

// startServer starts a server with the options. It replaces the one before, which
// must have been shut down.
func (b *Broker) startServer() error {
	report, err := b.files.check()
	if err != nil {
		return err
	}
	started, err := server.NewServer(b.startOptions())
	if err != nil {
		return fmt.Errorf("create nats-server: %w", err)
	}
	log := newRecoveryLog(b.logger, report)
	started.SetLoggerV2(log, false, false, false)
	b.mu.Lock()
	b.server = started
	b.mu.Unlock()
	err = awaitStart(started, log.fatal, startTimeout(report))
	if err == nil {
		err = b.files.started(started, report)
		log.recovering.Store(false)
	}
	if err != nil {
		started.Shutdown()
		started.WaitForShutdown()
	}
	return err
}

// current returns the running server, or the last one.
func (b *Broker) current() *server.Server {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.server
}

const (
	// readyTimeout is for a start without data; reading them takes longer, at least
	// at slowDisk bytes a second.
	readyTimeout = 30 * time.Second
	readyPoll    = 50 * time.Millisecond
	slowDisk     = 8 << 20
)

// startTimeout is how long a server may take to start.
func startTimeout(report *datadir.Report) time.Duration {
	if report == nil {
		return readyTimeout
	}
	return readyTimeout + time.Duration(report.Bytes/slowDisk)*time.Second
}

// awaitStart starts a server and waits until it accepts connections, or returns
// the reason why it cannot start.
func awaitStart(started *server.Server, fatal <-chan string, limit time.Duration) error {
	recovered := make(chan struct{})
	go func() {
		defer close(recovered)
		started.Start() // returns after the recovery of all streams
	}()
	deadline := time.NewTimer(limit)
	defer deadline.Stop()
	late := fmt.Errorf("start nats-server: not ready after %s; see its log", limit)
	select {
	case <-recovered:
	case message := <-fatal:
		select {
		case <-recovered: // it returns soon after a fatal error
		case <-deadline.C:
		}
		return fmt.Errorf("start nats-server: %s", message)
	case <-deadline.C:
		return late
	}
	for {
		if started.ReadyForConnections(readyPoll) {
			return nil
		}
		select {
		case message := <-fatal:
			return fmt.Errorf("start nats-server: %s", message)
		case <-deadline.C:
			return late
		default:
		}
	}
}

// Stop shuts the server down cleanly and unlocks the directory. A cluster node
// first hands its leaderships to other nodes and gives its clients time to
// reconnect there, which takes a few seconds.
func (b *Broker) Stop() error {
	b.restarting.Lock()
	defer b.restarting.Unlock()
	b.stopped = true
	b.stopServer()
	if err := b.lock.Unlock(); err != nil {
		return fmt.Errorf("unlock data directory: %w", err)
	}
	return nil
}

func (b *Broker) stopServer() {
	running := b.current()
	if running.JetStreamIsClustered() {
		running.LameDuckShutdown()
	}
	b.files.stopping()
	running.Shutdown()
	running.WaitForShutdown()
	b.files.stopped()
}

// Restart stops the server and starts it again, with the same directory, lock,
// addresses and users. It ends a write error, after which the server refuses to
// store anything. Clients reconnect. After an error there is no server, and
// Restart can be called again, except after Stop.
func (b *Broker) Restart() error {
	b.restarting.Lock()
	defer b.restarting.Unlock()
	if b.stopped {
		return errStopped
	}
	b.stopServer()
	if err := b.startServer(); err != nil {
		return fmt.Errorf("restart nats-server: %w", err)
	}
	return nil
}
