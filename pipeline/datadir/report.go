package datadir

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Report is what a check found.
type Report struct {
	// Clean reports that the server had stopped cleanly, or never ran.
	Clean bool
	// Findings are the damaged files, sorted by their streams.
	Findings []Finding
	// Took is the time for the check, and for the server's own recovery.
	Took time.Duration
	// Streams and Messages count what the server has after its start.
	Streams  int
	Messages uint64
	// Bytes are the files with messages before the start.
	Bytes int64

	began  time.Time
	before Record
}

// Finding is a file that was damaged, or a stream with fewer messages than
// expected.
type Finding struct {
	// Stream and Consumer are the server's names; empty for other files.
	Stream, Consumer string
	// File is the path below the data directory.
	File string
	// Damage says what was wrong, and Repair what was done about it.
	Damage, Repair string
	// Lost reports that messages were lost, or may have been. Messages is how
	// many at most; zero means that the number is not known.
	Lost     bool
	Messages uint64
}

func (r *Report) add(f Finding) { r.Findings = append(r.Findings, f) }

// Lost returns the findings about messages that were lost, or may have been, one
// for each stream.
func (r *Report) Lost() []Finding {
	var lost []Finding
	for _, f := range r.Findings {
		if !f.Lost {
			continue
		}
		at := slices.IndexFunc(lost, func(known Finding) bool { return known.Stream == f.Stream })
		if at < 0 {
			lost = append(lost, f)
			continue
		}
		known := &lost[at]
		known.Damage += "; " + f.Damage
		known.Messages = max(known.Messages, f.Messages)
	}
	return lost
}

// LostFrom reports whether a stream lost messages, or may have.
func (r *Report) LostFrom(stream string) bool {
	return slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.Lost && f.Stream == stream })
}

// String describes a finding in one line.
func (f Finding) String() string {
	var b strings.Builder
	b.WriteString(cmp.Or(f.Stream, f.File))
	if f.Consumer != "" {
		b.WriteString(" consumer " + f.Consumer)
	}
	b.WriteString(": " + f.Damage)
	if f.Messages > 0 {
		fmt.Fprintf(&b, " (at most %d)", f.Messages)
	}
	if f.Repair != "" {
		b.WriteString("; " + f.Repair)
	}
	return b.String()
}

// Summary describes findings in one line.
func Summary(findings []Finding) string {
	lines := make([]string, len(findings))
	for i := range findings {
		lines[i] = findings[i].String()
	}
	return strings.Join(lines, " | ")
}

// State is what the server has in a stream after its start.
type State struct {
	Account, Name         string
	Messages, First, Last uint64
	Consumers             map[string]Position
}

// Finish adds what is known when the server has started: streams that it did not
// recover, and messages that it lost. now is the current time.
func (r *Report) Finish(states []State, now time.Time) {
	r.Took = now.Sub(r.began)
	r.Streams = len(states)
	present := map[string]bool{}
	for i := range states {
		s := &states[i]
		r.Messages += s.Messages
		dir := filepath.Join(s.Account, streamsDir, s.Name)
		present[dir] = true
		r.compare(s, r.before.Streams[dir])
	}
	for dir, before := range r.before.Streams {
		if !present[dir] {
			name := filepath.Base(dir)
			r.add(Finding{Stream: name, Lost: true, Messages: before.Messages, Damage: "the server could not recover the stream"})
		}
	}
	slices.SortStableFunc(r.Findings, func(a, b Finding) int { return cmp.Compare(a.Stream, b.Stream) })
}

// compare adds what the record and the server show about a stream.
func (r *Report) compare(s *State, before *Stream) {
	if before != nil && s.Last < before.Last {
		r.add(Finding{
			Stream: s.Name, Lost: true, Messages: before.Last - s.Last,
			Damage: fmt.Sprintf("messages from sequence %d to %d were lost", s.Last+1, before.Last),
		})
	}
}
