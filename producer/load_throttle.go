package producer

import (
	"fmt"
	"hash/fnv"
	"math"
	"time"

	"vedette/pipeline/job"
)

// throttle decides which share of a location's slots is checked. The check
// queue is first in, first out: when more checks are published than the workers
// can make, it grows until each check waits for its whole slot, and is useless
// or too late when a worker gets it. So some slots are shed instead, and the
// others are checked in time.
//
// The decision rests on the observed queue alone, whichever processes fill and
// empty it: the number of checks delivered while the queue was never empty is
// what the workers can make. A throttle is a value, and next is a pure
// function.
type throttle struct {
	keep      float64     // the share that is checked: 1 means all; 0 before the first sample
	last      queueSample // the last sample
	capacity  float64     // checks per second that the workers can make, averaged
	overSince time.Time   // since when the queue has been too long; zero if it is not
	measured  bool        // there were two samples or more
}

// queueSample is the state of a queue at its shortest within an update.
type queueSample struct {
	at                 time.Time
	delivered, waiting uint64
	demand             float64 // slots per second, including shed ones
	hasWorkers         bool    // a process makes the checks
}

const (
	// queueGoal is how much work should wait just before the next checks are
	// published: enough to keep the workers busy.
	queueGoal = time.Second
	// overloadGrace is how long the queue must be longer before slots are shed,
	// so that a backlog from a pause is worked off instead.
	overloadGrace = 3 * time.Second
	// horizon is the time in which the queue should reach its goal, and maxWait
	// bounds the estimate for the waiting work.
	horizon = 5 * time.Second
	maxWait = 2 * horizon
	// minKeep is the minimum share.
	minKeep = 0.01
	// measureWeight is the weight of one second's measurement in the average.
	// growthRate is how much the capacity may grow in a second: late checks are
	// delivered quickly, which says nothing about others, and an empty queue
	// means that there may be more capacity.
	measureWeight = 0.3
	growthRate    = 0.2
	// minCorrection is the part of the capacity that is used while the queue is
	// too long.
	minCorrection = 0.2
)

// next returns the throttle after a sample.
func (t *throttle) next(s queueSample) throttle {
	took := s.at.Sub(t.last.at).Seconds()
	// Without workers there is another reason for misses. A new consumer counts from
	// zero.
	if t.keep == 0 || took <= 0 || !s.hasWorkers || s.delivered < t.last.delivered {
		return throttle{keep: 1, last: s}
	}
	after := *t
	after.measure(s, took)
	wait := after.wait()
	switch {
	case t.keep == 1 && wait <= queueGoal:
		after.overSince = time.Time{}
		return after
	case t.overSince.IsZero():
		after.overSince = s.at
	}
	if t.keep < 1 || s.at.Sub(after.overSince) >= overloadGrace {
		correction := 1 + (queueGoal-wait).Seconds()/horizon.Seconds()
		share := after.capacity * max(minCorrection, correction) / max(s.demand, math.SmallestNonzeroFloat32)
		after.keep = max(minKeep, t.keep/2, min(1, share)) // one wrong measurement has a bounded effect
	}
	return after
}

// measure updates the average capacity.
func (t *throttle) measure(s queueSample, took float64) {
	served := float64(s.delivered-t.last.delivered) / took
	busy, weight, grown := s.waiting > 0 && t.last.waiting > 0, measureWeight*min(1, took), max(1, t.capacity*(1+growthRate*min(1, took)))
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
	t.last, t.measured = s, true
}

// wait returns how long the workers need for the waiting checks.
func (t *throttle) wait() time.Duration {
	if t.last.waiting == 0 {
		return 0
	}
	return time.Duration(min(maxWait.Seconds(), float64(t.last.waiting)/max(t.capacity, math.SmallestNonzeroFloat32)) * float64(time.Second))
}

// keepsSlot reports whether a slot is in the share that is checked. Each
// monitor keeps its slots as evenly as the share allows: the ones whose
// multiple of the golden ratio falls below the share. So a share above 0.4
// never sheds more than two slots in a row, and a small change to the share
// changes few slots. The function needs no memory, and all schedulers agree.
func keepsSlot(share float64, name string, slot time.Time, interval time.Duration) bool {
	const golden = 2654435769 // 2^32 divided by the golden ratio
	hash := fnv.New32a()
	_, _ = hash.Write([]byte(name))                                        // never fails
	round := uint32(slot.Unix() / max(1, int64(interval/time.Second)))     //nolint:gosec // only the lower bits count
	return float64(round*golden+hash.Sum32()) < share*(math.MaxUint32+1.0) // it wraps around
}

// shed turns checks beyond a location's share into misses. Checks by cron are
// always kept, since the next slot may be far away.
func (d *dueSlots) shed(shares map[string]float64) {
	if len(shares) == 0 {
		return
	}
	left := d.checks[:0]
	for i := range d.checks {
		check := &d.checks[i]
		share, throttled := shares[check.profile.location]
		if !throttled || check.profile.interval == 0 || keepsSlot(share, check.name, check.slot, check.profile.interval) {
			left = append(left, *check)
			continue
		}
		d.missed = append(d.missed, check.miss(job.MissShed, fmt.Sprintf("%.0f %% of the slots are checked", 100*share)))
	}
	clear(d.checks[len(left):])
	d.checks = left
}
