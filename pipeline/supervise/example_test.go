package supervise_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v4"

	"vedette/pipeline/supervise"
)

// untilStopped is a service that does nothing until its context ends.
var untilStopped = supervise.ServiceFunc(func(ctx context.Context) error {
	<-ctx.Done()
	return nil
})

// immediately is a back-off without waits, which keeps the examples short.
func immediately() backoff.BackOff { return &backoff.ZeroBackOff{} }

// A supervisor restarts a child that failed. The other children keep running.
func ExampleSupervisor() {
	ctx, cancel := context.WithCancel(context.Background())
	attempts := 0
	worker := supervise.ServiceFunc(func(ctx context.Context) error {
		attempts++
		if attempts == 2 {
			return errors.New("disk full")
		}
		supervise.Ready(ctx)
		if attempts == 1 {
			panic("index out of range")
		}
		cancel() // at work at last: end the example
		<-ctx.Done()
		return nil
	})
	supervisor, err := supervise.New(supervise.Spec{
		Name: "tree",
		Children: []supervise.Child{
			{Name: "cache", Service: untilStopped},
			{Name: "worker", Service: worker, StartTimeout: time.Minute, Backoff: immediately},
		},
		Events: func(e supervise.Event) {
			if e.Err != nil {
				fmt.Printf("%s %s: %v\n", e.Child, e.Kind, e.Err)
			} else if e.Kind == supervise.EventStarted || e.Kind == supervise.EventStopped {
				fmt.Println(e.Child, e.Kind)
			}
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("Serve returned", supervisor.Serve(ctx))
	// Output:
	// cache started
	// worker started
	// worker failed: service panicked: index out of range
	// worker started
	// worker failed: disk full
	// worker started
	// worker stopped
	// cache stopped
	// Serve returned <nil>
}

// Under RestForOne, children depend on those before them and restart with them.
func ExampleStrategy() {
	fail := make(chan struct{})
	connection := supervise.ServiceFunc(func(ctx context.Context) error {
		select {
		case <-fail:
			return errors.New("connection reset")
		case <-ctx.Done():
			return nil
		}
	})
	restarted := make(chan struct{}, 1)
	supervisor, err := supervise.New(supervise.Spec{
		Name:     "tree",
		Strategy: supervise.RestForOne,
		Children: []supervise.Child{
			{Name: "metrics", Service: untilStopped},
			{Name: "connection", Service: connection, Backoff: immediately},
			{Name: "queries", Service: untilStopped},
		},
		Events: func(e supervise.Event) {
			fmt.Println(e.Child, e.Kind)
			if e.Child == "queries" && e.Kind == supervise.EventStarted && e.Incarnation == 2 {
				restarted <- struct{}{}
			}
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := supervisor.Start(context.Background()); err != nil {
		fmt.Println(err)
		return
	}
	fail <- struct{}{}
	<-restarted
	fmt.Println("Stop returned", supervisor.Stop(context.Background()))
	// Output:
	// metrics started
	// connection started
	// queries started
	// connection failed
	// connection waiting
	// queries stopped
	// connection started
	// queries started
	// queries stopped
	// connection stopped
	// metrics stopped
	// Stop returned <nil>
}

// A supervisor that gives up is one failure for its parent, which here gives up
// as well. The error contains the original cause.
func ExampleBreachError() {
	full := make(chan struct{})
	inner, err := supervise.New(supervise.Spec{
		Name:      "inner",
		Intensity: supervise.Restarts(2),
		Children: []supervise.Child{{
			Name: "worker", Backoff: immediately,
			Service: supervise.ServiceFunc(func(context.Context) error {
				<-full
				return errors.New("disk full")
			}),
		}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	outer, err := supervise.New(supervise.Spec{
		Name:      "outer",
		Intensity: supervise.Restarts(0),
		Children:  []supervise.Child{{Name: "inner", Service: inner}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := outer.Start(context.Background()); err != nil {
		fmt.Println(err)
		return
	}
	close(full)
	<-outer.Done()
	err = outer.Stop(context.Background())
	if breach, ok := errors.AsType[*supervise.BreachError](err); ok {
		fmt.Println(breach.Supervisor, "gave up on", breach.Child)
	}
	fmt.Println(err)
	// Output:
	// outer gave up on inner
	// supervisor outer gave up: too many restarts, the last for child inner (error): supervisor inner gave up: too many restarts, the last for child worker (error): disk full
}

// A service calls Ready once it is at work. With a StartTimeout, the next child
// starts only then.
func ExampleReady() {
	database := supervise.ServiceFunc(func(ctx context.Context) error {
		fmt.Println("database: loading")
		fmt.Println("database: open")
		supervise.Ready(ctx)
		<-ctx.Done()
		return nil
	})
	server := supervise.ServiceFunc(func(ctx context.Context) error {
		fmt.Println("server: listening")
		supervise.Ready(ctx)
		<-ctx.Done()
		return nil
	})
	supervisor, err := supervise.New(supervise.Spec{
		Name: "tree",
		Children: []supervise.Child{
			{Name: "database", Service: database, StartTimeout: time.Minute},
			{Name: "server", Service: server, StartTimeout: time.Minute},
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := supervisor.Start(context.Background()); err != nil { // returns when both are ready
		fmt.Println(err)
		return
	}
	for _, child := range supervisor.Children() {
		fmt.Println(child.Name, child.State)
	}
	fmt.Println("Stop returned", supervisor.Stop(context.Background()))
	// Output:
	// database: loading
	// database: open
	// server: listening
	// database running
	// server running
	// Stop returned <nil>
}
