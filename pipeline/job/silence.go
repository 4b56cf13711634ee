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
