package faultsoak

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"vedette/cmd/vedette/internal/harness"
	"vedette/pipeline/job"
	"vedette/workers/doctor"
	"vedette/workers/health"
)

// process is a child process that is started again when it ends, as by a service
// manager.
type process struct {
	args []string
	http string // address of /readyz
	log  io.Writer

	mu       sync.Mutex
	running  *harness.Process
	held     bool // it is not started again
	starts   int
	restarts sync.WaitGroup
}

// restartPause is how long the service manager waits.
const restartPause = time.Second

// start starts the process, and again whenever it ends.
func (p *process) start() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.held = false
	return p.startLocked()
}

func (p *process) startLocked() error {
	cmd, err := harness.Command(append([]string{"child"}, p.args...)...)
	if err != nil {
		return err
	}
	cmd.Env = append(cmd.Environ(), "NATS_URL=")
	cmd.Stdout, cmd.Stderr = p.log, p.log
	p.starts++
	p.running, err = harness.Start(cmd, func(error) { p.restarts.Go(p.restart) })
	return err
}

// restart starts the process again after it ended.
func (p *process) restart() {
	<-time.After(restartPause)
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.held {
		if err := p.startLocked(); err != nil {
			_, _ = fmt.Fprintf(p.log, "vedette: restart process: %v\n", err)
		}
	}
}

// hold ends the process by a signal, and keeps it from being started again.
func (p *process) hold(signal syscall.Signal) error {
	p.mu.Lock()
	p.held = true
	running := p.running
	p.mu.Unlock()
	p.restarts.Wait()
	if running == nil {
		return nil
	}
	return running.End(signal)
}

// signal sends a signal.
func (p *process) signal(signal syscall.Signal) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.running.Signal(signal)
}

func (p *process) pid() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.running.PID()
}

// started returns how often the process was started.
func (p *process) started() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.starts
}

// requestTimeout bounds a request to a process, which may be stopped.
const requestTimeout = time.Second

// get reads a document from the process, also an answer such as 503.
func (p *process) get(ctx context.Context, path string, into any) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.http+path, http.NoBody)
	if err != nil {
		return err
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	return json.NewDecoder(response.Body).Decode(into)
}

// failing returns what /readyz says is wrong; empty means nothing.
func (p *process) failing(ctx context.Context) []string {
	var ready struct {
		Conditions []job.ProcessCondition `json:"conditions"`
	}
	if err := p.get(ctx, "/readyz", &ready); err != nil {
		return []string{"no answer"}
	}
	var found []string
	for _, c := range health.Failing(ready.Conditions) {
		found = append(found, strings.TrimSuffix(string(c.Name)+": "+string(c.Reason), ": "))
	}
	return found
}

// checked returns when a monitor was last checked, and its health.
func (p *process) checked(ctx context.Context, monitor string) (at time.Time, found job.Health) {
	var status struct {
		Monitors []struct {
			Name    string
			Checked time.Time
			Health  job.Health
		}
	}
	if err := p.get(ctx, "/status.json", &status); err != nil {
		return time.Time{}, ""
	}
	for _, m := range status.Monitors {
		if m.Name == monitor {
			return m.Checked, m.Health
		}
	}
	return time.Time{}, ""
}

// examine runs 'vedette doctor', and returns its findings.
func examine(ctx context.Context, data string) ([]string, error) {
	cmd, err := harness.Command("doctor", "--json", "--data", data)
	if err != nil {
		return nil, err
	}
	var out, problem bytes.Buffer
	cmd.Env = append(cmd.Environ(), "NATS_URL=")
	cmd.Stdout, cmd.Stderr = &out, &problem
	err = cmd.Run()
	if _, exited := errors.AsType[*exec.ExitError](err); err != nil && !exited || ctx.Err() != nil {
		return nil, errors.Join(err, ctx.Err())
	}
	var report struct {
		Findings []doctor.Finding `json:"findings"`
	}
	if json.Unmarshal(out.Bytes(), &report) != nil { // it could not examine: that is said too
		return []string{"cannot examine"}, nil //nolint:nilerr // see above
	}
	var kinds []string
	for _, f := range report.Findings {
		kinds = append(kinds, kind(f))
	}
	slices.Sort(kinds)
	return slices.Compact(kinds), nil
}

// kind returns the kind of a finding, for a fault with its condition.
func kind(f doctor.Finding) string {
	if f.Kind != doctor.Fault {
		return string(f.Kind)
	}
	return string(f.Kind) + " " + f.Subject[strings.LastIndex(f.Subject, "/")+1:]
}

// without returns the entries in a list that are not in another one.
func without(list, known []string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return slices.Contains(known, s) })
}
