package instance

import (
	"vedette/pipeline/job"
	"vedette/producer/monitor"
	"vedette/workers/watchdog"
)

// newWatchdog returns the watchdog for the section of the file. Without one it does
// nothing until a reload.
func (r *instanceRun) newWatchdog(conditions func() []job.ProcessCondition) *watchdog.Watchdog {
	config := watchdog.Config{Pipeline: r.pipeline, Stages: AllStages(), Conditions: conditions, Health: r.health, HasServer: r.broker != nil, Logger: r.log}
	if r.secrets != nil {
		config.Secret = r.secrets.Secret
	}
	w := watchdog.New(config)
	w.SetTargets(watchdogTargets(r.file.Watchdogs))
	return w
}

// watchdogTargets returns a file's watchdogs for package watchdog.
func watchdogTargets(configured []monitor.Watchdog) []watchdog.Target {
	targets := make([]watchdog.Target, len(configured))
	for i, w := range configured {
		targets[i] = watchdog.Target(w)
	}
	return targets
}
