package e2e_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/nats-io/nats.go"

	"vedette/pipeline/job"
	"vedette/pipeline/rights"
	"vedette/pipeline/topology"
)

// rightsFile has the decided rights: a line for each attempt, with the marks for
// the users that have the right. It is written by hand, on purpose.
const rightsFile = "testdata/rights.txt"

// column is a user from 'vedette auth init' and its mark.
type column struct {
	mark byte
	user rights.User
}

func columns() []column {
	return []column{
		{'P', rights.User{Role: rights.Publisher}},
		{'S', rights.User{Role: rights.Scheduler}},
		{'C', rights.User{Role: rights.CheckWorker}},
		{'F', rights.User{Role: rights.CheckWorker, Location: "fra"}},
		{'E', rights.User{Role: rights.Evaluator}},
		{'N', rights.User{Role: rights.Notifier}},
		{'M', rights.User{Role: rights.MailWorker}},
		{'V', rights.User{Role: rights.Viewer}},
		{'O', rights.User{Role: rights.Admin}},
	}
}

// attempts returns everything that a client can try with all streams, buckets and
// consumers, including those of another installation.
func attempts(t *testing.T) []string {
	t.Helper()
	var all []string
	say := func(verb string, subjects ...string) {
		for _, subject := range subjects {
			all = append(all, verb+" "+subject)
		}
	}
	consumers := consumersOf()
	for _, filtered := range []string{
		"VEDETTE_TICK.scheduler.vedette.tick.due.*", "VEDETTE_TICK.scheduler.vedette.tick.>",
		"VEDETTE_CHECK.check-default.vedette.check.default.>", "VEDETTE_CHECK.check-default.vedette.check.>", "VEDETTE_CHECK.check-fra.vedette.check.fra.>",
		"VEDETTE_ADHOC.adhoc-default.vedette.adhoc.default.>", "VEDETTE_ADHOC.adhoc-fra.vedette.adhoc.fra.>",
		"VEDETTE_CALL.call-check-default.vedette.call.check.default.>", "VEDETTE_CALL.call-check-default.vedette.call.>",
		"VEDETTE_CALL.call-check-fra.vedette.call.check.fra.>", "VEDETTE_CALL.call-mail.vedette.call.mail.>",
		"VEDETTE_MAIL.mail-alert.vedette.mail.alert.>", "VEDETTE_MAIL.mail-adhoc.vedette.mail.adhoc.>", "VEDETTE_MAIL.mail-operator.vedette.mail.operator.>",
		"VEDETTE_TIMER.evaluate-recheck.vedette.timer.due.recheck.*", "VEDETTE_TIMER.notify-flush.vedette.timer.due.flush.*",
		"VEDETTE_TIMER.notify-sweep.vedette.timer.due.sweep.*", "VEDETTE_TIMER.maintain-digest.vedette.timer.due.digest.*",
	} {
		say("publish", "$JS.API.CONSUMER.CREATE."+filtered)
	}
	for _, config := range topology.Streams(topology.Names{Prefix: "vedette"}, 1) {
		if strings.HasPrefix(config.Name, "VEDETTE_ADVISORY") {
			continue // its subjects belong to the server; the stream follows below
		}
		for _, filter := range config.Subjects {
			for _, subject := range examples(filter) {
				say("publish", subject, "$JS.API.DIRECT.GET."+config.Name+"."+subject)
			}
			say("publish", "$JS.API.CONSUMER.CREATE."+config.Name+".thief."+filter)
		}
	}
	for _, config := range topology.Buckets(topology.Names{Prefix: "vedette"}, 1) {
		filter := "$KV." + config.Bucket + ".>"
		for _, subject := range examples(filter) {
			say("publish", subject, "$JS.API.DIRECT.GET.KV_"+config.Bucket+"."+subject)
		}
		say("publish", "$JS.API.CONSUMER.CREATE.KV_"+config.Bucket+".thief."+filter)
	}
	say("publish", "vedette.ps", "vedette.reply.x.y", "vedette.status.x.y", "vedette.unheard.of")
	for _, name := range streamsOf(topology.Names{Prefix: "vedette"}) {
		for _, verb := range []string{"CREATE", "INFO", "UPDATE", "DELETE", "PURGE", "SNAPSHOT", "RESTORE", "MSG.GET", "MSG.DELETE"} {
			say("publish", "$JS.API.STREAM."+verb+"."+name)
		}
		for _, consumer := range append(consumers[name], "thief") {
			say("publish", "$JS.API.CONSUMER.CREATE."+name+"."+consumer, "$JS.API.CONSUMER.DELETE."+name+"."+consumer,
				"$JS.API.CONSUMER.MSG.NEXT."+name+"."+consumer, "$JS.ACK."+name+"."+consumer+".1.1.1.1.1")
		}
		say("publish", "$JS.API.DIRECT.GET."+name)
	}
	for _, api := range []string{"INFO", "STREAM.NAMES", "STREAM.LIST", "ACCOUNT.PURGE.X", "STREAM.LEADER.STEPDOWN.VEDETTE_MAIL", "STREAM.PEER.REMOVE.VEDETTE_MAIL"} {
		say("publish", "$JS.API."+api)
	}
	say("publish", "other.subject", "$JS.API.STREAM.DELETE.OTHER", "$JS.API.STREAM.CREATE.OTHER", "$KV.OTHER.key", "$JS.API.CONSUMER.CREATE.OTHER.x",
		"$JS.ACK.OTHER.x.1.1.1.1.1", "_INBOX.vedette-operator2.x", "$SYS.REQ.SERVER.PING", "$SRV.PING")
	say("subscribe", ">", "_INBOX.>", "_INBOX.vedette-admin.>", "$JS.EVENT.>", "$JS.API.>", "$KV.>", "$SYS.>", "$SRV.>", "$SRV.PING", "vedette.>", "vedette.ps",
		"vedette.mail.>", "vedette.check.>", "vedette.ping.>", "vedette.reply.>", "vedette.reply.vedette-publisher.>", "vedette.reply.vedette-notifier.>",
		"vedette.status.>", "vedette.status.vedette-viewer.*", "other.>")
	return all
}

