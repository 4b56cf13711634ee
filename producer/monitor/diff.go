package monitor

import (
	"bytes"

	"vedette/pipeline/job"
)

// Change is how one list of definitions differs from another: what is only in
// the new one, what has the same name there and says something else, and what
// is only in the old one. Same counts the others.
type Change[T any] struct {
	// Added and Changed are as wanted, in that order; Removed are as they were.
	Added, Changed, Removed []T
	Same                    int
}

// Empty reports whether there is no difference.
func (c Change[T]) Empty() bool { return len(c.Added)+len(c.Changed)+len(c.Removed) == 0 }

// Diff compares monitors by name. They are the same when their encoded forms,
// which is what is stored, are.
func Diff(have, want []job.Monitor) Change[job.Monitor] {
	return diff(have, want, func(m job.Monitor) string { return m.Name })
}

// DiffRecipients compares recipients as [Diff] does monitors.
func DiffRecipients(have, want []job.Recipient) Change[job.Recipient] {
	return diff(have, want, func(r job.Recipient) string { return r.Name })
}

func diff[T any](have, want []T, name func(T) string) Change[T] {
	var change Change[T]
	old := make(map[string]T, len(have))
	for _, h := range have {
		old[name(h)] = h
	}
	wanted := make(map[string]bool, len(want))
	for _, w := range want {
		wanted[name(w)] = true
		h, known := old[name(w)]
		switch {
		case !known:
			change.Added = append(change.Added, w)
		case same(h, w):
			change.Same++
		default:
			change.Changed = append(change.Changed, w)
		}
	}
	for _, h := range have {
		if !wanted[name(h)] {
			change.Removed = append(change.Removed, h)
		}
	}
	return change
}

// same compares encoded forms. What cannot be encoded is never the same, so
// that whoever stores it meets the error.
func same(a, b any) bool {
	one, errOne := job.Encode(a)
	other, errOther := job.Encode(b)
	return errOne == nil && errOther == nil && bytes.Equal(one, other)
}
