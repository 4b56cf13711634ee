package producer

import (
	"encoding/json"
	"errors"

	"vedette/pipeline"
	"vedette/pipeline/job"
	"vedette/pipeline/topology"
)

// defineNewer adds a definition with a newer version, if its schedule can be
// read. This scheduler cannot build its checks, but must account for all slots
// of a tick that it receives. It records them as missed, with the reason.
func (s *Scheduler) defineNewer(name string, e pipeline.Entry) bool {
	var known struct { // the fields for the schedule
		Interval  job.Duration `json:"interval"`
		Cron      string       `json:"cron"`
		TimeZone  string       `json:"time_zone"`
		Locations []string     `json:"locations"`
		Paused    bool         `json:"paused"`
	}
	if err := json.Unmarshal(e.Value, &known); err != nil {
		return false
	}
	m := job.Monitor{Name: name, Interval: known.Interval, Cron: known.Cron, TimeZone: known.TimeZone, Locations: known.Locations, Paused: known.Paused}
	made, err := newDefinitions(&m, e.Written)
	if err != nil {
		return false
	}
	for i := range made {
		made[i].profile.newer = true
	}
	s.table.set(name, made)
	s.config.Logger.Error("definition has a newer version; its slots are recorded as missed", "monitor", name)
	return true
}

// define adds, changes or removes a definition.
func (s *Scheduler) define(e pipeline.Entry) {
	name, ok := topology.CutMonitorKey(e.Key)
	if !ok {
		return // a recipient
	}
	if e.Deleted {
		s.table.remove(name)
		return
	}
	monitor, err := job.Decode[job.Monitor](e.Value)
	if err == nil {
		monitor.Name = name // the key counts
		var made []definition
		if made, err = newDefinitions(&monitor, e.Written); err == nil {
			s.table.set(name, made)
			return
		}
	}
	if errors.Is(err, job.ErrNewer) && s.defineNewer(name, e) {
		return
	}
	// The entry was not written by Apply. The previous definition no longer counts,
	// so the monitor is not checked.
	s.table.remove(name)
	s.config.Logger.Error("definition is invalid; the monitor is not checked", "monitor", name, "error", err)
}
