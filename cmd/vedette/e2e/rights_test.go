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

// rightsFile is who may do what: a line for each thing that could be tried, and
// a character for each user who may. It is written by hand, on purpose.
const rightsFile = "testdata/rights.txt"

// column is a user of 'vedette auth init', and the character that stands for it.
type column struct {
	letter byte
	user   rights.User
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

// attempts are everything that could be tried with the streams, buckets and
// consumers that there are, and with what belongs to others.
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
			continue // its subjects are the server's own; the stream is among those below
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

// consumersOf are the consumers of each stream.
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

// examples are subjects that match a filter: any, and those that a client has
// reason to use.
func examples(filter string) []string {
	known := map[string][]string{
		"vedette.check.>":       {"vedette.check.default.x", "vedette.check.fra.x"},
		"vedette.adhoc.>":       {"vedette.adhoc.default.x", "vedette.adhoc.fra.x"},
		"vedette.call.>":        {"vedette.call.check.default.x", "vedette.call.check.fra.x", "vedette.call.mail.x"},
		"vedette.timer.at.*.*":  {"vedette.timer.at.recheck.x", "vedette.timer.at.flush.x", "vedette.timer.at.sweep.x", "vedette.timer.at.digest.x"},
		"vedette.ping.*.*":      {"vedette.ping.x.ok", "vedette.ping.x.start", "vedette.ping.x.fail", "vedette.ping.x.since"},
		"$KV.VEDETTE_OUTCOME.>": {"$KV.VEDETTE_OUTCOME.check.x", "$KV.VEDETTE_OUTCOME.mail.x"},
	}
	one := strings.NewReplacer("*", "x", ">", "x").Replace(filter)
	return append(slices.Clone(known[filter]), one)
}

// allowed returns which of the attempts the server allows to a user. There is
// nothing installed, so that nothing happens.
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
		t.Fatal("got no refusal of what nobody may")
	}
	mu.Lock()
	defer mu.Unlock()
	may := map[string]bool{}
	for _, attempt := range all {
		may[attempt] = !refused[attempt]
	}
	return may
}

// expected reads who may do what.
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
		letters, attempt, ok := strings.Cut(line, " ")
		if !ok || want[attempt] != "" {
			t.Fatalf("%s: got %q, want letters and an attempt, each once", rightsFile, line)
		}
		want[strings.TrimSpace(attempt)] = strings.ReplaceAll(letters, "-", "")
	}
	return want
}

// decisionOn finds what is decided about an attempt: about itself, or about those
// like it.
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

// TestEachUserMayDoWhatIsDecidedAndNothingElse tries everything as every user of
// 'vedette auth init'. What there is a stream, bucket or consumer for and no
// decision about is a failure.
func TestEachUserMayDoWhatIsDecidedAndNothingElse(t *testing.T) {
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
			letter := "-"
			if may[attempt] {
				letter = string(c.letter)
			}
			got[attempt] += letter
		}
		if roles := strings.Count(users, `"`+name+`"`); roles != 1 {
			t.Errorf("got %d users %s, want one", roles, name)
		}
	}
	if n := strings.Count(users, "user: "); n != len(columns()) {
		t.Errorf("got %d users of 'vedette auth init', want a column for each of them", n)
	}
	used := map[string]bool{}
	for _, attempt := range all {
		decision, decided := decisionOn(attempt, want)
		used[decision] = true
		letters := want[decision]
		switch {
		case !decided:
			t.Errorf("%s: got no decision in %s who may; at the moment %s", attempt, rightsFile, got[attempt])
		case letters != strings.ReplaceAll(got[attempt], "-", ""):
			t.Errorf("%s: got %s who may, want %q", attempt, got[attempt], letters)
		}
	}
	for _, decision := range slices.Sorted(maps.Keys(want)) {
		if !used[decision] {
			t.Errorf("%s: got a decision about what nobody tries", decision)
		}
	}
	var table strings.Builder
	for _, attempt := range all {
		fmt.Fprintf(&table, "%s %s\n", got[attempt], attempt)
	}
	t.Logf("%d attempts by %d users:\n%s", len(all), len(columns()), table.String())
}
