package workers

import (
	"context"
	"fmt"
	"slices"

	"vedette/pipeline"
	"vedette/pipeline/job"
	"vedette/pipeline/topology"
	"vedette/workers/notify"
)

// NewExplainer returns an explainer for the stored notifications. It publishes
// nothing.
func NewExplainer(ctx context.Context, p *pipeline.Pipeline, directory *notify.Directory, mutes *notify.Mutes) (*notify.Explainer, error) {
	buckets, err := pipeline.Buckets(ctx, p, topology.Notifications, topology.States, topology.Monitors)
	if err != nil {
		return nil, err
	}
	lookup := &storedLookup{states: buckets[topology.States], definitions: buckets[topology.Monitors]}
	return notify.NewExplainer(notify.Config{Store: &notificationStore{bucket: buckets[topology.Notifications]}, Lookup: lookup}, directory, mutes), nil
}

// LoadRecipients reads the recipients, the silences and the maintenance windows.
func LoadRecipients(ctx context.Context, p *pipeline.Pipeline) (*notify.Directory, *notify.Mutes, error) {
	directory, mutes := &notify.Directory{}, &notify.Mutes{}
	definitions, err := p.Bucket(ctx, topology.Monitors)
	if err != nil {
		return nil, nil, err
	}
	recipients, err := definitions.LoadMatching(ctx, topology.RecipientKey(">"))
	if err != nil {
		return nil, nil, err
	}
	for _, e := range recipients {
		recipient, err := job.DecodeKnown[job.Recipient](e.Value)
		if err != nil {
			return nil, nil, err
		}
		directory.Set(recipient)
	}
	settings, _, err := pipeline.Read(ctx, definitions, topology.SettingsKey, job.DecodeKnown[job.Settings])
	if err != nil {
		return nil, nil, err
	}
	directory.SetSettings(settings)
	if err := mutes.SetWindows(settings.Maintenance); err != nil {
		return nil, nil, err
	}
	silences, err := LoadSilences(ctx, p)
	for _, s := range silences {
		mutes.SetSilence(s)
	}
	return directory, mutes, err
}

// LoadSilences reads the silences, the earliest first.
func LoadSilences(ctx context.Context, p *pipeline.Pipeline) ([]job.Silence, error) {
	bucket, err := p.Bucket(ctx, topology.Silences)
	if err != nil {
		return nil, err
	}
	entries, err := bucket.Load(ctx)
	if err != nil {
		return nil, err
	}
	silences := make([]job.Silence, 0, len(entries))
	for _, e := range entries {
		s, err := job.DecodeKnown[job.Silence](e.Value)
		if err != nil {
			return nil, fmt.Errorf("read silence %s: %w", e.Key, err)
		}
		silences = append(silences, s)
	}
	slices.SortFunc(silences, func(a, b job.Silence) int { return a.Starts.Compare(b.Starts) })
	return silences, nil
}
