package notify

import (
	"cmp"
	"slices"
	"time"

	"vedette/pipeline/job"
)

// MuteKind is why news of a monitor wait.
type MuteKind string

// The kinds of hold. Nothing holds back where it is empty.
const (
	MuteSilence     MuteKind = "silence"
	MuteMaintenance MuteKind = "maintenance"
	// MuteParent: a monitor that this one depends on is down.
	MuteParent MuteKind = "parent"
	// MutePending: whether a monitor that this one depends on is down shows
	// soon.
	MutePending MuteKind = "pending"
	// MuteFlapping: single changes of a flapping monitor are not told.
	MuteFlapping MuteKind = "flapping"
)

// Mute is what holds back the news of a monitor.
type Mute struct {
	Kind MuteKind `json:"kind"`
	// By is the id of the silence, the name of the window or of the monitor.
	By string `json:"by,omitempty"`
	// Until is when to look again; zero when somebody will say so.
	Until time.Time `json:"until,omitzero"`
	// Mailed says that the address is told of the monitor that this one depends
	// on, so that this one can be listed there.
	Notified bool `json:"-"`
}

// wanted tells whether nothing of the monitor is to be mailed.
func (h Mute) wanted() bool { return h.Kind == MuteSilence || h.Kind == MuteMaintenance }

// Input is what a decision about one mailing rests on.
type Input struct {
	Now   time.Time
	Group job.NotificationGroup
	Logs  []job.NotificationLog
	// Others are accounts of the address in other mailings: what is down behind
	// a monitor is listed there, whatever group it is of.
	Others   []job.NotificationLog
	Grouping job.Grouping
	// Mutes says whether people want no mail of a monitor, Parent whether what
	// it depends on is down. Nil holds nothing.
	Mute   func(*job.Incident) Mute
	Parent func(*job.Notified) Mute
}

// Line is one thing that a mail tells, of one monitor.
type Line struct {
	Incident *job.Incident
	// Resolution is set for the end of an incident. Whole says that its beginning was
	// not told before.
	Resolution  *job.Resolution
	Unannounced bool
	// Parent is the monitor that this one depends on and that is down.
	Parent string
	// Dependents are the lines of monitors that depend on this one.
	Dependents []Line

	telling job.Update // what telling it changes
}

// Decision is what to do about a mailing.
type Decision struct {
	// Lines are what the next mail tells; without any, there is none. Still is
	// what was told before and lasts. Reminder says that this is the only reason
	// for the mail.
	Lines, Still []Line
	Reminder     bool
	// Updates are what the mail changes in the accounts, Drops what is never told.
	Updates, Suppressed []job.Update
	// Next is when to look again, zero when only news are a reason. Due is when
	// what there is now is told.
	Next, Due time.Time
}

// maxTells bounds what one mail tells, since it has to fit into a message with
// the names of all its monitors; the rest is in the next mail.
const maxTells = 20_000

// Plan decides what one address is told of one group of monitors, and when. It
// is a pure function.
//
//   - A beginning is told once, and its end once: nobody hears of an end who
//     did not hear of the beginning, but for a monitor that was down and up
//     again before its mail had left, of which both are told at once.
//   - News wait for Wait, for others to come with them, and until Interval has
//     passed since the last mail.
//   - Silences and maintenance windows hold everything back until they end.
//     What began and ended under them is never told.
//   - A monitor that depends on one that is down is listed there. If the address
//     does not hear of that one, it is told as behind it.
//   - Of a flapping monitor only the flapping is told, and what it is in the
//     end.
func Plan(s Input) Decision {
	p := planner{Input: s, behind: map[string][]Line{}, recovered: map[string][]Line{}}
	for i := range s.Logs {
		p.account(&s.Logs[i])
	}
	for i := range s.Others {
		p.other(&s.Others[i])
	}
	return p.decide()
}

type planner struct {
	Input

	Decision

	behind    map[string][]Line // what is down, by what it depends on
	recovered map[string][]Line // and what was
	first     time.Time         // when the oldest of the news was noted
}

// account decides what there is to tell of one monitor.
func (p *planner) account(a *job.NotificationLog) {
	v := p.view(a)
	for i := range a.Incidents {
		tale := &a.Incidents[i]
		switch {
		case tale.ResolvedBy != "": // only waits for its mail to have left
		case tale.NotifiedBy == "" && tale.Resolution == nil:
			p.beginning(tale, v)
		case tale.NotifiedBy == "":
			p.whole(tale, v)
		case tale.Resolution != nil:
			p.ending(tale, v)
		default:
			p.Still = append(p.Still, Line{Incident: &tale.Incident, Parent: tale.Parent})
		}
	}
}

