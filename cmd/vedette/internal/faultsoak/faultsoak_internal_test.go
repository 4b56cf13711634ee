package faultsoak

import (
	"bytes"
	"errors"
	"net"
	"net/smtp"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"vedette/cmd/vedette/internal/cli"
	"vedette/pipeline/job"
	"vedette/workers/notify"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// began is when a fault began.
func began() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 500_000_000, time.UTC) }

func digest(notices ...job.Notice) received {
	m := notify.DigestMail(job.Digest{Pending: notices}, operator)
	return received{to: operator, subject: m.Subject, text: m.Text}
}

func TestMailIsAboutAFaultOnlyFromItsBeginning(t *testing.T) {
	t.Parallel()
	failed := func(at time.Time) job.Notice {
		return job.Notice{Kind: job.NoticeFault, At: at, Summary: "storage of process p failed: disk full"}
	}
	ended := job.Notice{Kind: job.NoticeFaultEnded, At: began().Add(time.Second), Summary: "storage of process p works again, after 9s"}
	words := condition(job.ProcessStorage)
	for name, c := range map[string]struct {
		mail received
		want bool
	}{
		"of this fault":       {digest(failed(began())), true},
		"of the one before":   {digest(failed(began().Add(-time.Minute))), false},
		"of its end":          {digest(ended), false},
		"of two faults":       {digest(failed(began().Add(-time.Minute)), ended, failed(began().Add(time.Second))), true},
		"of the one and else": {digest(failed(began().Add(-time.Minute)), job.Notice{Kind: job.NoticeFault, At: began(), Summary: "mail of process p failed"}), false},
	} {
		if got := c.mail.about(words, began()); got != c.want {
			t.Errorf("%s: got %t, want %t\n%s", name, got, c.want, c.mail.text)
		}
	}
	alert := received{to: owner, subject: "[DOWN] control: connect refused"}
	if !alert.about([]string{"DOWN"}, began()) || alert.about([]string{"UP"}, began()) {
		t.Error("got another alert, want the one about DOWN")
	}
}

func TestReceiverKnowsSilence(t *testing.T) {
	t.Parallel()
	at := func(seconds int) time.Time { return began().Add(time.Duration(seconds) * time.Second) }
	r := &receiver{pings: []time.Time{at(0), at(2), at(4)}}
	for _, c := range []struct {
		since, now int
		silent     bool
		well       bool
	}{
		{4, 6, false, true}, {4, 10, false, false}, {4, 11, true, false}, {12, 13, true, false},
	} {
		if _, silent := r.silent(at(c.since), at(c.now)); silent != c.silent {
			t.Errorf("at %d: got silent %t, want %t", c.now, silent, c.silent)
		}
		if well := r.well(at(c.now)); well != c.well {
			t.Errorf("at %d: got well %t, want %t", c.now, well, c.well)
		}
	}
	r.pings = append(r.pings, at(20))
	if when, silent := r.silent(at(4), at(21)); !silent || !when.Equal(at(10)) {
		t.Errorf("got %s %t, want the silence that is over", when, silent)
	}
	if _, silent := r.silent(at(20), at(21)); silent {
		t.Error("got the silence before, want none")
	}
	r.pings, r.fails = append(r.pings, at(22)), []time.Time{at(22)}
	if when, failed := r.failed(at(21)); !failed || !when.Equal(at(22)) || r.well(at(23)) {
		t.Errorf("got %s %t, want a ping that says what is wrong", when, failed)
	}
}

