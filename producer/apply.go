package producer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

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

// ApplyOptions say how definitions are applied.
type ApplyOptions struct {
	// Dry finds out what would be done, and does nothing.
	Dry bool
	// Progress, when set, is told from time to time how many of the definitions
	// that differ were written.
	Progress func(written, all int)
}

// Apply makes the stored definitions those of the file, by difference: what is
// the same is not touched, so its schedule and its state go on undisturbed.
// Recipients are stored before the monitors that name them, and removed after.
//
// What a newer program has stored is not touched: then nothing is done, and the
// error wraps [job.ErrNewer].
//
// The change says what was done; with dry, what would be. While a cluster has no
// leader, it insists: see [pipeline.Pipeline.Insist]. An error in the middle
// leaves a part done, and applying again does the rest.
func Apply(ctx context.Context, p *pipeline.Pipeline, want Definitions, dry bool) (Change, error) {
	return ApplyWith(ctx, p, want, ApplyOptions{Dry: dry})
}

// ApplyWith is [Apply] with options.
func ApplyWith(ctx context.Context, p *pipeline.Pipeline, want Definitions, options ApplyOptions) (Change, error) {
	if options.Progress == nil {
		options.Progress = func(int, int) {}
	}
	bucket, err := p.Bucket(ctx, pipeline.Monitors)
	if err != nil {
		return Change{}, fmt.Errorf("apply definitions: %w", err)
	}
	var s steps
	err = p.Insist(ctx, "read definitions", func(ctx context.Context) error {
		wanted, err := encodeAll(want)
		if err == nil {
			s, err = difference(ctx, bucket, wanted)
		}
		return err
	})
	if err != nil {
		return Change{}, fmt.Errorf("apply definitions: %w", err)
	}
	if options.Dry {
		return s.change, nil
	}
	if err := s.carryOut(ctx, bucket, options.Progress); err != nil {
		return s.change, fmt.Errorf("apply definitions: %w", err)
	}
	return s.change, nil
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
	putRecipients     []pipeline.Write
	putOthers         []pipeline.Write // monitors and settings, which name recipients
	removedOthers     []string
	removedRecipients []string
}

// difference compares what is stored with what should be. It goes through the
// stored ones as they come, since a million of them are better not kept; wanted
// is used up by that.
func difference(ctx context.Context, bucket *pipeline.Bucket, wanted map[string][]byte) (steps, error) {
	var s steps
	var newer []string
	err := bucket.Each(ctx, func(e pipeline.Entry) {
		body, stays := wanted[e.Key]
		delete(wanted, e.Key)
		switch {
		case !bytes.Equal(body, e.Value) && job.Newer(e.Value):
			newer = append(newer, e.Key)
		case !stays:
			s.remove(e.Key)
		case bytes.Equal(body, e.Value):
			s.change.Same++
		default:
			s.change.Changed = append(s.change.Changed, s.put(e.Key, body))
		}
	})
	if err := errors.Join(err, newerStored(newer)); err != nil {
		return s, err
	}
	for key, body := range wanted {
		s.change.Added = append(s.change.Added, s.put(key, body))
	}
	slices.Sort(s.change.Added)
	slices.Sort(s.change.Changed)
	slices.Sort(s.change.Removed)
	return s, nil
}

// put notes a key to write, and returns what people call it.
func (s *steps) put(key string, body []byte) string {
	name, isRecipient := nameOf(key)
	write := pipeline.Write{Key: key, Value: body}
	if isRecipient {
		s.putRecipients = append(s.putRecipients, write)
	} else {
		s.putOthers = append(s.putOthers, write)
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

// carryOut writes and removes. What is written together is on its way together:
// a round trip for each of a million definitions would take minutes.
func (s *steps) carryOut(ctx context.Context, bucket *pipeline.Bucket, progress func(written, all int)) error {
	all := len(s.putRecipients) + len(s.putOthers) + len(s.removedOthers) + len(s.removedRecipients)
	written := 0
	for _, writes := range [][]pipeline.Write{s.putRecipients, s.putOthers, removals(s.removedOthers), removals(s.removedRecipients)} {
		for part := range slices.Chunk(writes, applyPart) {
			if err := bucket.WriteAll(ctx, part); err != nil {
				return err
			}
			written += len(part)
			progress(written, all)
		}
	}
	return nil
}

// applyPart is after how many writes progress is told.
const applyPart = 10_000

func removals(keys []string) []pipeline.Write {
	writes := make([]pipeline.Write, len(keys))
	for i, key := range keys {
		writes[i] = pipeline.Write{Key: key, Delete: true}
	}
	return writes
}
