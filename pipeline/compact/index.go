package compact

import "math/bits"

// index finds IDs by the hash of their names. It is a hash table with linear
// probing: each ID has the first free slot from its hash on. At most four fifths
// of the slots are in use, and the table grows by half, so that an ID takes six
// to ten bytes.
type index struct {
	ids   []ID    // by slot; zero if free
	tags  []uint8 // hash bits, so that other names are rarely compared
	count int
}

const minSlots = 8

// home is the first slot for a hash.
func (x *index) home(hash uint64) int {
	slot, _ := bits.Mul64(hash, uint64(len(x.ids)))
	return int(slot) //nolint:gosec // less than the length
}

func (x *index) next(slot int) int {
	if slot+1 < len(x.ids) {
		return slot + 1
	}
	return 0
}

// find returns the ID with a hash for which is returns true, and its slot; or no
// ID.
func (x *index) find(hash uint64, is func(ID) bool) (ID, int) {
	if len(x.ids) == 0 {
		return 0, 0
	}
	tag := uint8(hash) //nolint:gosec // the lowest bits
	for slot := x.home(hash); ; slot = x.next(slot) {
		id := x.ids[slot]
		if id == 0 || x.tags[slot] == tag && is(id) {
			return id, slot
		}
	}
}

// add inserts an ID that is not in the index. hashOf returns the hash for any ID
// in it.
func (x *index) add(id ID, hash uint64, hashOf func(ID) uint64) {
	if x.count >= len(x.ids)/5*4 {
		x.grow(hashOf)
	}
	x.insert(id, hash)
	x.count++
}

func (x *index) insert(id ID, hash uint64) {
	slot := x.home(hash)
	for x.ids[slot] != 0 {
		slot = x.next(slot)
	}
	x.ids[slot], x.tags[slot] = id, uint8(hash) //nolint:gosec // the lowest bits
}

func (x *index) grow(hashOf func(ID) uint64) {
	before := x.ids
	slots := max(minSlots, len(before)+len(before)/2)
	x.ids, x.tags = make([]ID, slots), make([]uint8, slots)
	for _, id := range before {
		if id != 0 {
			x.insert(id, hashOf(id))
		}
	}
}

// remove removes an ID that is in the index. IDs behind it that could use its slot
// move up, so that no search ends too early.
func (x *index) remove(id ID, hash uint64, hashOf func(ID) uint64) {
	_, hole := x.find(hash, func(other ID) bool { return other == id })
	x.count--
	for slot := x.next(hole); x.ids[slot] != 0; slot = x.next(slot) {
		if home := x.home(hashOf(x.ids[slot])); !between(hole, home, slot) {
			x.ids[hole], x.tags[hole] = x.ids[slot], x.tags[slot]
			hole = slot
		}
	}
	x.ids[hole] = 0
}

// between reports whether home lies after hole and not after slot, in the
// circular table.
func between(hole, home, slot int) bool {
	if hole <= slot {
		return hole < home && home <= slot
	}
	return hole < home || home <= slot
}
