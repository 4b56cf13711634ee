package e2e_test

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"vedette/cmd/vedette/internal/cli"
	"vedette/pipeline"
	"vedette/pipeline/deadletter"
	"vedette/pipeline/inspect"
	"vedette/pipeline/job"
	"vedette/pipeline/process"
	"vedette/pipeline/rights"
	"vedette/pipeline/topology"
	"vedette/producer"
	"vedette/workers"
	"vedette/workers/mail"
)

// roleServer starts a server with the users from 'vedette roles'. Each password is
// the role's name.
func roleServer(t *testing.T) (address string, names topology.Names) {
	t.Helper()
	names = topology.Names{Prefix: "vedette"}
	for _, role := range rights.Roles() {
		t.Setenv(rights.PasswordVariable(names, rights.User{Role: role}), string(role))
	}
	config, stderr, code := vedette(t, "roles")
	if code != 0 {
		t.Fatalf("vedette roles: got %d %s", code, stderr)
	}
	return natsServer(t, config), names
}

func asRole(names topology.Names, address string, role rights.Role) string {
	return "nats://" + rights.UserName(names, rights.User{Role: role}) + ":" + string(role) + "@" + address
}

// joinAs connects with a role's rights. A refusal by the server fails the test:
// everything the role needs must work.
func joinAs(t *testing.T, names topology.Names, address string, role rights.Role) *pipeline.Pipeline {
	t.Helper()
	log := refusals(t, string(role))
	p, err := pipeline.Connect(t.Context(), pipeline.Config{URL: asRole(names, address, role), Process: string(role), Shards: 2, Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

// background runs a service until the test ends.
func background(t *testing.T, name string, serve func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("%s: got %v, want a clean end", name, err)
		}
	})
}

// mailbag collects mails.
type mailbag struct{ mails chan job.Mail }

func (b *mailbag) Handle(_ context.Context, m job.Mail, _ mail.Attempt) error {
	b.mails <- m
	return nil
}

func (*mailbag) Relays() []mail.RelayState { return nil }

func (*mailbag) Available() bool                                      { return true }
func (*mailbag) StoreCopy(context.Context, job.Mail, time.Time) error { return nil }

