package monitor

import (
	"maps"
	"runtime"

	"github.com/goccy/go-yaml/ast"

	"vedette/pipeline/compact"
)

// The parts of a large list are tried side by side: each is read as if it were
// alone. One without any mistake, whose names are all new, is taken in as it is,
// in its turn. Any other is read again, in its turn, with all that was read before
// it: so mistakes are told as if the file had been read from front to back.

// trial is what the reading of a part alone has come to.
type trial struct {
	chunk chunk
	watch *watch  // what was read; nil when the part cannot be read alone
	tree  *parsed // the part's YAML, if the library has read it
}

// addChunks takes in the parts of the list, never holding more than a few.
func (w *watch) addChunks(chunks []chunk) {
	above := maps.Clone(w.anchors.named)
	next := make(chan chan trial, runtime.GOMAXPROCS(0))
	go func() {
		defer close(next)
		for _, c := range chunks {
			done := make(chan trial, 1)
			next <- done // waits for those before it
			go func() { done <- w.try(c, above) }()
		}
	}()
	defined := w.anchors.defined
	for done := range next {
		t := <-done
		if t.watch == nil || w.anchors.defined != defined || !w.takeIn(t.watch) {
			w.again(t)
		}
		if w.options.Progress != nil {
			w.options.Progress(w.count)
		}
	}
}

// try reads a part alone, given the anchors of the sections before it. It changes
// nothing of w.
func (w *watch) try(c chunk, above map[string]ast.Node) trial {
	t := trial{chunk: c}
	node, ok := quickList(c.text, c.linesBefore)
	if !ok {
		tree := parseYAML(c.text, c.linesBefore)
		if t.tree, node = &tree, tree.root; tree.mistake != nil {
			return t
		}
	}
	alone := newWatch(w.alone(above), w.place, w.defaults)
	alone.anchors.bind(node)
	if alone.anchors.defined > 0 || len(alone.anchors.unbound) > 0 {
		return t
	}
	alone.addAll(node)
	if len(alone.problems) == 0 {
		t.watch = alone
	}
	return t
}

// alone is a reader of a part.
func (r *reader) alone(above map[string]ast.Node) *reader {
	a := &reader{
		source: r.source, options: r.options, anchors: newAnchors(), merged: map[ast.Node][]field{}, trial: true,
		standard: r.standard, recipients: r.recipients, names: r.names,
	}
	a.anchors.above = above
	return a
}

// takeIn adds what a part has, unless one of its names is taken.
func (w *watch) takeIn(part *watch) bool {
	taken := false
	part.known.All(func(id compact.ID) bool {
		_, taken = w.known.Find(string(part.known.Name(id)))
		return !taken
	})
	if taken {
		return false
	}
	part.known.All(func(id compact.ID) bool {
		*w.known.Value(w.known.Put(string(part.known.Name(id)), part.known.Text(id))) = *part.known.Value(id)
		return true
	})
	w.monitors = append(w.monitors, part.monitors...)
	w.depends = append(w.depends, part.depends...)
	if len(w.silent) == 0 {
		w.firstSilent = part.firstSilent
	}
	w.silent = append(w.silent, part.silent...)
	w.count += part.count
	return true
}

// again reads a part with all that was read before it.
func (w *watch) again(t trial) {
	if t.tree == nil {
		tree := parseYAML(t.chunk.text, t.chunk.linesBefore)
		t.tree = &tree
	}
	if t.tree.mistake != nil {
		w.reportMistake(t.tree.mistake)
		return
	}
	unbound, defined := len(w.anchors.unbound), w.anchors.defined
	w.anchors.fresh = w.anchors.fresh[:0]
	w.anchors.bind(t.tree.root)
	w.reportUnbound(unbound)
	w.addAll(t.tree.root)
	w.anchors.forget(defined)
}
