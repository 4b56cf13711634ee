package job

// The reasons why mails cannot leave, or soon cannot.
const (
	FaultRelayAway          ProcessConditionReason = "relay_away"                // a relay cannot be used, and another one is
	FaultRelaysDown         ProcessConditionReason = "relays_down"               // no relay can be used
	FaultRelayLogin         ProcessConditionReason = "relay_login"               // every relay refuses the login
	FaultRelayTLS           ProcessConditionReason = "relay_tls"                 // TLS with every relay fails
	FaultRelayDefers        ProcessConditionReason = "relay_defers"              // a relay answers every mail with 4xx
	FaultCertificateExpires ProcessConditionReason = "relay_certificate_expires" // a relay's certificate expires within days
	FaultMailQueue          ProcessConditionReason = "mail_queue"                // mails wait longer than they should
	FaultMaildir            ProcessConditionReason = "maildir"                   // mails cannot be stored in the Maildir
)

// Lesser reports that mails leave all the same: when the condition then gets a
// reason that is not lesser, that is news.
func (r ProcessConditionReason) Lesser() bool {
	return r == FaultRelayAway || r == FaultCertificateExpires
}
