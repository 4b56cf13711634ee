package supervise

import (
	"bytes"
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"time"
)

// incarnation is one call of a child's Serve.
type incarnation struct {
	supervisor *Supervisor
	child      *child
	number     int
	cancel     context.CancelFunc
	ready      time.Time   // zero until it is ready
	returned   bool        // without a panic or a Goexit
	abandoned  atomic.Bool // as stuck
}

// serve runs the service and reports its end, even by a Goexit.
func (i *incarnation) serve(ctx context.Context) {
	var err error
	defer func() {
		if !i.returned { // a panic or a Goexit; only a panic has a value
			err = &PanicError{Value: recover(), Stack: debug.Stack()}
		}
		i.cancel()
		i.supervisor.ended(i, err)
	}()
	err = i.run(ctx)
}

// run runs the service. It uses i after the call, so that the compiler keeps i
// where a stack shows it.
//
//go:noinline
func (i *incarnation) run(ctx context.Context) error {
	err := i.child.Service.Serve(ctx)
	i.returned = true
	return err
}

// incarnationFrame begins the stack line that shows run and its receiver.
const incarnationFrame = "supervise.(*incarnation).run("

const (
	// maxAllStacks limits the size of all stacks read, maxStack the part that is
	// reported.
	maxAllStacks = 4 << 20
	maxStack     = 8 << 10
)

// Stack returns the stack of the goroutine in which a function runs with the
// given pointer as its receiver or first argument. frame is the start of the
// function's line in the stack, such as "main.(*worker).run(". If no goroutine
// has that pointer, Stack returns all that run the function. It is meant for
// the few goroutines that hang, since it stops the world while it reads.
// Labelling each goroutine instead would cost the many that do not hang a
// microsecond each.
func Stack(frame string, pointer any) string {
	buffer := make([]byte, maxAllStacks)
	all := bytes.Split(buffer[:runtime.Stack(buffer, true)], []byte("\n\n"))
	address := fmt.Appendf(nil, "%p", pointer)
	var running, own [][]byte
	for _, stack := range all {
		_, line, found := bytes.Cut(stack, []byte(frame))
		if !found {
			continue
		}
		running = append(running, stack)
		arguments, _, _ := bytes.Cut(line, []byte("\n"))
		if bytes.Contains(arguments, address) {
			own = append(own, stack)
		}
	}
	if len(own) > 0 {
		running = own
	}
	joined := bytes.Join(running, []byte("\n\n"))
	return string(joined[:min(len(joined), maxStack)])
}
