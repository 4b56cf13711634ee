package e2e_test

import (
	"fmt"
	"strings"
	"testing"
)

func TestDeadLettersAreListedShownReplayedAndDroppedAndOperatorsAreTold(t *testing.T) {
	t.Parallel()
	x, box := newTarget(t), newInbox(t)
	r := newInstance(t, "operators: day\n"+watching(x, box))
	r.start()
	r.ready()
	url, _ := r.vedette("env")
	c := natsClient(t, strings.TrimSpace(strings.TrimPrefix(url, "export NATS_URL=")))
	const broken = `{"http": "https://example.org"`
	orders := []struct{ subject, body string }{
		{"adhoc.default.bad1", broken},
		{"mail.adhoc.bad2", `{"to": "nobody", "subject": "x", "text": "y"}`},
		{"adhoc.default.bad3", "\xff\xfe"},
	}
	for i, order := range orders {
		c.publish("vedette."+order.subject, order.body)
		eventually(t, fmt.Sprintf("%d letters", i+1), func() bool {
			output, _ := r.vedette("dead", "list", "--json")
			return strings.Count(output, "\n") == i+1
		})
	}

	expect := func(code int, part string, args ...string) string {
		t.Helper()
		output, got := r.vedette(append([]string{"dead"}, args...)...)
		if got != code || !strings.Contains(output, part) {
			t.Errorf("vedette dead %s: got %d %s, want %d and %q", strings.Join(args, " "), got, output, code, part)
		}
		return output
	}
	list := expect(0, "malformed", "list")
	for _, part := range []string{"ATTEMPTS", "adhoc.default.bad1", "mail.adhoc.bad2", "invalid"} {
		if !strings.Contains(list, part) {
			t.Errorf("got list\n%s\nwant %q in it", list, part)
		}
	}
	if output := expect(0, "mail.adhoc.bad2", "list", "--stage", "mail"); strings.Contains(output, "bad1") {
		t.Errorf("got %s, want mails alone", output)
	}
	if output := expect(0, "bad1", "list", "--reason", "malformed", "--newer-than", "1h"); strings.Contains(output, "bad2") {
		t.Errorf("got %s, want what is malformed alone", output)
	}
	expect(0, "no dead letters", "list", "--older-than", "1h")
	expect(0, "and more", "list", "--limit", "1")
	if got := expect(0, "", "show", "--body", "1"); got != broken {
		t.Errorf("got %q, want the job byte for byte", got)
	}
	expect(0, "attempts      1", "show", "1")
	expect(0, `"body_base64":"//4="`, "show", "3", "--json")
	expect(3, "found none with the id 99", "show", "99")
	expect(2, `found "x"`, "show", "x")
	expect(2, "expected one of", "list", "--reason", "bored")
	expect(2, "found neither ids nor filters nor --all", "drop")
	expect(2, "found --all with ids or filters", "drop", "--all", "1")
	expect(2, "more than 0", "replay", "--rate", "0", "1")

	// Replayed unchanged, it fails again: a new dead letter replaces the old one.
	expect(0, "would be replayed: 1  check  malformed", "replay", "1", "--dry-run")
	expect(0, "1 dead letter replayed", "replay", "1")
	eventually(t, "a new letter in place of the old one", func() bool {
		output, _ := r.vedette("dead", "list")
		return strings.Contains(output, "\n4 ") && !strings.Contains(output, "\n1 ")
	})
	expect(0, "would be dropped", "drop", "--stage", "check", "--dry-run")
	expect(0, "3 dead letters dropped", "drop", "--all")
	expect(0, "no dead letters", "list")

	for _, operator := range []string{"ops@example.org", "boss@example.org"} {
		eventually(t, "a mail for "+operator, func() bool { return box.Count(operator, "[VEDETTE]") > 0 })
		if got := box.Count(operator, "[VEDETTE]"); got != 1 {
			t.Errorf("%s: got %d mails, want one for all letters", operator, got)
		}
	}
	if got := box.Count("night@example.org", "[VEDETTE]"); got != 0 {
		t.Errorf("got %d mails for somebody who is no operator", got)
	}
	if body, _ := r.get("/status.json"); !strings.Contains(body, `"dead_letters": 0`) || !strings.Contains(body, fmt.Sprintf("%q: ", "depth")) {
		t.Errorf("got %s, want the dead letters and the depths of queues", body)
	}
	r.stop()
}
