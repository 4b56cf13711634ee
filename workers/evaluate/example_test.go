package evaluate_test

import (
	"fmt"
	"time"

	"vedette/pipeline/job"
	"vedette/workers/evaluate"
)

func ExampleStep() {
	monitor := evaluate.Monitor{Period: time.Minute, Monitor: job.Monitor{
		Name: "website", Policy: job.Policy{FailureThreshold: 2, SuccessThreshold: 1},
	}}
	noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	var state job.State
	for i, health := range []job.Health{job.Up, job.Down, job.Down, job.Up} {
		change := evaluate.Step(state, job.Result{
			Monitor: "website", Slot: noon.Add(time.Duration(i) * time.Minute), ProbeResult: &job.ProbeResult{Health: health},
		}, monitor)
		state = change.State
		fmt.Printf("%s: write %t", health, change.Write)
		for _, event := range change.Events {
			fmt.Printf(", %s %s", event.Incident.Condition, event.Kind)
		}
		fmt.Println()
	}
	// Output:
	// up: write false
	// down: write true
	// down: write true, down began
	// up: write true, down ended
}
