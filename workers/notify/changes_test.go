package notify_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"vedette/pipeline/job"
	"vedette/workers/evaluate"
)

// definitions are the content of a monitor file.
type definitions struct {
	recipients map[string]job.Recipient
	settings   job.Settings
	monitors   map[string]*evaluate.Monitor
}

func (d definitions) clone() definitions {
	next := definitions{recipients: maps.Clone(d.recipients), settings: d.settings, monitors: map[string]*evaluate.Monitor{}}
	for name, m := range d.monitors {
		own := *m
		own.Notify, own.DependsOn, own.Labels = slices.Clone(m.Notify), slices.Clone(m.DependsOn), maps.Clone(m.Labels)
		next.monitors[name] = &own
	}
	next.settings.Operators = slices.Clone(d.settings.Operators)
	return next
}

// addresses returns the addresses behind names, each once.
func (d definitions) addresses(names []string) []string {
	var all []string
	for _, name := range names {
		for _, address := range d.recipients[name].Addresses {
			if !slices.Contains(all, address) {
				all = append(all, address)
			}
		}
	}
	return all
}

// apply replaces the definitions as an apply does: recipients first, then settings
// and monitors, and then removals. The notifier looks at each changed monitor, and
// soon at everything.
func (w *world) apply(next definitions) {
	w.tb.Helper()
	before := w.file
	w.file = next
	directory := w.notifier.Directory()
	for _, name := range slices.Sorted(maps.Keys(next.recipients)) {
		directory.Set(next.recipients[name])
	}
	directory.SetSettings(next.settings)
	if err := w.notifier.Mutes().SetWindows(next.settings.Maintenance); err != nil {
		w.tb.Fatalf("windows: %v", err)
	}
	for _, name := range slices.Sorted(maps.Keys(next.monitors)) {
		w.define(next.monitors[name])
	}
	for _, name := range slices.Sorted(maps.Keys(before.monitors)) {
		if next.monitors[name] == nil {
			w.undefine(name)
		}
	}
	for name := range before.recipients {
		if _, stays := next.recipients[name]; !stays {
			directory.Remove(name)
		}
	}
	w.do(func() error { return w.notifier.ReconcileIn(w.tb.Context(), time.Second) })
}

// undefine removes a monitor, and ends its incidents as the evaluator does.
func (w *world) undefine(name string) {
	w.tb.Helper()
	delete(w.defined, name)
	w.do(func() error { return w.notifier.ReconcileMonitor(w.tb.Context(), name) })
	state := w.states[name]
	if state.Monitor == "" {
		return
	}
	change := evaluate.Remove(state, w.now)
	w.states[name] = change.State
	if change.Write {
		w.do(func() error { return w.notifier.Receive(w.tb.Context(), &change.State) })
	}
}

// change is one change in a random sequence: what, and numbers that choose the
// details.
type change struct {
	kind    string
	a, b, c int
}

func (c change) String() string { return fmt.Sprintf("%s(%d,%d,%d)", c.kind, c.a, c.b, c.c) }

// kinds are the kinds of change.
func kinds() []string {
	return []string{
		"toggle", "toggle", "toggle", "toggle", "blind", "notify", "notify", "addresses", "addresses", "rename-recipient", "remove-recipient",
		"group-by", "own-grouping", "intervals", "operators", "silence", "silence", "unsilence", "window", "pause", "pause", "depend", "depend",
		"label", "remove-monitor", "put-back", "rename-monitor", "target", "older-file", "relay", "restart", "templates", "wait", "wait",
	}
}

func pick[T any](list []T, n int) T { return list[n%len(list)] }

