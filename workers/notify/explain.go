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
	// Incidents are those with a notification sent or outstanding.
	Incidents []job.Notified `json:"incidents"`
	// Held are the outstanding notifications that something holds back.
	Held []Held `json:"held,omitempty"`
	// NextMail is when the others are sent; zero for none.
	NextMail time.Time `json:"next_mail,omitzero"`
}

// Explain explains the notifications about a monitor to all addresses. The mutes
// are those that hold back, or would hold back, the beginning of an incident.
func (e *Explainer) Explain(ctx context.Context, m *job.Monitor) (mutes []Mute, notified []Explanation, err error) {
	logs, err := e.logs.aboutMonitor(ctx, m.Name)
	if err != nil {
		return nil, nil, err
	}
	var held []Held
	for i := range logs {
		explanation, err := e.explain(ctx, &logs[i])
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

// explain decides about a log's group as a flush would.
func (e *Explainer) explain(ctx context.Context, log *storedLog) (Explanation, error) {
	group, _, err := e.logs.group(ctx, log.group)
	if err != nil {
		return Explanation{}, err
	}
	stored, err := e.logs.inGroup(ctx, log.group)
	if err != nil {
		return Explanation{}, err
	}
	logs := plainLogs(stored)
	if group.Pending != nil { // a crash may have come before its updates
		for i := range logs {
			apply(&logs[i], group.Pending)
		}
	}
	x := Explanation{Address: group.Address, Recipient: group.Recipient, Group: group.Group}
	decision := Plan(e.input(&group, logs, e.parent(ctx, group.Address)))
	for i := range logs {
		if logs[i].Monitor == log.Monitor {
			apply(&logs[i], &job.Notification{Updates: decision.Suppressed})
			x.Incidents = logs[i].Incidents
		}
	}
	x.Held = slices.DeleteFunc(decision.Held, func(h Held) bool { return h.Monitor != log.Monitor })
	if slices.ContainsFunc(x.Incidents, func(i job.Notified) bool {
		isHeld := slices.ContainsFunc(x.Held, func(h Held) bool { return h.Incident == i.Incident.ID })
		return outstanding(&i) && !isHeld
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
	for key, member := range e.membersFor(ctx, &down.Incident) {
		log := job.NotificationLog{Monitor: m.Name}
		if at := slices.IndexFunc(logs, func(l storedLog) bool { return l.group == key }); at >= 0 {
			log = cloneLog(logs[at].NotificationLog)
		}
		log.Incidents = append(log.Incidents, down)
		group := job.NotificationGroup{Address: member.Address, Recipient: member.Recipient, Group: member.group}
		held = append(held, Plan(e.input(&group, []job.NotificationLog{log}, e.parent(ctx, member.Address))).Held...)
	}
	return held
}