func (*mailbag) Serve(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

func (*mailbag) Close() {}

func TestEachRoleWorksWithItsOwnRights(t *testing.T) {
	address, names := roleServer(t)
	operator := joinAs(t, names, address, rights.Admin)
	if err := operator.Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	monitor := job.Monitor{
		V: job.Version, Name: "site", Spec: tcp("site:1"), Interval: job.Duration(time.Second),
		Policy: job.Policy{FailureThreshold: 1, SuccessThreshold: 1, Notify: []string{"ops"}},
	}
	_, err := producer.Apply(t.Context(), operator, producer.Definitions{
		Monitors: []job.Monitor{monitor}, Recipients: []job.Recipient{{V: job.Version, Name: "ops", Addresses: []string{"ops@example.org"}}},
		Settings: job.Settings{Operators: []string{"ops"}, Grouping: &job.Grouping{MaxListed: 10}},
	}, producer.ApplyOptions{})
	if err != nil {
		t.Fatal(err)
	}
	bag := &mailbag{mails: make(chan job.Mail, 100)}
	down := probeFunc(func(context.Context, job.Spec) job.ProbeResult {
		return job.ProbeResult{Health: job.Down, Class: job.ClassConnect, Cause: "refused", Started: time.Now()}
	})
	for role, stages := range map[rights.Role][]string{
		rights.Admin:       {workers.StageMaintain},
		rights.CheckWorker: {workers.StageCheck},
		rights.Evaluator:   {workers.StageEvaluate},
		rights.Notifier:    {workers.StageNotify},
		rights.MailWorker:  {workers.StageMail},
	} {
		p := joinAs(t, names, address, role)
		background(t, string(role), process.NewPresence(p, process.Config{Version: "1.2.3"}).Serve)
		w, err := workers.New(workers.Config{
			Pipeline: p, Stages: stages, Prober: down, Grace: time.Second, Logger: refusals(t, string(role)),
			NewMailer: func(workers.Deliveries) (workers.Mailer, error) { return bag, nil },
		})
		if err != nil {
			t.Fatal(err)
		}
		background(t, string(role), w.Serve)
	}
	p := joinAs(t, names, address, rights.Scheduler)
	background(t, "scheduler", process.NewPresence(p, process.Config{Version: "1.2.3"}).Serve)
	scheduler, err := producer.NewScheduler(producer.SchedulerConfig{Pipeline: p, Logger: refusals(t, "scheduler")})
	if err != nil {
		t.Fatal(err)
	}
	background(t, "scheduler", scheduler.Serve)

	waitForMail(t, bag, "[DOWN] site") // after the scheduler, a check worker, the evaluator and a mail worker
	publisherWorks(t, joinAs(t, names, address, rights.Publisher))
	waitForMail(t, bag, "[VEDETTE]") // from the admin's process, about the publisher's invalid job
	viewerSees(t, joinAs(t, names, address, rights.Viewer))
	for _, args := range [][]string{{"explain", "site"}, {"status"}, {"silence", "list"}} {
		stdout, stderr, code := vedette(t, append(args, "--nats", asRole(names, address, rights.Viewer))...)
		if code > cli.ExitFound || stderr != "" {
			t.Errorf("viewer: vedette %v: got %d %s %s, want an answer", args, code, stdout, stderr)
		}
	}
}

func waitForMail(t *testing.T, bag *mailbag, subject string) {
	t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	for {
		select {
		case m := <-bag.mails:
			if strings.HasPrefix(m.Subject, subject) {
				return
			}
		case <-deadline.C:
			t.Fatalf("got no mail %q for %s", subject, patience)
		}
	}
}

func publisherWorks(t *testing.T, p *pipeline.Pipeline) {
	t.Helper()
	if err := p.CheckInstalled(t.Context()); err != nil {
		t.Errorf("publisher: %v", err)
	}
	client, err := producer.NewClient(producer.ClientConfig{Pipeline: p})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	ctx := within(t)
	if answer, err := client.Check(ctx, job.Check{ID: "c1", Spec: tcp("site:1")}); err != nil || answer.Check == nil {
		t.Errorf("publisher: got %+v, %v, want an answer to its check", answer, err)
	}
	if answer, err := client.Mail(ctx, job.Mail{ID: "m1", To: "you@example.org", Subject: "s", Text: "t"}); err != nil || answer.Mail == nil {
		t.Errorf("publisher: got %+v, %v, want an answer to its mail", answer, err)
	}
	if _, err := client.EnqueueCheck(ctx, job.Check{ID: "c2", Spec: tcp("site:1")}); err != nil {
		t.Errorf("publisher: %v", err)
	}
	if _, err := client.EnqueueMail(ctx, job.Mail{To: "you@example.org", Subject: "s", Text: "t"}); err != nil {
		t.Errorf("publisher: %v", err)
	}
	eventually(t, "an outcome", func() bool {
		_, err := client.Outcome(ctx, job.JobCheck, "c2")
		return err == nil
	})
	if err := p.Publish(ctx, pipeline.Message{Subject: topology.AdhocSubject(job.DefaultLocation, "bad"), Body: []byte("{")}); err != nil {
		t.Errorf("publisher: %v", err)
	}
}

func viewerSees(t *testing.T, p *pipeline.Pipeline) {
	t.Helper()
	for _, name := range []topology.Bucket{topology.Monitors, topology.States} {
		bucket, err := p.Bucket(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		entries, err := bucket.Load(within(t))
		if err != nil || len(entries) == 0 {
			t.Errorf("viewer: got %d keys of %s, %v, want some", len(entries), name, err)
		}
	}
	answers, silent, err := process.Ask(within(t), p, patience/4)
	if err != nil || len(answers) != 6 || len(silent) != 0 {
		t.Errorf("viewer: got %v, silent %v, %v, want all six processes", answers, silent, err)
	}
	ctx, seen := context.WithCancel(within(t))
	if err := inspect.Tail(ctx, p, topology.Result, time.Minute, func(pipeline.Delivery) { seen() }); err != nil {
		t.Errorf("viewer: %v", err)
	}
	var letters []deadletter.Letter
	err = deadletter.Each(within(t), p, deadletter.Filter{}, func(l deadletter.Letter) bool {
		letters = append(letters, l)
		return true
	})
	if err != nil || len(letters) != 1 {
		t.Errorf("viewer: got %d dead letters, %v, want the one", len(letters), err)
	}
}

// refusals is a log that fails the test when the server refuses an action.
func refusals(t *testing.T, who string) *slog.Logger {
	t.Helper()
	return slog.New(slog.NewTextHandler(writerFunc(func(line []byte) (int, error) {
		if bytes.Contains(bytes.ToLower(line), []byte("permissions violation")) {
			t.Errorf("%s: %s", who, line)
		}
		return len(line), nil
	}), nil))
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func TestCommandWithoutARightNamesIt(t *testing.T) {
	address, names := roleServer(t)
	if err := joinAs(t, names, address, rights.Admin).Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	file := write(t, t.TempDir(), "monitors: [{name: x, tcp: '127.0.0.1:1'}]\n")
	for name, c := range map[string]struct {
		role  rights.Role
		args  []string
		lacks string
	}{
		"dead letters":   {rights.Publisher, []string{"dead", "list"}, "publish $JS.API.STREAM.INFO.VEDETTE_DEAD"},
		"processes":      {rights.Publisher, []string{"ps"}, "publish $JS.API.STREAM.INFO.KV_VEDETTE_PROCESS"},
		"a mail job":     {rights.Viewer, []string{"enqueue", "mail", "--to", "a@example.org", "--subject", "x", "--text", "x"}, "subscribe vedette.reply."},
		"an answer":      {rights.Viewer, []string{"enqueue", "check", "127.0.0.1:1", "--wait", "30s"}, "subscribe vedette.reply."},
		"a file":         {rights.Viewer, []string{"apply", file}, "publish $KV.VEDETTE_MONITOR"},
		"a silence":      {rights.Viewer, []string{"silence", "add", "monitor=x", "--for", "1h"}, "publish $KV.VEDETTE_SILENCE."},
		"a state":        {rights.MailWorker, []string{"status"}, "publish $JS.API.STREAM.INFO."},
		"a whole run":    {rights.Scheduler, []string{"run", "--http", "127.0.0.1:0", file}, "publish $JS.API.STREAM."},
		"streams to see": {rights.Notifier, []string{"explain", "x"}, "publish $JS.API.STREAM.INFO.VEDETTE_CHECK"},
		"outcomes":       {rights.Viewer, []string{"outcome", "check", "x"}, "subscribe vedette.reply."},
		"mails":          {rights.Publisher, []string{"mail", "log"}, "publish $JS.API.STREAM.INFO."},
		"mails to send":  {rights.Viewer, []string{"mail", "send", "--to", "a@example.org", "--subject", "x", "--text", "x"}, "subscribe vedette.reply."},
		"a snapshot":     {rights.Publisher, []string{"doctor"}, "publish $JS.API.STREAM.INFO."},
		"a replay":       {rights.Publisher, []string{"dead", "replay", "--all"}, "publish $JS.API.STREAM.INFO.VEDETTE_DEAD"},
		"silences":       {rights.Publisher, []string{"silence", "list"}, "publish $JS.API.STREAM.INFO."},
	} {
		began := time.Now()
		_, stderr, code := vedette(t, append(c.args, "--nats", asRole(names, address, c.role))...)
		if code != cli.ExitFailed || !strings.Contains(stderr, c.lacks) || !strings.Contains(stderr, "hint: the user lacks a right") ||
			strings.Contains(stderr, "deadline") {
			t.Errorf("%s as %s: got %d %s, want 3 and the missing right %q", name, c.role, code, stderr, c.lacks)
		}
		if took := time.Since(began); took > cli.FindTimeout {
			t.Errorf("%s as %s: got the error after %s, want it at once", name, c.role, took)
		}
	}
}

func TestCommandsFailWithoutAConnection(t *testing.T) {
	t.Parallel()
	file, url := write(t, t.TempDir(), nothingWatched), "nats://"+freeAddress(t)
	for _, args := range [][]string{
		{"apply", file},
		{"dead", "list"},
		{"dead", "drop", "1"},
		{"doctor"},
		{"enqueue", "check", "127.0.0.1:1"},
		{"explain", "x"},
		{"mail", "log"},
		{"mail", "send", "--to", "a@example.org", "--text", "x"},
		{"outcome", "check", "x"},
		{"ps"},
		{"silence", "list"},
		{"status"},
	} {
		t.Run(strings.Join(args[:min(2, len(args))], " "), func(t *testing.T) {
			t.Parallel()
			stdout, stderr, code := vedette(t, append(args, "--nats", url)...)
			if code != cli.ExitFailed || stdout != "" || !strings.Contains(stderr, "connect to nats: ") || !strings.Contains(stderr, "hint: check that the instance is running") {
				t.Errorf("got code %d, %q and %q, want %d and a hint", code, stdout, stderr, cli.ExitFailed)
			}
		})
	}
}
