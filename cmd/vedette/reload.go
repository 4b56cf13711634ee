package main

import (
	"context"
	"os"
	"os/signal"
	"reflect"
	"syscall"

	"vedette/producer"
	"vedette/workers"
)

// reload reads the file again at each SIGHUP, until ctx ends.
func (r *instanceRun) reload(ctx context.Context, work *workers.Workers) error {
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-hangups:
			r.reread(ctx, work)
		}
	}
}

// reread applies the file as it is now. What is wrong with it is said, and
// changes nothing.
func (r *instanceRun) reread(ctx context.Context, work *workers.Workers) {
	file, err := loadFile(r.path, r.stderr)
	if err != nil {
		say(r.stderr, "vedette: %v\nvedette: %s was not applied; everything goes on as before\n", err, r.path)
		return
	}
	change, err := producer.Apply(ctx, r.pipeline, definitions(file), false)
	if err != nil {
		say(r.stderr, "vedette: %v\nhint: send SIGHUP again to do the rest\n", err)
		return
	}
	if err := work.SetLimits(workers.Limits(file.Workers)); err != nil {
		say(r.stderr, "warning: %v\n", err)
	}
	say(r.stdout, "%s", changeLines(change, false))
	if !reflect.DeepEqual(file.Mail, r.file.Mail) || file.Server != r.file.Server {
		say(r.stderr, "warning: the sections mail and server have changed; they take effect when vedette is started again\n")
	}
}
