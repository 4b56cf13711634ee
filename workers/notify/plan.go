package notify

import (
	"slices"
	"time"

	"vedette/pipeline/job"
)

// Input is what a decision about one notification group depends on.
type Input struct {
	Now   time.Time
	Group job.NotificationGroup
	// Logs are the group's logs. Others are the address's logs in other groups,
	// whose dependents are listed under their parents whatever their group.
	Logs, Others []job.NotificationLog
	Grouping     job.Grouping
	// Mute returns the silence or maintenance window for a monitor, Parent
	// whether a monitor that it depends on is down. Nil functions mute nothing.
	Mute   func(*job.Incident) Mute
	Parent func(*job.Notified) Mute
}

// Decision is what to do about a notification group.
type Decision struct {
	// At is the time of the decision.
	At time.Time
	// Lines are what the next mail reports; without lines there is no mail now.
	// Still are the open incidents that were notified before. Reminder reports
	// that they are the only reason for the mail.
	Lines, Still []Line
	Reminder     bool
	// Updates are what the mail changes in the logs, Suppressed the incidents
	// that are never notified.
	Updates, Suppressed []job.Update
	// Held are the outstanding notifications that something holds back.
	Held []Held
	// Due is when the other outstanding notifications are sent; zero for none.
	Due time.Time
	// Next is when to decide again, zero when only an event is a reason to.
	Next time.Time
}

// maxUpdates limits what one mail reports: its names have to fit into a message.
// The rest is in the next mail.
const maxUpdates = 20_000

// Plan decides what one address is notified about in one group, and when. It is
// a pure function.
//
//   - Each beginning is notified once, and then its end once. A monitor that was
//     down and up again before its mail was sent is reported with both.
//   - Notifications wait for GroupWait, so that others can join them, and until
//     GroupInterval has passed since the last mail.
//   - Silences and maintenance windows hold everything back until they end.
//     Incidents that began and ended in the meantime are never notified.
//   - A monitor that depends on one that is down is listed in the parent's mail.
//     An address without mails about the parent gets a mail that names it. Once
//     listed, its end is notified like that of any other.
//   - While a monitor is flapping, only that is notified, and after that its
//     health.
//   - While a monitor is paused, only that is notified, and after that what is
//     true then.
//   - A former recipient gets the end of what it was notified about, and nothing
//     else.
func Plan(in Input) Decision {
	p := planner{Input: in, Decision: Decision{At: in.Now}, dependents: map[string][]Line{}, recovered: map[string][]Line{}}
	for i := range in.Logs {
		p.monitor(&in.Logs[i])
	}
	for i := range in.Others {
		p.other(&in.Others[i])
	}
	return p.decide()
}

type planner struct {
	Input

	Decision

	dependents map[string][]Line // down, by parent
	recovered  map[string][]Line // down and up again, by parent
	listed     []Line            // up again, and listed under a parent before
	first      time.Time         // when the oldest notification to be sent was received
}

// monitor decides about one monitor.
func (p *planner) monitor(log *job.NotificationLog) {
	v := p.view(log)
	for i := range log.Incidents {
		known := &log.Incidents[i]
		switch {
		case known.ResolvedBy != "": // waits until its mail was delivered
		case v.paused && !v.former && known.ListedBy != "" && known.Resolution == nil:
			p.lasting(known, &v, log)
		case known.NotifiedBy == "" && known.Resolution == nil:
			p.beginning(known, &v)
		case !announced(known):
			p.whole(known, &v)
		case known.Resolution != nil:
			p.end(known, &v)
		case !v.former:
			p.lasting(known, &v, log)
		}
	}
}

// other lists a monitor from another group under its parent.
func (p *planner) other(log *job.NotificationLog) {
	v := p.view(log)
	if v.parent.Kind != MuteParent || !v.parent.Notified || v.people.byPeople() || v.former || v.paused {
		return
	}
	for i := range log.Incidents {
		known := &log.Incidents[i]
		if known.NotifiedBy == "" && known.Resolution == nil && known.Incident.Condition == job.ConditionDown {
			p.depend(known, v.parent.By)
		}
	}
}

// depend lists a monitor that is down under its parent.
func (p *planner) depend(known *job.Notified, parent string) {
	line := Line{Incident: &known.Incident, Parent: parent}
	if known.ListedBy == "" && known.Incident.Condition == job.ConditionDown {
		line.update = updateOf(line.Incident, job.Update{Listed: true, Parent: parent})
	}
	p.dependents[parent] = append(p.dependents[parent], line)
}

