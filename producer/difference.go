package producer

import (
	"bytes"
	"context"
	"errors"
	"slices"

	"vedette/pipeline"
	"vedette/pipeline/compact"
	"vedette/pipeline/job"
	"vedette/pipeline/topology"
)

// difference is what has to be written and removed. Of a million monitors it
// keeps no second copy: what is to be written is looked up as it is sent.
type difference struct {
	wanted  map[string][]byte    // by key; what was found stored is taken out
	encoded *compact.Map[uint32] // monitors, which stay
	told    func(definitions int)

	change            Change
	newer             []string // keys that a newer program has written
	seen              []bool   // by place in encoded: it is stored
	compared          int
	recipients        []pipeline.Write
	others            []pipeline.Write // monitors and settings, which name recipients
	monitors          []compact.ID     // in encoded, to be written
	removedOthers     []string
	removedRecipients []string
}

// comparedPart is after how many stored definitions it is told how many there
// were.
const comparedPart = 10_000

// find compares what is stored with what should be. It goes through the stored
// ones as they come, since a million of them are better not kept.
func (d *difference) find(ctx context.Context, bucket *pipeline.Bucket) error {
	if d.encoded == nil {
		d.encoded = &compact.Map[uint32]{}
	}
	if d.told == nil {
		d.told = func(int) {}
	}
	d.seen = make([]bool, d.encoded.Len()+1)
	err := bucket.Each(ctx, d.compare)
	if err := errors.Join(err, newerStored(d.newer)); err != nil {
		return err
	}
	for key, body := range d.wanted {
		d.change.Added = append(d.change.Added, d.put(key, body))
	}
	d.encoded.All(func(id compact.ID) bool {
		if !d.isSeen(id) {
			d.change.Added = append(d.change.Added, string(d.encoded.Name(id)))
			d.monitors = append(d.monitors, id)
		}
		return true
	})
	slices.Sort(d.change.Added)
	slices.Sort(d.change.Changed)
	slices.Sort(d.change.Removed)
	return nil
}

// compare looks at one that is stored.
func (d *difference) compare(e pipeline.Entry) {
	d.compared++
	if d.compared%comparedPart == 0 {
		d.told(d.compared)
	}
	if name, ok := topology.CutMonitorKey(e.Key); ok {
		if id, ok := d.encoded.Find(name); ok {
			d.see(id)
			switch {
			case bytes.Equal(d.encoded.Text(id), e.Value):
				d.change.Same++
			case job.Newer(e.Value):
				d.newer = append(d.newer, e.Key)
			default:
				d.change.Changed = append(d.change.Changed, name)
				d.monitors = append(d.monitors, id)
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
		d.remove(e.Key)
	case bytes.Equal(body, e.Value):
		d.change.Same++
	default:
		d.change.Changed = append(d.change.Changed, d.put(e.Key, body))
	}
}

// see notes that a monitor is stored. Places are numbered without a gap but for
// those of monitors that were deleted.
func (d *difference) see(id compact.ID) {
	for int(id) >= len(d.seen) {
		d.seen = append(d.seen, false)
	}
	d.seen[id] = true
}

func (d *difference) isSeen(id compact.ID) bool { return int(id) < len(d.seen) && d.seen[id] }

// put notes a key to write, and returns what people call it.
func (d *difference) put(key string, body []byte) string {
	name, isRecipient := nameOf(key)
	write := pipeline.Write{Key: key, Value: body}
	if isRecipient {
		d.recipients = append(d.recipients, write)
	} else {
		d.others = append(d.others, write)
	}
	return name
}

func (d *difference) remove(key string) {
	name, isRecipient := nameOf(key)
	if isRecipient {
		d.removedRecipients = append(d.removedRecipients, key)
	} else {
		d.removedOthers = append(d.removedOthers, key)
	}
	d.change.Removed = append(d.change.Removed, name)
}

// nameOf is what people call a key, and whether it is a recipient's.
func nameOf(key string) (name string, isRecipient bool) {
	if name, ok := topology.CutMonitorKey(key); ok {
		return name, false
	}
	if name, ok := topology.CutRecipientKey(key); ok {
		return "recipient " + name, true
	}
	return key, false
}

// carryOut writes and removes. What is written together is on its way together:
// a round trip for each of a million definitions would take minutes.
func (d *difference) carryOut(ctx context.Context, bucket *pipeline.Bucket, progress func(written, all int)) error {
	steps := []struct {
		count int
		write func(i int) pipeline.Write
	}{
		{len(d.recipients), func(i int) pipeline.Write { return d.recipients[i] }},
		{len(d.others), func(i int) pipeline.Write { return d.others[i] }},
		{len(d.monitors), func(i int) pipeline.Write { return d.monitor(d.monitors[i]) }},
		{len(d.removedOthers), func(i int) pipeline.Write { return pipeline.Write{Key: d.removedOthers[i], Delete: true} }},
		{len(d.removedRecipients), func(i int) pipeline.Write { return pipeline.Write{Key: d.removedRecipients[i], Delete: true} }},
	}
	all, written := 0, 0
	for _, step := range steps {
		all += step.count
	}
	for _, step := range steps {
		for from := 0; from < step.count; from += applyPart {
			part := make([]pipeline.Write, min(applyPart, step.count-from))
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

// applyPart is after how many writes progress is told.
const applyPart = 10_000
