package compact

import "encoding/binary"

// arena stores bytes. Stored bytes never change, so callers of get may keep them;
// dropped ones remain until the rest is copied to another arena.
type arena struct {
	chunks  [][]byte
	used    int
	dropped int
}

// position locates a name and its text: the number of a chunk, and the offset in
// it in units. Zero is no position. With four bytes here, and the lengths stored
// before the name, an entry takes twelve bytes less than with separate fields.
type position uint32

// Chunks grow from minChunk to maxChunk, so that a few texts take little memory;
// a longer text gets its own chunk. Texts begin at whole units.
const (
	unit      = 4
	unitBits  = 16
	minChunk  = 1 << 10
	maxChunk  = unit << unitBits
	maxChunks = 1 << (32 - unitBits) // 16 GB
)

// put appends a name and a text.
func (a *arena) put(name string, text []byte) position {
	room := 2*binary.MaxVarintLen64 + len(name) + len(text)
	last := len(a.chunks) - 1
	if last < 0 || cap(a.chunks[last])-len(a.chunks[last]) < room {
		a.chunks = append(a.chunks, make([]byte, unit, unit+max(room, min(maxChunk-unit, max(minChunk, a.used/4)))))
		last++
		if last == maxChunks {
			panic("compact: too many texts")
		}
	}
	chunk := a.chunks[last]
	at := position(last<<unitBits | len(chunk)/unit) //nolint:gosec // see above
	chunk = binary.AppendUvarint(chunk, uint64(len(name)))
	chunk = binary.AppendUvarint(chunk, uint64(len(text)))
	chunk = append(append(chunk, name...), text...)
	end := min((len(chunk)+unit-1)/unit*unit, cap(chunk))
	a.used += end - len(a.chunks[last])
	a.chunks[last] = chunk[:end]
	return at
}

// get returns the name and the text at a position.
func (a *arena) get(at position) (name, text []byte) {
	if at == 0 {
		return nil, nil
	}
	rest := a.chunks[at>>unitBits][int(at&(1<<unitBits-1))*unit:]
	nameLen, n := binary.Uvarint(rest)
	rest = rest[n:]
	textLen, n := binary.Uvarint(rest)
	rest = rest[n:]
	end := nameLen + textLen
	return rest[:nameLen:nameLen], rest[nameLen:end:end]
}

// drop counts the entry at a position as unused.
func (a *arena) drop(at position) {
	name, text := a.get(at)
	a.dropped += len(name) + len(text)
}

// wasteful reports whether to copy the entries in use to another arena.
func (a *arena) wasteful() bool { return a.dropped > maxChunk && a.dropped > a.used/2 }
