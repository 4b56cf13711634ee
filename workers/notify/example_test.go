package notify_test

import (
	"fmt"
	"time"

	"vedette/pipeline/job"
	"vedette/workers/notify"
)

func ExamplePlan() {
	noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	down := func(name string) job.NotificationLog {
		return job.NotificationLog{Monitor: name, Incidents: []job.Notified{{
			ReceivedAt: noon,
			Incident:   job.Incident{ID: name + "-1", Condition: job.ConditionDown, Monitor: name, Began: noon},
		}}}
	}
	input := notify.Input{
		Now:      noon.Add(10 * time.Second),
		Logs:     []job.NotificationLog{down("website"), down("database")},
		Grouping: job.DefaultGrouping(),
		Mute: func(incident *job.Incident) notify.Mute {
			if incident.Monitor == "database" {
				return notify.Mute{Kind: notify.MuteSilence, By: "s1", Until: noon.Add(time.Hour)}
			}
			return notify.Mute{}
		},
	}
	decision := notify.Plan(input)
	fmt.Println("mail now:", len(decision.Lines) > 0, "due:", decision.Due.Format(time.TimeOnly))
	for _, held := range decision.Held {
		fmt.Println("held back:", held.Monitor, "by", held.Kind, held.By)
	}

	input.Now = decision.Due
	for _, line := range notify.Plan(input).Lines {
		fmt.Println("mail reports:", line.Incident.Monitor)
	}
	// Output:
	// mail now: false due: 12:00:30
	// held back: database by silence s1
	// mail reports: website
}
