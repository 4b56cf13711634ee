package notify

import (
	"fmt"

	"vedette/pipeline/job"
)

// tally tells how many of several locations find an incident so; empty for one
// that has no votes.
func tally(incident *job.Incident) string {
	if len(incident.Votes) == 0 {
		return ""
	}
	agree := 0
	for i := range incident.Votes {
		if health := incident.Votes[i].Health; health == job.Down || health == job.Degraded && incident.Condition == job.ConditionDegraded {
			agree++
		}
	}
	return fmt.Sprintf("%d of %d locations", agree, len(incident.Votes))
}

// among puts a tally behind a text.
func among(text string, incident *job.Incident) string {
	if found := tally(incident); found != "" {
		return text + " (" + found + ")"
	}
	return text
}

// from names the one of several locations that an incident is of.
func from(incident *job.Incident) string {
	if !incident.OfOneLocation() {
		return ""
	}
	return " from " + incident.Location
}

// voteWords tells what a location finds.
func voteWords(v job.Vote) string {
	if v.Health == job.Unknown {
		return "no data: " + reasonOf(v.Reason, v.Detail)
	}
	if cause := plain(v.Cause); cause != "" {
		return string(v.Health) + ": " + cause
	}
	return string(v.Health)
}

// votes are the facts of what each location finds.
func votes(incident *job.Incident) []Fact {
	if where := from(incident); where != "" {
		return []Fact{{"Location", incident.Location}}
	}
	var list []Fact
	for _, v := range incident.Votes {
		list = append(list, Fact{"From " + plain(v.Location), voteWords(v)})
	}
	if len(list) > 0 {
		list = append(list, Fact{"Quorum", fmt.Sprintf("%d of %d", incident.Quorum, len(list))})
	}
	return list
}