// other lists a monitor of another mailing under what it depends on.
func (p *planner) other(a *job.NotificationLog) {
	v := p.view(a)
	if v.parent.Kind != MuteParent || !v.parent.Notified || v.quiet.wanted() {
		return
	}
	for i := range a.Incidents {
		tale := &a.Incidents[i]
		if tale.NotifiedBy == "" && tale.Resolution == nil && tale.Incident.Condition == job.ConditionDown {
			p.behind[v.parent.By] = append(p.behind[v.parent.By], Line{Incident: &tale.Incident, Parent: v.parent.By})
		}
	}
}

// accountView is what counts for all tales of a monitor.
type accountView struct {
	quiet, parent  Mute
	flapping, down bool // is flapping; is down, as far as this address hears of it
	flapTold       bool // the address hears of flapping that has ended now
}

func (p *planner) view(a *job.NotificationLog) accountView {
	var v accountView
	untold := false
	for i := range a.Incidents {
		tale := &a.Incidents[i]
		lasts := tale.Resolution == nil && tale.ResolvedBy == ""
		switch tale.Incident.Condition {
		case job.ConditionFlapping:
			v.flapping = v.flapping || lasts
			v.flapTold = v.flapTold || tale.NotifiedBy != "" && tale.Resolution != nil && tale.ResolvedBy == ""
		case job.ConditionDown:
			v.down = v.down || lasts
		case job.ConditionDegraded, job.ConditionNoData, job.ConditionCertificate:
		}
		untold = untold || tale.NotifiedBy == ""
	}
	if len(a.Incidents) == 0 || p.Group.Operators {
		return v
	}
	latest := &a.Incidents[len(a.Incidents)-1]
	if p.Mute != nil {
		v.quiet = p.Mute(&latest.Incident)
	}
	if p.Parent != nil && untold && !v.quiet.wanted() && len(latest.Incident.DependsOn) > 0 {
		v.parent = p.Parent(latest)
		if v.parent.wanted() { // what it depends on is down, and nobody is to be mailed of that
			v.quiet = v.parent
		}
	}
	return v
}

func (p *planner) beginning(tale *job.Notified, v accountView) {
	incident := &tale.Incident
	condition := incident.Condition
	switch {
	case v.flapping && (condition == job.ConditionDown || condition == job.ConditionDegraded):
	case v.quiet.wanted():
		p.wakeAt(v.quiet.Until)
	case condition == job.ConditionCertificate || condition == job.ConditionNoData:
		p.tell(Line{Incident: incident}, tale.ReceivedAt, job.Update{Firing: true, Resolved: condition == job.ConditionCertificate})
	case v.parent.Kind == MutePending:
		p.wakeAt(v.parent.Until)
	case v.parent.Kind == MuteParent && v.parent.Notified:
		p.behind[v.parent.By] = append(p.behind[v.parent.By], Line{Incident: incident, Parent: v.parent.By})
		p.wakeAt(v.parent.Until)
	default:
		p.tell(Line{Incident: incident, Parent: v.parent.By}, tale.ReceivedAt, job.Update{Firing: true, Parent: v.parent.By})
	}
}

// whole decides about what is over before it was told.
func (p *planner) whole(tale *job.Notified, v accountView) {
	incident := &tale.Incident
	worth := incident.Condition == job.ConditionDown || incident.Condition == job.ConditionNoData
	switch {
	case v.parent.Kind == MutePending && worth:
		p.wakeAt(v.parent.Until)
	case !worth, v.quiet.wanted(), v.parent.Kind == MuteParent, v.flapping, v.flapTold, tale.Resolution.Kind == job.EventRemoved:
		if line := (Line{Incident: incident, Resolution: tale.Resolution, Parent: v.parent.By}); v.parent.Kind == MuteParent && v.parent.Notified && line.tag() == tagUp {
			p.recovered[v.parent.By] = append(p.recovered[v.parent.By], line)
			return
		}
		p.drop(incident)
	default:
		p.tell(Line{Incident: incident, Resolution: tale.Resolution, Unannounced: true}, tale.Resolution.ReceivedAt, job.Update{Firing: true, Resolved: true})
	}
}

func (p *planner) ending(tale *job.Notified, v accountView) {
	incident := &tale.Incident
	switch {
	case v.flapping && incident.Condition == job.ConditionDown && tale.Resolution.Kind != job.EventRemoved:
	case v.quiet.wanted():
		p.wakeAt(v.quiet.Until)
	case incident.Condition == job.ConditionDegraded && v.down: // it became worse, which is told as that
		p.drop(incident)
	default:
		p.tell(Line{Incident: incident, Resolution: tale.Resolution, Parent: tale.Parent}, tale.Resolution.ReceivedAt, job.Update{Resolved: true})
	}
}

