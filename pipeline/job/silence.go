package job

import "time"

// Silence mutes alerts for matching monitors for a while. Checks and evaluation
// go on.
type Silence struct {
	V  int    `json:"v"`
	ID string `json:"id"`
	// Match must not be empty.
	Match   Match  `json:"match"`
	Author  string `json:"author"`
	Comment string `json:"comment,omitempty"`
	// Starts and Ends limit the silence; expiring it moves Ends.
	Starts time.Time `json:"starts"`
	Ends   time.Time `json:"ends"`
}

// Active reports whether the silence is in force.
func (s Silence) Active(now time.Time) bool { return !now.Before(s.Starts) && now.Before(s.Ends) }

// Maintenance is a window, single or recurring, that mutes alerts for matching
// monitors. Either Starts and Ends are set, or Cron and one of Until and For.
type Maintenance struct {
	Name  string `json:"name"`
	Match Match  `json:"match,omitzero"`
	// Starts and Ends limit a single window.
	Starts time.Time `json:"starts,omitzero"`
	Ends   time.Time `json:"ends,omitzero"`
	// Cron is when a window begins, in TimeZone; empty means UTC.
	Cron     string `json:"cron,omitempty"`
	TimeZone string `json:"time_zone,omitempty"`
	// Until is the local time, such as 07:00, of the window's end. It follows DST
	// changes. For is the elapsed time until the end.
	Until string   `json:"until,omitempty"`
	For   Duration `json:"for,omitempty"`
}
