package workers

import (
	"context"
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
	recipients, err := pipeline.LoadAll(ctx, p, topology.Monitors, topology.RecipientKey(">"), job.DecodeKnown[job.Recipient])
	if err != nil {
		return nil, nil, err
	}
	for _, recipient := range recipients {
		directory.Set(recipient)
	}
	definitions, err := p.Bucket(ctx, topology.Monitors)
	if err != nil {
		return nil, nil, err
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
	silences, err := pipeline.LoadAll(ctx, p, topology.Silences, ">", job.DecodeKnown[job.Silence])
	slices.SortFunc(silences, func(a, b job.Silence) int { return a.Starts.Compare(b.Starts) })
	return silences, err
}
