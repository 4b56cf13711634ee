package doctor

import "vedette/pipeline/job"

// mailRemedy returns the effect of what keeps mails from leaving, and what to do.
func mailRemedy(reason job.ProcessConditionReason) (why, advice string) {
	const wait = "mails wait in their queue, and people do not get them; mails to operators are also in the Maildir"
	switch reason {
	case job.FaultRelayAway:
		return "mails leave by the other relay; if that fails too, none leaves", "start that relay, or correct or remove it in mail.relays; 'vedette mail test FILE' shows what it answers"
	case job.FaultRelayLogin:
		return wait, "correct username and password in mail.relays and restart, or write the password_file, which is read again at once; 'vedette mail test FILE' tries the login"
	case job.FaultRelayTLS:
		return wait, "renew the certificate of the relay, or correct host, port and tls in mail.relays; 'vedette mail test FILE' shows the certificate"
	case job.FaultCertificateExpires:
		return "once it has expired, no mail leaves by that relay", "renew the certificate of the relay"
	case job.FaultRelayDefers:
		return "mails are tried again each minute until mail.give_up_after, and then become dead letters", "see the log of the relay for the cause, such as a full disk; 'vedette mail log' shows its answers"
	case job.FaultMailQueue:
		return "alerts arrive late", "raise workers.mails, or per_minute and sessions of the relay in mail.relays; 'vedette mail log' shows how fast mails leave"
	case job.FaultMaildir:
		return "mails wait in their queue, and nothing stores them", "free space, or correct the rights of that directory; mails are stored once it can be written"
	case job.FaultRelaysDown:
		return wait, "start a relay, or correct mail.relays; 'vedette mail test FILE' shows what each relay answers; mails leave once one can be used"
	default: // from a newer version
		return wait, "'vedette mail test FILE' shows what the relays answer"
	}
}
