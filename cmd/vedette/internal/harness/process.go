// Package harness has what benchmarks and soaks share: child processes, a mail
// relay that stores nothing, and waiting.
package harness

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync/atomic"
	"syscall"

	"github.com/spf13/cobra"

	"vedette/cmd/vedette/internal/cli"
	"vedette/cmd/vedette/internal/signals"
)

// Program runs one command line and returns its exit code.
type Program func(ctx context.Context, args []string, stdout, stderr io.Writer) int

// ChildCommand runs a command line until its standard input ends: then the parent
// process is gone.
func ChildCommand(program Program) *cobra.Command {
	return &cobra.Command{
		Use: "child", Short: "Run a command that ends with its parent process", Hidden: true, DisableFlagParsing: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, cancel := context.WithCancelCause(cmd.Context())
			defer cancel(nil)
			go func() {
				_, _ = io.Copy(io.Discard, os.Stdin)
				cancel(&signals.StopError{Reason: "its parent process ended"})
			}()
			if code := program(ctx, args, cmd.OutOrStdout(), cmd.ErrOrStderr()); code != cli.ExitOK {
				return &cli.ExitError{Code: code}
			}
			return nil
		},
	}
}

// Command prepares this program as a child process. With "child" as the first
// argument it ends with its parent.
func Command(args ...string) (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	cmd := exec.Command(self, args...) //nolint:gosec,noctx // this program; End and Stop end it
	cmd.Stderr = os.Stderr
	return cmd, nil
}

// Process is a child process.
type Process struct {
	Input io.WriteCloser // the child ends when it is closed
	Ended chan struct{}  // closed when the process has ended
	Err   error          // set before Ended is closed

	process  *os.Process
	expected atomic.Bool // to end
}

// Start starts a process. If it ends unexpectedly, crashed is called.
func Start(cmd *exec.Cmd, crashed func(error)) (*Process, error) {
	input, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return nil, fmt.Errorf("start process: %w", err)
	}
	p := &Process{Input: input, Ended: make(chan struct{}), process: cmd.Process}
	go func() {
		defer close(p.Ended)
		p.Err = cmd.Wait()
		if !p.expected.Load() {
			crashed(p.Err)
		}
	}()
	return p, nil
}

// Signal sends a signal. A process that has ended is not an error.
func (p *Process) Signal(signal syscall.Signal) error {
	if err := p.process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("signal process: %w", err)
	}
	return nil
}

// PID returns the process id.
func (p *Process) PID() int { return p.process.Pid }

// End ends the process by a signal and waits for it.
func (p *Process) End(signal syscall.Signal) error {
	p.expected.Store(true)
	if err := p.Signal(signal); err != nil {
		return err
	}
	<-p.Ended
	if signal == syscall.SIGKILL {
		return nil // its error is only that it was killed
	}
	return p.Err
}

// Stop closes the standard input and waits for the process.
func (p *Process) Stop() {
	p.expected.Store(true)
	_ = p.Input.Close()
	<-p.Ended
}
