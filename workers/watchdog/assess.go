package watchdog

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"vedette/pipeline/job"
)

// evidence is what is known about the path from a tick to a mail, in all processes.
type evidence struct {
	at time.Time
	// server is why the server could not be asked, write why the last write was not
	// confirmed, nil if it was.
	server, write error
	// own is this process, which is known even without the server.
	own processState
	// processes are those that answered, this one included.
	processes []processState
	// stages must each run in at least one process.
	stages []string
	// lastTick is when the newest tick was seen, by this process's clock.
	lastTick time.Time
	queues   []queue
}

// processState is what a process says about itself.
type processState struct {
	name       string
	stages     []string
	conditions []job.ProcessCondition
}

// queue is a queue whose jobs must not wait for long.
type queue struct {
	what    string // in words, in the plural
	waiting uint64
	oldest  time.Duration
	limit   time.Duration
}

// problem is a reason to report a failure, once it has lasted for patience.
type problem struct {
	text     string
	key      string // stays when the text changes
	patience time.Duration
}

const (
	// faultPatience is how long something must fail: less is a restarted relay or a
	// slow disk.
	faultPatience = 5 * time.Second
	// writePatience is for a write, which was tried for [lookTimeout]. The process must
	// still lead then.
	writePatience = 4 * time.Second
	// stagePatience is how long a stage may have no process, or a process not all of
	// its children, such as during a restart.
	stagePatience = 30 * time.Second
	// maxTickAge is from which age on a newest tick is late: there is one a second.
	maxTickAge = 10 * time.Second
)

// assess returns everything that is wrong. Nothing means that checks are scheduled,
// made and evaluated, states are written and mails can leave.
func assess(e evidence) []problem {
	var found []problem
	add := func(key, text string, patience time.Duration) {
		found = append(found, problem{text: text, key: key, patience: patience})
	}
	processes := e.processes
	if e.server != nil {
		add("server", "the NATS server does not answer: "+e.server.Error(), writePatience)
		processes = []processState{e.own}
	}
	for _, p := range processes {
		for _, c := range p.conditions {
			if c.OK || !onPath(c.Name) {
				continue
			}
			patience := faultPatience
			if c.Name == job.ProcessChildren {
				patience = stagePatience
			}
			add(p.name+"/"+string(c.Name), fmt.Sprintf("%s of process %s: %s", c.Name, p.name, cmp.Or(c.Detail, string(c.Reason))), patience)
		}
	}
	if e.server != nil {
		return found
	}
	for _, stage := range e.stages {
		if !slices.ContainsFunc(e.processes, func(p processState) bool { return slices.Contains(p.stages, stage) }) {
			add("stage/"+stage, "no process that answers runs the stage "+stage, stagePatience)
		}
	}
	if e.write != nil {
		add("write", "a write was not confirmed: "+e.write.Error(), writePatience)
	}
	if age := e.at.Sub(e.lastTick); age > maxTickAge {
		add("tick", fmt.Sprintf("no tick for %s", age.Round(time.Second)), 0)
	}
	for _, q := range e.queues {
		if q.oldest > q.limit {
			add("queue/"+q.what, fmt.Sprintf("%d %s wait, the oldest for %s", q.waiting, q.what, q.oldest.Round(time.Second)), 0)
		}
	}
	return found
}

// onPath reports whether the path needs what a condition is about. It works with a
// file that was not applied, with a process that ends as others run its stages, and
// when a ping was not accepted.
func onPath(name job.ProcessConditionName) bool {
	return name != job.ProcessFile && name != job.ProcessRunning && name != job.ProcessWatchdog
}

// lasting keeps since when each problem exists, and returns the ones that have lasted
// for their patience.
type lasting map[string]time.Time

func (l lasting) update(found []problem, now time.Time) []string {
	var lines []string
	known := map[string]bool{}
	for _, p := range found {
		known[p.key] = true
		since, ok := l[p.key]
		if !ok {
			since = now
			l[p.key] = now
		}
		if now.Sub(since) >= p.patience {
			lines = append(lines, oneLine(p.text))
		}
	}
	for key := range l {
		if !known[key] {
			delete(l, key)
		}
	}
	return lines
}

// maxLine limits a line, so that the others have room too.
const maxLine = 200

// oneLine makes a text a line without control characters.
func oneLine(text string) string {
	line := []rune(strings.Join(strings.FieldsFunc(text, func(c rune) bool { return c < ' ' || c == 0x7f }), " "))
	if len(line) > maxLine {
		line = append(line[:maxLine-1], '…')
	}
	return string(line)
}

// verdict is what the pings say.
type verdict struct {
	// at is when it was made, zero for never.
	at time.Time
	// leads reports whether this process pings.
	leads bool
	// lines are what is wrong, one each.
	lines []string
}

// maxVerdictAge is from which age on a verdict says nothing any more.
const maxVerdictAge = 20 * time.Second

// current returns the verdict that counts now: one that is too old is a failure too.
func (v verdict) current(now time.Time) verdict {
	if age := now.Sub(v.at); v.leads && age > maxVerdictAge {
		v.lines = append([]string{fmt.Sprintf("the watchdog itself has not looked for %s", age.Round(time.Second))}, v.lines...)
	}
	return v
}

// maxBody limits a body: another Vedette keeps [job.MaxPingOutput] bytes of it.
const maxBody = job.MaxPingOutput - 50

// body is the text of a ping.
func (v verdict) body() string {
	if len(v.lines) == 0 {
		return "ok\n"
	}
	var b strings.Builder
	for i, line := range v.lines {
		if b.Len()+len(line) > maxBody {
			fmt.Fprintf(&b, "and %d more\n", len(v.lines)-i)
			break
		}
		b.WriteString(line + "\n")
	}
	return b.String()
}
