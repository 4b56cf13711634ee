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

// life is one run of a child's service.
type life struct {
	supervisor *Supervisor
	child      *child
	number     int // the child's incarnation
	cancel     context.CancelFunc
	ready      time.Time   // when it became ready; zero if it did not
	returned   bool        // not by a panic or a Goexit
	left       atomic.Bool // given up as stuck
}

// serve runs the service, and hands over how it ended, even by a Goexit.
func (l *life) serve(ctx context.Context) {
	var err error
	defer func() {
		if !l.returned { // a deferred call sees a panic and a Goexit alike; only a panic has a value
			err = &PanicError{Value: recover(), Stack: debug.Stack()}
		}
		l.cancel()
		l.supervisor.ended(l, err)
	}()
	err = l.run(ctx)
}

// run runs the service. It needs l after the call, so that the compiler keeps
// it where a stack shows it.
//
//go:noinline
func (l *life) run(ctx context.Context) error {
	err := l.child.Service.Serve(ctx)
	l.returned = true
	return err
}

// frameOfLife begins the line of a stack that shows run and its receiver.
const frameOfLife = "supervise.(*life).run("

const (
	// maxStacks bounds what is read of all stacks, maxStack what is told of one.
	maxStacks = 4 << 20
	maxStack  = 8 << 10
)

// Stack returns the stack of the goroutine in which a function runs with the
// given pointer as its receiver or first argument; frame is how the function's
// line begins, such as "main.(*worker).run(". Where none has that pointer, it
// returns all that run the function. It is for goroutines that hang, of which
// there are few: it stops the world while it reads. To give each goroutine a
// label beforehand would cost the many that do not hang a microsecond each.
func Stack(frame string, pointer any) string {
	buffer := make([]byte, maxStacks)
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
