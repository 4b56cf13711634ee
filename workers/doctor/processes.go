package doctor

import (
	"fmt"
	"slices"
	"time"

	"vedette/pipeline/job"
)

// rolesGone finds roles that no process has.
func rolesGone(s Snapshot) []Finding {
	if len(s.Processes)+len(s.Silent) == 0 {
		return nil // nothing is known of any
	}
	var found []Finding
	for _, role := range s.Roles {
		if slices.ContainsFunc(s.Processes, func(p job.ProcessStatus) bool { return slices.Contains(p.Process.Stages, role) }) {
			continue
		}
		found = append(found, Finding{
			Kind: RoleGone, Subject: role,
			Found:  "no process that answers has the role " + role,
			Why:    "the work of that role waits, or is not done",
			Advice: startRole(role),
		})
	}
	return found
}

// startRole is the command that starts a process with a role. Only the scheduler
// is no worker.
func startRole(role string) string {
	if role == "schedule" {
		return "start 'vedette run --stages schedule FILE'"
	}
	return "start 'vedette worker --stages " + role + "', which may need the FILE"
}

// silent finds processes that do not answer.
func silent(s Snapshot) []Finding {
	var found []Finding
	for _, p := range s.Silent {
		found = append(found, Finding{
			Kind: Silent, Subject: p.Name,
			Found:  fmt.Sprintf("process %s, pid %d on %s, holds a lease and does not answer", p.Name, p.PID, p.Host),
			Why:    "it hangs, is cut off, or died a moment ago; its jobs are given to others within seconds",
			Advice: fmt.Sprintf("look for pid %d on %s: if it lives, its log and SIGQUIT say where it stands; end it, and start it again", p.PID, p.Host),
		})
	}
	return found
}

// settled is how long a part may take to start, or to start again.
const settled = 10 * time.Second

// partsDown finds parts that do not do their work, the innermost alone.
func partsDown(s Snapshot) []Finding {
	var found []Finding
	for _, p := range s.Processes {
		each(p.Children, func(c job.ChildStatus) {
			if c.State == "running" || len(c.Children) > 0 || s.At.Sub(c.Since) < settled {
				return
			}
			f := Finding{
				Kind: PartDown, Subject: p.Process.Name + "/" + c.Name,
				Found:  fmt.Sprintf("part %s of process %s is %s since %s", c.Name, p.Process.Name, c.State, round(s.At.Sub(c.Since))),
				Why:    "what it would do is left to other processes, or waits",
				Advice: "'vedette ps --tree' shows it with its last failure; start the process again if it does not recover",
			}
			if c.LastFailure != nil {
				f.Found += fmt.Sprintf(", after %d restarts: %s: %s", c.Restarts, c.LastFailure.Class, c.LastFailure.Error)
			}
			found = append(found, f)
		})
	}
	return found
}

// skew is by how much a clock may be wrong: slots are whole seconds, and results
// travel for a while.
const skew = 2 * time.Second

// clocks finds workers whose clock is wrong.
func clocks(s Snapshot) []Finding {
	var found []Finding
	for _, c := range s.Clocks {
		by, way := c.Ahead, "ahead of"
		if c.Behind > by {
			by, way = c.Behind, "behind"
		}
		if by < skew {
			continue
		}
		found = append(found, Finding{
			Kind: Clock, Subject: c.Worker,
			Found:  fmt.Sprintf("the clock of worker %s is %s or more %s the server's", c.Worker, round(by), way),
			Why:    "checks count as expired before they are, or are made too late, and times in mails are wrong",
			Advice: "synchronise the clock of that machine, or the server's: chronyd or systemd-timesyncd",
		})
	}
	return found
}
