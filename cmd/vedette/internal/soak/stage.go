package soak

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"sync/atomic"
	"syscall"
	"time"

	"vedette/cmd/vedette/internal/cli"
)

// stage is the processes of a soak: one server, and workers.
type stage struct {
	options soakOptions
	self    string // this program
	dir     string
	address string // of the server, the same after each restart
	stderr  io.Writer

	server  *process
	workers []*process

	killed, serverKilled, serverStopped, unexpected atomic.Int64
}

// newStage starts the server.
func newStage(ctx context.Context, dir string, options soakOptions, stderr io.Writer) (*stage, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	s := &stage{options: options, self: self, dir: dir, stderr: stderr}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("find a free port: %w", err)
	}
	s.address = listener.Addr().String()
	if err := listener.Close(); err != nil {
		return nil, err
	}
	s.server, err = s.start("soak", "server", "--data", dir, "--listen", s.address)
	return s, err
}

func (s *stage) startWorkers(ctx context.Context) error {
	for range s.options.workers {
		worker, err := s.startWorker()
		if err != nil {
			return err
		}
		s.workers = append(s.workers, worker)
	}
	return ctx.Err()
}

func (s *stage) startWorker() (*process, error) {
	return s.start("soak", "worker", "--data", s.dir, "--ack-wait", s.options.ackWait.String())
}

// process is a child. It ends when its standard input does, so that none
// outlives this process.
type process struct {
	cmd   *exec.Cmd
	input io.Closer
	meant atomic.Bool // somebody ended it
	ended chan struct{}
	err   error // how it ended, once it has
}

func (s *stage) start(args ...string) (*process, error) {
	return s.launch(soakHosts{self: s.self}.command("", args), args)
}

func (s *stage) launch(cmd *exec.Cmd, args []string) (*process, error) {
	cmd.Stderr = s.stderr
	input, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("start process: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start process: %w", err)
	}
	p := &process{cmd: cmd, input: input, ended: make(chan struct{})}
	go func() {
		defer close(p.ended)
		p.err = cmd.Wait()
		if !p.meant.Load() {
			s.unexpected.Add(1)
			cli.Writef(s.stderr, "vedette: process %v ended by itself: %v\n", args, p.err)
		}
	}()
	return p, nil
}

// end ends a process by a signal, and waits until it is gone.
func (p *process) end(signal syscall.Signal) error {
	p.meant.Store(true)
	if err := p.cmd.Process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("end process: %w", err)
	}
	<-p.ended
	_ = p.input.Close() // nobody reads it any more
	if signal == syscall.SIGKILL {
		return nil // it was killed, and says so
	}
	return p.err
}

const (
	killEvery    = time.Second
	restartEvery = 10 // kills of workers between two restarts of the server
)

// chaos kills workers and restarts the server until length ends.
func (s *stage) chaos(ctx, length context.Context) error {
	tick := time.NewTicker(killEvery)
	defer tick.Stop()
	for n := 1; ; n++ {
		select {
		case <-tick.C:
		case <-length.Done():
			return ctx.Err()
		}
		if err := s.killWorker(rand.IntN(len(s.workers))); err != nil {
			return err
		}
		if n%restartEvery == restartEvery/2 {
			if err := s.restartServer(n/restartEvery%2 == 0); err != nil {
				return err
			}
		}
	}
}

func (s *stage) killWorker(i int) error {
	if err := s.workers[i].end(syscall.SIGKILL); err != nil {
		return err
	}
	s.killed.Add(1)
	worker, err := s.startWorker()
	if err != nil {
		return err
	}
	s.workers[i] = worker
	return nil
}

func (s *stage) restartServer(kill bool) error {
	signal, counter := syscall.SIGTERM, &s.serverStopped
	if kill {
		signal, counter = syscall.SIGKILL, &s.serverKilled
	}
	if err := s.server.end(signal); err != nil {
		return fmt.Errorf("stop server: %w", err)
	}
	counter.Add(1)
	server, err := s.start("soak", "server", "--data", s.dir, "--listen", s.address)
	if err != nil {
		return err
	}
	s.server = server
	return nil
}

// stopWorkers lets the workers finish.
func (s *stage) stopWorkers() error {
	var errs []error
	for _, worker := range s.workers {
		errs = append(errs, worker.end(syscall.SIGTERM))
	}
	s.workers = nil
	return errors.Join(errs...)
}

// close ends whatever still runs.
func (s *stage) close() error {
	var errs []error
	for _, p := range s.workers {
		errs = append(errs, p.end(syscall.SIGKILL))
	}
	if s.server != nil {
		errs = append(errs, s.server.end(syscall.SIGTERM))
	}
	return errors.Join(errs...)
}
