package supervise_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"vedette/pipeline/supervise"
)

// model is a supervisor as the recorded traces describe it: like OTP's, it
// completes one action before the next. The tests run random scripts on random
// trees with the model and the real supervisor, and compare the traces.
type model struct {
	name      string
	strategy  supervise.Strategy
	intensity int
	parent    *model
	spec      []*actor
	children  []*actor
	restarts  int // all within the window
	disabled  map[string]bool
	alive     bool
	trace     *[]string // shared by the tree
}

// actor is a child of a model: a leaf, or another supervisor.
type actor struct {
	name    string
	restart supervise.Restart
	below   *model
	runs    bool
}

func (m *model) note(format string, args ...any) {
	*m.trace = append(*m.trace, fmt.Sprintf(format, args...))
}

func (m *model) start(a *actor) {
	a.runs = true
	if a.below == nil {
		m.note("+%s", a.name)
		return
	}
	a.below.serve()
}

// serve starts the children of the spec.
func (m *model) serve() {
	m.alive, m.restarts, m.children = true, 0, nil
	for _, a := range m.spec {
		m.children = append(m.children, a)
		if !m.disabled[a.name] {
			m.start(a)
		}
	}
}

func (m *model) stop(a *actor) {
	if !a.runs {
		return
	}
	a.runs = false
	if a.below == nil {
		m.note("-%s", a.name)
		return
	}
	a.below.end()
}

func (m *model) end() {
	m.alive = false
	for _, a := range slices.Backward(m.children) {
		m.stop(a)
	}
}

func (m *model) index(name string) int {
	return slices.IndexFunc(m.children, func(a *actor) bool { return a.name == name })
}

// ended handles a child's end that was not requested.
func (m *model) ended(a *actor, normal bool) {
	a.runs = false
	switch {
	case a.restart == supervise.Temporary:
		m.children = slices.DeleteFunc(m.children, func(other *actor) bool { return other == a })
		return
	case a.restart == supervise.Transient && normal:
		return
	}
	m.restarts++
	if m.restarts > m.intensity {
		m.end()
		if m.parent != nil {
			m.parent.ended(m.parent.find(m), false)
		}
		return
	}
	m.restart(a)
}

func (m *model) find(below *model) *actor {
	return m.children[slices.IndexFunc(m.children, func(a *actor) bool { return a.below == below })]
}

// restart restarts a child with the siblings that the strategy selects.
func (m *model) restart(a *actor) {
	from, to := m.index(a.name), len(m.children)
	switch m.strategy {
	case supervise.OneForAll:
		from = 0
	case supervise.OneForOne, supervise.Dynamic:
		to = from + 1
	case supervise.RestForOne:
	}
	group := slices.Clone(m.children[from:to])
	for _, member := range slices.Backward(group) {
		m.stop(member)
	}
	for _, member := range group {
		switch {
		case member.restart == supervise.Temporary:
			m.children = slices.DeleteFunc(m.children, func(other *actor) bool { return other == member })
		case !m.disabled[member.name]:
			m.start(member)
		}
	}
}

// command runs a command on a child.
func (m *model) command(name, child string) {
	i := m.index(child)
	if i < 0 {
		return
	}
	a := m.children[i]
	switch name {
	case "stop":
		m.stop(a)
	case "disable":
		m.disabled[child] = true
		m.stop(a)
	case "enable":
		if m.disabled[child] {
			delete(m.disabled, child)
			m.startIfDown(a)
		}
	case "restart":
		switch {
		case m.disabled[child]:
		case a.runs && a.restart == supervise.Temporary && m.strategy != supervise.OneForOne: // its group would forget it
		case a.runs:
			m.restart(a)
		default:
			m.startIfDown(a)
		}
	case "remove":
		if !a.runs {
			delete(m.disabled, child)
			m.children = slices.Delete(m.children, i, i+1)
		}
	}
}

// startIfDown starts one child that is down.
func (m *model) startIfDown(a *actor) {
	if !a.runs {
		m.start(a)
	}
}

// world is a tree as models and as real supervisors.
type world struct {
	harness *harness
	random  *rand.Rand
	trace   []string
	models  []*model
	real    map[*model]*supervise.Supervisor
	leaves  int
}

