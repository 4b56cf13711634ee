package soak

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"syscall"
	"time"

	"vedette/cmd/vedette/internal/harness"
)

// singleProcesses are one server and its workers.
type singleProcesses struct {
	processes

	ackWait time.Duration
	address string // the server's, the same after each restart
	server  *harness.Process
	workers []*harness.Process

	workersKilled, serverKilled, serverStopped int
}

// startServer starts the server on a free port.
func (p *singleProcesses) startServer(ctx context.Context) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("find free port: %w", err)
	}
	p.address = listener.Addr().String()
	if err := listener.Close(); err != nil {
		return err
	}
	return p.resumeServer()
}

func (p *singleProcesses) resumeServer() (err error) {
	p.server, err = p.start("", "server", "--data", p.dir, "--listen", p.address, "--http", "", "--log-level", "error")
	return err
}

func (p *singleProcesses) startWorker() error {
	worker, err := p.start("", "soak", "worker", "--data", p.dir, "--ack-wait", p.ackWait.String())
	if err == nil {
		p.workers = append(p.workers, worker)
	}
	return err
}

const (
	killEvery    = time.Second
	restartEvery = 10 // killed workers between two server restarts
)

// chaos kills workers and restarts the server until length ends.
func (p *singleProcesses) chaos(ctx, length context.Context) error {
	tick := time.NewTicker(killEvery)
	defer tick.Stop()
	for n := 1; ; n++ {
		select {
		case <-tick.C:
		case <-length.Done():
			return ctx.Err()
		}
		if err := p.replaceWorker(); err != nil {
			return err
		}
		if n%restartEvery == restartEvery/2 {
			if err := p.restartServer(n/restartEvery%2 == 0); err != nil {
				return err
			}
		}
	}
}

// replaceWorker kills a random worker and starts another.
func (p *singleProcesses) replaceWorker() error {
	i := rand.IntN(len(p.workers))
	if err := p.workers[i].End(syscall.SIGKILL); err != nil {
		return err
	}
	p.workersKilled++
	p.workers = append(p.workers[:i], p.workers[i+1:]...)
	return p.startWorker()
}

func (p *singleProcesses) restartServer(kill bool) error {
	signal, counter := syscall.SIGTERM, &p.serverStopped
	if kill {
		signal, counter = syscall.SIGKILL, &p.serverKilled
	}
	if err := p.server.End(signal); err != nil {
		return fmt.Errorf("stop server: %w", err)
	}
	*counter++
	return p.resumeServer()
}

// stopWorkers lets the workers finish.
func (p *singleProcesses) stopWorkers() error {
	var errs []error
	for _, worker := range p.workers {
		errs = append(errs, worker.End(syscall.SIGTERM))
	}
	p.workers = nil
	return errors.Join(errs...)
}

// stopAll ends all remaining processes.
func (p *singleProcesses) stopAll() error {
	var errs []error
	for _, worker := range p.workers {
		errs = append(errs, worker.End(syscall.SIGKILL))
	}
	if p.server != nil {
		errs = append(errs, p.server.End(syscall.SIGTERM))
	}
	return errors.Join(errs...)
}
