package e2e_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// pingReceiver is a web server that keeps the pings it gets.
type pingReceiver struct {
	mu    sync.Mutex
	pings []string // path and body
}

func (p *pingReceiver) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pings = append(p.pings, r.URL.Path+" "+string(body))
}

// after returns the pings from a position on.
func (p *pingReceiver) after(position int) []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.pings[position:])
}

// A full disk is reported by a ping, which needs no disk. And the jobs whose pings the
// disk refused are not down.
func TestFullDiskIsReportedByAPingAndIsNotTheFaultOfAJob(t *testing.T) {
	t.Parallel()
	needMounts(t)
	const token = "steady-0123456789"
	receiver := &pingReceiver{}
	server := httptest.NewServer(receiver)
	defer server.Close()
	box := newInbox(t)
	r := newInstance(t, fmt.Sprintf(`
recipients: {day: ops@example.org}
notifications: {group_wait: 0s, group_interval: 0s}
mail: {from: vedette@example.org, relays: [%s]}
defaults: {interval: 1s, timeout: 900ms, notify: day}
watchdog: [{url: %q, interval: 1s}]
monitors:
  - {name: steady, heartbeat: {token: %s, interval: 5s, grace: 2s}}
`, box.Relay(), server.URL+"/vedette?token=secret", token))
	disk := mountDisk(t, filepath.Join(r.dir, "disk"))
	r.start("--data", filepath.Join(disk.Dir, "data"))
	r.ready()
	r.beat(token)
	eventually(t, "the job up", func() bool { return r.health("steady") == "up" })
	eventually(t, "a ping", func() bool { return slices.Contains(receiver.after(0), "/vedette ok\n") })

	if err := disk.Fill(); err != nil {
		t.Fatal(err)
	}
	full, position := time.Now(), len(receiver.after(0))
	eventually(t, "a ping that says so", func() bool {
		return slices.ContainsFunc(receiver.after(position), func(ping string) bool {
			return strings.HasPrefix(ping, "/vedette/fail ") && strings.Contains(ping, "storage of process")
		})
	})
	t.Logf("reported %s after the disk was full", time.Since(full).Round(100*time.Millisecond))
	<-time.After(max(0, 10*time.Second-time.Since(full))) // longer than the job may be silent

	position = len(receiver.after(0))
	if err := disk.Free(); err != nil {
		t.Fatal(err)
	}
	free := time.Now()
	eventually(t, "a ping that all is well", func() bool { return slices.Contains(receiver.after(position), "/vedette ok\n") })
	t.Logf("well again %s after there was room", time.Since(free).Round(100*time.Millisecond))
	eventually(t, "absences, and the deadline that moved", func() bool {
		text, _ := r.vedette("explain", "--data", filepath.Join(disk.Dir, "data"), "steady")
		return strings.Contains(text, "steady is up") && strings.Contains(text, "next ping")
	})
	r.stop()
	if got := box.Subjects("ops@example.org"); slices.ContainsFunc(got, func(subject string) bool { return strings.Contains(subject, "DOWN") }) {
		t.Errorf("got %q, want no mail about the job", got)
	}
}
