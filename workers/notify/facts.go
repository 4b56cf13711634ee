package notify

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"vedette/pipeline/job"
)

// facts are what, where, since when, the last good check, the cause, and how
// long each phase took.
func facts(l *Line, zone *time.Location) []Fact {
	incident := l.Incident
	list := []Fact{{"Monitor", incident.Monitor}}
	add := func(name, value string) {
		if value != "" {
			list = append(list, Fact{name, value})
		}
	}
	add("Group", plain(incident.Group))
	add("Target", plain(incident.Target))
	add("Address", incident.ProbeResult.Address)
	list = append(list, voteFacts(incident)...)
	if incident.Condition == job.ConditionCertificate {
		add("Expires", clock(incident.ProbeResult.CertificateExpires, zone))
		return list
	}
	add(conditionTitle(incident.Condition)+" since", clock(incident.Began, zone))
	if l.Resolution != nil {
		add("Until", clock(l.Resolution.At, zone))
		add("Lasted", l.lasted())
	} else if incident.Condition != job.ConditionFlapping {
		add("Last good check", cmp.Or(clock(incident.LastUp, zone), "not known"))
	}
	if incident.Condition == job.ConditionNoData {
		add("Cause", MissText(incident.Reason, incident.Detail))
		return list
	}
	add("Cause", classPrefix(incident.ProbeResult.Class)+causeText(&incident.ProbeResult))
	if l.Now != nil {
		add("Cause now", classPrefix(l.Now.Class)+causeText(l.Now))
	}
	if incident.Failures > 1 {
		add("Failed", fmt.Sprintf("%d times", incident.Failures))
	}
	if l.Resolution == nil {
		add("Took", latencyText(&incident.ProbeResult))
	} else if l.Resolution.ProbeResult != nil {
		add("This check took", latencyText(l.Resolution.ProbeResult))
	}
	add("Depends on", l.Parent)
	return list
}

func conditionTitle(condition job.Condition) string {
	text := strings.ReplaceAll(string(condition), "_", " ")
	return strings.ToUpper(text[:1]) + text[1:]
}

// voteFacts are what each location finds.
func voteFacts(incident *job.Incident) []Fact {
	if incident.OfOneLocation() {
		return []Fact{{"Location", incident.Location}}
	}
	var list []Fact
	for i := range incident.Votes {
		v := &incident.Votes[i]
		list = append(list, Fact{"From " + plain(v.Location), voteText(v)})
	}
	if len(list) > 0 {
		list = append(list, Fact{"Quorum", fmt.Sprintf("%d of %d", incident.Quorum, len(list))})
	}
	return list
}

func voteText(v *job.Vote) string {
	if v.Health == job.Unknown {
		return "no data: " + MissText(v.Reason, v.Detail)
	}
	if cause := plain(v.Cause); cause != "" {
		return string(v.Health) + ": " + cause
	}
	return string(v.Health)
}

// classPrefix names a class of failure.
func classPrefix(class job.Class) string {
	return map[job.Class]string{
		job.ClassDNS:         "name lookup: ",
		job.ClassConnect:     "connection: ",
		job.ClassTLS:         "TLS: ",
		job.ClassTimeout:     "timeout: ",
		job.ClassProtocol:    "protocol: ",
		job.ClassStatus:      "answer: ",
		job.ClassExpectation: "expectation: ",
		job.ClassInternal:    "could not check: ",
	}[class]
}

func causeText(result *job.ProbeResult) string {
	return cmp.Or(plain(result.Cause), string(result.Class))
}

// latencyText is a check's latency with the phases that it reached.
func latencyText(result *job.ProbeResult) string {
	if result.Latency == 0 {
		return ""
	}
	var phases []string
	for _, p := range []struct {
		name string
		took job.Duration
	}{
		{"dns", result.Phases.DNS},
		{"connect", result.Phases.Connect},
		{"tls", result.Phases.TLS},
		{"first byte", result.Phases.Processing},
		{"transfer", result.Phases.Transfer},
	} {
		if p.took > 0 {
			phases = append(phases, p.name+" "+millis(p.took))
		}
	}
	if len(phases) == 0 {
		return millis(result.Latency)
	}
	return millis(result.Latency) + " (" + strings.Join(phases, ", ") + ")"
}
