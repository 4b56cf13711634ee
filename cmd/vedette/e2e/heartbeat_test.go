package e2e_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// ping posts a job's ping, and returns the answer's status.
func (r *running) ping(path, body string) int {
	r.t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Post("http://"+r.http+"/ping/"+path, "text/plain", strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, response.Body)
	return response.StatusCode
}

func TestHeartbeatOutlivesRestartsAndTellsWhatTheJobSaid(t *testing.T) {
	t.Parallel()
	const token, lazy = "backup-0123456789", "lazy-0123456789abc"
	box := newInbox(t)
	r := newInstance(t, fmt.Sprintf(`
recipients: {day: ops@example.org}
notifications: {group_wait: 0s, group_interval: 0s}
mail: {from: vedette@example.org, relays: [%s]}
defaults: {interval: 1s, timeout: 900ms, notify: day}
monitors:
  - {name: backup, heartbeat: {token: %s, interval: 1h}}
  - {name: lazy, heartbeat: {token: %s, interval: 2s, grace: 1s}}
`, box.Relay(), token, lazy))
	r.start()
	r.ready()
	eventually(t, "a silent job down", func() bool { return r.health("lazy") == "down" })
	eventually(t, "a mail about it", func() bool {
		return box.Holds("[DOWN] lazy", "silent for ", "expected a ping every 2s, with 1s of grace")
	})

	eventually(t, "a ping that is taken", func() bool { return r.ping(token, "") == http.StatusOK })
	eventually(t, "a job that ran up", func() bool { return r.health("backup") == "up" })
	for path, want := range map[string]int{
		"wrong-0123456789": http.StatusNotFound, "wrong-0123456789/fail": http.StatusNotFound, token + "/7x": http.StatusNotFound,
		token + "/256": http.StatusNotFound, token + "/start": http.StatusOK, token + "/0": http.StatusOK,
	} {
		if got := r.ping(path, ""); got != want {
			t.Errorf("ping %s: got %d, want %d", path, got, want)
		}
	}
	if got := r.ping(token, strings.Repeat("x", 100_000)); got != http.StatusRequestEntityTooLarge {
		t.Errorf("got %d for a body that is too large, want a refusal", got)
	}
	if got := r.ping(token+"/3", "copying\ndisk full\n"); got != http.StatusOK {
		t.Errorf("got %d, want the failure taken", got)
	}
	eventually(t, "a mail about the failure", func() bool {
		return box.Holds("[DOWN] backup", "exit code 3: copying", "disk full") && !box.Holds(token)
	})

	// A ping survives the process, and is not evaluated twice.
	r.kill()
	r.start()
	r.ready()
	eventually(t, "the failed job still down", func() bool { return r.health("backup") == "down" })
	url, _ := r.vedette("env")
	client := natsClient(t, strings.TrimSpace(strings.TrimPrefix(url, "export NATS_URL=")))
	client.publish("vedette.ping."+token+".ok", "")
	eventually(t, "the job up after it ran well", func() bool { return r.health("backup") == "up" })
	eventually(t, "a mail about that", func() bool { return box.Count("ops@example.org", "[UP]") == 1 })
	r.stop()
	if got := box.Count("ops@example.org", "[DOWN]"); got != 2 {
		t.Errorf("got %d DOWN mails, want one for each job", got)
	}
}