// build makes a random supervisor with at most the given depth.
func (w *world) build(t *testing.T, parent *model, depth int) supervise.Child {
	t.Helper()
	m := &model{
		name: fmt.Sprintf("s%d", len(w.models)), strategy: supervise.Strategy(w.random.IntN(3)), intensity: w.random.IntN(9),
		parent: parent, disabled: map[string]bool{}, trace: &w.trace,
	}
	w.models = append(w.models, m)
	spec := supervise.Spec{Name: m.name, Strategy: m.strategy, Intensity: supervise.Restarts(m.intensity), Window: 1000 * time.Hour}
	for range 1 + w.random.IntN(4) {
		if depth > 1 && w.random.IntN(3) == 0 {
			child := w.build(t, m, depth-1)
			m.spec = append(m.spec, &actor{name: child.Name, below: w.models[w.indexOf(child.Name)]})
			spec.Children = append(spec.Children, child)
			continue
		}
		a := &actor{name: fmt.Sprintf("c%d", w.leaves), restart: supervise.Restart(w.random.IntN(3))}
		w.leaves++
		m.spec = append(m.spec, a)
		spec.Children = append(spec.Children, w.harness.child(a.name, kind(a.restart)))
	}
	sup, err := supervise.New(spec)
	if err != nil {
		t.Fatal(err)
	}
	w.real[m] = sup
	return supervise.Child{Name: m.name, Service: sup}
}

func (w *world) indexOf(name string) int {
	return slices.IndexFunc(w.models, func(m *model) bool { return m.name == name })
}

// running returns the leaves that run, with their models.
func (w *world) running() (leaves []*actor, models []*model) {
	for _, m := range w.models {
		for _, a := range m.children {
			if m.alive && a.runs && a.below == nil {
				leaves, models = append(leaves, a), append(models, m)
			}
		}
	}
	return leaves, models
}

// step runs a random action on both, and returns its description.
func (w *world) step(t *testing.T) string {
	t.Helper()
	leaves, models := w.running()
	if len(leaves) > 0 && w.random.IntN(3) > 0 {
		i := w.random.IntN(len(leaves))
		if w.random.IntN(3) == 0 {
			w.harness.act(leaves[i].name, fine)
			models[i].ended(leaves[i], true)
			return leaves[i].name + " ends"
		}
		w.harness.act(leaves[i].name, boom)
		models[i].ended(leaves[i], false)
		return leaves[i].name + " fails"
	}
	m := w.models[w.random.IntN(len(w.models))]
	if !m.alive || len(m.children) == 0 {
		return "nothing"
	}
	a := m.children[w.random.IntN(len(m.children))]
	command := []string{"stop", "disable", "enable", "restart", "remove"}[w.random.IntN(5)]
	if a.restart == supervise.Temporary && command == "restart" {
		return "nothing" // OTP cannot restart a group from a temporary child
	}
	for _, known := range commands(w.real[m], w.harness, a.name) {
		if known.name == command {
			_ = known.give() // a refusal must leave the trace unchanged
		}
	}
	m.command(command, a.name)
	return command + " " + a.name
}

func TestRandomTreesMatchTheModel(t *testing.T) {
	t.Parallel()
	for seed := range uint64(600) {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { playRandomly(t, seed) })
		})
	}
}

func playRandomly(t *testing.T, seed uint64) {
	t.Helper()
	w := &world{harness: newHarness(), random: rand.New(rand.NewPCG(seed, 1)), real: map[*model]*supervise.Supervisor{}}
	w.build(t, nil, 3)
	root := w.models[0]
	ended := make(chan error, 1)
	wantNil(t, w.real[root].Start(t.Context()))
	go func() {
		<-w.real[root].Done()
		ended <- w.real[root].Stop(t.Context())
	}()
	root.serve()
	var script []string
	for step := 0; ; step++ {
		got, want := w.harness.takeTrace(), strings.Join(w.trace, " ")
		w.trace = nil
		if got != want {
			t.Fatalf("after %v: got %q, want %q", script, got, want)
		}
		if !root.alive || step == 40 {
			break
		}
		script = append(script, w.step(t))
		time.Sleep(20 * time.Minute) // longer than all back-offs of a tree
	}
	if root.alive {
		wantNil(t, w.real[root].Stop(t.Context()))
		root.end()
		want(t, fmt.Sprint("the end after ", script), w.harness.takeTrace(), strings.Join(w.trace, " "))
		return
	}
	if _, ok := errors.AsType[*supervise.BreachError](<-ended); !ok {
		t.Errorf("after %v: got another end than a breach", script)
	}
}
