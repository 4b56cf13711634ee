package e2e_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// beat pings a heartbeat each second, also while nothing listens, until the returned
// function is called.
func (r *running) beat(token string) (stop func()) {
	ended, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: time.Second}
		ticker := time.NewTicker(time.Second)
		defer ticker.Stop()
		for {
			if response, err := client.Post("http://"+r.http+"/ping/"+token, "text/plain", http.NoBody); err == nil {
				_ = response.Body.Close()
			}
			select {
			case <-ended:
				return
			case <-ticker.C:
			}
		}
	}()
	stop = func() {
		select {
		case <-ended:
		default:
			close(ended)
		}
		<-done
	}
	r.t.Cleanup(stop)
	return stop
}

// A job that pings all the time is not down because Vedette could not take its pings.
func TestTimeWithoutAProcessDoesNotCountAgainstAHeartbeat(t *testing.T) {
	t.Parallel()
	const token = "steady-0123456789"
	box, x := newInbox(t), newTarget(t)
	r := newInstance(t, fmt.Sprintf(`
operators: night
recipients: {day: ops@example.org, night: night@example.org}
notifications: {group_wait: 0s, group_interval: 0s}
mail: {from: vedette@example.org, relays: [%s]}
defaults: {interval: 1s, timeout: 900ms, notify: day}
monitors:
  - {name: steady, heartbeat: {token: %s, interval: 5s, grace: 2s}}
  - {name: website, http: %q}
`, box.Relay(), token, x.url))
	r.start()
	r.ready()
	stop := r.beat(token)
	eventually(t, "the job and the website up", func() bool { return r.health("steady") == "up" && r.health("website") == "up" })
	r.kill()
	<-time.After(10 * time.Second)
	r.start()
	r.ready()
	eventually(t, "the job up again", func() bool { return r.health("steady") == "up" })
	explained := ""
	eventually(t, "a ping after the absence", func() bool {
		explained, _ = r.vedette("explain", "steady")
		return strings.Contains(explained, "last ping")
	})
	if got := append(box.Subjects("ops@example.org"), box.Subjects("night@example.org")...); strings.Contains(strings.Join(got, " "), "DOWN") || strings.Contains(strings.Join(got, " "), "NO DATA") {
		t.Errorf("got %q, want no alert about a monitor", got)
	}

	// A job that stays silent afterwards is down, and only by its own time.
	stop()
	began := time.Now()
	eventually(t, "the silent job down", func() bool { return r.health("steady") == "down" })
	t.Logf("down %s after the last ping", time.Since(began).Round(100*time.Millisecond))
	if took := time.Since(began); took < 5*time.Second {
		t.Errorf("got it down after %s, want its interval and grace", took)
	}
	eventually(t, "a mail", func() bool { return box.Count("ops@example.org", "[DOWN]") == 1 })
	eventually(t, "a mail to the operators about the gap", func() bool { return box.Holds("nothing was checked from ", "no scheduler was running") })
	r.stop()
}

// A job that died while Vedette was away is found out, and the deadline that moved is
// explained.
func TestJobThatDiedDuringAnAbsenceIsDownAfterIt(t *testing.T) {
	t.Parallel()
	const token = "silent-0123456789"
	box := newInbox(t)
	r := newInstance(t, fmt.Sprintf(`
recipients: {day: ops@example.org}
notifications: {group_wait: 0s, group_interval: 0s}
mail: {from: vedette@example.org, relays: [%s]}
defaults: {interval: 1s, timeout: 900ms, notify: day}
monitors:
  - {name: silent, heartbeat: {token: %s, interval: 5s, grace: 1s}}
`, box.Relay(), token))
	r.start()
	r.ready()
	eventually(t, "an accepted ping", func() bool { return r.ping(token, "") == http.StatusOK })
	eventually(t, "the job up", func() bool { return r.health("silent") == "up" })
	r.kill()
	<-time.After(6 * time.Second)
	r.start()
	r.ready()
	eventually(t, "the explanation", func() bool {
		text, _ := r.vedette("explain", "silent")
		return strings.Contains(text, "no ping could be taken from ") && strings.Contains(text, "; the deadline moved by ")
	})
	eventually(t, "the silent job down", func() bool { return r.health("silent") == "down" })
	eventually(t, "a mail", func() bool {
		return box.Holds("[DOWN] silent", "expected a ping every 5s, with 1s of grace", "no ping could be taken for")
	})
	r.stop()
}
