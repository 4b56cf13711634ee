package e2e_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"vedette/pipeline"
	"vedette/pipeline/broker"
	"vedette/pipeline/job"
	"vedette/pipeline/topology"
)

// contents is what a data directory holds.
type contents struct {
	keys      map[topology.Bucket][]string
	incidents map[string]string // open in a state, by id: the monitor
	notified  map[string]string // and those that an address was notified of
	streams   map[topology.Stream]streamContents
}

type streamContents struct{ messages, last uint64 }

// lasting are the buckets whose keys do not go away within minutes.
func lasting() []topology.Bucket {
	return []topology.Bucket{
		topology.Monitors, topology.States, topology.Deliveries, topology.Cursors, topology.Outcomes,
		topology.Notifications, topology.Silences,
	}
}

// kept are the streams that lose no messages within minutes.
func kept() []topology.Stream {
	return []topology.Stream{topology.Result, topology.Dead, topology.Notice, topology.Ping}
}

// contentsOf reads a data directory that no server uses, in a copy.
func contentsOf(t *testing.T, dir string) contents {
	t.Helper()
	b, err := broker.Start(broker.Config{Dir: copyDir(t, dir)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := b.Stop(); err != nil {
			t.Error(err)
		}
	}()
	found, err := readContents(t.Context(), pipeline.Config{InProcess: b, User: broker.User, Password: b.Secret()})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func readContents(ctx context.Context, config pipeline.Config) (contents, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	found := contents{
		keys: map[topology.Bucket][]string{}, incidents: map[string]string{}, notified: map[string]string{},
		streams: map[topology.Stream]streamContents{},
	}
	p, err := pipeline.Connect(ctx, config)
	if err != nil {
		return found, err
	}
	defer func() { _ = p.Close() }()
	for _, name := range lasting() {
		bucket, err := p.Bucket(ctx, name)
		if err != nil {
			return found, err
		}
		if err := bucket.Each(ctx, func(e pipeline.Entry) { found.add(name, e) }); err != nil {
			return found, err
		}
	}
	for _, name := range kept() {
		stream, err := p.JetStream().Stream(ctx, p.Names().Stream(name))
		if err != nil {
			return found, err
		}
		state := stream.CachedInfo().State
		found.streams[name] = streamContents{messages: state.Msgs, last: state.LastSeq}
	}
	return found, nil
}

func (c *contents) add(name topology.Bucket, e pipeline.Entry) {
	c.keys[name] = append(c.keys[name], e.Key)
	switch name {
	case topology.States:
		state, err := job.Decode[job.State](e.Value)
		for _, incident := range state.Open() {
			if err == nil {
				c.incidents[incident.ID] = state.Monitor
			}
		}
	case topology.Notifications:
		log, err := job.Decode[job.NotificationLog](e.Value)
		for i := range log.Incidents {
			if known := &log.Incidents[i]; err == nil && known.NotifiedBy != "" {
				c.notified[e.Key+" "+known.Incident.ID] = log.Monitor
			}
		}
	default:
	}
}

// missing returns what is in c and not in after, by stream.
func (c *contents) missing(after *contents) map[topology.Stream][]string {
	missing := map[topology.Stream][]string{}
	note := func(stream topology.Stream, format string, args ...any) {
		missing[stream] = append(missing[stream], fmt.Sprintf(format, args...))
	}
	for bucket, keys := range c.keys {
		for _, key := range keys {
			if !slices.Contains(after.keys[bucket], key) {
				note(bucket.Stream(), "key %s", key)
			}
		}
	}
	for id, monitor := range c.incidents {
		if after.incidents[id] == "" {
			note(topology.StateLog, "incident %s of %s", id, monitor)
		}
	}
	for id, monitor := range c.notified {
		if after.notified[id] == "" {
			note(topology.Notifications.Stream(), "notification %s about %s", id, monitor)
		}
	}
	for name, before := range c.streams {
		now := after.streams[name]
		if now.messages < before.messages || now.last < before.last {
			note(name, "%d messages until %d, now %d until %d", before.messages, before.last, now.messages, now.last)
		}
	}
	return missing
}

// named returns the streams that a process reported as damaged with a loss.
func named(output string) []topology.Stream {
	names := topology.Names{Prefix: "vedette"}
	var found []topology.Stream
	for line := range strings.Lines(output) {
		if !strings.Contains(line, "messages are lost") {
			continue
		}
		_, list, _ := strings.Cut(line, "lost=")
		list = strings.TrimPrefix(list, `"`)
		for finding := range strings.SplitSeq(list, " | ") {
			name, _, _ := strings.Cut(finding, ":")
			found = append(found, names.CutStream(name))
		}
	}
	return found
}
