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
//
// Beside name, text and value an entry takes some twelve bytes. With a map of the
// language for an index, and structs of places, lengths and links, it took fifty.
type Map[V any] struct {
	seed   maphash.Seed
	index  index
	at     []place // by ID; nowhere for one that is free
	values []V     // by ID; the first is not used, so that no ID is zero
	free   []ID
	texts  arena
}

// ID is the place of an entry in its map, for as long as the entry is there. It
// is never zero.
type ID uint32

// Len is how many entries there are.
func (m *Map[V]) Len() int { return m.index.count }

// Find returns the place of a name, and whether there is one.
func (m *Map[V]) Find(name string) (ID, bool) {
	if len(m.at) == 0 {
		return 0, false
	}
	id, _ := m.index.find(m.hash(name), func(id ID) bool { return string(m.Name(id)) == name })
	return id, id != 0
}

func (m *Map[V]) hash(name string) uint64 { return maphash.String(m.seed, name) }

// hashOf is the hash of the name at a place.
func (m *Map[V]) hashOf(id ID) uint64 { return maphash.Bytes(m.seed, m.Name(id)) }

// Name and Text are what stands at a place. They are not to be written to, and
// stay what they are whatever becomes of the entry.
func (m *Map[V]) Name(id ID) []byte {
	name, _ := m.texts.get(m.at[id])
	return name
}

// Text is the text of the entry at a place; see [Map.Name].
func (m *Map[V]) Text(id ID) []byte {
	_, text := m.texts.get(m.at[id])
	return text
}

// Value is the value at a place, to read and to write until the next Put.
func (m *Map[V]) Value(id ID) *V { return &m.values[id] }

// Put gives a name a text, and makes an entry with a zero value if it has none.
func (m *Map[V]) Put(name string, text []byte) ID {
	if len(m.at) == 0 {
		m.seed, m.at, m.values = maphash.MakeSeed(), make([]place, 1), make([]V, 1)
	}
	id, known := m.Find(name)
	if known && bytes.Equal(m.Text(id), text) {
		return id
	}
	if !known {
		id = m.take()
	}
	m.texts.drop(m.at[id])
	m.at[id] = m.texts.put(name, text)
	if !known {
		m.index.add(id, m.hash(name), m.hashOf)
	}
	m.tidy()
	return id
}

// take returns a place that is free, with a zero value.
func (m *Map[V]) take() ID {
	if last := len(m.free) - 1; last >= 0 {
		id := m.free[last]
		m.free = m.free[:last]
		return id
	}
	m.at, m.values = append(m.at, 0), append(m.values, *new(V))
	return ID(len(m.at) - 1) //nolint:gosec // memory ends before
}

// Delete removes a name, and reports whether it was there.
func (m *Map[V]) Delete(name string) bool {
	id, known := m.Find(name)
	if !known {
		return false
	}
	m.index.remove(id, m.hash(name), m.hashOf)
	m.texts.drop(m.at[id])
	m.at[id], m.values[id] = 0, *new(V)
	m.free = append(m.free, id)
	m.tidy()
	return true
}

// All calls each with every place, until that returns false. It may write values,
// and delete the entry at the place that it was called with.
func (m *Map[V]) All(each func(ID) bool) {
	for i := range m.at {
		if m.at[i] != 0 && !each(ID(i)) {
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
	for i, at := range m.at {
		if at != 0 {
			name, text := m.texts.get(at)
			m.at[i] = fresh.put(string(name), text)
		}
	}
	m.texts = fresh
}
