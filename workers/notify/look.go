package notify

import (
	"context"
	"maps"
	"reflect"
	"slices"
	"time"

	"vedette/pipeline/job"
)

// standing is what holds for one monitor at the time of a look: its state, held
// against the definitions.
type standing struct {
	state   *job.State
	defined *job.Monitor // nil for a monitor that is not defined
	parties map[pair]party
	now     time.Time

	directory *Directory
}

// party is an address that gets mails about the monitor, with its group.
type party struct {
	Addressee

	group []string
}

// standing gathers what holds for the monitor of a state. Missing data concerns
// the operators, everything else the monitor's recipients.
func (d *decider) standing(ctx context.Context, state *job.State) (*standing, error) {
	s := &standing{state: state, parties: map[pair]party{}, now: d.config.Now().UTC(), directory: d.directory}
	monitor, ok, err := d.config.Lookup.Monitor(ctx, state.Monitor)
	if err != nil || !ok {
		return s, err
	}
	s.defined = &monitor
	alerts, operators := s.roles()
	if alerts {
		d.addParties(ctx, s, monitor.Notify, false)
	}
	if operators {
		d.addParties(ctx, s, d.directory.Operators(), true)
	}
	return s, nil
}

func (d *decider) addParties(ctx context.Context, s *standing, names []string, operators bool) {
	found, unknown := d.directory.Addressees(names)
	for _, name := range unknown {
		d.config.Logger.ErrorContext(ctx, "recipient is not defined; it gets no mail", "recipient", name, "monitor", s.state.Monitor)
	}
	for _, a := range found {
		p := party{Addressee: a}
		if !operators {
			p.group = groupOf(d.directory.Grouping(a.Recipient).GroupBy, s.defined)
		}
		s.parties[pair{address: addressToken(a.Address), operators: operators, monitor: s.state.Monitor}] = p
	}
}

// roles are the roles that the state's incidents concern.
func (s *standing) roles() (alerts, operators bool) {
	add := func(incident *job.Incident) {
		if forOperators(incident) {
			operators = true
		} else {
			alerts = true
		}
	}
	for _, incident := range s.state.Open() {
		add(incident)
	}
	for i := range s.state.Events {
		add(&s.state.Events[i].Incident)
	}
	return alerts, operators
}

func forOperators(incident *job.Incident) bool { return incident.Condition == job.ConditionNoData }

// pairs returns the pairs to look at: the present ones, and those with incidents
// from before.
func (s *standing) pairs(before []pair) []pair {
	all := slices.AppendSeq(slices.Clone(before), maps.Keys(s.parties))
	slices.SortFunc(all, comparePairs)
	return slices.Compact(all)
}

// bases are the sequences from which a log that does not exist yet begins: what
// other addresses received before is not news for it. After a crash others have
// received this very state, which says nothing.
func (s *standing) bases(logs []storedLog, event bool) map[bool]int {
	bases := map[bool]int{}
	for i := range logs {
		if sequence := logs[i].Sequence; sequence < s.state.Sequence || !event {
			bases[logs[i].pair.operators] = max(bases[logs[i].pair.operators], sequence)
		}
	}
	return bases
}

// align brings a log to what holds now, and reports whether it has to be written.
// base is the sequence for a log that does not exist yet.
func (s *standing) align(log *job.NotificationLog, p pair, exists bool, base int) bool {
	before := cloneLog(*log)
	if !exists {
		log.Sequence = min(base, s.state.Sequence)
	}
	who, is := s.parties[p]
	concerns := func(incident *job.Incident) (concerned, was bool) {
		return is && forOperators(incident) == p.operators, p.operators || s.directory.Reaches(who.Address, incident.Notify)
	}
	receive(log, s.state, concerns, s.now)
	if s.state.Sequence >= log.Sequence {
		join(log, s.state, concerns, s.now)
	}
	s.refresh(log, p)
	pause(log, s.defined != nil && s.defined.Paused, s.now)
	if len(log.Incidents) > 0 {
		log.Former = !is
	}
	if is && len(log.Incidents) > 0 {
		log.Group = groupToken(who.group, p.operators)
	}
	return s.differs(&before, log, p, exists)
}

