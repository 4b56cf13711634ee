package job

import "time"

// Recipient is who gets mail: a name, and the addresses behind it. It is
// stored beside the monitors, so that changing an address touches no monitor.
type Recipient struct {
	V         int      `json:"v"`
	Name      string   `json:"name"`
	Addresses []string `json:"addresses"`
	// TimeZone is the IANA name of the zone of the times in mails; empty means
	// UTC.
	TimeZone string `json:"time_zone,omitempty"`
	// Grouping is the recipient's own; nil means that of [Settings].
	Grouping *Grouping `json:"grouping,omitempty"`
}

// Grouping says which news go into one mail, and how often there is one.
type Grouping struct {
	// GroupBy are what monitors must have in common to be in one mail: "monitor",
	// "group", "location" or "label.NAME". Empty means nothing: all news of an
	// address go together.
	GroupBy []string `json:"group_by,omitempty"`
	// GroupWait is how long the first news waits for others, Interval how long after
	// a mail the next one may follow.
	GroupWait     Duration `json:"group_wait"`
	GroupInterval Duration `json:"group_interval"`
	// RepeatInterval is how long after the last mail a recipient is reminded of what is
	// still down. Zero means never.
	RepeatInterval Duration `json:"repeat_interval"`
	// MaxListed is how many monitors a mail lists of each kind of news; it counts the
	// others.
	MaxListed int `json:"max_listed"`
}

// DefaultGrouping is for installations and recipients that do not say.
func DefaultGrouping() Grouping {
	return Grouping{
		GroupWait: Duration(30 * time.Second), GroupInterval: Duration(5 * time.Minute), RepeatInterval: Duration(4 * time.Hour), MaxListed: 40,
	}
}

// What [Grouping].GroupBy may hold, and what a label's begins with.
const (
	GroupByMonitor  = "monitor"
	GroupByGroup    = "group"
	GroupByLocation = "location"
	GroupByLabel    = "label."
)

// Settings are what an installation's file says of the installation itself.
type Settings struct {
	V int `json:"v"`
	// Operators are names of recipients who are mailed [Notice]s.
	Operators []string `json:"operators,omitempty"`
	// Grouping is that of recipients who have none of their own; nil means
	// [DefaultGrouping].
	Grouping *Grouping `json:"grouping,omitempty"`
	// Maintenance are the windows in which nobody is mailed of certain monitors.
	Maintenance []Maintenance `json:"maintenance,omitempty"`
}
