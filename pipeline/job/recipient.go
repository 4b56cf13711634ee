package job

import "time"

// Recipient is a named list of mail addresses.
type Recipient struct {
	V         int      `json:"v"`
	Name      string   `json:"name"`
	Addresses []string `json:"addresses"`
	// TimeZone is the IANA zone for times in mails; empty means UTC.
	TimeZone string `json:"time_zone,omitempty"`
	// Grouping overrides the grouping from [Settings]; nil keeps it.
	Grouping *Grouping `json:"grouping,omitempty"`
}

// Grouping decides which alerts share a mail, and how often a mail leaves. The
// terms are those of Alertmanager.
type Grouping struct {
	// GroupBy lists what monitors must have in common to share a mail: "monitor",
	// "group", "location" or "label.NAME". Empty puts all alerts to an address
	// into one group.
	GroupBy []string `json:"group_by,omitempty"`
	// GroupWait is how long the first alert waits for others, GroupInterval the
	// least time between two mails.
	GroupWait     Duration `json:"group_wait"`
	GroupInterval Duration `json:"group_interval"`
	// RepeatInterval is the time from the last mail to a reminder about monitors
	// that are still down. Zero means no reminders.
	RepeatInterval Duration `json:"repeat_interval"`
	// MaxListed is how many monitors a mail lists in each section; it counts the
	// rest.
	MaxListed int `json:"max_listed"`
}

// DefaultGrouping returns the grouping for installations that set none.
func DefaultGrouping() Grouping {
	return Grouping{
		GroupWait: Duration(30 * time.Second), GroupInterval: Duration(5 * time.Minute), RepeatInterval: Duration(4 * time.Hour), MaxListed: 40,
	}
}

// Elements of [Grouping].GroupBy; GroupByLabel is the prefix for a label.
const (
	GroupByMonitor  = "monitor"
	GroupByGroup    = "group"
	GroupByLocation = "location"
	GroupByLabel    = "label."
)

// Settings are the parts of the file that concern the whole installation.
type Settings struct {
	V int `json:"v"`
	// Operators are the names for the recipients that get [Notice]s.
	Operators []string `json:"operators,omitempty"`
	// Grouping is the default for recipients; nil means [DefaultGrouping].
	Grouping *Grouping `json:"grouping,omitempty"`
	// Maintenance are the windows that mute alerts.
	Maintenance []Maintenance `json:"maintenance,omitempty"`
}
