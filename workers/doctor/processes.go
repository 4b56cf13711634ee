package doctor

import (
	"fmt"
	"slices"
	"time"

	"vedette/pipeline/job"
)

// stagesGone finds stages that no process runs.
func stagesGone(s Snapshot) []Finding {
	if len(s.Processes)+len(s.Silent) == 0 {
		return nil // processes are unknown
	}
	var found []Finding
	for _, stage := range s.Stages {
		if slices.ContainsFunc(s.Processes, func(p job.ProcessStatus) bool { return slices.Contains(p.Process.Stages, stage) }) {
			continue
		}
		found = append(found, Finding{
			Kind: StageGone, Subject: stage,
			Found:  "no responding process runs the stage " + stage,
			Why:    "the jobs for this stage wait, or are missed",
			Advice: startStage(stage),
		})
	}
	return found
}

// startStage returns the command that starts a process with a stage. Only the
// scheduler is no worker.
func startStage(stage string) string {
	if stage == "schedule" {
		return "start 'vedette run --stages schedule FILE'"
	}
	return "start 'vedette worker --stages " + stage + "', which may need the FILE"
}

// silentProcesses finds processes that do not answer.
func silentProcesses(s Snapshot) []Finding {
	var found []Finding
	for _, p := range s.Silent {
		found = append(found, Finding{
			Kind: Silent, Subject: p.Name,
			Found:  fmt.Sprintf("process %s, pid %d on %s, holds a lease and does not answer", p.Name, p.PID, p.Host),
			Why:    "it hangs, is disconnected, or has just died; other processes take over its jobs within seconds",
			Advice: fmt.Sprintf("check pid %d on %s: if it exists, its log and SIGQUIT show where it hangs; end it, and start it again", p.PID, p.Host),
		})
	}
	return found
}

// startTime is how long a child may take to start or restart.
const startTime = 10 * time.Second

// childrenDown finds supervised children that are not running. It reports only
// the innermost ones.
func childrenDown(s Snapshot) []Finding {
	var found []Finding
	for _, p := range s.Processes {
		walk(p.Children, func(c job.ChildStatus) {
			if c.State == "running" || len(c.Children) > 0 || c.Since.IsZero() || s.At.Sub(c.Since) < startTime {
				return
			}
			f := Finding{
				Kind: ChildDown, Subject: p.Process.Name + "/" + c.Name,
				Found:  fmt.Sprintf("child %s in process %s has been %s for %s", c.Name, p.Process.Name, c.State, rounded(s.At.Sub(c.Since))),
				Why:    "its jobs wait, or are left to other processes",
				Advice: "'vedette ps --tree' shows its last failure; restart the process if the child does not recover",
			}
			if c.LastFailure != nil {
				f.Found += fmt.Sprintf(", after %s: %s: %s", plural(c.Restarts, "restart"), c.LastFailure.Class, c.LastFailure.Error)
			}
			found = append(found, f)
		})
	}
	return found
}

// maxSkew is the tolerance for clocks: slots are whole seconds, and results are
// stored with a delay.
const maxSkew = 2 * time.Second

// clocks finds workers with a wrong clock.
func clocks(s Snapshot) []Finding {
	var found []Finding
	for _, c := range s.Clocks {
		skew, direction := c.Ahead, "ahead of"
		if c.Behind > skew {
			skew, direction = c.Behind, "behind"
		}
		if skew < maxSkew {
			continue
		}
		found = append(found, Finding{
			Kind: Clock, Subject: c.Worker,
			Found:  fmt.Sprintf("the clock of worker %s is at least %s %s the server's", c.Worker, rounded(skew), direction),
			Why:    "checks expire too early or run too late, and times in mails are wrong",
			Advice: "synchronize the clock on that machine, or on the server, for example with chronyd or systemd-timesyncd",
		})
	}
	return found
}