// beginning decides about an open incident.
func (p *planner) beginning(known *job.Notified, v *muteView) {
	incident := &known.Incident
	condition := incident.Condition
	switch {
	case v.former && announced(known): // only its end is notified
	case v.former:
		p.suppress(incident)
	case v.paused:
		p.hold(incident, Mute{Kind: MutePaused})
	case v.flapping && (condition == job.ConditionDown || condition == job.ConditionDegraded):
		p.hold(incident, Mute{Kind: MuteFlapping})
	case v.people.byPeople():
		p.hold(incident, v.people)
	case condition == job.ConditionCertificate || condition == job.ConditionNoData:
		line := Line{Incident: incident, Lasting: known.Joined && condition == job.ConditionNoData}
		p.report(line, known.ReceivedAt, job.Update{Firing: true, Resolved: condition == job.ConditionCertificate})
	case v.parent.Kind == MutePending:
		p.hold(incident, v.parent)
	case v.parent.Kind == MuteParent && v.parent.Notified:
		p.depend(known, v.parent.By)
		p.hold(incident, v.parent)
	default:
		p.report(Line{Incident: incident, Parent: v.parent.By, Lasting: known.Joined}, known.ReceivedAt, job.Update{Firing: true, Parent: v.parent.By})
	}
}

// whole decides about an incident that ended before it was notified.
func (p *planner) whole(known *job.Notified, v *muteView) {
	incident := &known.Incident
	line := Line{Incident: incident, Resolution: known.Resolution}
	notable := incident.Condition == job.ConditionDown || incident.Condition == job.ConditionNoData
	switch {
	case v.former, known.Joined:
		p.suppress(incident)
	case v.parent.Kind == MutePending && notable:
		p.hold(incident, v.parent)
	case v.parent.Kind == MuteParent && v.parent.Notified && line.tag() == tagUp:
		line.Parent = v.parent.By
		p.recovered[v.parent.By] = append(p.recovered[v.parent.By], line)
	case !notable, v.people.byPeople(), v.parent.Kind == MuteParent, v.flapping, v.wasFlapping, known.Resolution.Kind == job.EventRemoved:
		p.suppress(incident)
	default:
		line.Unannounced = true
		p.report(line, known.Resolution.ReceivedAt, job.Update{Firing: true, Resolved: true})
	}
}

// end decides about the end of an incident that was notified.
func (p *planner) end(known *job.Notified, v *muteView) {
	incident := &known.Incident
	line := Line{Incident: incident, Resolution: known.Resolution, Parent: known.Parent}
	switch {
	case v.flapping && incident.Condition == job.ConditionDown && known.Resolution.Kind != job.EventRemoved:
		p.hold(incident, Mute{Kind: MuteFlapping})
	case v.people.byPeople():
		p.hold(incident, v.people)
	case incident.Condition == job.ConditionDegraded && v.down: // it became worse, which is notified instead
		p.suppress(incident)
	case known.NotifiedBy == "" && line.tag() == tagUp:
		line.received = known.Resolution.ReceivedAt
		p.listed = append(p.listed, line)
	default:
		p.report(line, known.Resolution.ReceivedAt, job.Update{Resolved: true})
	}
}

// lasting decides about an open incident that was notified.
func (p *planner) lasting(known *job.Notified, v *muteView, log *job.NotificationLog) {
	incident := &known.Incident
	still := Line{Incident: incident, Parent: known.Parent, reported: p.past(later(known.NotifiedAt, known.RemindedAt)), people: v.people}
	switch {
	case !pausable(known):
		p.Still = append(p.Still, still)
	case v.paused && known.PausedBy != "": // until the monitor is checked again
	case v.people.byPeople() && outstanding(log, known):
		p.hold(incident, v.people)
	case v.paused:
		p.report(Line{Incident: incident, Paused: true}, log.PausedAt, job.Update{Paused: true, Firing: known.NotifiedBy == ""})
	case !resumed(log, known):
		p.Still = append(p.Still, still)
	case p.Now.Before(p.past(resultAfter(known))):
		p.hold(incident, Mute{Kind: MutePaused, Until: CeilSecond(resultAfter(known))})
	default:
		p.report(Line{Incident: incident, Lasting: true}, known.ResumedAt, job.Update{Resumed: true})
	}
}

// resultAfter is when there is a result for a monitor that was resumed.
func resultAfter(known *job.Notified) time.Time {
	return known.ResumedAt.Add(min(time.Hour, known.Incident.Period.Std()) + recheckPause)
}

