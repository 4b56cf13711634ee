package producer

import (
	"hash/fnv"
	"math"
	"time"
)

// throttle decides which share of the slots of a location is checked. The queue
// of checks is first in, first out: when more are ordered than workers make, it
// grows until each check waits for as long as its slot lasts, and by the time
// that a worker gets to it, it is not worth making, or already too late. So of
// what is too much some is not ordered at all, and the rest is made in time.
//
// It goes by what can be seen of the queue, whoever fills and empties it: what
// was delivered while the queue was never empty is what workers can make. It is a
// value, and next is pure.
type throttle struct {
	keep     float64   // the share that is checked, 1 when all are, 0 before the first sample
	seen     sample    // the last one
	capacity float64   // what workers can make in a second, averaged
	long     time.Time // since when the queue has been longer than it should be; zero while it is not
	measured bool      // there were two samples
}

// sample is what was seen of a queue when it was at its lowest in a while.
type sample struct {
	at                 time.Time
	delivered, waiting uint64
	due                float64 // slots in a second, whether they are ordered or not
	staffed            bool    // somebody lives who takes the checks
}

const (
	// queueGoal is how much work may wait when a second's checks are about to be
	// ordered: enough for workers not to stand idle.
	queueGoal = time.Second
	// queuePatience is for how long more must wait before any is left out: what
	// comes together, as after a pause of the server, is made up for.
	queuePatience = 3 * time.Second
	// horizon is in which time the queue is to come to its goal, and maxWait the
	// most that counts of what waits.
	horizon = 5 * time.Second
	maxWait = 2 * horizon
	// minKeep is the least share that is checked.
	minKeep = 0.01
	// smooth is the weight of what was measured in a second, grow by how much more
	// workers may be able to make than a second before: checks that are too late are delivered quickly,
	// which says nothing of those that are not, and a queue that was empty says
	// that there may be room.
	smooth = 0.3
	grow   = 0.2
	// minOrder is the part of what workers make that is ordered though more waits
	// than should.
	minOrder = 0.2
)

// next takes in a sample.
func (t *throttle) next(s sample) throttle {
	took := s.at.Sub(t.seen.at).Seconds()
	// Where nobody takes checks there is another reason for misses than too little
	// room; a consumer that was made anew counts from zero.
	if t.keep == 0 || took <= 0 || !s.staffed || s.delivered < t.seen.delivered {
		return throttle{keep: 1, seen: s}
	}
	after := *t
	after.measure(s, took)
	wait := after.wait()
	switch {
	case t.keep == 1 && wait <= queueGoal:
		after.long = time.Time{}
		return after
	case t.long.IsZero():
		after.long = s.at
	}
	if t.keep < 1 || s.at.Sub(after.long) >= queuePatience {
		correction := 1 + (queueGoal-wait).Seconds()/horizon.Seconds()
		share := after.capacity * max(minOrder, correction) / max(s.due, math.SmallestNonzeroFloat32)
		after.keep = max(minKeep, t.keep/2, min(1, share)) // a wrong measurement is soon made good for
	}
	return after
}

// measure brings the average up to date.
func (t *throttle) measure(s sample, took float64) {
	served := float64(s.delivered-t.seen.delivered) / took
	busy, weight, grown := s.waiting > 0 && t.seen.waiting > 0, smooth*min(1, took), max(1, t.capacity*(1+grow*min(1, took)))
	switch {
	case !t.measured:
		t.capacity = served
	case t.keep == 1:
		t.capacity += weight * (served - t.capacity)
	case busy:
		t.capacity = min(grown, t.capacity+weight*(served-t.capacity))
	default:
		t.capacity = grown
	}
	t.seen, t.measured = s, true
}

// wait is how long what waits will last.
func (t *throttle) wait() time.Duration {
	if t.seen.waiting == 0 {
		return 0
	}
	return time.Duration(min(maxWait.Seconds(), float64(t.seen.waiting)/max(t.capacity, math.SmallestNonzeroFloat32)) * float64(time.Second))
}

// kept tells whether a slot is among the share that is checked. Each monitor
// keeps every so many slots, as evenly as a share allows, wherever others are:
// of the multiples of the golden ratio those that fall below the share. So a
// share above 0.4 leaves out two slots in a row at most, and one that changes a
// little changes few slots. It needs no memory, and all schedulers agree.
func kept(share float64, name string, slot time.Time, interval time.Duration) bool {
	const golden = 2654435769 // 2^32 divided by the golden ratio
	hash := fnv.New32a()
	_, _ = hash.Write([]byte(name))                                        // never fails, says the hash.Hash contract
	round := uint32(slot.Unix() / max(1, int64(interval/time.Second)))     //nolint:gosec // only its lower bits count
	return float64(round*golden+hash.Sum32()) < share*(math.MaxUint32+1.0) // it wraps around
}
