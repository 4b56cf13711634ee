package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"vedette/cmd/vedette/internal/cli"
	"vedette/cmd/vedette/internal/mailstatus"
	"vedette/pipeline"
	"vedette/pipeline/inspect"
	"vedette/pipeline/job"
	"vedette/pipeline/process"
	"vedette/pipeline/topology"
	"vedette/workers"
	"vedette/workers/health"
	"vedette/workers/notify"
)

func explainCommand() *cobra.Command {
	var where cli.Instance
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "explain MONITOR",
		Short: "Show a monitor's state, its cause, and who was notified",
		Long: `Shows a monitor's state and its cause, the last results, what each address was
notified about, what became of the mails, when the next mail is due and what holds
it back. An address counts as notified once a relay has accepted the mail. Exits
with 1 when the monitor is down.`,
		Example: "  vedette explain website",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			found, err := cli.Query(cmd.Context(), &where, func(ctx context.Context, p *pipeline.Pipeline) (*explanation, error) {
				return explain(ctx, p, args[0])
			})
			if err != nil {
				return err
			}
			if asJSON {
				err = json.NewEncoder(cmd.OutOrStdout()).Encode(found)
			} else {
				err = found.printText(cmd.OutOrStdout(), time.Now())
			}
			if err == nil && found.State.Health == job.Down {
				err = cli.ErrFound
			}
			return err
		},
	}
	where.Flags(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// explanation has everything about a monitor.
type explanation struct {
	Monitor job.Monitor `json:"monitor"`
	// State is empty for a monitor that was always up.
	State job.State `json:"state"`
	// Results are the last ones, oldest first.
	Results []job.Result `json:"results"`
	// Recipients are the addresses to notify.
	Recipients []string `json:"recipients"`
	// Mutes are what holds mails back now.
	Mutes []notify.Mute `json:"mutes,omitempty"`
	// Heartbeat is the deadline of a job, nil for another monitor.
	Heartbeat *workers.HeartbeatDeadline `json:"heartbeat,omitempty"`
	// Notified is what each address was notified about, and what is outstanding.
	Notified []notify.Explanation `json:"notified"`
	// Mails are what became of the mails in Notified, by id. Those that were never
	// tried are missing.
	Mails map[string]mailstatus.Mail `json:"mails,omitempty"`

	// mailFault is why mails cannot leave at present, read if one was not accepted.
	mailFault string
}

const (
	// explainResults is how many results are shown for each location.
	explainResults = 5
	// explainTime limits the time for reading results.
	explainTime = 3 * time.Second
	// askTime limits the time for asking processes.
	askTime = 2 * time.Second
	// minPast is how far back results are read at least.
	minPast = 2 * time.Minute
)

func explain(ctx context.Context, p *pipeline.Pipeline, name string) (*explanation, error) {
	buckets, err := pipeline.Buckets(ctx, p, topology.Monitors, topology.States)
	if err != nil {
		return nil, err
	}
	x := &explanation{}
	var revision uint64
	x.Monitor, revision, err = pipeline.Read(ctx, buckets[topology.Monitors], topology.MonitorKey(name), job.DecodeKnown[job.Monitor])
	if err != nil {
		return nil, err
	}
	if revision == 0 {
		return nil, &cli.HintError{Err: fmt.Errorf("explain monitor: found none named %q", name), Hint: "'vedette status' lists the monitors with problems"}
	}
	if x.State, _, err = pipeline.Read(ctx, buckets[topology.States], name, job.DecodeKnown[job.State]); err != nil {
		return nil, err
	}
	if err := x.readNotifications(ctx, p); err != nil {
		return nil, err
	}
	if x.Heartbeat, err = workers.ReadHeartbeatDeadline(ctx, p, &x.Monitor, time.Now()); err != nil {
		return nil, err
	}
	err = x.readResults(ctx, p)
	return x, err
}

// readNotifications asks the notifier's own decisions who is notified, and what
// holds mails back.
func (x *explanation) readNotifications(ctx context.Context, p *pipeline.Pipeline) error {
	directory, mutes, err := workers.LoadRecipients(ctx, p)
	if err != nil {
		return err
	}
	x.Recipients, _ = directory.Addresses(x.Monitor.Notify)
	explainer, err := workers.NewExplainer(ctx, p, directory, mutes)
	if err != nil {
		return err
	}
	if x.Mutes, x.Notified, err = explainer.Explain(ctx, &x.Monitor); err != nil {
		return err
	}
	return x.readMails(ctx, p)
}

// readMails reads what became of the mails, and if one was not accepted yet, what
// keeps mails from leaving.
func (x *explanation) readMails(ctx context.Context, p *pipeline.Pipeline) error {
	var ids []string
	for i := range x.Notified {
		for j := range x.Notified[i].Incidents {
			known := &x.Notified[i].Incidents[j]
			ids = append(ids, known.NotifiedBy, known.ListedBy, known.RemindedBy, known.PausedBy, known.ResolvedBy)
		}
	}
	slices.Sort(ids)
	ids = slices.DeleteFunc(slices.Compact(ids), func(id string) bool { return id == "" })
	var err error
	if x.Mails, err = mailstatus.Find(ctx, p, ids); err != nil {
		return err
	}
	if !slices.ContainsFunc(ids, func(id string) bool { m, tried := x.Mails[id]; return !tried || !m.Final() }) {
		return nil
	}
	answers, _, err := process.Ask(ctx, p, askTime)
	for _, answer := range answers {
		for _, c := range health.Failing(answer.Conditions) {
			if c.Name == job.ProcessMail && x.mailFault == "" {
				x.mailFault = c.Detail
			}
		}
	}
	return err
}

func (x *explanation) readResults(ctx context.Context, p *pipeline.Pipeline) error {
	limited, cancel := context.WithTimeout(ctx, explainTime)
	defer cancel()
	since := max(minPast, explainResults*cmp.Or(x.Monitor.Interval.Std(), time.Hour))
	_, err := inspect.ReadSince(limited, p, topology.Result, since, func(d pipeline.Delivery) {
		batch, err := job.DecodeKnown[job.Results](d.Body)
		if err != nil {
			return // the evaluator stores it as a dead letter
		}
		for i := range batch.Results {
			if batch.Results[i].Monitor == x.Monitor.Name {
				x.Results = append(x.Results, batch.Results[i])
			}
		}
	})
	x.Results = x.Results[max(0, len(x.Results)-explainResults*len(x.Monitor.CheckLocations())):]
	return err
}

// conditionText is a condition for people.
func conditionText(c job.Condition) string { return strings.ReplaceAll(string(c), "_", " ") }