func streamsOf(installation topology.Names) []string {
	var names []string
	for _, config := range topology.Streams(installation, 1) {
		names = append(names, config.Name)
	}
	for _, config := range topology.Buckets(installation, 1) {
		names = append(names, "KV_"+config.Bucket)
	}
	return names
}

// consumersOf returns the consumers for each stream.
func consumersOf() map[string][]string {
	return map[string][]string{
		"VEDETTE_TICK":     {topology.SchedulerConsumer().Name},
		"VEDETTE_CHECK":    {topology.CheckConsumer("default").Name, topology.CheckConsumer("fra").Name},
		"VEDETTE_ADHOC":    {topology.AdhocConsumer("default").Name, topology.AdhocConsumer("fra").Name},
		"VEDETTE_CALL":     {topology.CheckCallConsumer("default").Name, topology.CheckCallConsumer("fra").Name, topology.MailCallConsumer().Name},
		"VEDETTE_RESULT":   {topology.EvaluateConsumer().Name},
		"VEDETTE_TIMER":    {topology.RecheckConsumer().Name, topology.FlushConsumer().Name, topology.SweepConsumer().Name, topology.DigestConsumer().Name},
		"KV_VEDETTE_STATE": {topology.NotifyConsumer().Name},
		"VEDETTE_MAIL":     {topology.MailConsumer(job.MailAlert).Name, topology.MailConsumer(job.MailAdhoc).Name, topology.MailConsumer(job.MailOperator).Name},
		"VEDETTE_NOTICE":   {topology.NoticeConsumer().Name},
		"VEDETTE_DEAD":     {topology.DeadLetterConsumer().Name},
		"VEDETTE_ADVISORY": {topology.RescueConsumer().Name},
	}
}

// examples returns subjects that match a filter: an arbitrary one, and useful ones.
func examples(filter string) []string {
	known := map[string][]string{
		"vedette.check.>":       {"vedette.check.default.x", "vedette.check.fra.x"},
		"vedette.adhoc.>":       {"vedette.adhoc.default.x", "vedette.adhoc.fra.x"},
		"vedette.call.>":        {"vedette.call.check.default.x", "vedette.call.check.fra.x", "vedette.call.mail.x"},
		"vedette.timer.at.*.*":  {"vedette.timer.at.recheck.x", "vedette.timer.at.flush.x", "vedette.timer.at.sweep.x", "vedette.timer.at.digest.x", "vedette.timer.at.beat.x"},
		"vedette.ping.*.*":      {"vedette.ping.x.ok", "vedette.ping.x.start", "vedette.ping.x.fail", "vedette.ping.x.since"},
		"$KV.VEDETTE_OUTCOME.>": {"$KV.VEDETTE_OUTCOME.check.x", "$KV.VEDETTE_OUTCOME.mail.x"},
	}
	one := strings.NewReplacer("*", "x", ">", "x").Replace(filter)
	return append(slices.Clone(known[filter]), one)
}

