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

// Definitions are everything that Apply stores: what a monitor file says, with
// its defaults filled in.
type Definitions struct {
	Monitors []job.Monitor
	// Encoded are further monitors by name, as they are stored: of a million, a
	// fifth of what Monitors would take. Its values are not looked at.
	Encoded    *compact.Map[uint32]
	Recipients []job.Recipient
	Settings   job.Settings
}

// Change is what Apply did: the names of monitors and recipients that were
// added, changed and removed, each sorted, and how many stayed the same.
type Change struct {
	Added, Changed, Removed []string
	Same                    int
}

// Empty reports whether nothing was to be done.
func (c Change) Empty() bool { return len(c.Added)+len(c.Changed)+len(c.Removed) == 0 }

// ApplyOptions say how definitions are applied.
type ApplyOptions struct {
	// Dry finds out what would be done, and does nothing.
	Dry bool
	// Progress, when set, is told from time to time how many of the definitions
	// that differ were written.
	Progress func(written, all int)
	// Compared, when set, is told from time to time how many of the stored
	// definitions were compared, before anything is written.
	Compared func(definitions int)
}

// Apply makes the stored definitions those of the file, by difference: what is
// the same is not touched, so its schedule and its state go on undisturbed.
// Recipients are stored before the monitors that name them, and removed after.
//
// What a newer program has stored is not touched: then nothing is done, and the
// error wraps [job.ErrNewer].
//
// The change says what was done; with dry, what would be. While a cluster has no
// leader, it insists: see [pipeline.Pipeline.RetryUnavailable]. An error in the middle
// leaves a part done, and applying again does the rest.
func Apply(ctx context.Context, p *pipeline.Pipeline, want Definitions, dry bool) (Change, error) {
	return ApplyWith(ctx, p, want, ApplyOptions{Dry: dry})
}

// ApplyWith is [Apply] with options.
func ApplyWith(ctx context.Context, p *pipeline.Pipeline, want Definitions, options ApplyOptions) (Change, error) {
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
		d = &difference{wanted: wanted, encoded: want.Encoded, told: options.Compared}
		return d.find(ctx, bucket)
	})
	if err != nil {
		return Change{}, fmt.Errorf("apply definitions: %w", err)
	}
	if options.Dry {
		return d.change, nil
	}
	if err := d.carryOut(ctx, bucket, options.Progress); err != nil {
		return d.change, fmt.Errorf("apply definitions: %w", err)
	}
	return d.change, nil
}

// byKey is the bucket as it should be, but for the monitors that are encoded.
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
