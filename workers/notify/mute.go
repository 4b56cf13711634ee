package notify

import (
	"time"

	"vedette/pipeline/job"
)

// MuteKind says what holds a notification back.
type MuteKind string

// The kinds of mute. The empty kind holds nothing back.
const (
	MuteSilence     MuteKind = "silence"
	MuteMaintenance MuteKind = "maintenance"
	// MuteParent: a monitor that this one depends on is down, and its mail lists
	// this one.
	MuteParent MuteKind = "parent"
	// MutePending: whether a monitor that this one depends on is down will be
	// known soon.
	MutePending MuteKind = "pending"
	// MuteFlapping: the monitor is flapping, so single changes are not notified.
	MuteFlapping MuteKind = "flapping"
	// MutePaused: the monitor is paused, or has no result since it was.
	MutePaused MuteKind = "paused"
)

// Mute holds back notifications about a monitor.
type Mute struct {
	Kind MuteKind `json:"kind"`
	// By is the silence's id, or the name of the maintenance window or of the
	// monitor.
	By string `json:"by,omitempty"`
	// Until is when to decide again; zero when an event will be the reason to.
	Until time.Time `json:"until,omitzero"`
	// Notified reports that the address is notified about the parent too, so
	// that this monitor can be listed there.
	Notified bool `json:"-"`
}

// byPeople reports whether people want no mail about the monitor.
func (m Mute) byPeople() bool { return m.Kind == MuteSilence || m.Kind == MuteMaintenance }

// Held is an outstanding notification about an incident, and what holds it back.
type Held struct {
	Monitor  string `json:"monitor"`
	Incident string `json:"incident"`
	Mute
}

// muteView is what mutes apply to all incidents in a log.
type muteView struct {
	people, parent Mute
	former, paused bool
	flapping, down bool // an incident is open and concerns this address
	wasFlapping    bool // the address was notified about flapping that is over now
}

func (p *planner) view(log *job.NotificationLog) muteView {
	v := muteView{former: log.Former, paused: !log.PausedAt.IsZero()}
	unnotified := false
	for i := range log.Incidents {
		known := &log.Incidents[i]
		open := known.Resolution == nil && known.ResolvedBy == ""
		switch known.Incident.Condition {
		case job.ConditionFlapping:
			v.flapping = v.flapping || open
			v.wasFlapping = v.wasFlapping || known.NotifiedBy != "" && known.Resolution != nil && known.ResolvedBy == ""
		case job.ConditionDown:
			v.down = v.down || open
		case job.ConditionDegraded, job.ConditionNoData, job.ConditionCertificate:
		}
		unnotified = unnotified || known.NotifiedBy == ""
	}
	if len(log.Incidents) == 0 || p.Group.Operators {
		return v
	}
	latest := &log.Incidents[len(log.Incidents)-1]
	if p.Mute != nil {
		v.people = p.Mute(&latest.Incident)
	}
	if p.Parent != nil && unnotified && !v.people.byPeople() && len(latest.Incident.DependsOn) > 0 {
		v.parent = p.Parent(latest)
		if v.parent.byPeople() { // the parent is down and muted, so its dependents are too
			v.people = v.parent
		}
	}
	return v
}
