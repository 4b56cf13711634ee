package monitor

import (
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"vedette/pipeline/compact"
	"vedette/pipeline/job"
	"vedette/producer/schedule"
)

// watch collects the monitors of a file.
type watch struct {
	*reader
	place    value // of the list
	defaults defaults
	monitors []job.Monitor
	known    *compact.Map[uint32] // by name, the line where it stands, and the definition, if that is to be encoded
	count    int                  // of items, good or bad
	keys     []string             // that a monitor may have
	kinds    []string             // of probes
	structs  map[reflect.Type][]probeField
	depends  []dependency

	silent      []string // monitors that notify nobody, by omission
	firstSilent value
}

// newWatch begins to collect monitors.
func newWatch(r *reader, list value, d defaults) *watch {
	return &watch{
		reader: r, place: list, defaults: d, known: &compact.Map[uint32]{}, keys: monitorKeys(), kinds: job.Kinds(), structs: map[reflect.Type][]probeField{},
	}
}

// readMonitors reads the list of monitors, which may be in parts.
func (r *reader) readMonitors(root mapping, d defaults, chunks []chunk) *watch {
	list, _ := r.get(root, "monitors")
	list.key = "monitors"
	w := newWatch(r, list, d)
	if len(chunks) > 0 {
		w.addChunks(chunks)
	} else if list, ok := r.section(root, "monitors"); ok {
		if _, ok := r.list(list, "a list of monitors", false); ok {
			w.addAll(list.node)
		}
	}
	if w.count == 0 && len(r.problems) == 0 {
		r.warn(list, "no monitors", "at least one", "nothing is watched")
	}
	w.checkDepends()
	w.warnSilent()
	return w
}

func monitorKeys() []string {
	keys := append([]string{"name"}, job.Kinds()...)
	keys = append(keys, "group", "labels", "depends_on", "interval", "cron", "time_zone", "paused", "timeout", "expect", "warn", "negate")
	return append(keys, policyKeys()...)
}

func (w *watch) addAll(node ast.Node) {
	sequence, ok := node.(*ast.SequenceNode)
	if !ok {
		return
	}
	for _, item := range sequence.Values {
		w.add(w.item(w.place, w.count, item))
		w.count++
	}
}

// add reads one monitor.
func (w *watch) add(v value) {
	m, ok := w.mapping(v, "a monitor such as {name: website, http: https://example.org}",
		w.keys...)
	if !ok {
		return
	}
	before := len(w.problems)
	monitor := job.Monitor{V: job.Version, Name: w.name(m)}
	w.belonging(m, &monitor)
	monitor.Spec = w.spec(m)
	interval := w.when(m, &monitor)
	monitor.Timeout = job.Duration(w.ownTimeout(m, interval))
	failures, successes := w.defaults.failures, w.defaults.success
	if monitor.Heartbeat != nil { // its grace is what others have thresholds for
		failures, successes = 1, 1
	}
	monitor.FailureThreshold = w.threshold(m, "failure_threshold", failures)
	monitor.SuccessThreshold = w.threshold(m, "success_threshold", successes)
	w.policy(m, w.defaults.policy).apply(&monitor)
	w.places(m, w.defaults.places).apply(&monitor)
	if window, ok := w.get(m, "failure_window"); ok && monitor.FailureWindow > 0 && monitor.FailureWindow <= monitor.FailureThreshold {
		w.report(window, window.describe(), fmt.Sprintf("more than the failure_threshold, %d", monitor.FailureThreshold), "that many of so many results make it down")
	}
	monitor.Notify = w.who(m, &monitor)
	if len(w.problems) == before {
		w.checkSpec(m, monitor.Spec)
	}
	if len(w.problems) == 0 {
		w.keep(m, monitor)
	}
}

// keep takes in a monitor in which nothing is wrong.
func (w *watch) keep(m mapping, monitor job.Monitor) {
	if !w.options.Encode {
		w.monitors = append(w.monitors, monitor)
		return
	}
	body, err := job.Encode(monitor)
	if err != nil {
		w.report(m.value, fmt.Sprintf("what cannot be stored (%v)", err), "a monitor that can", "")
		return
	}
	line := w.line(monitor.Name)
	*w.known.Value(w.known.Put(monitor.Name, body)) = line
}

// line is where the monitor of a name stands, zero if none has it.
func (w *watch) line(name string) uint32 {
	if id, ok := w.known.Find(name); ok {
		return *w.known.Value(id)
	}
	return 0
}

// belonging reads what a monitor belongs to.
func (w *watch) belonging(m mapping, monitor *job.Monitor) {
	if v, ok := w.get(m, "group"); ok {
		monitor.Group, _ = w.filled(v, "text")
	}
	monitor.Labels = w.labels(m)
	monitor.DependsOn = w.dependsOn(m, monitor.Name)
	if v, ok := w.get(m, "paused"); ok {
		monitor.Paused = w.boolean(v)
	}
}

// name reads the name of a monitor, which no other may have.
func (w *watch) name(m mapping) string {
	v, ok := w.must(m, "name", aName)
	if !ok {
		return ""
	}
	name, ok := w.text(v, aName)
	if !ok || !w.validName(v, name) {
		return ""
	}
	if line := w.line(name); line > 0 {
		w.report(v, v.describe()+" again", fmt.Sprintf("a name of its own, unlike the one in line %d", line), "")
		return ""
	}
	*w.known.Value(w.known.Put(name, nil)) = uint32(v.line) //nolint:gosec // a file has fewer lines
	return name
}

