package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"vedette/cmd/vedette/internal/cli"
	"vedette/pipeline"
	"vedette/pipeline/inspect"
	"vedette/pipeline/job"
	"vedette/pipeline/topology"
	"vedette/workers"
	"vedette/workers/notify"
)

func explainCommand() *cobra.Command {
	var where cli.Instance
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "explain MONITOR",
		Short: "Tell what a monitor is, why, and who was told of it",
		Long: `Shows a monitor's state and why it is so, its last results, what each address
was told of it and is owed, when the next mail may go and what holds it back.
Exits with 1 when the monitor is down.`,
		Example: "  vedette explain website",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := where.Connect(cmd.Context())
			if err != nil {
				return err
			}
			found, err := explain(cmd.Context(), p, args[0], time.Now())
			if err := cli.Closing(p, err); err != nil {
				return err
			}
			if asJSON {
				err = json.NewEncoder(cmd.OutOrStdout()).Encode(found)
			} else {
				err = found.print(cmd.OutOrStdout(), time.Now())
			}
			if err == nil && found.State.Health == job.Down {
				err = &cli.ExitError{Code: cli.ExitDown}
			}
			return err
		},
	}
	where.Flags(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// explanation is all that is known of a monitor.
type explanation struct {
	Monitor job.Monitor `json:"monitor"`
	// State is empty for a monitor that was never anything but up.
	State job.State `json:"state"`
	// Results are the last ones, oldest first.
	Results []job.Result `json:"results"`
	// Holds are what keeps mails back at the moment.
	Holds []notify.Mute `json:"holds,omitempty"`
	// Readers are the addresses that are told, Told what they were.
	Readers []string          `json:"readers"`
	Told    []notify.Standing `json:"told"`
}

const (
	// explainResults is how many results are shown, of each location.
	explainResults = 5
	// explainTime bounds the reading of results.
	explainTime = 3 * time.Second
	// minPast is how far back results are read at least.
	minPast = 2 * time.Minute
)

func explain(ctx context.Context, p *pipeline.Pipeline, name string, now time.Time) (*explanation, error) {
	definitions, err := p.Bucket(ctx, topology.Monitors)
	if err != nil {
		return nil, err
	}
	entry, err := definitions.Get(ctx, topology.MonitorKey(name))
	if errors.Is(err, pipeline.ErrNotFound) {
		return nil, &cli.HintError{Err: fmt.Errorf("explain monitor: found none named %q", name), Hint: "'vedette status' shows those that there are"}
	}
	if err != nil {
		return nil, err
	}
	x := &explanation{}
	if x.Monitor, err = job.DecodeKnown[job.Monitor](entry.Value); err != nil {
		return nil, err
	}
	if x.State, err = readState(ctx, p, name); err != nil {
		return nil, err
	}
	book, quiet, err := readPeople(ctx, p, definitions)
	if err != nil {
		return nil, err
	}
	x.Readers, _ = book.Addresses(x.Monitor.Notify)
	if err := x.holds(ctx, p, quiet, now); err != nil {
		return nil, err
	}
	store, err := workers.OpenLedger(ctx, p)
	if err != nil {
		return nil, err
	}
	if x.Told, err = notify.Standings(ctx, store, name); err != nil {
		return nil, err
	}
	if err := x.readResults(ctx, p); err != nil {
		return nil, err
	}
	return x, nil
}

func readState(ctx context.Context, p *pipeline.Pipeline, name string) (job.State, error) {
	states, err := p.Bucket(ctx, topology.States)
	if err != nil {
		return job.State{}, err
	}
	entry, err := states.Get(ctx, name)
	if errors.Is(err, pipeline.ErrNotFound) {
		return job.State{}, nil
	}
	if err != nil {
		return job.State{}, err
	}
	return job.DecodeKnown[job.State](entry.Value)
}

// readPeople reads who is told, and who wants no mail.
func readPeople(ctx context.Context, p *pipeline.Pipeline, definitions *pipeline.Bucket) (*notify.Directory, *notify.Mutes, error) {
	book, quiet := &notify.Directory{}, &notify.Mutes{}
	recipients, err := definitions.LoadMatching(ctx, topology.RecipientKey(">"))
	if err != nil {
		return nil, nil, err
	}
	for _, e := range recipients {
		recipient, err := job.DecodeKnown[job.Recipient](e.Value)
		if err != nil {
			return nil, nil, err
		}
		book.Set(recipient)
	}
	entry, err := definitions.Get(ctx, topology.SettingsKey)
	if err == nil {
		settings, err := job.DecodeKnown[job.Settings](entry.Value)
		if err != nil {
			return nil, nil, err
		}
		book.SetSettings(settings)
		if err := quiet.SetWindows(settings.Maintenance); err != nil {
			return nil, nil, err
		}
	} else if !errors.Is(err, pipeline.ErrNotFound) {
		return nil, nil, err
	}
	silences, err := loadSilences(ctx, p)
	for _, s := range silences {
		quiet.SetSilence(s)
	}
	return book, quiet, err
}

// holds finds out what holds mails back.
func (x *explanation) holds(ctx context.Context, p *pipeline.Pipeline, quiet *notify.Mutes, now time.Time) error {
	m := &x.Monitor
	if hold := quiet.Active(&job.Incident{Monitor: m.Name, Group: m.Group, Labels: m.Labels}, now); hold.Kind != "" {
		x.Holds = append(x.Holds, hold)
	}
	if x.State.Flapping != nil {
		x.Holds = append(x.Holds, notify.Mute{Kind: notify.MuteFlapping})
	}
	for _, parent := range m.DependsOn {
		state, err := readState(ctx, p, parent)
		if err != nil {
			return err
		}
		if state.Incident != nil {
			x.Holds = append(x.Holds, notify.Mute{Kind: notify.MuteParent, By: parent})
		}
	}
	return nil
}

func (x *explanation) readResults(ctx context.Context, p *pipeline.Pipeline) error {
	limited, cancel := context.WithTimeout(ctx, explainTime)
	defer cancel()
	since := max(minPast, explainResults*cmp.Or(x.Monitor.Interval.Std(), time.Hour))
	_, err := inspect.ReadSince(limited, p, topology.Result, since, func(d pipeline.Delivery) {
		batch, err := job.DecodeKnown[job.Results](d.Body)
		if err != nil {
			return // the evaluator buries it
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

// conditionWords is a condition for people.
func conditionWords(c job.Condition) string { return strings.ReplaceAll(string(c), "_", " ") }
