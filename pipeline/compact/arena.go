package compact

import "encoding/binary"

// arena holds bytes. What was put is never changed, so that whoever has got it
// may keep it; what is dropped stays until all is copied.
type arena struct {
	pieces  [][]byte
	used    int
	dropped int
}

// place is where a name and its text stand: the number of a piece, and how many
// units into it. The zero place is nowhere. At four bytes of place, and with the
// lengths before the name, an entry takes twelve bytes less than when both were
// numbers of their own.
type place uint32

// Pieces grow from the least to the most, so that few texts take little; what is
// longer has a piece of its own. Texts begin at whole units.
const (
	unit       = 4
	unitBits   = 16
	leastPiece = 1 << 10
	mostPiece  = unit << unitBits
	mostPieces = 1 << (32 - unitBits) // 16 GB, and memory ends before
)

// put appends a name and a text.
func (a *arena) put(name string, text []byte) place {
	room := 2*binary.MaxVarintLen64 + len(name) + len(text)
	last := len(a.pieces) - 1
	if last < 0 || cap(a.pieces[last])-len(a.pieces[last]) < room {
		a.pieces = append(a.pieces, make([]byte, unit, unit+max(room, min(mostPiece-unit, max(leastPiece, a.used/4)))))
		last++
		if last == mostPieces {
			panic("compact: too many texts")
		}
	}
	piece := a.pieces[last]
	at := place(last<<unitBits | len(piece)/unit) //nolint:gosec // see above
	piece = binary.AppendUvarint(piece, uint64(len(name)))
	piece = binary.AppendUvarint(piece, uint64(len(text)))
	piece = append(append(piece, name...), text...)
	end := min((len(piece)+unit-1)/unit*unit, cap(piece))
	a.used += end - len(a.pieces[last])
	a.pieces[last] = piece[:end]
	return at
}

// get returns what stands at a place.
func (a *arena) get(at place) (name, text []byte) {
	if at == 0 {
		return nil, nil
	}
	rest := a.pieces[at>>unitBits][int(at&(1<<unitBits-1))*unit:]
	long, n := binary.Uvarint(rest)
	rest = rest[n:]
	size, n := binary.Uvarint(rest)
	rest = rest[n:]
	end := long + size
	return rest[:long:long], rest[long:end:end]
}

// drop notes that what stands at a place is no longer needed.
func (a *arena) drop(at place) {
	name, text := a.get(at)
	a.dropped += len(name) + len(text)
}

// wasteful tells whether it is time to copy what is needed.
func (a *arena) wasteful() bool { return a.dropped > mostPiece && a.dropped > a.used/2 }
