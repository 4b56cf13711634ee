package topology

// Loss describes what it means for people that messages of a stream were lost.
func Loss(s Stream) string {
	switch s {
	case Monitors.Stream():
		return "definitions are restored from the file"
	case StateLog:
		return "monitors are pending until their next result, except those with an open incident in the notification log"
	case Notifications.Stream():
		return "addresses can get a second mail about an open incident, or no mail about the end of an incident"
	case Deliveries.Stream():
		return "a mail that was being sent can arrive twice"
	case Cursors.Stream():
		return "slots since the last stop are not recorded as missed"
	case Attempts.Stream():
		return "failed jobs are attempted more often"
	case Outcomes.Stream():
		return "'vedette outcome' does not know some jobs"
	case Digests.Stream(), Notice:
		return "operators may miss notices"
	case Processes.Stream():
		return "the processes that ran before are not known"
	case Silences.Stream():
		return "silences may be missing, or be back: see 'vedette silence list'"
	case Tick:
		return "clocks are started again"
	case Checks:
		return "checks that waited are not made; the next slot is"
	case Adhoc, Call:
		return "jobs that waited are not done: enqueue them again"
	case Result:
		return "the history has a gap, and results that were not evaluated are missing"
	case Mail:
		return "mails that waited may not be sent: see 'vedette mail log'"
	case Dead:
		return "dead letters are missing"
	case Ping:
		return "the last pings of heartbeats are not known"
	case Timer:
		return "rechecks are missing; notifications that were due are found within minutes"
	case Advisory:
		return "jobs that the server gave up on are not found again"
	default:
		return ""
	}
}
