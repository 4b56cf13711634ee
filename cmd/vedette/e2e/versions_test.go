package e2e_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"vedette/pipeline"
	"vedette/pipeline/job"
	"vedette/pipeline/topology"
	"vedette/producer"
)

// versions are the program as it is, and as the next version may be.
type versions struct{ present, next string }

// Neighbouring versions work together: the program is built twice, and they meet
// on one server.
func TestNeighbouringVersionsWorkTogether(t *testing.T) {
	t.Parallel()
	var v versions
	var both sync.WaitGroup
	both.Go(func() { v.present = build(t, "present", sooner()) })
	v.next = build(t, "next", nextVersion())
	both.Wait()
	t.Run("workers of the next version", func(t *testing.T) { t.Parallel(); workersOfTheNext(t, v) })
	t.Run("workers of the present version", func(t *testing.T) { t.Parallel(); workersOfThePresent(t, v) })
	t.Run("an upgrade of all processes", func(t *testing.T) { t.Parallel(); upgrade(t, v) })
	t.Run("what only the next version understands", func(t *testing.T) { t.Parallel(); novelMonitor(t, v) })
}

// mixed is an installation of processes of both versions.
type mixed struct {
	t                    *testing.T
	versions             versions
	dir, url, file, home string // home is that of the server's health
	listen               string
	box                  *inbox
	site                 *target
	p                    *pipeline.Pipeline
	client               *producer.Client
	server               *child
}

