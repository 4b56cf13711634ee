package e2e_test

import (
	"fmt"
	"net"
	"strings"
	"testing"

	"vedette/pipeline/inspect"
	"vedette/pipeline/job"
	"vedette/pipeline/topology"
)

// stored is what stands under a key, and its version.
func (m *mixed) stored(name topology.Bucket, key string) (string, bool) {
	bucket, err := m.p.Bucket(within(m.t), name)
	if err != nil {
		m.t.Fatal(err)
	}
	found, err := bucket.Get(within(m.t), key)
	return string(found.Value), err == nil && job.Newer(found.Value)
}

// novelMonitor has a monitor that uses what is new, so that its definition, its
// checks, results and states are of the next version, next to older processes of
// every kind, which must leave all of that alone; and then goes back.
func novelMonitor(t *testing.T, v versions) {
	t.Helper()
	m := newMixed(t, v, v.next)
	run := m.start(v.next, "schedule,evaluate,notify,maintain")
	var old []*child
	for _, roles := range []string{"check", "mail", "evaluate,notify,maintain"} {
		m.start(v.next, roles)
		old = append(old, m.start(v.present, roles))
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	_ = listener.Close()
	bucket, err := m.p.Bucket(within(t), topology.Monitors)
	if err != nil {
		t.Fatal(err)
	}
	novel := fmt.Sprintf(`{"v":2,"name":"novel","novelty":"x","tcp":{"address":%q},"timeout":"800ms","interval":"1s","failure_threshold":1,"success_threshold":1,"notify":["ops"]}`, address)
	if _, err := bucket.Put(within(t), topology.MonitorKey("novel"), []byte(novel)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a DOWN mail of the novel monitor", func() bool { return m.box.Holds("[DOWN] novel") })
	if state, newer := m.stored(topology.States, "novel"); !newer || !strings.Contains(state, `"novelty":"x"`) {
		t.Errorf("got the state %s, want one of the next version", state)
	}
	for _, said := range []string{m.says(v.present, "status"), m.says(v.present, "explain", "novel")} {
		if !strings.Contains(said, "novel") || strings.Contains(said, "newer version") && !strings.Contains(said, "notification log") {
			t.Errorf("got %s, want the older program to show what it understands", said)
		}
	}
	if listener, err = net.Listen("tcp", address); err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	eventually(t, "an UP mail of the novel monitor", func() bool { return m.box.Holds("[UP] novel") })
	m.breaks(1 + m.box.Count("ops@example.org", "[DOWN]"))

	goBack(t, m)
	run.stop(t)
	for _, c := range old {
		c.stop(t)
	}
}

// goBack starts an older program where a newer one has stored what it does not
// understand, and again when that is no more.
func goBack(t *testing.T, m *mixed) {
	t.Helper()
	said := m.says(m.versions.present, "run", "--stages", "schedule", "--http", lastingAddress(t), "--data", t.TempDir(), m.file)
	if !strings.Contains(said, "replace monitor.novel: message is of a newer version") || !strings.Contains(said, "hint: upgrade this program; to return to an older version") {
		t.Errorf("got %s, want an older program that refuses to replace what a newer one stored", said)
	}
	if definition, newer := m.stored(topology.Monitors, topology.MonitorKey("novel")); !newer {
		t.Errorf("got the definition %s, want it left alone", definition)
	}
	if said := m.says(m.versions.next, "apply", m.file); !strings.Contains(said, "novel") {
		t.Errorf("got %s, want the novel monitor removed", said)
	}
	back := m.start(m.versions.present, "schedule,check,evaluate,notify,mail,maintain")
	back.says(t, "configured by a newer version and stays as it is")
	if found, err := inspect.Count(within(t), m.p, topology.Dead); err != nil || found != 0 {
		t.Errorf("got %d dead letters, %v, want none", found, err)
	}
	back.stop(t)
}
