package job

import (
	"slices"
	"time"
)

// Listening is the mark of the processes that take pings by HTTP. They renew it
// each second, where pings are stored, so that a mark that is not renewed shows a
// time in which no ping could be taken: there was no process, no listener, no
// server, or storage refused it.
//
// The server's times of the marks count, as for pings, so that neither a wrong
// clock of a machine nor one that is put right makes a job silent.
type Listening struct {
	V int `json:"v"`
	// Previous is when the mark before this one was stored, zero for the first.
	Previous time.Time `json:"previous,omitzero"`
	// Absences are the times in which no ping could be taken, until Previous, oldest
	// first, at most [MaxAbsences].
	Absences []Absence `json:"absences,omitempty"`
}

const (
	// MarkInterval is how often the mark is renewed.
	MarkInterval = time.Second
	// MaxMarkAge is the age from which a mark shows an absence: less may be the
	// scheduling of a busy machine.
	MaxMarkAge = 3 * time.Second
	// MaxAbsences bounds a [Listening] to 8 KB.
	MaxAbsences = 100
)

// Absence is a time in which no ping could be taken. It is up to [MarkInterval]
// too long.
type Absence struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
}

// Within returns how much of the absence is between two times.
func (a Absence) Within(from, to time.Time) time.Duration {
	if a.From.After(from) {
		from = a.From
	}
	if a.To.Before(to) {
		to = a.To
	}
	return max(0, to.Sub(from))
}

// Next returns the mark that replaces one, which was stored at the given time.
func (l Listening) Next(stored time.Time) Listening {
	return Listening{V: Version, Previous: stored, Absences: l.Past(stored)}
}

// Past returns the absences that ended with the mark, which was stored at the
// given time.
func (l Listening) Past(stored time.Time) []Absence {
	absences := l.Absences
	if !l.Previous.IsZero() && stored.Sub(l.Previous) > MaxMarkAge {
		absences = append(slices.Clone(absences), Absence{From: l.Previous, To: stored})
	}
	return absences[max(0, len(absences)-MaxAbsences):]
}

// Until returns the absences until now, including one that lasts.
func (l Listening) Until(stored, now time.Time) []Absence {
	return Listening{Previous: stored, Absences: l.Past(stored)}.Past(now)
}
