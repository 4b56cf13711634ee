package e2e_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"

	"vedette/pipeline/rights"
)

// universe has the subjects a client can try, each with the roles that may use it;
// an admin may use all, except another installation's.
func universe() map[string][]rights.Role {
	const create, next, info = "$JS.API.CONSUMER.CREATE.", "$JS.API.CONSUMER.MSG.NEXT.", "$JS.API.STREAM.INFO."
	publisher, scheduler, check := rights.Publisher, rights.Scheduler, rights.CheckWorker
	evaluator, notifier, mail, viewer := rights.Evaluator, rights.Notifier, rights.MailWorker, rights.Viewer
	return map[string][]rights.Role{
		// jobs
		"vedette.adhoc.default.x":      {publisher},
		"vedette.call.check.default.x": {publisher, notifier},
		"vedette.call.mail.x":          {publisher},
		"vedette.mail.adhoc.x":         {publisher},
		"vedette.mail.alert.x":         {notifier},
		"vedette.mail.operator.x":      {notifier},
		"vedette.check.default.x":      {scheduler, evaluator},
		"vedette.result.0":             {scheduler, check},
		"vedette.tick.clock.0":         {rights.Scheduler},
		"vedette.timer.at.beat.0":      {rights.Scheduler},
		"vedette.tick.due.0":           {},
		"vedette.timer.at.a.b":         {},
		"vedette.timer.at.recheck.b":   {evaluator},
		"vedette.timer.at.flush.b":     {notifier},
		"vedette.dead.X.y.1":           {scheduler, check, evaluator, notifier, mail},
		"vedette.notice.stuck_job":     {scheduler, check, evaluator, notifier, mail},
		"vedette.reply.x.y":            {check, mail},
		"vedette.ps":                   {viewer},
		"vedette.ping.x.ok":            {publisher},
		"vedette.ping.x.since":         {check},
		"vedette.status.x.y":           {scheduler, check, evaluator, notifier, mail},
		// keys
		"$KV.VEDETTE_MONITOR.monitor.x":  {},
		"$KV.VEDETTE_STATE.x":            {evaluator},
		"$KV.VEDETTE_DELIVERY.x":         {notifier, mail},
		"$KV.VEDETTE_NOTIFICATION.a.b.c": {notifier},
		"$KV.VEDETTE_SILENCE.x":          {},
		"$KV.VEDETTE_OUTCOME.check.x":    {check},
		"$KV.VEDETTE_OUTCOME.mail.x":     {mail},
		"$KV.VEDETTE_CURSOR.0":           {scheduler},
		"$KV.VEDETTE_PROCESS.x":          {scheduler, check, evaluator, notifier, mail},
		"$KV.VEDETTE_DIGEST.operators":   {},
		// taking other clients' jobs, and looking at them
		next + "VEDETTE_CHECK.check-default":                            {check},
		next + "VEDETTE_CHECK.check-fra":                                {},
		next + "VEDETTE_MAIL.mail":                                      {mail},
		next + "VEDETTE_RESULT.evaluate":                                {evaluator},
		next + "VEDETTE_TICK.scheduler":                                 {scheduler},
		"$JS.ACK.VEDETTE_MAIL.mail.1.1.1.1.1":                           {mail},
		create + "VEDETTE_MAIL.thief":                                   {},
		create + "VEDETTE_RESULT.thief":                                 {viewer},
		create + "VEDETTE_RESULT.evaluate":                              {evaluator},
		create + "KV_VEDETTE_STATE.notify.$KV.VEDETTE_STATE.>":          {},
		"$JS.API.CONSUMER.DELETE.KV_VEDETTE_STATE.notify":               {},
		"$JS.API.DIRECT.GET.VEDETTE_MAIL.vedette.mail.alert.x":          {},
		"$JS.API.DIRECT.GET.VEDETTE_MAIL.vedette.mail.adhoc.x":          {publisher},
		"$JS.API.DIRECT.GET.KV_VEDETTE_MONITOR.$KV.VEDETTE_MONITOR.x":   {scheduler, evaluator, notifier, viewer},
		"$JS.API.DIRECT.GET.KV_VEDETTE_DELIVERY.$KV.VEDETTE_DELIVERY.x": {notifier, mail, viewer},
		"$JS.API.DIRECT.GET.KV_VEDETTE_OUTCOME.$KV.VEDETTE_OUTCOME.a.x": {publisher, viewer},
		// the installation
		info + "VEDETTE_DEAD":                       {viewer},
		"$JS.API.STREAM.UPDATE.VEDETTE_MAIL":        {},
		"$JS.API.STREAM.DELETE.VEDETTE_MAIL":        {},
		"$JS.API.STREAM.PURGE.VEDETTE_DEAD":         {},
		"$JS.API.STREAM.MSG.DELETE.VEDETTE_DEAD":    {},
		"$JS.API.STREAM.MSG.GET.VEDETTE_ADHOC":      {},
		"$JS.API.CONSUMER.DELETE.VEDETTE_MAIL.mail": {},
	}
}

// foreign has what no role may do, not even an admin.
func foreign() []string {
	return []string{
		"other.subject", "$JS.API.STREAM.DELETE.OTHER", "$JS.API.STREAM.CREATE.OTHER", "$KV.OTHER.key",
		"$JS.API.CONSUMER.CREATE.OTHER.x", "$JS.ACK.OTHER.x.1.1.1.1.1", "_INBOX.vedette-operator2.x", "$SYS.REQ.SERVER.PING", "$SRV.PING.other",
	}
}

func TestEachRoleIsRefusedAllOtherRights(t *testing.T) {
	address, names := roleServer(t)
	for _, role := range rights.Roles() {
		refused := foreign()
		for subject, allowed := range universe() {
			if role != rights.Admin && !slices.Contains(allowed, role) {
				refused = append(refused, subject)
			}
		}
		for _, subject := range refused {
			if !violates(t, asRole(names, address, role), func(c *nats.Conn) error { return c.Publish(subject, []byte("x")) }) {
				t.Errorf("%s: may publish %s, want a refusal", role, subject)
			}
		}
		for _, subject := range []string{">", "_INBOX.>", "$JS.EVENT.>", "vedette.reply.>", "vedette.mail.>", "vedette.status.>", "$KV.>", "$SRV.>"} {
			if role == rights.Admin && strings.HasPrefix(subject, "vedette.") {
				continue
			}
			if !violates(t, asRole(names, address, role), func(c *nats.Conn) error { _, err := c.SubscribeSync(subject); return err }) {
				t.Errorf("%s: may subscribe %s, want a refusal", role, subject)
			}
		}
	}
}

// violates reports whether the server refuses an action.
func violates(t *testing.T, url string, do func(*nats.Conn) error) bool {
	t.Helper()
	conn, err := nats.Connect(url, nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := do(conn); err != nil {
		t.Fatal(err)
	}
	if err := conn.Flush(); err != nil {
		t.Fatal(err)
	}
	return conn.LastError() != nil && strings.Contains(strings.ToLower(conn.LastError().Error()), "permissions violation")
}
