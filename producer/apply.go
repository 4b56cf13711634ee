package producer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"

	"vedette/pipeline"
	"vedette/pipeline/job"
)

// Definitions are everything that Apply stores: what a monitor file says, with
// its defaults filled in.
type Definitions struct {
	Monitors   []job.Monitor
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

// writers is how many definitions are written at once; one at a time would
// make a round trip for each.
const writers = 64

// Apply makes the stored definitions those of the file, by difference: what is
// the same is not touched, so its schedule and its state go on undisturbed.
// Recipients are stored before the monitors that name them, and removed after.
//
// The change says what was done; with dry, what would be. An error in the
// middle leaves a part done, and applying again does the rest.
func Apply(ctx context.Context, p *pipeline.Pipeline, want Definitions, dry bool) (Change, error) {
	bucket, err := p.Bucket(ctx, pipeline.Monitors)
	if err != nil {
		return Change{}, fmt.Errorf("apply definitions: %w", err)
	}
	have, err := bucket.Load(ctx)
	if err != nil {
		return Change{}, fmt.Errorf("apply definitions: %w", err)
	}
	wanted, err := encodeAll(want)
	if err != nil {
		return Change{}, fmt.Errorf("apply definitions: %w", err)
	}
	d := difference(have, wanted)
	if dry {
		return d.change, nil
	}
	if err := d.carryOut(ctx, bucket); err != nil {
		return d.change, fmt.Errorf("apply definitions: %w", err)
	}
	return d.change, nil
}

// encodeAll is the bucket as it should be.
func encodeAll(want Definitions) (map[string][]byte, error) {
	wanted := make(map[string][]byte, len(want.Monitors)+len(want.Recipients))
	var errs []error
	if s := want.Settings; len(s.Operators) > 0 || s.Grouping != nil || len(s.Maintenance) > 0 {
		want.Settings.V = job.Version
		body, err := job.Encode(want.Settings)
		wanted[pipeline.SettingsKey] = body
		errs = append(errs, err)
	}
	for _, r := range want.Recipients {
		body, err := job.Encode(r)
		wanted[pipeline.RecipientKey(r.Name)] = body
		errs = append(errs, err)
	}
	for _, m := range want.Monitors {
		body, err := job.Encode(m)
		wanted[pipeline.MonitorKey(m.Name)] = body
		errs = append(errs, err)
	}
	return wanted, errors.Join(errs...)
}

// steps are what has to be written and removed, in the order of the fields.
type steps struct {
	change            Change
	putRecipients     map[string][]byte
	putOthers         map[string][]byte // monitors and settings, which name recipients
	removedOthers     []string
	removedRecipients []string
}

// difference compares what is stored with what should be.
func difference(have []pipeline.Entry, wanted map[string][]byte) steps {
	s := steps{putRecipients: map[string][]byte{}, putOthers: map[string][]byte{}}
	known := make(map[string]bool, len(have))
	for _, e := range have {
		known[e.Key] = true
		body, stays := wanted[e.Key]
		switch {
		case !stays:
			s.remove(e.Key)
		case bytes.Equal(body, e.Value):
			s.change.Same++
		default:
			s.change.Changed = append(s.change.Changed, s.put(e.Key, body))
		}
	}
	for key, body := range wanted {
		if !known[key] {
			s.change.Added = append(s.change.Added, s.put(key, body))
		}
	}
	slices.Sort(s.change.Added)
	slices.Sort(s.change.Changed)
	slices.Sort(s.change.Removed)
	return s
}

// put notes a key to write, and returns what people call it.
func (s *steps) put(key string, body []byte) string {
	name, isRecipient := nameOf(key)
	if isRecipient {
		s.putRecipients[key] = body
	} else {
		s.putOthers[key] = body
	}
	return name
}

func (s *steps) remove(key string) {
	name, isRecipient := nameOf(key)
	if isRecipient {
		s.removedRecipients = append(s.removedRecipients, key)
	} else {
		s.removedOthers = append(s.removedOthers, key)
	}
	s.change.Removed = append(s.change.Removed, name)
}

// nameOf is what people call a key, and whether it is a recipient's.
func nameOf(key string) (name string, isRecipient bool) {
	if name, ok := pipeline.CutMonitorKey(key); ok {
		return name, false
	}
	if name, ok := pipeline.CutRecipientKey(key); ok {
		return "recipient " + name, true
	}
	return key, false
}

func (s *steps) carryOut(ctx context.Context, bucket *pipeline.Bucket) error {
	for _, puts := range []map[string][]byte{s.putRecipients, s.putOthers} {
		group, ctx := errgroup.WithContext(ctx)
		group.SetLimit(writers)
		for key, body := range puts {
			group.Go(func() error {
				_, err := bucket.Put(ctx, key, body)
				return err
			})
		}
		if err := group.Wait(); err != nil {
			return err
		}
	}
	for _, key := range slices.Concat(s.removedOthers, s.removedRecipients) {
		if err := bucket.Delete(ctx, key); err != nil {
			return err
		}
	}
	return nil
}