// differs reports whether a log has to be written. A sequence alone matters only
// if it covers events in the log's role.
func (s *standing) differs(before, log *job.NotificationLog, p pair, exists bool) bool {
	if reflect.DeepEqual(before, log) {
		return false
	}
	same := *log
	same.Sequence = before.Sequence
	if !reflect.DeepEqual(before, &same) {
		return true
	}
	return exists && slices.ContainsFunc(s.state.Events, func(e job.Event) bool {
		return e.Sequence > before.Sequence && forOperators(&e.Incident) == p.operators
	})
}

// refresh gives the incidents what the definition says at present, which silences,
// maintenance windows and dependencies are matched with.
func (s *standing) refresh(log *job.NotificationLog, p pair) {
	m := s.defined
	if m == nil {
		return
	}
	for i := range log.Incidents {
		incident := &log.Incidents[i].Incident
		incident.Group = m.Group
		if !maps.Equal(incident.Labels, m.Labels) {
			incident.Labels = maps.Clone(m.Labels)
		}
		if !slices.Equal(incident.DependsOn, m.DependsOn) {
			incident.DependsOn = slices.Clone(m.DependsOn)
		}
		if !p.operators && !slices.Equal(incident.Notify, m.Notify) {
			incident.Notify = slices.Clone(m.Notify)
		}
		if log.Incidents[i].Resolution == nil {
			incident.Target = m.Target()
		}
	}
}

// pause records that a monitor is paused, or checked again. An address that was
// notified that it is paused is notified what is true after that.
func pause(log *job.NotificationLog, paused bool, now time.Time) {
	was := !log.PausedAt.IsZero()
	if paused == was || len(log.Incidents) == 0 {
		return
	}
	log.PausedAt = time.Time{}
	if paused {
		log.PausedAt = now
	}
	for i := range log.Incidents {
		known := &log.Incidents[i]
		switch {
		case paused && known.ResumedBy != "":
			known.PausedBy, known.ResumedBy, known.ResumedAt = "", "", time.Time{}
		case paused:
			known.ResumedAt = time.Time{}
		case known.PausedBy != "":
			known.ResumedAt = now
		}
	}
}

// look brings the logs about a monitor to what holds now, and calls wake for each
// group in which something is outstanding. event reports that the state is new.
func (n *Notifier) look(ctx context.Context, state *job.State, event bool, wake func(context.Context, *storedLog, *party) error) error {
	s, err := n.standing(ctx, state)
	if err != nil {
		return err
	}
	logs, err := n.logs.read(ctx, s.pairs(n.logs.index.about(state.Monitor)))
	if err != nil {
		return err
	}
	bases := s.bases(logs, event)
	for i := range logs {
		if err := n.lookAt(ctx, s, &logs[i], bases[logs[i].pair.operators], wake); err != nil {
			return err
		}
	}
	return nil
}

func (n *Notifier) lookAt(ctx context.Context, s *standing, log *storedLog, base int, wake func(context.Context, *storedLog, *party) error) error {
	var who *party
	if found, is := s.parties[log.pair]; is {
		who = &found
	}
	next := cloneLog(log.NotificationLog)
	s.align(&next, log.pair, log.revision > 0, base)
	moved := next.Group != log.Group && len(next.Incidents) > 0
	if moved && who != nil { // the group exists before a log belongs to it
		if err := n.ensureGroup(ctx, log.pair.address+"."+next.Group, who, log.pair.operators); err != nil {
			return err
		}
	}
	if err := n.logs.change(ctx, log, func(own *job.NotificationLog) bool {
		return s.align(own, log.pair, log.revision > 0, base)
	}); err != nil {
		return err
	}
	if !moved && !hasOutstanding(&log.NotificationLog) {
		return nil
	}
	return wake(ctx, log, who)
}