// when reads the schedule. It returns the interval, zero for cron.
func (w *watch) when(m mapping, monitor *job.Monitor) setting {
	cron, hasCron := w.get(m, "cron")
	zone, hasZone := w.get(m, "time_zone")
	interval := w.interval(m)
	if hasZone && !hasCron {
		w.report(zone, "a time_zone without cron", "cron beside it", "an interval is the same in all zones")
	}
	switch {
	case hasCron && interval.set:
		w.report(cron, "cron and interval", "one of them", "")
		return setting{set: true}
	case hasCron:
		w.cron(cron, zone, hasZone, monitor)
		return setting{set: true}
	case interval.set:
	default:
		interval = w.defaults.interval
	}
	monitor.Interval = job.Duration(interval.d)
	return interval
}

// cron reads an expression and its zone.
func (w *watch) cron(v, zoneAt value, hasZone bool, monitor *job.Monitor) {
	const expected = "a cron expression such as '15 3 * * *'"
	expression, ok := w.filled(v, expected)
	if ok {
		if _, err := schedule.Cron(expression, ""); err != nil {
			w.refused(v, err, expected)
			ok = false
		}
	}
	monitor.Cron = expression
	if !hasZone {
		return
	}
	const aZone = "an IANA name such as Europe/Berlin"
	if monitor.TimeZone, hasZone = w.filled(zoneAt, aZone); !hasZone {
		return
	}
	if !ok {
		expression = "@daily" // any will do to try the zone
	}
	if _, err := schedule.Cron(expression, monitor.TimeZone); err != nil {
		w.refused(zoneAt, err, aZone)
	}
}

// refused reports what the schedule says of a value: it knows best which part
// of it is wrong. Of a value from the environment nothing is shown.
func (w *watch) refused(v value, err error, expected string) {
	what, wanted, ok := cutLast(err.Error(), ", expected ")
	label, found, known := cutLast(what, "found ")
	if !ok || !known || !w.safe(v) {
		w.wrong(v, expected)
		return
	}
	if _, part, nested := cutLast(strings.TrimSuffix(label, ": "), `": `); nested {
		found += " as the " + part
	}
	w.report(v, found, wanted, "")
}

func cutLast(text, separator string) (before, after string, found bool) {
	i := strings.LastIndex(text, separator)
	if i < 0 {
		return text, "", false
	}
	return text[:i], text[i+len(separator):], true
}

// interval reads an interval. Its duration is zero when it cannot be used.
func (r *reader) interval(m mapping) setting {
	v, ok := r.get(m, "interval")
	if !ok {
		return setting{value: v}
	}
	s := setting{value: v, set: true}
	if s.d, ok = r.duration(v); !ok {
		return s
	}
	if _, err := schedule.Every(s.d, ""); err != nil {
		r.report(v, v.written(), fmt.Sprintf("whole seconds from 1s to %s", show(schedule.MaxInterval)), "")
		s.d = 0
	}
	return s
}

// timeout reads a timeout. Its duration is zero when it cannot be used.
func (r *reader) timeout(m mapping) setting {
	v, ok := r.get(m, "timeout")
	if !ok {
		return setting{value: v}
	}
	s := setting{value: v, set: true}
	s.d, _ = r.duration(v)
	return s
}

// timeoutFits refuses a timeout that reaches into the next slot.
func (r *reader) timeoutFits(timeout, interval setting) {
	if timeout.d > 0 && interval.d > 0 && timeout.d >= interval.d {
		r.report(timeout.value, timeout.written(), "less than the interval "+show(interval.d), "")
	}
}

// ownTimeout is the timeout of a monitor. One that it does not set itself
// yields to its interval.
func (w *watch) ownTimeout(m mapping, interval setting) time.Duration {
	timeout := w.timeout(m)
	switch {
	case timeout.set:
		w.timeoutFits(timeout, interval)
		return timeout.d
	case interval.d > 0 && interval.d <= w.defaults.timeout.d:
		return interval.d * 4 / 5
	default:
		return w.defaults.timeout.d
	}
}

// who reads the recipients of a monitor: its own, those of the routes, or the
// defaults.
func (w *watch) who(m mapping, monitor *job.Monitor) []string {
	names, set := w.notify(m)
	routed, fits := routed(w.defaults.routes, monitor)
	switch {
	case set:
		return names
	case fits:
		return routed
	case w.defaults.notifySet:
		return w.defaults.notify
	}
	if len(w.silent) == 0 {
		w.firstSilent, _ = w.get(m, "notify")
	}
	w.silent = append(w.silent, monitor.Name)
	return nil
}

// warnSilent tells once of all the monitors that nobody hears of.
func (w *watch) warnSilent() {
	if len(w.silent) == 0 {
		return
	}
	found := "no notify, here or in defaults"
	if n := len(w.silent); n > 1 {
		found = fmt.Sprintf("no notify in %d monitors, of which this is the first, or in defaults", n)
	}
	w.warn(w.firstSilent, found, "names of recipients", "nobody gets mail about "+listed(w.silent)+"; notify: [] says that this is meant")
}

func listed(names []string) string {
	if len(names) > maxListed {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:maxListed], ", "), len(names)-maxListed)
	}
	return strings.Join(names, ", ")
}
