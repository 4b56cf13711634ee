package notify

import (
	"context"
	"slices"
	"strings"
	"time"

	"vedette/pipeline/job"
)

// Explainer answers which notifications about a monitor are outstanding, and what
// holds them back, with the functions that the notifier decides with. It changes
// nothing.
type Explainer struct{ decider }

// NewExplainer returns an explainer. It uses the store, the lookup and the clock in
// the configuration; the lookup must not make checks.
func NewExplainer(config Config, directory *Directory, mutes *Mutes) *Explainer {
	return &Explainer{newDecider(config, directory, mutes)}
}

// Explanation is what one address was notified about a monitor, and what is
// outstanding.
type Explanation struct {
	Address   string   `json:"address"`
	Recipient string   `json:"recipient"`
	Group     []string `json:"group,omitempty"`
	// Former reports that the address is no recipient at present, and gets only the
	// end of what it was notified about.
	Former bool `json:"former,omitempty"`
	// Incidents are those with a notification sent or outstanding.
	Incidents []job.Notified `json:"incidents"`
	// Held are the outstanding notifications that something holds back.
	Held []Held `json:"held,omitempty"`
	// NextMail is when the others are sent; zero for none.
	NextMail time.Time `json:"next_mail,omitzero"`
}

// Explain explains the notifications about a monitor to all addresses, as the next
// look at it will find them. The mutes are those that hold back, or would hold
// back, the beginning of an incident.
func (e *Explainer) Explain(ctx context.Context, m *job.Monitor) (mutes []Mute, notified []Explanation, err error) {
	logs, err := e.logs.load(ctx, "*.*."+m.Name)
	if err != nil {
		return nil, nil, err
	}
	s, err := e.lookedAt(ctx, m, &logs)
	if err != nil {
		return nil, nil, err
	}
	var held []Held
	for i := range logs {
		explanation, err := e.explain(ctx, s, &logs[i])
		if err != nil {
			return nil, nil, err
		}
		held = append(held, explanation.Held...)
		if len(explanation.Incidents) > 0 {
			notified = append(notified, explanation)
		}
	}
	slices.SortFunc(notified, func(a, b Explanation) int { return strings.Compare(a.Address, b.Address) })
	held = append(held, e.wouldHold(ctx, m, logs)...)
	for i := range held {
		mute := held[i].Mute
		if !slices.ContainsFunc(mutes, func(m Mute) bool { return m.Kind == mute.Kind && m.By == mute.By }) {
			mutes = append(mutes, mute)
		}
	}
	return mutes, notified, nil
}

// lookedAt brings copies of the logs to what holds now, and adds the missing ones.
func (e *Explainer) lookedAt(ctx context.Context, m *job.Monitor, logs *[]storedLog) (*standing, error) {
	state, err := e.config.Lookup.State(ctx, m.Name)
	if err != nil {
		return nil, err
	}
	state.Monitor = m.Name
	s, err := e.standing(ctx, &state)
	if err != nil {
		return nil, err
	}
	for p := range s.parties {
		if !slices.ContainsFunc(*logs, func(l storedLog) bool { return l.pair == p }) {
			*logs = append(*logs, storedLog{NotificationLog: job.NotificationLog{V: job.Version, Monitor: m.Name}, pair: p})
		}
	}
	bases := s.bases(*logs, false)
	for i := range *logs {
		log := &(*logs)[i]
		log.NotificationLog = cloneLog(log.NotificationLog)
		s.align(&log.NotificationLog, log.pair, log.revision > 0, bases[log.pair.operators])
	}
	return s, nil
}

// groupOfLog reads the group that a log belongs to.
func (e *Explainer) groupOfLog(ctx context.Context, s *standing, log *storedLog) (job.NotificationGroup, error) {
	group, revision, err := e.logs.group(ctx, log.groupKey())
	if who, is := s.parties[log.pair]; is && revision == 0 {
		group = job.NotificationGroup{Address: who.Address, Recipient: who.Recipient, Group: who.group, Operators: log.pair.operators}
	}
	return group, err
}

// explain decides about a log's group as a flush would.
func (e *Explainer) explain(ctx context.Context, s *standing, log *storedLog) (Explanation, error) {
	if len(log.Incidents) == 0 {
		return Explanation{}, nil
	}
	group, err := e.groupOfLog(ctx, s, log)
	if err != nil {
		return Explanation{}, err
	}
	stored, err := e.logs.load(ctx, log.pair.address+"."+log.pair.role()+".>")
	if err != nil {
		return Explanation{}, err
	}
	stored = slices.DeleteFunc(stored, func(l storedLog) bool { return l.pair == log.pair || l.groupKey() != log.groupKey() })
	logs := plainLogs(append(stored, *log))
	if group.Pending != nil { // a crash may have come before its updates
		for i := range logs {
			apply(&logs[i], group.Pending)
		}
	}
	x := Explanation{Address: group.Address, Recipient: group.Recipient, Group: group.Group, Former: log.Former}
	own := &logs[len(logs)-1]
	decision := Plan(e.input(&group, logs, e.parent(ctx, group.Address)))
	apply(own, &job.Notification{Updates: slices.DeleteFunc(decision.Suppressed, func(u job.Update) bool { return u.Monitor != own.Monitor })})
	x.Incidents = own.Incidents
	x.Held = slices.DeleteFunc(decision.Held, func(h Held) bool { return h.Monitor != log.Monitor })
	if slices.ContainsFunc(x.Incidents, func(i job.Notified) bool {
		isHeld := slices.ContainsFunc(x.Held, func(h Held) bool { return h.Incident == i.Incident.ID })
		return outstanding(own, &i) && !isHeld
	}) {
		x.NextMail = decision.Due
	}
	return x, nil
}

// wouldHold returns what would hold back the mails about a monitor that goes down
// now.
func (e *Explainer) wouldHold(ctx context.Context, m *job.Monitor, logs []storedLog) (held []Held) {
	down := job.Notified{ReceivedAt: e.config.Now(), Incident: job.Incident{
		Condition: job.ConditionDown, Monitor: m.Name, Group: m.Group, Labels: m.Labels, DependsOn: m.DependsOn, Notify: m.Notify, Began: e.config.Now(),
	}}
	s := &standing{state: &job.State{Monitor: m.Name}, defined: m, parties: map[pair]party{}}
	e.addParties(ctx, s, m.Notify, false)
	for p, who := range s.parties {
		log := job.NotificationLog{Monitor: m.Name}
		if at := slices.IndexFunc(logs, func(l storedLog) bool { return l.pair == p }); at >= 0 {
			log = cloneLog(logs[at].NotificationLog)
		}
		log.Incidents = append(log.Incidents, down)
		pause(&log, m.Paused, e.config.Now())
		group := job.NotificationGroup{Address: who.Address, Recipient: who.Recipient, Group: who.group}
		held = append(held, Plan(e.input(&group, []job.NotificationLog{log}, e.parent(ctx, who.Address))).Held...)
	}
	return held
}
