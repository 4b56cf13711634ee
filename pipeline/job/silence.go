package job

import (
	"path"
	"time"
)

// Match selects monitors. What is left out selects all; what is there must all
// hold. Monitors and Groups are patterns as of [path.Match], of which one must
// fit, and so is the value of each label.
type Match struct {
	Monitors []string          `json:"monitors,omitempty"`
	Groups   []string          `json:"groups,omitempty"`
	Labels   map[string]string `json:"labels,omitempty"`
}

// Matches tells whether a monitor is selected.
func (m Match) Matches(name, group string, labels map[string]string) bool {
	if !anyFits(m.Monitors, name) || !anyFits(m.Groups, group) {
		return false
	}
	for label, pattern := range m.Labels {
		value, labelled := labels[label]
		if !labelled || !fits(pattern, value) {
			return false
		}
	}
	return true
}

// Empty tells whether the match says nothing, and so selects all.
func (m Match) Empty() bool { return len(m.Monitors)+len(m.Groups)+len(m.Labels) == 0 }

func anyFits(patterns []string, text string) bool {
	for _, pattern := range patterns {
		if fits(pattern, text) {
			return true
		}
	}
	return len(patterns) == 0
}

// fits takes a pattern that is none for itself: readers refuse those.
func fits(pattern, text string) bool {
	ok, err := path.Match(pattern, text)
	return ok || err != nil && pattern == text
}

// Silence is a person's word that nobody needs to be mailed of some monitors
// for a while. Checks go on, and so does the judgement.
type Silence struct {
	V  int    `json:"v"`
	ID string `json:"id"`
	// Match must not be empty.
	Match   Match  `json:"match"`
	Author  string `json:"author"`
	Comment string `json:"comment,omitempty"`
	// Starts and Ends bound it; one that was expired ends then.
	Starts time.Time `json:"starts"`
	Ends   time.Time `json:"ends"`
}

// Active tells whether the silence holds at a time.
func (s Silence) Active(now time.Time) bool { return !now.Before(s.Starts) && now.Before(s.Ends) }

// Maintenance is a window, once or again and again, in which nobody is mailed
// of some monitors. Either Starts and Ends are set, or Cron and one of Until
// and For.
type Maintenance struct {
	Name  string `json:"name"`
	Match Match  `json:"match,omitzero"`
	// Starts and Ends are those of a window that comes once.
	Starts time.Time `json:"starts,omitzero"`
	Ends   time.Time `json:"ends,omitzero"`
	// Cron is when a window begins, in the zone of TimeZone; empty means UTC.
	Cron     string `json:"cron,omitempty"`
	TimeZone string `json:"time_zone,omitempty"`
	// Until is the wall time, such as 07:00, at which the window ends, the first
	// after its beginning, whatever clocks do in between. For is how long it
	// lasts instead, in real time.
	Until string   `json:"until,omitempty"`
	For   Duration `json:"for,omitempty"`
}
