package producer

import (
	"fmt"
	"time"

	"vedette/pipeline/job"
	"vedette/producer/schedule"
)

// profile is the part of a schedule that many monitors share.
type profile struct {
	location string
	period   time.Duration
	paused   bool
	newer    bool // the definition has a version that this scheduler cannot read
	interval time.Duration
	cron     schedule.Schedule // if there is no interval
}

// definition describes a monitor at one of its locations.
type definition struct {
	name     string // the monitor, with the location if it has several
	template job.CheckTemplate
	target   string // the part of the template that few monitors share
	since    time.Time
	profile  profile
}

// maxPeriod bounds how late a cron slot may run, and how long its check may
// wait for a worker.
const maxPeriod = time.Hour

// newDefinitions returns a definition for each location; written is when the
// monitor was stored.
func newDefinitions(m *job.Monitor, written time.Time) ([]definition, error) {
	var all []definition
	for _, location := range m.CheckLocations() {
		d, err := newDefinition(m, location, written)
		if err != nil {
			return nil, err
		}
		if m.MultiLocation() {
			d.name = job.LocationName(m.Name, location)
		}
		all = append(all, d)
	}
	return all, nil
}

func newDefinition(m *job.Monitor, location string, written time.Time) (definition, error) {
	d := definition{name: m.Name, target: m.Target(), since: written}
	d.profile = profile{location: location, period: m.Interval.Std(), paused: m.Paused, interval: m.Interval.Std()}
	var err error
	if m.Cron == "" {
		_, err = schedule.Every(m.Interval.Std(), m.Name)
	} else {
		d.profile.cron, err = schedule.Cron(m.Cron, m.TimeZone)
	}
	if err != nil {
		return d, fmt.Errorf("read schedule of %s: %w", m.Name, err)
	}
	if m.Cron != "" {
		first := d.profile.cron.Next(written)
		d.profile.period, d.profile.interval = min(d.profile.cron.Next(first).Sub(first), maxPeriod), 0
	}
	d.template, err = job.NewCheckTemplate(job.Check{V: job.Version, Monitor: m.Name, Location: location, Spec: m.Spec})
	return d, err
}

// schedule returns a monitor's schedule.
func (p *profile) schedule(name string) schedule.Schedule {
	if p.interval == 0 {
		return p.cron
	}
	s, err := schedule.Every(p.interval, name)
	if err != nil {
		return schedule.Schedule{} // refused by newDefinition
	}
	return s
}

// phase is the second within the interval in which a monitor is due.
func (p *profile) phase(name string) int64 {
	return p.schedule(name).Next(time.Unix(0, 0)).Unix() % int64(p.interval/time.Second)
}