func (p *planner) drop(incident *job.Incident) {
	p.Suppressed = append(p.Suppressed, job.Update{Monitor: incident.Monitor, Incident: incident.ID, Suppressed: true})
}

func (p *planner) tell(line Line, noted time.Time, telling job.Update) {
	telling.Monitor, telling.Incident = line.Incident.Monitor, line.Incident.ID
	line.telling = telling
	p.Lines = append(p.Lines, line)
	if p.first.IsZero() || noted.Before(p.first) {
		p.first = noted
	}
}

func (p *planner) wakeAt(at time.Time) {
	if !at.IsZero() {
		p.Next = earlier(p.Next, at)
	}
}

// decide says whether there is a mail now.
func (p *planner) decide() Decision {
	d := &p.Decision
	p.attach()
	var waiting []Line
	if len(d.Lines) > 0 {
		d.Due = later(p.first.Add(p.Grouping.GroupWait.Std()), p.Group.LastNotified.Add(p.Grouping.GroupInterval.Std()))
		if p.Now.Before(d.Due) {
			p.wakeAt(d.Due)
			waiting, d.Lines = d.Lines, nil
		}
	}
	if len(d.Lines) > maxTells {
		d.Lines = d.Lines[:maxTells]
		p.wakeAt(p.Now.Add(max(time.Second, p.Grouping.GroupInterval.Std())))
	}
	for i := range d.Lines {
		d.Updates = append(d.Updates, d.Lines[i].telling)
	}
	p.forget(waiting)
	d.Suppressed = d.Suppressed[:min(len(d.Suppressed), maxTells)]
	repeat := p.Grouping.RepeatInterval.Std()
	lasting := slices.ContainsFunc(d.Still, func(l Line) bool { return p.remindable(l) })
	switch {
	case repeat <= 0:
	case len(d.Lines) > 0:
		if lasting || slices.ContainsFunc(d.Lines, func(l Line) bool { return l.Resolution == nil && l.Incident.Condition != job.ConditionCertificate }) {
			p.wakeAt(p.Now.Add(repeat))
		}
	case lasting && d.Due.IsZero() && !p.Group.LastNotified.IsZero():
		again := p.Group.LastNotified.Add(repeat)
		if p.Now.Before(again) {
			p.wakeAt(again)
			break
		}
		d.Reminder = true
		d.Lines = slices.DeleteFunc(d.Still, func(l Line) bool { return !p.remindable(l) })
		d.Still = nil
		p.wakeAt(p.Now.Add(repeat))
	}
	return *d
}

// forget drops what recovered together with what it depends on, unless that is
// among the lines that wait: then it is listed there.
func (p *planner) forget(waiting []Line) {
	for parent, lines := range p.recovered {
		if slices.ContainsFunc(waiting, func(l Line) bool { return l.tag() == tagUp && l.Incident.Monitor == parent }) {
			continue
		}
		for i := range lines {
			p.drop(lines[i].Incident)
		}
	}
}

// remindable tells whether people are reminded of what lasts.
func (p *planner) remindable(l Line) bool {
	if t := l.tag(); t != tagDown && t != tagNoData {
		return false
	}
	return p.Mute == nil || p.Group.Operators || !p.Mute(l.Incident).wanted()
}

// attach lists what is behind a monitor there, and puts first what has most
// behind it: that is where to look first.
func (p *planner) attach() {
	for _, lines := range [][]Line{p.Lines, p.Still} {
		for i := range lines {
			switch lines[i].tag() { //nolint:exhaustive // nothing depends on the rest
			case tagDown:
				lines[i].Dependents = p.behind[lines[i].Incident.Monitor]
			case tagUp:
				lines[i].Dependents = p.recovered[lines[i].Incident.Monitor]
			}
		}
		slices.SortStableFunc(lines, func(a, b Line) int {
			return cmp.Or(
				cmp.Compare(len(b.Dependents), len(a.Dependents)), cmp.Compare(a.tag().weight(), b.tag().weight()),
				a.Incident.Began.Compare(b.Incident.Began), cmp.Compare(a.Incident.Monitor, b.Incident.Monitor),
			)
		})
	}
}

func earlier(a, b time.Time) time.Time {
	if a.IsZero() || b.Before(a) {
		return b
	}
	return a
}

// CeilSecond is the first whole second not before a time: the server's timers know no
// parts of seconds, and one that fires too early finds nothing due.
func CeilSecond(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	whole := t.Truncate(time.Second)
	if whole.Before(t) {
		whole = whole.Add(time.Second)
	}
	return whole.UTC()
}