func updateOf(incident *job.Incident, update job.Update) job.Update {
	update.Monitor, update.Incident = incident.Monitor, incident.ID
	return update
}

func (p *planner) report(line Line, received time.Time, update job.Update) {
	line.update = updateOf(line.Incident, update)
	p.Lines = append(p.Lines, line)
	received = p.receivedBy(received)
	if p.first.IsZero() || received.Before(p.first) {
		p.first = received
	}
}

func (p *planner) suppress(incident *job.Incident) {
	p.Suppressed = append(p.Suppressed, job.Update{Monitor: incident.Monitor, Incident: incident.ID, Suppressed: true})
}

func (p *planner) hold(incident *job.Incident, mute Mute) {
	p.Held = append(p.Held, Held{Monitor: incident.Monitor, Incident: incident.ID, Mute: mute})
	p.nextAt(mute.Until)
}

func (p *planner) nextAt(at time.Time) {
	if !at.IsZero() {
		p.Next = earlier(p.Next, at)
	}
}

// decide decides whether there is a mail now.
func (p *planner) decide() Decision {
	d := &p.Decision
	p.listRecovered()
	p.listDependents()
	var waiting []Line
	if len(d.Lines) > 0 {
		d.Due = later(p.first.Add(p.Grouping.GroupWait.Std()), p.Group.LastNotified.Add(p.Grouping.GroupInterval.Std()))
		if p.Now.Before(d.Due) {
			p.nextAt(d.Due)
			waiting, d.Lines = d.Lines, nil
		}
	}
	if len(d.Lines) > maxUpdates {
		d.Lines = d.Lines[:maxUpdates]
		p.nextAt(p.Now.Add(max(time.Second, p.Grouping.GroupInterval.Std())))
	}
	p.suppressRecovered(waiting)
	p.remind()
	p.collectUpdates()
	d.Suppressed = d.Suppressed[:min(len(d.Suppressed), maxUpdates)]
	return *d
}

// collectUpdates gathers what the mail changes in the logs. Dependents beyond the
// limit are counted in the mail, and listed in a later one.
func (p *planner) collectUpdates() {
	d := &p.Decision
	if len(d.Lines) == 0 {
		return
	}
	for i := range d.Lines {
		d.Updates = append(d.Updates, d.Lines[i].update)
	}
	for _, lines := range [][]Line{d.Lines, without(d.Still, d.Lines)} {
		for i := range lines {
			for j := range lines[i].Dependents {
				if update := lines[i].Dependents[j].update; update.Monitor != "" && len(d.Updates) < maxUpdates {
					d.Updates = append(d.Updates, update)
				}
			}
		}
	}
}

// suppressRecovered suppresses what recovered together with its parent, unless
// the parent's line waits: then it is listed there.
func (p *planner) suppressRecovered(waiting []Line) {
	later := monitorsOf(waiting, func(l *Line) bool { return l.tag() == tagUp })
	for parent, lines := range p.recovered {
		if later[parent] {
			continue
		}
		for i := range lines {
			if lines[i].update.Monitor == "" { // it was not listed before
				p.suppress(lines[i].Incident)
			}
		}
	}
}

// remind decides whether a mail repeats what is still open.
func (p *planner) remind() {
	d := &p.Decision
	repeat := p.Grouping.RepeatInterval.Std()
	if repeat <= 0 {
		return
	}
	if len(d.Lines) > 0 {
		lasts := func(l Line) bool {
			return l.Resolution == nil && !l.Paused && l.Incident.Condition != job.ConditionCertificate
		}
		if slices.ContainsFunc(d.Still, remindable) || slices.ContainsFunc(d.Lines, lasts) {
			p.nextAt(p.Now.Add(repeat))
		}
		return
	}
	if !d.Due.IsZero() {
		return
	}
	var due []Line
	for _, l := range d.Still {
		again := later(p.Group.LastNotified, l.reported).Add(repeat)
		switch {
		case !remindable(l):
		case l.people.byPeople():
			p.nextAt(l.people.Until)
		case p.Now.Before(again):
			p.nextAt(again)
		default:
			l.update = updateOf(l.Incident, job.Update{Reminded: true})
			due = append(due, l)
		}
	}
	if len(due) > 0 {
		d.Reminder, d.Lines, d.Still = true, due[:min(len(due), maxUpdates)], nil
		p.nextAt(p.Now.Add(repeat))
	}
}

func remindable(l Line) bool {
	t := l.tag()
	return t == tagDown || t == tagNoData
}
