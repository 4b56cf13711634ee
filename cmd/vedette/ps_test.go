package main

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"vedette/pipeline/job"
)

func TestProcessesArePrintedAsTableAndTree(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	process := job.Process{Name: "host-1", Host: "host", PID: 1, Version: "1.0.0", Started: now.Add(-50 * time.Hour)}
	answers := []job.ProcessStatus{{Process: process, Children: []job.ChildStatus{
		{
			Name: "workers", State: "running", Since: now.Add(-3*time.Hour - 5*time.Minute), Incarnation: 1, Strategy: "one_for_one",
			Children: []job.ChildStatus{{
				Name: "mail", State: "parked", Since: now.Add(-90 * time.Second), Incarnation: 7, Restarts: 6, Jobs: &job.ChildJobs{Running: 2, Limit: 8},
				LastFailure: &job.ChildFailure{At: now.Add(-90 * time.Second), Class: "panic", Error: "service\npanicked: " + strings.Repeat("ä", 100)},
			}},
		},
		{Name: "page", State: "running", Since: now.Add(-7 * time.Second), Incarnation: 1},
	}}}
	list := processList{Processes: answers, Silent: []job.Process{{Name: "host-2", Host: "other", PID: 2}}}
	failure := "panic 1m30s ago: service panicked: " + strings.Repeat("ä", 61) + "…"
	for name, c := range map[string]struct {
		show func(to *bytes.Buffer) error
		want string
	}{
		"flat": {func(to *bytes.Buffer) error { return list.printTable(to, now) }, `PROCESS  HOST   CHILD         STATE    UP     INCARNATION  RESTARTS  JOBS  LAST FAILURE
host-1   host   workers       running  3h5m   1            0
host-1   host   workers/mail  parked   1m30s  7            6         2/8   ` + failure + `
host-1   host   page          running  7s     1            0
host-2   other  -             silent   -      -            -         -     holds a lease and does not answer
`},
		"tree": {func(to *bytes.Buffer) error { return list.printTree(to, now) }, `host-1  pid 1 on host, version 1.0.0, up 2d2h
├── workers   running  3h5m   one_for_one
│   └── mail  parked   1m30s  2/8          incarnation 7, restarts 6  ` + failure + `
└── page      running  7s
host-2  pid 2 on other: silent, it holds a lease and does not answer
`},
	} {
		var got bytes.Buffer
		if err := c.show(&got); err != nil || got.String() != c.want {
			t.Errorf("%s: got\n%s%v\nwant\n%s", name, got.String(), err, c.want)
		}
	}
	full, closed := io.Pipe()
	_ = full.CloseWithError(errors.New("full"))
	if err := list.printTable(closed, now); err == nil {
		t.Error("got nil for output that cannot be written, want an error")
	}
}
