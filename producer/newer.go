package producer

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"vedette/pipeline"
	"vedette/pipeline/job"
)

// learnNewer takes in a definition of a newer version, if its schedule can be
// read. This scheduler cannot order its checks, but whichever takes a tick
// answers for all slots of it: so these are recorded as missed, with the reason,
// and the monitor is not forgotten in silence.
func (s *Scheduler) learnNewer(name string, e pipeline.Entry) bool {
	var known struct { // of the definition, what says when it is due, and where
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
		made[i].terms.newer = true
	}
	s.table.set(name, made)
	s.config.Logger.Error("definition is of a newer version; this process records its slots as missed", "monitor", name)
	return true
}

// newerStored refuses to replace or remove what a newer program has stored:
// whoever does so has an older program, or an older file, than they think.
func newerStored(keys []string) error {
	if len(keys) == 0 {
		return nil
	}
	slices.Sort(keys)
	const most = 5
	named := strings.Join(keys[:min(most, len(keys))], ", ")
	if len(keys) > most {
		named += fmt.Sprintf(" and %d more", len(keys)-most)
	}
	return fmt.Errorf("replace %s: %w", named, job.ErrNewer)
}
