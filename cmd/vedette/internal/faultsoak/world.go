package faultsoak

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"vedette/cmd/vedette/internal/faults"
	"vedette/cmd/vedette/internal/harness"
	"vedette/pipeline"
	"vedette/pipeline/broker"
)

// world is an instance and all that it talks to.
type world struct {
	dir, data, file string
	disk            *faults.Disk // has the data directory; nil without the right to mount
	noDisk          error        // why there is none

	target, control *service
	post            *post
	relays          [2]*relay
	watchdog        *receiver
	cable           *service // between the worker and the server

	main   *process // vedette run
	worker *process // vedette worker, at another location
	log    io.Writer

	pipeline *pipeline.Pipeline
	closers  []func() error
}

// Addresses in the monitor file.
const (
	operator = "ops@example.org"
	owner    = "owner@example.org"
)

// Monitors in the monitor file.
const (
	monitorTarget  = "target"
	monitorControl = "control"
	monitorFar     = "far" // checked by the worker
)

// diskSize is enough for an hour of this instance.
const diskSize = 128 << 20

// build starts everything in a directory. After an error, close closes what was
// started.
func build(ctx context.Context, dir string, log io.Writer) (w *world, err error) {
	w = &world{dir: dir, data: filepath.Join(dir, "data"), file: filepath.Join(dir, "monitors.yaml"), post: &post{}, log: log}
	if err := w.mount(); err != nil {
		return w, err
	}
	if err := w.surround(); err != nil {
		return w, err
	}
	if err := w.write(w.monitors()); err != nil {
		return w, err
	}
	if err := w.startMain(); err != nil {
		return w, err
	}
	if err := w.connect(ctx); err != nil {
		return w, err
	}
	err = w.startWorker()
	return w, err
}

// mount makes a disk for the data directory if this process may.
func (w *world) mount() error {
	if w.noDisk = faults.Available(); w.noDisk != nil {
		return nil //nolint:nilerr // the faults of the disk are left out
	}
	w.disk = &faults.Disk{Dir: filepath.Join(w.dir, "disk"), Size: diskSize}
	if err := w.disk.Mount(); err != nil {
		return err
	}
	w.closers = append(w.closers, w.disk.Unmount)
	w.data = filepath.Join(w.disk.Dir, "data")
	return nil
}

// surround starts the targets, the relays and the watchdog's receiver.
func (w *world) surround() error {
	var err error
	for _, site := range []**service{&w.target, &w.control} {
		if *site, err = newSite(); err != nil {
			return err
		}
		w.closers = append(w.closers, (*site).stop)
	}
	for i := range w.relays {
		if w.relays[i], err = newRelay(w.post); err != nil {
			return err
		}
		w.closers = append(w.closers, w.relays[i].stop)
	}
	if w.watchdog, err = newReceiver(); err != nil {
		return err
	}
	w.closers = append(w.closers, w.watchdog.stop)
	return nil
}

// monitors returns the monitor file.
func (w *world) monitors() string {
	var relays []string
	for _, r := range w.relays {
		host, port, _ := net.SplitHostPort(r.address) // which freeAddress has joined
		relays = append(relays, fmt.Sprintf("{host: %s, port: %s, tls: none}", host, port))
	}
	return fmt.Sprintf(`operators: ops
recipients: {ops: %s, owner: %s}
notifications: {group_wait: 0s, group_interval: 0s}
mail: {from: vedette@example.org, relays: [%s]}
watchdog: {url: "http://%s/ping", interval: %s}
defaults: {interval: 1s, timeout: 900ms, failure_threshold: 3, success_threshold: 2, notify: owner}
monitors:
  - {name: %s, http: "http://%s/"}
  - {name: %s, http: "http://%s/"}
  - {name: %s, http: "http://%s/", locations: [far]}
`, operator, owner, strings.Join(relays, ", "), w.watchdog.address, pingEvery,
		monitorTarget, w.target.address, monitorControl, w.control.address, monitorFar, w.target.address)
}

func (w *world) write(text string) error {
	const ownerOnly = 0o600
	return os.WriteFile(w.file, []byte(text), ownerOnly)
}

// damage changes a byte in the middle of the largest file with results.
func (w *world) damage() error {
	files, err := filepath.Glob(filepath.Join(w.data, "jetstream", "*", "*", "streams", "*RESULT", "msgs", "*.blk"))
	if err != nil {
		return err
	}
	var largest string
	var size int64
	for _, file := range files {
		if info, err := os.Stat(file); err == nil && info.Size() > size {
			largest, size = file, info.Size()
		}
	}
	file, err := os.OpenFile(largest, os.O_RDWR, 0) //nolint:gosec // of this soak
	if err != nil {
		return fmt.Errorf("damage file: %w", err)
	}
	at := []byte{0}
	if _, err = file.ReadAt(at, size/2); err == nil { //nolint:mnd // the middle
		at[0] ^= 0xff
		_, err = file.WriteAt(at, size/2) //nolint:mnd // the middle
	}
	return errors.Join(err, file.Close())
}

func (w *world) startMain() error {
	page, err := freeAddress()
	if err != nil {
		return err
	}
	nats, err := freeAddress()
	if err != nil {
		return err
	}
	w.main = &process{http: page, log: w.log, args: []string{"run", "--data", w.data, "--http", page, "--nats-listen", nats, w.file}}
	w.closers = append(w.closers, func() error { return w.main.hold(syscall.SIGTERM) })
	if w.cable, err = newService(forward(nats)); err != nil {
		return err
	}
	w.closers = append(w.closers, w.cable.stop)
	return w.main.start()
}

// connect connects to the instance.
func (w *world) connect(ctx context.Context) error {
	limited, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	address := ""
	err := harness.Poll(limited, func() bool {
		var err error
		address, err = broker.FindURL(w.data)
		return err == nil && len(w.main.failing(limited)) == 0
	})
	if err != nil {
		return fmt.Errorf("await instance: %w", err)
	}
	w.pipeline, err = pipeline.Connect(limited, pipeline.Config{URL: address})
	if err != nil {
		return err
	}
	w.closers = append(w.closers, w.pipeline.Close)
	return nil
}

// startWorker starts a worker whose connection can be cut.
func (w *world) startWorker() error {
	address, err := broker.FindURL(w.data)
	if err != nil {
		return err
	}
	through, err := url.Parse(address)
	if err != nil {
		return err
	}
	through.Host = w.cable.address
	page, err := freeAddress()
	if err != nil {
		return err
	}
	w.worker = &process{http: page, log: w.log, args: []string{
		"worker", "--nats", through.String(), "--location", monitorFar, "--data", filepath.Join(w.dir, "worker"), "--http", page,
	}}
	w.closers = append(w.closers, func() error { return w.worker.hold(syscall.SIGTERM) })
	return w.worker.start()
}

// close stops everything, the last first.
func (w *world) close() error {
	var problems []error
	for _, closer := range slices.Backward(w.closers) {
		problems = append(problems, closer())
	}
	if err := errors.Join(problems...); err != nil {
		return fmt.Errorf("stop: %w", err)
	}
	return nil
}
