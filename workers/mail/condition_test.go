package mail_test

import (
	"strings"
	"testing"
	"time"

	"vedette/pipeline/job"
	"vedette/workers/mail"
)

func TestAssess(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 1, 14, 3, 0, 0, time.UTC)
	const day = 24 * time.Hour
	usable := mail.RelayState{Relay: "mx2:587", Usable: true, Since: at}
	away := func(trouble mail.Trouble, cause string) mail.RelayState {
		return mail.RelayState{Relay: "mx1:587", Since: at.Add(-time.Minute), Trouble: trouble, Cause: cause}
	}
	defers := func(since time.Duration, mails int, stage mail.Stage, delivered time.Duration) mail.RelayState {
		s := usable
		s.Deferral = mail.Deferral{Since: at.Add(-since), Mails: mails, Stage: stage, Cause: "451 later"}
		if delivered > 0 {
			s.Delivered = at.Add(-delivered)
		}
		return s
	}
	certified := func(left, whole time.Duration) mail.RelayState {
		s := usable
		s.CertificateUntil = at.Add(left)
		s.CertificateFrom = s.CertificateUntil.Add(-whole)
		return s
	}
	waiting := mail.Queue{Waiting: 5, Unsettled: 1}
	for name, c := range map[string]struct {
		relays []mail.RelayState
		queue  mail.Queue
		want   job.ProcessConditionReason
		detail string
	}{
		"no relay":                     {nil, waiting, "", ""},
		"all is well":                  {[]mail.RelayState{usable}, waiting, "", ""},
		"the second is used":           {[]mail.RelayState{away(mail.TroubleUnreachable, "connection refused"), usable}, waiting, job.FaultRelayAway, "relay mx1:587 cannot be reached since 2026-03-01 14:02:00 UTC (connection refused); mx2:587 is used"},
		"the backup is away":           {[]mail.RelayState{usable, away(mail.TroubleLogin, "535 no")}, mail.Queue{}, job.FaultRelayAway, "login to relay mx1:587 fails since 2026-03-01 14:02:00 UTC (535 no); mx2:587 is used"},
		"the only one is away":         {[]mail.RelayState{away(mail.TroubleUnreachable, "no answer in time")}, waiting, job.FaultRelaysDown, "relay mx1:587 cannot be reached since 2026-03-01 14:02:00 UTC (no answer in time)"},
		"it refuses sessions":          {[]mail.RelayState{away(mail.TroubleRefused, "554 no")}, waiting, job.FaultRelaysDown, "relay mx1:587 refuses sessions since 2026-03-01 14:02:00 UTC (554 no)"},
		"the login is wrong":           {[]mail.RelayState{away(mail.TroubleLogin, "535 no")}, waiting, job.FaultRelayLogin, "login to relay mx1:587 fails since"},
		"TLS is wrong":                 {[]mail.RelayState{away(mail.TroubleTLS, "certificate expired")}, waiting, job.FaultRelayTLS, "TLS with relay mx1:587 fails since"},
		"both, for different causes":   {[]mail.RelayState{away(mail.TroubleTLS, "x"), away(mail.TroubleLogin, "y")}, waiting, job.FaultRelaysDown, "(x); login to"},
		"deferred for a moment":        {[]mail.RelayState{defers(9*time.Second, 3, mail.StageRcpt, 0)}, waiting, "", ""},
		"several deferred":             {[]mail.RelayState{defers(20*time.Second, 3, mail.StageRcpt, time.Minute)}, waiting, job.FaultRelayDefers, "relay mx2:587 has accepted no mail since 2026-03-01 14:02:40 UTC (RCPT: 451 later)"},
		"one deferred at MAIL":         {[]mail.RelayState{defers(20*time.Second, 1, mail.StageMail, time.Minute)}, waiting, job.FaultRelayDefers, "MAIL: 451"},
		"one greylisted":               {[]mail.RelayState{defers(5*time.Minute, 1, mail.StageRcpt, 0)}, waiting, "", ""},
		"one deferred for long":        {[]mail.RelayState{defers(6*time.Minute, 1, mail.StageRcpt, 0)}, waiting, job.FaultRelayDefers, "451"},
		"one, after others left":       {[]mail.RelayState{defers(6*time.Minute, 1, mail.StageRcpt, 10*time.Minute)}, waiting, "", ""},
		"deferred, and none waits":     {[]mail.RelayState{defers(time.Minute, 3, mail.StageRcpt, 0)}, mail.Queue{}, "", ""},
		"mails wait for long":          {[]mail.RelayState{usable}, mail.Queue{Waiting: 1, Oldest: 200 * time.Second}, job.FaultMailQueue, "mails wait for more than 3 minutes before their first attempt"},
		"the queue grows":              {[]mail.RelayState{usable}, mail.Queue{Waiting: 1, Growing: time.Minute}, job.FaultMailQueue, "the queue of mails has grown for more than a minute"},
		"the queue waits for a relay":  {[]mail.RelayState{away(mail.TroubleUnreachable, "x")}, mail.Queue{Waiting: 1, Oldest: time.Hour}, job.FaultRelaysDown, "(x)"},
		"late and away":                {[]mail.RelayState{away(mail.TroubleUnreachable, "x"), usable}, mail.Queue{Waiting: 1, Oldest: time.Hour}, job.FaultMailQueue, "; relay mx1:587"},
		"a certificate of a week":      {[]mail.RelayState{certified(6*day, 90*day)}, waiting, job.FaultCertificateExpires, "the certificate of relay mx2:587 expires at 2026-03-07 14:03:00 UTC, in 6 days"},
		"a certificate of eight days":  {[]mail.RelayState{certified(8*day, 90*day)}, waiting, "", ""},
		"a short-lived certificate":    {[]mail.RelayState{certified(3*day, 6*day)}, waiting, "", ""},
		"a short-lived one at its end": {[]mail.RelayState{certified(day, 6*day)}, waiting, job.FaultCertificateExpires, "in 24 hours"},
		"a relay that does not answer": {[]mail.RelayState{{Relay: "mx1:587", Usable: true, Asked: at.Add(-12 * time.Second)}, usable}, waiting, job.FaultRelayAway, "relay mx1:587 does not answer since 2026-03-01 14:02:48 UTC; mx2:587 is used"},
		"a relay that may yet answer":  {[]mail.RelayState{{Relay: "mx1:587", Usable: true, Asked: at.Add(-11 * time.Second)}}, waiting, "", ""},
	} {
		got, failed := mail.Assess(c.relays, c.queue, at)
		if got.Reason != c.want || failed != (c.want != "") || !strings.Contains(got.Detail, c.detail) || failed && !got.Advisory {
			t.Errorf("%s: got %+v, want %s with %q", name, got, c.want, c.detail)
		}
	}
}
