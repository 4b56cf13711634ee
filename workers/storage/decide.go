package storage

import (
	"errors"
	"fmt"
	"time"

	"vedette/pipeline"
	"vedette/pipeline/job"
	"vedette/workers/health"
)

// observation is what was seen at one time.
type observation struct {
	at        time.Time
	directory error // why the data directory cannot be written
	streams   error // what the server inside the process says
	installed error // why the streams are gone from a server elsewhere
	unstored  []pipeline.Unstored
	connected bool
}

// action is what helps.
type action int

const (
	actNothing action = iota
	actRestart        // the server inside the process
	actEnsure         // examine the streams again
	actLost           // the data are gone
)

const (
	// unstoredGrace is how long no message may be stored in a stream: a cluster
	// that elects a leader, or a busy machine, stores some after a few seconds.
	unstoredGrace = 5 * time.Second
	// electionGrace is the same for a server elsewhere, which may be a cluster.
	electionGrace = 15 * time.Second
	// unstoredRecent is how old the last failure may be. Publishers retry within
	// seconds, or have given up.
	unstoredRecent = 10 * time.Second
	// restartUnstored is how long a stream must have stored nothing before the
	// server is restarted, though it finds no error itself.
	restartUnstored = 20 * time.Second
	// lostGrace is how long the directory must be gone: a disk may be mounted again.
	lostGrace = 5 * time.Second
	// The pauses between restarts double while they do not help.
	firstPause = time.Second
	maxPause   = 5 * time.Second
	calm       = time.Minute // after this time without a fault, pauses start again
)

// state is what decisions depend on, apart from the observation.
type state struct {
	inside      bool // the server is inside the process
	failed      bool
	gone        time.Time // since when the data are gone
	lastRestart time.Time
	pause       time.Duration // until the next restart
}

// restarted counts a restart, whether it succeeded or not.
func (s *state) restarted(now time.Time) {
	if s.pause == 0 || now.Sub(s.lastRestart) > calm {
		s.pause = firstPause
	} else {
		s.pause = min(maxPause, 2*s.pause)
	}
	s.lastRestart = now
}

// decide returns what is wrong, nil if nothing is, and what to do about it.
func (s *state) decide(o observation) (*health.Problem, action) {
	problem, act := s.diagnose(o)
	s.failed = problem != nil
	if act == actRestart && o.at.Sub(s.lastRestart) < s.pause {
		act = actNothing
	}
	return problem, act
}

func (s *state) diagnose(o observation) (*health.Problem, action) {
	if gone := goneDetail(o); gone != "" {
		if s.gone.IsZero() {
			s.gone = o.at
		}
		problem := &health.Problem{Reason: job.FaultDataRemoved, Detail: gone}
		if o.at.Sub(s.gone) < lostGrace {
			return problem, actNothing
		}
		return problem, actLost
	}
	s.gone = time.Time{}
	if o.directory != nil {
		return directoryProblem(o.directory), actNothing
	}
	if o.streams != nil {
		if stalled, ok := errors.AsType[*job.ConditionError](o.streams); ok {
			return directoryProblem(stalled), actNothing
		}
		return &health.Problem{Reason: job.FaultWriteError, Detail: o.streams.Error() + "; it is being restarted"}, actRestart
	}
	return s.unstoredProblem(o)
}

// goneDetail says that the data are gone; it is empty if they are there.
func goneDetail(o observation) string {
	if failed, ok := errors.AsType[*job.ConditionError](o.directory); ok && failed.Reason == job.FaultDataRemoved {
		return failed.Detail
	}
	if errors.Is(o.installed, pipeline.ErrNotInstalled) {
		return "the streams are gone from the NATS server: its data were removed"
	}
	return ""
}

func directoryProblem(err error) *health.Problem {
	if failed, ok := errors.AsType[*job.ConditionError](err); ok {
		return &health.Problem{Reason: failed.Reason, Detail: failed.Detail}
	}
	return &health.Problem{Reason: job.FaultDiskError, Detail: err.Error()}
}

// unstoredProblem finds a stream that stores nothing, though no cause is known.
func (s *state) unstoredProblem(o observation) (*health.Problem, action) {
	if !o.connected {
		return nil, actNothing // another condition says so
	}
	grace := electionGrace
	if s.inside {
		grace = unstoredGrace
	}
	for _, stream := range o.unstored { // the longest failure comes first
		since := o.at.Sub(later(stream.Since, s.lastRestart)) // the restart may have mended it
		if since < grace || o.at.Sub(stream.Last) > unstoredRecent || stream.Last.Before(s.lastRestart) {
			continue
		}
		problem := &health.Problem{Reason: job.FaultNotStored, Detail: fmt.Sprintf("the NATS server stores nothing in stream %s: %v", stream.Stream, stream.Err)}
		if s.inside && since >= restartUnstored {
			return problem, actRestart
		}
		return problem, actNothing
	}
	return nil, actNothing
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
