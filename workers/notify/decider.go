package notify

import (
	"cmp"
	"context"
	"log/slog"
	"time"

	"vedette/pipeline/job"
)

// decider gathers the input for decisions. [Notifier] carries the decisions out,
// [Explainer] shows them.
type decider struct {
	logs      logStore
	directory *Directory
	mutes     *Mutes
	lookup    Lookup
	now       func() time.Time
	logger    *slog.Logger
}

func newDecider(config Config, directory *Directory, mutes *Mutes) decider {
	if config.Now == nil {
		config.Now = time.Now
	}
	return decider{
		logs: logStore{store: config.Store}, directory: directory, mutes: mutes, lookup: config.Lookup,
		now: config.Now, logger: cmp.Or(config.Logger, slog.New(slog.DiscardHandler)),
	}
}

// input is the input for a decision about a group.
func (d *decider) input(group *job.NotificationGroup, logs []job.NotificationLog, parent func(*job.Notified) Mute) Input {
	return Input{
		Now: d.now(), Group: *group, Logs: logs, Grouping: d.directory.Grouping(group.Recipient), Parent: parent,
		Mute: func(incident *job.Incident) Mute { return d.mutes.Active(incident, d.now()) },
	}
}

// parent returns the mutes by parents for one decision about mails to an
// address, nil without a lookup.
func (d *decider) parent(ctx context.Context, address string) func(*job.Notified) Mute {
	if d.lookup == nil {
		return nil
	}
	p := &parents{decider: d, ctx: ctx, address: address, known: map[string]parent{}}
	return p.mute
}