func newMixed(t *testing.T, v versions, server string) *mixed {
	t.Helper()
	m := &mixed{t: t, versions: v, dir: t.TempDir(), home: lastingAddress(t), listen: lastingAddress(t), box: newInbox(t), site: newTarget(t)}
	m.file = filepath.Join(m.dir, "monitors.yaml")
	text := fmt.Sprintf(`
recipients: {ops: ops@example.org, boss: boss@example.org}
operators: [boss]
notifications: {group_wait: 0s, group_interval: 0s}
mail: {from: vedette@example.org, relays: [%s]}
defaults: {interval: 1s, timeout: 800ms, failure_threshold: 1, success_threshold: 1, flapping: false, notify: ops}
monitors:
  - {name: site, http: %q}
`, m.box.Relay(), m.site.url)
	if err := os.WriteFile(m.file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	m.serve(server)
	m.url = mustURL(t, m.dir)
	p, err := pipeline.Connect(within(t), pipeline.Config{URL: m.url, Process: "test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	if m.client, err = producer.NewClient(producer.ClientConfig{Pipeline: p}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.client.Close() })
	m.p = p
	return m
}

// serve starts the NATS server.
func (m *mixed) serve(program string) {
	m.t.Helper()
	m.server = spawnProgram(m.t, program, m.dir, "server", "--listen", m.listen, "--http", m.home)
	eventually(m.t, "a ready server", func() bool { return answers("http://" + m.home + "/readyz") })
}

// start starts a process that does a part of the work, and waits until it does.
func (m *mixed) start(program, roles string) *child {
	m.t.Helper()
	health := lastingAddress(m.t)
	command := []string{"worker"}
	if strings.Contains(roles, "schedule") {
		command = []string{"run"}
	}
	c := spawnProgram(m.t, program, m.dir, append(command, "--nats", m.url, "--http", health, "--data", m.t.TempDir(), "--stages", roles, m.file)...)
	eventually(m.t, "a ready "+roles, func() bool { return answers("http://" + health + "/readyz") })
	return c
}

// says runs a command of one of the versions.
func (m *mixed) says(program string, args ...string) string {
	m.t.Helper()
	cmd := exec.Command(program, append(args, "--nats", m.url)...)
	out, _ := cmd.CombinedOutput() // what it says is what counts
	return string(out)
}

// novel enqueues a check and a mail that only the next version understands.
func (m *mixed) novel(id string) {
	m.t.Helper()
	for subject, body := range map[string]string{
		topology.AdhocSubject("default", id):    fmt.Sprintf(`{"v":2,"novelty":"x","http":%q}`, m.site.url),
		topology.MailSubject(job.MailAdhoc, id): fmt.Sprintf(`{"v":2,"novelty":"x","to":"you@example.org","subject":%q,"text":"x"}`, id),
	} {
		if err := m.p.Publish(within(m.t), pipeline.Message{Subject: subject, Body: []byte(body)}); err != nil {
			m.t.Fatal(err)
		}
	}
}

// done waits until what novel ordered is done, and checks that it was so once.
func (m *mixed) done(id string) {
	m.t.Helper()
	for _, order := range []string{job.JobCheck, job.JobMail} {
		eventually(m.t, "an outcome of "+order+" "+id, func() bool {
			answer, err := m.client.Outcome(within(m.t), order, id)
			return err == nil && answer.Failure == nil
		})
	}
	m.once("you@example.org", id)
}

// once checks that an address got one mail of a subject.
func (m *mixed) once(address, subject string) {
	m.t.Helper()
	n := 0
	for _, s := range m.box.Subjects(address) {
		if s == subject {
			n++
		}
	}
	if n != 1 {
		m.t.Errorf("got mail %q %d times, want it once", subject, n)
	}
}

// breaks has the site go down and come back, which is reported once each.
func (m *mixed) breaks(times int) {
	m.t.Helper()
	m.site.setIll(true)
	eventually(m.t, "a DOWN mail", func() bool { return m.box.Count("ops@example.org", "[DOWN]") == times })
	m.site.setIll(false)
	eventually(m.t, "an UP mail", func() bool { return m.box.Count("ops@example.org", "[UP]") == times })
}

// ordersAreDone orders what both versions understand.
func (m *mixed) ordersAreDone(program, id string) {
	m.t.Helper()
	if said := m.says(program, "enqueue", "check", m.site.url, "--wait", "30s", "--id", id); !strings.Contains(said, "is UP") {
		m.t.Errorf("got %s, want a check that is made", said)
	}
	if said := m.says(program, "enqueue", "mail", "--to", "you@example.org", "--subject", id, "--text", "x", "--wait", "30s", "--id", id); !strings.Contains(said, "was accepted by") {
		m.t.Errorf("got %s, want a mail that is sent", said)
	}
	m.once("you@example.org", id)
}

// clean checks that no process has seen an error.
func (m *mixed) clean(children ...*child) {
	m.t.Helper()
	for _, c := range children {
		c.stop(m.t)
		if strings.Contains(c.output.String(), "level=ERROR") {
			m.t.Errorf("got %s, want no errors", c.output)
		}
	}
}

func workersOfTheNext(t *testing.T, v versions) {
	t.Helper()
	m := newMixed(t, v, v.present)
	run := m.start(v.present, "schedule,evaluate,notify,maintain")
	check, mails := m.start(v.next, "check"), m.start(v.next, "mail")
	m.breaks(1)
	for i, program := range []string{v.present, v.next} {
		m.ordersAreDone(program, fmt.Sprintf("plain%d", i))
		if said := m.says(program, "ps"); strings.Count(said, " presence ") != 3 {
			t.Errorf("got %s, want the processes of both versions", said)
		}
	}
	m.novel("novel")
	m.done("novel")
	if said := m.says(v.present, "outcome", "check", "novel"); !strings.Contains(said, "is UP") {
		t.Errorf("got %s, want the older program to show what it understands", said)
	}
	m.clean(mails, check, run)
}

func workersOfThePresent(t *testing.T, v versions) {
	t.Helper()
	m := newMixed(t, v, v.next)
	run := m.start(v.next, "schedule,evaluate,notify,maintain")
	check, mails := m.start(v.present, "check"), m.start(v.present, "mail")
	m.breaks(1)
	m.ordersAreDone(v.present, "plain0")
	m.ordersAreDone(v.next, "plain1")
	m.novel("novel")
	eventually(t, "word to the operators", func() bool {
		return m.box.Holds("To: <boss@example.org>", "newer version") || m.box.Holds("boss@example.org", "newer version")
	})
	if n := len(m.box.Subjects("you@example.org")); n != 2 {
		t.Errorf("got %d mails, want the novel one not sent by who does not understand it", n)
	}
	newCheck, newMails := m.start(v.next, "check"), m.start(v.next, "mail") // next to the older ones
	m.done("novel")
	m.breaks(2)
	m.clean(newMails, newCheck, run)
	check.stop(t)
	mails.stop(t)
}

// load enqueues checks and mails until it is ended.
type load struct {
	ids  []string
	stop chan struct{}
	done chan struct{}
}

// loadPace is how often a check and a mail are enqueued.
const loadPace = 50 * time.Millisecond

func (m *mixed) load() *load {
	l := &load{stop: make(chan struct{}), done: make(chan struct{})}
	ctx := m.t.Context()
	go func() {
		defer close(l.done)
		tick := time.NewTicker(loadPace)
		defer tick.Stop()
		for i := 0; ; i++ {
			select {
			case <-l.stop:
				return
			case <-tick.C:
			}
			id := fmt.Sprintf("load%d", i)
			_, err := m.client.EnqueueCheck(ctx, job.Check{ID: id, Spec: job.Spec{HTTP: &job.HTTP{URL: m.site.url}}})
			if err == nil {
				_, err = m.client.EnqueueMail(ctx, job.Mail{ID: id, To: "load@example.org", Subject: id, Text: "x"})
			}
			if err == nil {
				l.ids = append(l.ids, id)
			}
		}
	}()
	return l
}

func upgrade(t *testing.T, v versions) {
	t.Helper()
	m := newMixed(t, v, v.present)
	var old []*child
	for _, roles := range []string{"schedule,evaluate,notify,maintain", "check", "mail"} {
		old = append(old, m.start(v.present, roles))
	}
	m.novel("early") // one client is ahead of the others
	parked := func() bool {
		said := m.says(v.present, "dead", "list", "--reason", "unsupported")
		return strings.Contains(said, "adhoc.default.early") && strings.Contains(said, "mail.adhoc.early")
	}
	eventually(t, "the novel orders among the dead letters", parked)
	if said := m.says(v.present, "outcome", "mail", "early"); !strings.Contains(said, "parked until a newer process takes it") {
		t.Errorf("got %s, want it called parked", said)
	}
	l := m.load()
	m.breaks(1)
	m.server.stop(t)
	m.serve(v.next)
	m.breaks(2)
	var young []*child
	for i, roles := range []string{"mail", "check", "schedule,evaluate,notify,maintain"} { // workers first: see the README
		young = append(young, m.start(v.next, roles))
		m.breaks(3 + i)
		old[len(old)-1-i].stop(t)
	}
	m.breaks(6)
	m.done("early") // came back automatically
	close(l.stop)
	<-l.done
	if len(l.ids) < 20 {
		t.Fatalf("got %d orders acknowledged, want a load", len(l.ids))
	}
	for _, id := range l.ids {
		for _, order := range []string{job.JobCheck, job.JobMail} {
			eventually(t, "an outcome of "+id, func() bool {
				answer, err := m.client.Outcome(within(t), order, id)
				return err == nil && answer.Failure == nil
			})
		}
	}
	sent := map[string]int{}
	for _, subject := range m.box.Subjects("load@example.org") {
		sent[subject]++
	}
	for _, id := range l.ids {
		if sent[id] != 1 {
			t.Errorf("got mail %s %d times, want it once", id, sent[id])
		}
	}
	if said := m.says(v.present, "dead", "list"); !strings.Contains(said, "no dead letters") {
		t.Errorf("got %s, want no dead letters", said)
	}
	t.Logf("%d checks and %d mails acknowledged while all processes were upgraded: all done, mails once", len(l.ids), len(l.ids))
	m.clean(young...)
}
