package producer

import (
	"context"
	"errors"
	"fmt"

	"vedette/pipeline"
	"vedette/pipeline/compact"
	"vedette/pipeline/job"
	"vedette/pipeline/topology"
)

// Definitions are what Apply stores: a monitor file with its defaults.
type Definitions struct {
	Monitors []job.Monitor
	// Encoded are further monitors by name, in their stored form, which takes a
	// fifth of the memory. The map's values are ignored.
	Encoded    *compact.Map[uint32]
	Recipients []job.Recipient
	Settings   job.Settings
}

// Change lists the added, changed and removed monitors and recipients by name,
// each list sorted, and counts the ones that stayed the same.
type Change struct {
	Added, Changed, Removed []string
	Same                    int
	// Monitors is the number of monitors that were stored before.
	Monitors int
}

// Empty reports whether there is no change.
func (c Change) Empty() bool { return len(c.Added)+len(c.Changed)+len(c.Removed) == 0 }

// ApplyOptions configure [Apply].
type ApplyOptions struct {
	// Dry returns the change without making it.
	Dry bool
	// AllowRemovals allows a change after which no monitors or less than half of
	// the stored ones are left. Without it Apply returns [ErrRemovals].
	AllowRemovals bool
	// Progress, when set, is called repeatedly with the number of written
	// definitions and the number to write.
	Progress func(written, all int)
	// Compared, when set, is called repeatedly with the number of compared
	// definitions, before any is written.
	Compared func(definitions int)
}

// Apply makes the stored definitions equal to the given ones. It writes only
// what differs, so that other monitors keep their schedule and state.
// Recipients are stored before the monitors that refer to them, and removed
// afterwards.
//
// A change that removes most monitors is refused: see [ErrRemovals]. Nothing is
// written then, not even new monitors, and Apply returns the change with the error.
//
// If a definition that would change was stored by a newer program, nothing is
// written, and the error wraps [job.ErrNewer].
//
// Apply returns the change. While a cluster has no leader, Apply retries: see [pipeline.Pipeline.RetryUnavailable]. After an
// error, a part of the change may be written; applying again writes the rest.
func Apply(ctx context.Context, p *pipeline.Pipeline, want Definitions, options ApplyOptions) (Change, error) {
	if options.Progress == nil {
		options.Progress = func(int, int) {}
	}
	bucket, err := p.Bucket(ctx, topology.Monitors)
	if err != nil {
		return Change{}, fmt.Errorf("apply definitions: %w", err)
	}
	var d *difference
	err = p.RetryUnavailable(ctx, "read definitions", func(ctx context.Context) error {
		wanted, err := want.byKey()
		if err != nil {
			return err
		}
		d = &difference{wanted: wanted, encoded: want.Encoded, onCompared: options.Compared}
		return d.compute(ctx, bucket)
	})
	if err != nil {
		return Change{}, fmt.Errorf("apply definitions: %w", err)
	}
	if !options.AllowRemovals {
		err = d.checkRemovals()
	}
	if err != nil || options.Dry {
		return d.change, err
	}
	if err := d.apply(ctx, bucket, options.Progress); err != nil {
		return d.change, fmt.Errorf("apply definitions: %w", err)
	}
	return d.change, nil
}

// byKey returns the bucket's intended content, without the encoded monitors.
func (want *Definitions) byKey() (map[string][]byte, error) {
	wanted := make(map[string][]byte, len(want.Monitors)+len(want.Recipients))
	var errs []error
	if s := want.Settings; len(s.Operators) > 0 || s.Grouping != nil || len(s.Maintenance) > 0 {
		s.V = job.Version
		body, err := job.Encode(s)
		wanted[topology.SettingsKey] = body
		errs = append(errs, err)
	}
	for _, r := range want.Recipients {
		body, err := job.Encode(r)
		wanted[topology.RecipientKey(r.Name)] = body
		errs = append(errs, err)
	}
	for _, m := range want.Monitors {
		body, err := job.Encode(m)
		wanted[topology.MonitorKey(m.Name)] = body
		errs = append(errs, err)
	}
	return wanted, errors.Join(errs...)
}
