package e2e_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// changing is a file whose recipients and settings change.
func changing(x *target, box *inbox, recipient, groupBy, rest string) string {
	return fmt.Sprintf(`
recipients:
  %s: %s@example.org
notifications: {group_wait: 1s, group_interval: 0s, repeat_interval: 2s, group_by: [%s]}
mail: {from: vedette@example.org, relays: [%s]}
defaults: {interval: 1s, timeout: 800ms, notify: %s}
monitors:
  - {name: website, http: %q%s}
`, recipient, recipient, groupBy, box.Relay(), recipient, x.url, rest)
}

// hangup has the instance read its file again.
func (r *running) hangup(t *testing.T, yaml string) {
	t.Helper()
	r.write(yaml)
	if err := r.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
}

// has reports whether an address got a mail whose subject has a prefix.
func has(box *inbox, address, prefix string) bool {
	for _, subject := range box.Subjects(address) {
		if strings.HasPrefix(subject, prefix) {
			return true
		}
	}
	return false
}

func TestChangesOfTheFileWhileDownReachEachAddress(t *testing.T) {
	t.Parallel()
	const before, after = "before@example.org", "after@example.org"
	x, box := newTarget(t), newInbox(t)
	r := newInstance(t, changing(x, box, "before", "", ""))
	r.start()
	r.ready()
	x.setIll(true)
	eventually(t, "a DOWN mail", func() bool { return has(box, before, "[DOWN] website") })

	r.hangup(t, changing(x, box, "after", "group", ""))
	eventually(t, "what is still down for the new recipient", func() bool { return has(box, after, "[STILL DOWN] website: status 503") })
	reminders := len(box.Subjects(before))
	output, _ := r.vedette("explain", "website")
	if !strings.Contains(output, before+" (no recipient at present") || !strings.Contains(output, "\n  "+after+"\n") {
		t.Errorf("got %s, want both addresses, and that one is no recipient at present", output)
	}
	eventually(t, "a reminder", func() bool { return has(box, after, "[STILL DOWN] website: for ") })

	r.hangup(t, changing(x, box, "after", "group", ", paused: true"))
	eventually(t, "a mail about the pause", func() bool { return has(box, after, "[PAUSED] website: last seen down") })
	eventually(t, "the pause and the reminder in an explanation", func() bool {
		output, _ := r.vedette("explain", "website")
		return strings.Contains(output, "; repeated: notified at ") && strings.Contains(output, "; its pause: notified at ")
	})
	paused := len(box.Subjects(after))
	r.hangup(t, changing(x, box, "after", "monitor", ""))
	eventually(t, "what is true after the pause", func() bool {
		subjects := box.Subjects(after)
		return len(subjects) > paused && strings.HasPrefix(subjects[paused], "[STILL DOWN] website: status 503")
	})

	x.setIll(false)
	for _, address := range []string{before, after} {
		eventually(t, "an UP mail for "+address, func() bool { return box.Count(address, "[UP]") == 1 })
	}
	if got := box.Subjects(before); len(got) != reminders+1 || box.Count(before, "[DOWN]") != 1 {
		t.Errorf("got %q for the former recipient, want only the end after it left", got)
	}
	if got := box.Subjects(after); box.Count(after, "[DOWN]") != 0 || box.Count(after, "[PAUSED]") != 1 {
		t.Errorf("got %q, want no beginning, and the pause once", got)
	}
}

// A template that passes its trial may fail on a mail. An address may not exist.
func TestOperatorsHearWhoDidNotGetAnAlertAndThatATemplateFails(t *testing.T) {
	t.Parallel()
	x, box := newTarget(t), newInbox(t)
	r := newInstance(t, "")
	template := `{{.Headline}}{{range .Facts}}{{if eq .Name "Target"}}{{.Nothing}}{{end}}{{end}}`
	if err := os.WriteFile(filepath.Join(r.dir, "mail.txt"), []byte(template), 0o600); err != nil {
		t.Fatal(err)
	}
	r.write(fmt.Sprintf(`
recipients: {day: [ops@example.org, gone@example.org], admins: admin@example.org}
operators: [admins]
notifications: {group_wait: 0s, group_interval: 0s, templates: {text: mail.txt}}
mail: {from: vedette@example.org, relays: [%s]}
defaults: {interval: 1s, timeout: 800ms, notify: day}
monitors:
  - {name: website, http: %q}
`, box.Relay(), x.url))
	r.start()
	r.ready()
	x.setIll(true)
	eventually(t, "the alert in the built-in text", func() bool {
		return box.Holds("Subject: [DOWN] website", "website is down: status 503", "The template for this mail failed")
	})
	eventually(t, "who did not get which alert", func() bool {
		return box.Holds("To: <admin@example.org>", `gone@example.org did not get "[DOWN] website`, "monitors: website")
	})
	eventually(t, "that the template failed", func() bool { return box.Holds("To: <admin@example.org>", "a template for mails failed") })
	output, _ := r.vedette("doctor")
	if !strings.Contains(output, "a template for mails failed") || !strings.Contains(output, "correct the template") {
		t.Errorf("got %s, want a finding about the template", output)
	}
}