// names returns the keys of a map in order.
func names[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// make carries out a change.
func (w *world) make(c change) {
	w.tb.Helper()
	if w.perform(c) {
		return
	}
	next := w.file.clone()
	w.edit(&next, c)
	w.history = append(w.history, w.file)
	w.apply(next)
}

// perform carries out a change outside the file, and reports whether it is one.
func (w *world) perform(c change) bool {
	all := []string{"router", "a", "b", "c"}
	name := pick(all, c.a)
	switch c.kind {
	case "toggle":
		w.ill[name] = !w.ill[name]
	case "blind":
		w.blind[name] = !w.blind[name]
	case "silence":
		s := job.Silence{ID: name, Match: job.Match{Monitors: []string{name}}, Starts: w.now, Ends: w.now.Add(time.Duration(1+c.b%8) * time.Minute)}
		if c.c%3 == 0 {
			s.Match = job.Match{Labels: map[string]string{"env": "prod"}}
		}
		w.silences[s.ID] = s
		w.notifier.Mutes().SetSilence(s)
		w.do(func() error { return w.notifier.SweepIn(w.tb.Context(), 0) })
	case "unsilence":
		delete(w.silences, name)
		w.notifier.Mutes().RemoveSilence(name)
		w.do(func() error { return w.notifier.SweepIn(w.tb.Context(), 0) })
	case "relay":
		w.relayAway = !w.relayAway
	case "restart":
		w.takeOver()
	case "templates":
		w.words, w.failing = w.failing, w.words
		w.takeOver()
	case "wait":
		for range 1 + c.a%4 {
			w.minute()
		}
	case "older-file":
		if len(w.history) > 0 {
			w.apply(pick(w.history, c.a).clone())
		}
	default:
		return false
	}
	return true
}

// edit changes the file.
func (w *world) edit(f *definitions, c change) {
	recipient := pick(names(f.recipients), c.b)
	var m *evaluate.Monitor
	if len(f.monitors) > 0 {
		m = f.monitors[pick(names(f.monitors), c.a)]
	}
	addresses := []string{"ops@example.org", "boss@example.org", "night@example.org", "new@example.org"}
	switch c.kind {
	case "addresses":
		own := f.recipients[recipient]
		own.Addresses = slices.Clone(addresses[c.a%3 : c.a%3+1+c.c%2])
		f.recipients[recipient] = own
	case "rename-recipient":
		own := f.recipients[recipient]
		own.Name = fmt.Sprintf("%s%d", strings.TrimRight(recipient, "0123456789"), c.c%5)
		delete(f.recipients, recipient)
		f.recipients[own.Name] = own
		w.refer(f, recipient, own.Name)
	case "remove-recipient":
		if len(f.recipients) > 1 {
			delete(f.recipients, recipient)
			w.refer(f, recipient, "")
		}
	case "group-by":
		own := *f.settings.Grouping
		own.GroupBy = pick([][]string{nil, {job.GroupByGroup}, {job.GroupByMonitor}, {"label.env"}}, c.a)
		f.settings.Grouping = &own
	case "own-grouping":
		own := f.recipients[recipient]
		grouping := *f.settings.Grouping
		grouping.GroupBy = pick([][]string{nil, {job.GroupByGroup}, {job.GroupByMonitor}}, c.a)
		if own.Grouping = &grouping; c.c%3 == 0 {
			own.Grouping = nil
		}
		f.recipients[recipient] = own
	case "intervals":
		own := *f.settings.Grouping
		own.GroupWait, own.GroupInterval, own.RepeatInterval = seconds(10*(1+c.a%3)), seconds(30*(c.b%3)), seconds(pick([]int{0, 240, 600}, c.c))
		f.settings.Grouping = &own
	case "operators":
		f.settings.Operators = []string{recipient}
	case "window":
		f.settings.Maintenance = nil
		if c.a%2 == 0 {
			f.settings.Maintenance = []job.Maintenance{{Name: "w", Match: job.Match{Groups: []string{pick([]string{"a", "b", "web"}, c.b)}}, Cron: "*/20 * * * *", For: seconds(300)}}
		}
	case "put-back":
		for _, name := range []string{"router", "a", "b", "c"} {
			if f.monitors[name] == nil {
				f.monitors[name] = firstFile().monitors[name]
			}
		}
	default:
		if m != nil {
			w.editMonitor(f, m, recipient, c)
		}
	}
}

func (w *world) editMonitor(f *definitions, m *evaluate.Monitor, recipient string, c change) {
	switch c.kind {
	case "notify":
		if at := slices.Index(m.Notify, recipient); at >= 0 {
			m.Notify = slices.Delete(m.Notify, at, at+1)
		} else {
			m.Notify = append(m.Notify, recipient)
		}
	case "pause":
		m.Paused = !m.Paused
	case "depend":
		m.DependsOn = nil
		if parent := pick([]string{"router", "a"}, c.b); c.c%3 > 0 && m.Name != "router" && m.Name != parent && (parent != "a" || m.Name != "a") && f.monitors[parent] != nil {
			m.DependsOn = []string{parent}
		}
	case "label":
		m.Labels = map[string]string{"env": pick([]string{"prod", "test"}, c.b)}
		m.Group = pick([]string{"a", "b", "web"}, c.c)
	case "target":
		m.Spec = job.Spec{TCP: &job.TCP{Address: fmt.Sprintf("host%d.example.org:22", c.b)}}
	case "remove-monitor":
		w.withoutMonitor(f, m.Name)
	case "rename-monitor":
		own := *m
		own.Name = m.Name + "x"
		if len(own.Name) < 10 {
			w.withoutMonitor(f, m.Name)
			own.DependsOn = nil
			f.monitors[own.Name] = &own
		}
	}
}

// refer replaces a recipient's name, or removes it.
func (*world) refer(f *definitions, from, to string) {
	replace := func(list []string) []string {
		var next []string
		for _, name := range list {
			if name == from {
				name = to
			}
			if name != "" && !slices.Contains(next, name) {
				next = append(next, name)
			}
		}
		return next
	}
	f.settings.Operators = replace(f.settings.Operators)
	for _, m := range f.monitors {
		m.Notify = replace(m.Notify)
	}
}

// withoutMonitor removes a monitor, and the dependencies on it.
func (*world) withoutMonitor(f *definitions, name string) {
	delete(f.monitors, name)
	for _, m := range f.monitors {
		m.DependsOn = slices.DeleteFunc(m.DependsOn, func(parent string) bool { return parent == name })
	}
}

// firstFile is the file at the beginning of each sequence.
func firstFile() definitions {
	f := definitions{
		recipients: map[string]job.Recipient{
			"oncall": {Name: "oncall", Addresses: []string{"ops@example.org"}},
			"boss":   {Name: "boss", Addresses: []string{"boss@example.org"}},
			"night":  {Name: "night", Addresses: []string{"night@example.org", "ops@example.org"}},
		},
		settings: job.Settings{
			Operators: []string{"boss"},
			Grouping:  &job.Grouping{GroupWait: seconds(30), GroupInterval: seconds(30), RepeatInterval: seconds(600), MaxListed: 1000},
		},
		monitors: map[string]*evaluate.Monitor{},
	}
	for _, m := range []*evaluate.Monitor{monitor("router"), monitor("a", "router"), monitor("b", "router"), monitor("c")} {
		f.monitors[m.Name] = m
	}
	f.monitors["c"].Notify = []string{"oncall", "boss"}
	f.monitors["b"].Notify = []string{"boss"}
	return f
}
