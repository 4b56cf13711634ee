package storage

import (
	"errors"
	"strings"
	"testing"
	"time"

	"vedette/pipeline"
	"vedette/pipeline/job"
)

var began = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func full() error {
	return &job.ConditionError{Reason: job.FaultDiskFull, Detail: "the disk is full", Err: errors.New("no space")}
}

func removed() error {
	return &job.ConditionError{Reason: job.FaultDataRemoved, Detail: "it was removed", Err: errors.New("not found")}
}

// unstored is a stream that failed from one second to another.
func unstored(from, to int) []pipeline.Unstored {
	return []pipeline.Unstored{{Stream: "CHECK", Since: at(from), Last: at(to), Err: errors.New("no answer")}}
}

func at(second int) time.Time { return began.Add(time.Duration(second) * time.Second) }

// step is an observation at a second, and what is decided then.
type step struct {
	second int
	observation

	reason job.ProcessConditionReason
	act    action
}

func TestDecisions(t *testing.T) {
	t.Parallel()
	werr := errors.New("the NATS server refuses to store messages in TICK")
	for name, steps := range map[string][]step{
		"all is well": {{0, observation{connected: true}, "", actNothing}},
		"a full disk, and then room: the server is restarted once the cause is gone": {
			{0, observation{directory: full(), streams: werr}, job.FaultDiskFull, actNothing},
			{1, observation{directory: full(), streams: werr}, job.FaultDiskFull, actNothing},
			{2, observation{streams: werr}, job.FaultWriteError, actRestart},
			{3, observation{}, "", actNothing},
		},
		"restarts that do not help come less and less often, but within ten seconds": {
			{0, observation{streams: werr}, job.FaultWriteError, actRestart},
			{1, observation{streams: werr}, job.FaultWriteError, actRestart},
			{2, observation{streams: werr}, job.FaultWriteError, actNothing},
			{3, observation{streams: werr}, job.FaultWriteError, actRestart},
			{6, observation{streams: werr}, job.FaultWriteError, actNothing},
			{7, observation{streams: werr}, job.FaultWriteError, actRestart},
			{11, observation{streams: werr}, job.FaultWriteError, actNothing},
			{12, observation{streams: werr}, job.FaultWriteError, actRestart},
			{16, observation{}, "", actNothing},
			{80, observation{streams: werr}, job.FaultWriteError, actRestart},
			{81, observation{streams: werr}, job.FaultWriteError, actRestart},
		},
		"a directory that is gone for long is lost, a disk that is mounted again is not": {
			{0, observation{directory: removed()}, job.FaultDataRemoved, actNothing},
			{4, observation{directory: removed()}, job.FaultDataRemoved, actNothing},
			{5, observation{}, "", actNothing},
			{6, observation{directory: removed(), streams: werr}, job.FaultDataRemoved, actNothing},
			{11, observation{directory: removed(), streams: werr}, job.FaultDataRemoved, actLost},
		},
		"a stream without an answer, though the server knows of no error": {
			{4, observation{connected: true, unstored: unstored(0, 4)}, "", actNothing},
			{5, observation{connected: true, unstored: unstored(0, 4)}, job.FaultNotStored, actNothing},
			{20, observation{connected: true, unstored: unstored(0, 19)}, job.FaultNotStored, actRestart},
		},
		"failures from before a restart say nothing about the server after it": {
			{20, observation{connected: true, unstored: unstored(0, 20), streams: werr}, job.FaultWriteError, actRestart},
			{21, observation{connected: true, unstored: unstored(0, 19)}, "", actNothing},
			{24, observation{connected: true, unstored: unstored(0, 23)}, "", actNothing},
			{25, observation{connected: true, unstored: unstored(0, 24)}, job.FaultNotStored, actNothing},
		},
		"a failure that was not repeated": {{60, observation{connected: true, unstored: unstored(0, 40)}, "", actNothing}},
		"a lost connection is another condition": {
			{60, observation{unstored: unstored(0, 60)}, "", actNothing},
		},
		"a disk that does not answer": {
			{0, observation{streams: &job.ConditionError{Reason: job.FaultDiskStalled}}, job.FaultDiskStalled, actNothing},
		},
	} {
		s := state{inside: true}
		run(t, name, &s, steps)
	}
}

func TestDecisionsForAServerElsewhere(t *testing.T) {
	t.Parallel()
	s := state{}
	run(t, "a server elsewhere is never restarted", &s, []step{
		{10, observation{connected: true, unstored: unstored(0, 9)}, "", actNothing}, // it may elect a leader
		{15, observation{connected: true, unstored: unstored(0, 14)}, job.FaultNotStored, actNothing},
		{60, observation{connected: true, unstored: unstored(0, 59)}, job.FaultNotStored, actNothing},
		{61, observation{connected: true, unstored: unstored(0, 61), installed: pipeline.ErrNotInstalled}, job.FaultDataRemoved, actNothing},
		{66, observation{connected: true, unstored: unstored(0, 66), installed: pipeline.ErrNotInstalled}, job.FaultDataRemoved, actLost},
	})
}

func run(t *testing.T, name string, s *state, steps []step) {
	t.Helper()
	for _, step := range steps {
		o := step.observation
		o.at = at(step.second)
		problem, act := s.decide(o)
		var reason job.ProcessConditionReason
		if problem != nil {
			reason = problem.Reason
		}
		if reason != step.reason || act != step.act {
			t.Errorf("%s, second %d: got %q and action %d, want %q and %d", name, step.second, reason, act, step.reason, step.act)
		}
		if act == actRestart {
			s.restarted(o.at)
		}
		if problem != nil && problem.Advisory || reason == job.FaultNotStored && !strings.Contains(problem.Detail, "CHECK") {
			t.Errorf("%s: got %+v, want a condition that makes the process unready, with the stream", name, problem)
		}
	}
}
