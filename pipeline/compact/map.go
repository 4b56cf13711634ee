// Package compact keeps very many small things in memory. A million structs with
// strings, in maps of pointers, cost the garbage collector more than checking the
// monitors that they describe: it has to follow every pointer, again and again.
// Here names and texts stand one after the other in pieces of some size, values
// in a slice, and positions are numbers, so that there is nothing to follow.
package compact

import (
	"bytes"
	"hash/maphash"
)

// Map holds a value and a text under each name. Values should hold no pointers,
// or the point is lost. The zero Map is empty. It is not safe for concurrent use,
// but for any number of readers.
type Map[V any] struct {
	seed    maphash.Seed
	index   map[uint32]ID // by the name's hash, the first record; half of the hash is half of the map
	records []record[V]   // the first is not used, so that no ID is zero
	free    ID            // the first record that is free, which knows the next
	count   int
	texts   arena
}

// ID is the place of an entry in its map, for as long as the entry is there. It
// is never zero.
type ID uint32

// record is an entry.
type record[V any] struct {
	at     place // of the name, and the text behind it
	name   uint32
	next   ID // with the same hash, or free
	exists bool
	value  V
}

// Len is how many entries there are.
func (m *Map[V]) Len() int { return m.count }

// Find returns the place of a name, and whether there is one.
func (m *Map[V]) Find(name string) (ID, bool) {
	if m.index == nil {
		return 0, false
	}
	return m.find(m.index[m.hash(name)], name)
}

func (m *Map[V]) hash(name string) uint32 { return uint32(maphash.String(m.seed, name)) } //nolint:gosec // the lower half

func (m *Map[V]) find(id ID, name string) (ID, bool) {
	for ; id != 0; id = m.records[id].next {
		if string(m.Name(id)) == name {
			return id, true
		}
	}
	return 0, false
}

// Name and Text are what stands at a place. They are not to be written to, and
// stay what they are whatever becomes of the entry.
func (m *Map[V]) Name(id ID) []byte { return m.texts.get(m.records[id].at)[:m.records[id].name] }

// Text is the text of the entry at a place; see [Map.Name].
func (m *Map[V]) Text(id ID) []byte { return m.texts.get(m.records[id].at)[m.records[id].name:] }

// Value is the value at a place, to read and to write until the next Put.
func (m *Map[V]) Value(id ID) *V { return &m.records[id].value }

// Put gives a name a text, and makes an entry with a zero value if it has none.
func (m *Map[V]) Put(name string, text []byte) ID {
	if m.index == nil {
		m.seed, m.index, m.records = maphash.MakeSeed(), map[uint32]ID{}, make([]record[V], 1)
	}
	hash := m.hash(name)
	id, known := m.find(m.index[hash], name)
	if known && bytes.Equal(m.Text(id), text) {
		return id
	}
	if !known {
		id = m.take()
		m.records[id] = record[V]{next: m.index[hash], exists: true}
		m.index[hash] = id
		m.count++
	}
	m.texts.drop(m.records[id].at)
	m.records[id].at, m.records[id].name = m.texts.put(name, text), uint32(len(name)) //nolint:gosec // names are short
	m.tidy()
	return id
}

// take returns a record that is free.
func (m *Map[V]) take() ID {
	if id := m.free; id != 0 {
		m.free = m.records[id].next
		return id
	}
	m.records = append(m.records, record[V]{})
	return ID(len(m.records) - 1) //nolint:gosec // memory ends before
}

// Delete removes a name, and reports whether it was there.
func (m *Map[V]) Delete(name string) bool {
	id, known := m.Find(name)
	if !known {
		return false
	}
	m.unlink(m.hash(name), id)
	m.texts.drop(m.records[id].at)
	m.records[id] = record[V]{next: m.free}
	m.free = id
	m.count--
	m.tidy()
	return true
}

// unlink takes a record out of those with the same hash.
func (m *Map[V]) unlink(hash uint32, id ID) {
	next := m.records[id].next
	before := m.index[hash]
	switch {
	case before == id && next == 0:
		delete(m.index, hash)
		return
	case before == id:
		m.index[hash] = next
		return
	}
	for m.records[before].next != id {
		before = m.records[before].next
	}
	m.records[before].next = next
}

// All calls each with every place, until that returns false. It may write values,
// and delete the entry at the place that it was called with.
func (m *Map[V]) All(each func(ID) bool) {
	for i := range m.records {
		if m.records[i].exists && !each(ID(i)) {
			return
		}
	}
}

// tidy copies what is still needed when most is not.
func (m *Map[V]) tidy() {
	if !m.texts.wasteful() {
		return
	}
	var fresh arena
	for i := range m.records {
		if r := &m.records[i]; r.exists {
			whole := m.texts.get(r.at)
			r.at = fresh.put(string(whole[:r.name]), whole[r.name:])
		}
	}
	m.texts = fresh
}