// allowed returns the attempts that the server allows to a user. Without an
// installation they have no effect.
func allowed(t *testing.T, url string, all []string) map[string]bool {
	t.Helper()
	const last = "the.last.of.all"
	var mu sync.Mutex
	refused, over := map[string]bool{}, make(chan struct{})
	conn, err := nats.Connect(url, nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
		mu.Lock()
		defer mu.Unlock()
		_, what, _ := strings.Cut(err.Error(), `to "`)
		subject, _, _ := strings.Cut(what, `"`)
		verb := "publish "
		if strings.Contains(err.Error(), "Subscription") {
			verb = "subscribe "
		}
		refused[verb+subject] = true
		if subject == last {
			close(over)
		}
	}))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, attempt := range append(slices.Clone(all), "publish "+last) {
		verb, subject, _ := strings.Cut(attempt, " ")
		if verb == "publish" {
			err = conn.Publish(subject, []byte("x"))
		} else {
			_, err = conn.SubscribeSync(subject)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	select {
	case <-over: // the server answers in order
	case <-within(t).Done():
		t.Fatal("got no refusal for an attempt that no user may make")
	}
	mu.Lock()
	defer mu.Unlock()
	may := map[string]bool{}
	for _, attempt := range all {
		may[attempt] = !refused[attempt]
	}
	return may
}

// expected reads the decided rights.
func expected(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile(rightsFile)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		marks, attempt, ok := strings.Cut(line, " ")
		if !ok || want[attempt] != "" {
			t.Fatalf("%s: got %q, want marks and an attempt, each once", rightsFile, line)
		}
		want[strings.TrimSpace(attempt)] = strings.ReplaceAll(marks, "-", "")
	}
	return want
}

// decisionOn finds the decision about an attempt: its own, or one for similar
// attempts.
func decisionOn(attempt string, decisions map[string]string) (string, bool) {
	if _, ok := decisions[attempt]; ok {
		return attempt, true
	}
	tokens := strings.Split(attempt, ".")
	for decision := range decisions {
		if slices.EqualFunc(strings.Split(decision, "."), tokens, func(like, token string) bool { return like == "*" || like == token }) {
			return decision, true
		}
	}
	return "", false
}

// TestEachUserHasExactlyTheDecidedRights tries everything as every user from
// 'vedette auth init'. A stream, bucket or consumer without a decision is a failure.
func TestEachUserHasExactlyTheDecidedRights(t *testing.T) {
	t.Parallel()
	secrets := filepath.Join(t.TempDir(), "secrets")
	if _, stderr, code := vedette(t, "auth", "init", secrets, "n1", "--location", "default,fra"); code != 0 {
		t.Fatalf("make users: got %d %s", code, stderr)
	}
	users := source(t, filepath.Join(secrets, "users.conf"))
	address, names := natsServer(t, users), topology.Names{Prefix: "vedette"}
	all, want := attempts(t), expected(t)
	got := map[string]string{}
	for _, c := range columns() {
		name := rights.UserName(names, c.user)
		password := strings.TrimSpace(source(t, filepath.Join(secrets, name+".password")))
		may := allowed(t, "nats://"+name+":"+password+"@"+address, all)
		for _, attempt := range all {
			mark := "-"
			if may[attempt] {
				mark = string(c.mark)
			}
			got[attempt] += mark
		}
		if roles := strings.Count(users, `"`+name+`"`); roles != 1 {
			t.Errorf("got %d users %s, want one", roles, name)
		}
	}
	if n := strings.Count(users, "user: "); n != len(columns()) {
		t.Errorf("got %d users from 'vedette auth init', want a column for each", n)
	}
	used := map[string]bool{}
	for _, attempt := range all {
		decision, decided := decisionOn(attempt, want)
		used[decision] = true
		marks := want[decision]
		switch {
		case !decided:
			t.Errorf("%s: got no decision in %s; allowed now: %s", attempt, rightsFile, got[attempt])
		case marks != strings.ReplaceAll(got[attempt], "-", ""):
			t.Errorf("%s: got it allowed to %s, want %q", attempt, got[attempt], marks)
		}
	}
	for _, decision := range slices.Sorted(maps.Keys(want)) {
		if !used[decision] {
			t.Errorf("%s: got a decision without an attempt", decision)
		}
	}
	var table strings.Builder
	for _, attempt := range all {
		fmt.Fprintf(&table, "%s %s\n", got[attempt], attempt)
	}
	t.Logf("%d attempts by %d users:\n%s", len(all), len(columns()), table.String())
}
