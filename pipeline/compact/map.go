// Package compact keeps millions of small entries in memory. A million structs
// with strings, in maps with pointers, cost the garbage collector more than
// checking the monitors that they describe, since it follows every pointer in
// each cycle. Here names and texts lie in large chunks, values in a slice, and
// references are numbers, so there are no pointers to follow.
package compact

import (
	"bytes"
	"hash/maphash"
)

// Map holds a value and a text for each name. Values should not contain pointers,
// to spare the garbage collector. The zero Map is empty. Concurrent readers are
// safe, concurrent use with writers is not.
//
// In addition to name, text and value an entry takes about twelve bytes. With a Go
// map as the index, and structs with offsets, lengths and links, it took fifty.
type Map[V any] struct {
	seed      maphash.Seed
	index     index
	positions []position // by ID; zero if free
	values    []V        // by ID; the first is unused, so that no ID is zero
	free      []ID
	texts     arena
}

// ID identifies an entry in a map until the entry is deleted. It is never zero.
type ID uint32

// Len returns the number of entries.
func (m *Map[V]) Len() int { return m.index.count }

// Find returns the ID for a name, and whether the name is in the map.
func (m *Map[V]) Find(name string) (ID, bool) {
	if len(m.positions) == 0 {
		return 0, false
	}
	id, _ := m.index.find(m.hash(name), func(id ID) bool { return string(m.Name(id)) == name })
	return id, id != 0
}

func (m *Map[V]) hash(name string) uint64 { return maphash.String(m.seed, name) }

// hashOf returns the hash for an entry's name.
func (m *Map[V]) hashOf(id ID) uint64 { return maphash.Bytes(m.seed, m.Name(id)) }

// Name returns an entry's name. Callers must not change it, but may keep it even
// after the entry was deleted.
func (m *Map[V]) Name(id ID) []byte {
	name, _ := m.texts.get(m.positions[id])
	return name
}

// Text returns an entry's text, under the same conditions as [Map.Name].
func (m *Map[V]) Text(id ID) []byte {
	_, text := m.texts.get(m.positions[id])
	return text
}

// Value returns an entry's value, for reading and writing until the next Put.
func (m *Map[V]) Value(id ID) *V { return &m.values[id] }

// Put sets the text for a name. A new entry has the zero value.
func (m *Map[V]) Put(name string, text []byte) ID {
	if len(m.positions) == 0 {
		m.seed, m.positions, m.values = maphash.MakeSeed(), make([]position, 1), make([]V, 1)
	}
	id, known := m.Find(name)
	if known && bytes.Equal(m.Text(id), text) {
		return id
	}
	if !known {
		id = m.newID()
	}
	m.texts.drop(m.positions[id])
	m.positions[id] = m.texts.put(name, text)
	if !known {
		m.index.add(id, m.hash(name), m.hashOf)
	}
	m.reclaim()
	return id
}

// newID returns an unused ID, with the zero value.
func (m *Map[V]) newID() ID {
	if last := len(m.free) - 1; last >= 0 {
		id := m.free[last]
		m.free = m.free[:last]
		return id
	}
	m.positions, m.values = append(m.positions, 0), append(m.values, *new(V))
	return ID(len(m.positions) - 1) //nolint:gosec // limited by memory
}

// Delete removes a name, and reports whether it was there.
func (m *Map[V]) Delete(name string) bool {
	id, known := m.Find(name)
	if !known {
		return false
	}
	m.index.remove(id, m.hash(name), m.hashOf)
	m.texts.drop(m.positions[id])
	m.positions[id], m.values[id] = 0, *new(V)
	m.free = append(m.free, id)
	m.reclaim()
	return true
}

// All calls each for every ID until it returns false. The function may write
// values, and delete the entry it was called for.
func (m *Map[V]) All(each func(ID) bool) {
	for i := range m.positions {
		if m.positions[i] != 0 && !each(ID(i)) {
			return
		}
	}
}

// reclaim copies the texts in use when most are not.
func (m *Map[V]) reclaim() {
	if !m.texts.wasteful() {
		return
	}
	var fresh arena
	for i, at := range m.positions {
		if at != 0 {
			name, text := m.texts.get(at)
			m.positions[i] = fresh.put(string(name), text)
		}
	}
	m.texts = fresh
}
