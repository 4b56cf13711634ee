package pipeline

// Names of the consumers, which are those of the pools. They are the same in
// every process, since that is how processes share work, and what the rights
// of a role speak of.
const (
	ConsumerScheduler = "scheduler"
	ConsumerEvaluate  = "evaluate"
	ConsumerRecheck   = "evaluate-recheck"
	ConsumerNotify    = "notify"
	ConsumerMailings  = "notify-mailings"
	ConsumerSweep     = "notify-sweep"
	ConsumerMailCalls = "call-mail"

	ConsumerNotices = "operate-notices"
	ConsumerLetters = "operate-letters"
	ConsumerDigest  = "operate-digest"
	ConsumerRescue  = "operate-rescue"
)

// ConsumerMails takes the mails of a class: [job.MailAlert], [job.MailRequest] or
// [job.MailOperator].
func ConsumerMails(class string) string { return "mail-" + class }

// ConsumerChecks takes the scheduled checks of a location.
func ConsumerChecks(location string) string { return "check-" + location }

// ConsumerRequests takes the ordered checks of a location.
func ConsumerRequests(location string) string { return "request-" + location }

// ConsumerCheckCalls takes the checks of a location that somebody waits for.
func ConsumerCheckCalls(location string) string { return "call-check-" + location }
