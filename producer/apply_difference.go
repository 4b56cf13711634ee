package producer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"vedette/pipeline"
	"vedette/pipeline/compact"
	"vedette/pipeline/job"
	"vedette/pipeline/topology"
)

// difference is what must be written and removed. It keeps no second copy of a
// million monitors: the encoded ones are looked up when they are written.
type difference struct {
	wanted     map[string][]byte    // by key, without what is already stored
	encoded    *compact.Map[uint32] // monitors; not modified
	onCompared func(definitions int)

	change            Change
	wantedMonitors    int
	newer             []string // keys that a newer program has stored
	stored            []bool   // by position in encoded
	compared          int
	recipientWrites   []pipeline.Write
	otherWrites       []pipeline.Write // monitors and settings, which refer to recipients
	monitorWrites     []compact.ID     // positions in encoded
	otherRemovals     []pipeline.Write
	recipientRemovals []pipeline.Write
}

// compareBatch is the number of comparisons between calls to onCompared.
const compareBatch = 10_000

// compute compares the stored definitions with the wanted ones. It handles them
// one by one, without keeping them.
func (d *difference) compute(ctx context.Context, bucket *pipeline.Bucket) error {
	if d.encoded == nil {
		d.encoded = &compact.Map[uint32]{}
	}
	if d.onCompared == nil {
		d.onCompared = func(int) {}
	}
	d.stored = make([]bool, d.encoded.Len()+1)
	d.wantedMonitors = d.encoded.Len()
	for key := range d.wanted {
		if _, ok := topology.CutMonitorKey(key); ok {
			d.wantedMonitors++
		}
	}
	err := bucket.Each(ctx, d.compare)
	if err := errors.Join(err, newerStored(d.newer)); err != nil {
		return err
	}
	for key, body := range d.wanted {
		d.change.Added = append(d.change.Added, d.addWrite(pipeline.Write{Key: key, Value: body}))
	}
	d.encoded.All(func(id compact.ID) bool {
		if !d.isStored(id) {
			d.change.Added = append(d.change.Added, string(d.encoded.Name(id)))
			d.monitorWrites = append(d.monitorWrites, id)
		}
		return true
	})
	slices.Sort(d.change.Added)
	slices.Sort(d.change.Changed)
	slices.Sort(d.change.Removed)
	return nil
}

// compare compares one stored definition.
func (d *difference) compare(e pipeline.Entry) {
	d.compared++
	if d.compared%compareBatch == 0 {
		d.onCompared(d.compared)
	}
	if name, ok := topology.CutMonitorKey(e.Key); ok {
		d.change.Monitors++
		if id, ok := d.encoded.Find(name); ok {
			d.markStored(id)
			switch {
			case bytes.Equal(d.encoded.Text(id), e.Value):
				d.change.Same++
			case job.Newer(e.Value):
				d.newer = append(d.newer, e.Key)
			default:
				d.change.Changed = append(d.change.Changed, name)
				d.monitorWrites = append(d.monitorWrites, id)
			}
			return
		}
	}
	body, stays := d.wanted[e.Key]
	delete(d.wanted, e.Key)
	switch {
	case !bytes.Equal(body, e.Value) && job.Newer(e.Value):
		d.newer = append(d.newer, e.Key)
	case !stays:
		d.change.Removed = append(d.change.Removed, d.addWrite(pipeline.Write{Key: e.Key, Delete: true}))
	case bytes.Equal(body, e.Value):
		d.change.Same++
	default:
		d.change.Changed = append(d.change.Changed, d.addWrite(pipeline.Write{Key: e.Key, Value: body}))
	}
}

// markStored marks a monitor as stored. Positions have no gaps except for
// deleted monitors.
func (d *difference) markStored(id compact.ID) {
	for int(id) >= len(d.stored) {
		d.stored = append(d.stored, false)
	}
	d.stored[id] = true
}

func (d *difference) isStored(id compact.ID) bool { return int(id) < len(d.stored) && d.stored[id] }

// addWrite adds a write or a removal, and returns the key's display name.
func (d *difference) addWrite(w pipeline.Write) string {
	name, isRecipient := displayName(w.Key)
	list := &d.otherWrites
	switch {
	case isRecipient && w.Delete:
		list = &d.recipientRemovals
	case isRecipient:
		list = &d.recipientWrites
	case w.Delete:
		list = &d.otherRemovals
	}
	*list = append(*list, w)
	return name
}

// displayName returns the name of a key for people, and whether it is a
// recipient's key.
func displayName(key string) (name string, isRecipient bool) {
	if name, ok := topology.CutMonitorKey(key); ok {
		return name, false
	}
	if name, ok := topology.CutRecipientKey(key); ok {
		return "recipient " + name, true
	}
	return key, false
}

// apply writes and removes definitions in batches: a round trip for each of a
// million definitions would take minutes.
func (d *difference) apply(ctx context.Context, bucket *pipeline.Bucket, progress func(written, all int)) error {
	steps := []struct {
		count int
		write func(i int) pipeline.Write
	}{
		{len(d.recipientWrites), func(i int) pipeline.Write { return d.recipientWrites[i] }},
		{len(d.otherWrites), func(i int) pipeline.Write { return d.otherWrites[i] }},
		{len(d.monitorWrites), func(i int) pipeline.Write { return d.monitor(d.monitorWrites[i]) }},
		{len(d.otherRemovals), func(i int) pipeline.Write { return d.otherRemovals[i] }},
		{len(d.recipientRemovals), func(i int) pipeline.Write { return d.recipientRemovals[i] }},
	}
	all, written := 0, 0
	for _, step := range steps {
		all += step.count
	}
	for _, step := range steps {
		for from := 0; from < step.count; from += writeBatch {
			part := make([]pipeline.Write, min(writeBatch, step.count-from))
			for i := range part {
				part[i] = step.write(from + i)
			}
			if err := bucket.WriteAll(ctx, part); err != nil {
				return err
			}
			written += len(part)
			progress(written, all)
		}
	}
	return nil
}

func (d *difference) monitor(id compact.ID) pipeline.Write {
	return pipeline.Write{Key: topology.MonitorKey(string(d.encoded.Name(id))), Value: d.encoded.Text(id)}
}

// writeBatch is the number of writes between calls to progress.
const writeBatch = 10_000

// newerStored returns an error if keys that would be replaced or removed were
// stored by a newer program: the user has an older program or file than they
// think.
func newerStored(keys []string) error {
	if len(keys) == 0 {
		return nil
	}
	slices.Sort(keys)
	return fmt.Errorf("replace %s: %w", abbreviate(keys), job.ErrNewer)
}