func TestVerdictNamesWhatWasNotSeenInTime(t *testing.T) {
	t.Parallel()
	l := limits{noticed: 30 * time.Second, told: time.Minute, healed: 10 * time.Second}
	in := func(d time.Duration) sighting { return sighting{seen: true, after: d} }
	shown := fault{name: "f", shown: true}
	good := observation{fault: shown, ready: in(time.Second), doctor: in(time.Second), told: in(time.Second), healed: in(time.Second)}
	for name, c := range map[string]struct {
		change func(*observation)
		want   string // in the error; empty for none
	}{
		"all in time":    {func(*observation) {}, ""},
		"no readyz":      {func(o *observation) { o.ready = sighting{} }, "f: found it not noticed by /readyz, expected that within 30s"},
		"late doctor":    {func(o *observation) { o.doctor = in(31 * time.Second) }, "f: found it noticed by doctor after 31.0s"},
		"not reported":   {func(o *observation) { o.told = sighting{} }, "f: found it not reported"},
		"need not be":    {func(o *observation) { o.told, o.fault.unreported = sighting{}, "short" }, ""},
		"late check":     {func(o *observation) { o.healed = in(11 * time.Second) }, "f: found it healed after 11.0s, expected that within 10s"},
		"not of Vedette": {func(o *observation) { o.ready, o.doctor, o.fault.shown = sighting{}, sighting{}, false }, ""},
		"no mail at end": {func(o *observation) { o.fault.after = func(*world, time.Time) bool { return false } }, "f: found no mail about its end"},
	} {
		o := good
		c.change(&o)
		err := l.check(&o)
		if text := errorText(err); (c.want == "") != (err == nil) || !strings.Contains(text, c.want) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
		if exit, ok := errors.AsType[*cli.ExitError](err); err != nil && (!ok || exit.Code != cli.ExitFound) {
			t.Errorf("%s: got %v, want exit code %d", name, err, cli.ExitFound)
		}
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// send sends a mail to a relay.
func send(r *relay, text string) error {
	return smtp.SendMail(r.address, nil, "vedette@example.org", []string{operator}, []byte(text))
}

func TestRelayCanBeAwayAndBusy(t *testing.T) {
	t.Parallel()
	box := &post{}
	r, err := newRelay(box)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := r.stop(); err != nil {
			t.Error(err)
		}
	}()
	const text = "Message-ID: <1@example.org>\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n\r\nHello.\r\n.hidden\r\n"
	if err := send(r, text); err != nil {
		t.Fatal(err)
	}
	want := received{to: operator, id: "<1@example.org>", subject: "Grüße", text: "Hello.\n.hidden\n"}
	got := box.since(time.Time{})
	if len(got) != 1 {
		t.Fatalf("got %d mails, want 1", len(got))
	}
	if got[0].at = (time.Time{}); got[0] != want {
		t.Errorf("got %+v, want %+v", got[0], want)
	}
	r.busy.Store(true)
	if err := send(r, text); err == nil || !strings.Contains(err.Error(), "451") {
		t.Errorf("got %v, want a 451", err)
	}
	r.busy.Store(false)
	if err := r.goAway(); err != nil {
		t.Fatal(err)
	}
	if _, err := net.Dial("tcp", r.address); err == nil {
		t.Error("got a connection, want none to a relay that is away")
	}
	if err := r.comeBack(); err != nil {
		t.Fatal(err)
	}
	if err := send(r, text); err != nil || len(box.since(time.Time{})) != 2 {
		t.Errorf("got %v, want another mail", err)
	}
}

func TestBalanceFindsLostAndDoubledMails(t *testing.T) {
	t.Parallel()
	c := &courier{post: &post{}, acknowledged: []string{"faults-0", "faults-1", "faults-2"}}
	keep := func(id, subject string) {
		c.post.keep([]string{reader}, []byte("Message-ID: <"+id+">\r\nSubject: "+subject+"\r\n\r\n"+subject+"\r\n"))
	}
	keep("a", "faults-0")
	keep("a", "faults-0")
	keep("b", "faults-1")
	keep("c", "faults-1")
	b := c.balance()
	if b.acknowledged != 3 || b.arrived != 2 || len(b.lost) != 1 || b.lost[0] != "faults-2" || b.repeated != 1 || len(b.doubled) != 1 {
		t.Errorf("got %+v, want one of each", b)
	}
}

func TestOutputKeepsItsEnd(t *testing.T) {
	t.Parallel()
	var all bytes.Buffer
	o := &output{to: &all}
	for range 3000 {
		if _, err := o.Write([]byte("a line of the log\n")); err != nil {
			t.Fatal(err)
		}
	}
	_, _ = o.Write([]byte("the last line\n"))
	if end := o.end(); len(end) > keptOutput || !strings.HasPrefix(end, "a line") || !strings.HasSuffix(end, "the last line\n") {
		t.Errorf("got %d bytes from %q, want whole lines at the end", len(end), end[:20])
	}
	if all.Len() < 3000*18 {
		t.Errorf("got %d bytes passed on, want all", all.Len())
	}
}
