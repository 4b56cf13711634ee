package e2e_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"vedette/cmd/vedette/internal/cli"
	"vedette/pipeline/job"
)

func TestSilencesOfARunningInstance(t *testing.T) {
	t.Parallel()
	x, box := newTarget(t), newInbox(t)
	r := newInstance(t, watching(x, box))
	r.start()
	r.ready()
	eventually(t, "an up website", func() bool { return r.health("website") == "up" })
	if output, code := r.vedette("silence", "list"); code != 0 || output != "no silences\n" {
		t.Errorf("got %d %s, want none", code, output)
	}
	id, code := r.vedette("silence", "add", "monitor=web*", "--for", "1h", "--author", "ann", "--comment", "new disks")
	id = strings.TrimSpace(id)
	if code != 0 || len(id) != 8 {
		t.Fatalf("got %d %s, want an id", code, id)
	}
	output, _ := r.vedette("silence", "list")
	for _, want := range []string{id, "active", "monitor=web*", "ann", "new disks"} {
		if !strings.Contains(output, want) {
			t.Errorf("got %s, want %q in it", output, want)
		}
	}
	output, _ = r.vedette("silence", "list", "--json")
	var listed []job.Silence
	if err := json.Unmarshal([]byte(output), &listed); err != nil || len(listed) != 1 || listed[0].ID != id {
		t.Errorf("got %s, %v, want the silence", output, err)
	}

	x.setIll(true)
	eventually(t, "it down", func() bool { return r.health("website") == "down" })
	eventually(t, "what holds the mail back", func() bool {
		output, code := r.vedette("explain", "website")
		return code == cli.ExitFound && strings.Contains(output, "held back: silence "+id) && strings.Contains(output, "not notified yet") &&
			strings.Contains(output, "status 503") && strings.Contains(output, "website is down for ")
	})
	output, code = r.vedette("status")
	if code != cli.ExitFound || !strings.Contains(output, "1 monitor: 1 down") || !strings.Contains(output, "silence "+id+" for monitor=web* until ") {
		t.Errorf("got %d %s, want it down, and the silence", code, output)
	}
	if got := len(box.All()); got != 0 {
		t.Errorf("got %d mails under the silence, want none", got)
	}
	if output, code := r.vedette("silence", "expire", id); code != 0 || output != "ended 1 silence\n" {
		t.Errorf("got %d %s, want it ended", code, output)
	}
	eventually(t, "a DOWN mail for everybody", func() bool { return allHave(box, "[DOWN]") })
	if output, code := r.vedette("silence", "expire", id); code != 0 || output != "ended 0 silences\n" {
		t.Errorf("got %d %s, want it over already", code, output)
	}
	if output, _ := r.vedette("silence", "list", "--all"); !strings.Contains(output, "ended") {
		t.Errorf("got %s, want those that are over too", output)
	}
	x.setIll(false)
	eventually(t, "an UP mail for everybody", func() bool { return allHave(box, "[UP]") })
	eventually(t, "all well", func() bool { output, code := r.vedette("status"); return code == 0 && output == "1 monitor: 0 down\n" })
	output, code = r.vedette("explain", "website", "--json")
	var x2 struct {
		Monitor  job.Monitor       `json:"monitor"`
		Notified []json.RawMessage `json:"notified"`
	}
	if err := json.Unmarshal([]byte(output), &x2); err != nil || code != 0 || x2.Monitor.Name != "website" || len(x2.Notified) != len(recipients()) {
		t.Errorf("got %d %s, %v, want all that is known", code, output, err)
	}
	r.stop()
	expectOneOfEach(t, box)
}

func TestSilenceThatCannotBeSaysAllThatIsWrong(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args []string
		says []string
	}{
		{[]string{"x=y", "monitor=", "label.a b=c", "group=[", "web"}, []string{`found "x=y"`, `found "monitor="`, `found "label.a b=c"`, `found "group=["`, `found "web"`, "expected one of them"}},
		{[]string{"monitor=a", "--for", "1h", "--until", "18:00"}, []string{"expected one of them"}},
		{[]string{"monitor=a", "--until", "6 pm", "--from", "noon"}, []string{`read --until: found "6 pm"`, `read --from: found "noon"`}},
		{[]string{"monitor=a", "--for", "-1h"}, []string{"expected a time after the start"}},
	} {
		_, stderr, code := vedette(t, append([]string{"silence", "add"}, c.args...)...)
		for _, want := range c.says {
			if code != cli.ExitUsage || !strings.Contains(stderr, want) {
				t.Errorf("%v: got %d %s, want %q", c.args, code, stderr, want)
			}
		}
	}
	if _, stderr, code := vedette(t, "run", "--stages", "check,cook", "nothing.yaml"); code != cli.ExitUsage || !strings.Contains(stderr, `found "cook"`) {
		t.Errorf("got %d %s, want the role refused", code, stderr)
	}
}

func TestDependenciesAndPausesAreExplained(t *testing.T) {
	t.Parallel()
	x, box := newTarget(t), newInbox(t)
	x.setIll(true)
	r := newInstance(t, fmt.Sprintf(`
recipients: {oncall: ops@example.org}
mail: {from: vedette@example.org, relays: [%s]}
defaults: {interval: 1s, timeout: 800ms, failure_threshold: 1, notify: oncall}
monitors:
  - {name: router, http: %q}
  - {name: host, http: %q, depends_on: router}
  - {name: rest, http: %q, paused: true}
`, box.Relay(), x.url, x.url, x.url))
	r.start()
	eventually(t, "both down", func() bool { return r.health("router") == "down" && r.health("host") == "down" })
	if output, code := r.vedette("explain", "host"); code != cli.ExitFound || !strings.Contains(output, "held back: router is down, which it depends on") || !strings.Contains(output, "recipients: ops@example.org") {
		t.Errorf("got %d %s, want the router named", code, output)
	}
	eventually(t, "a paused monitor that is not checked", func() bool {
		output, code := r.vedette("explain", "rest")
		return code == 0 && strings.Contains(output, "rest is pending, paused") && strings.Contains(output, "missed    it is paused")
	})
	if output, code := r.vedette("explain", "hots"); code != cli.ExitFailed || !strings.Contains(output, `found none named "hots"`) || !strings.Contains(output, "hint: ") {
		t.Errorf("got %d %s, want it not found", code, output)
	}
	if output, _ := r.vedette("status", "--json"); !strings.Contains(output, `"paused":1`) {
		t.Errorf("got %s, want the paused one counted", output)
	}
	r.stop()
}
