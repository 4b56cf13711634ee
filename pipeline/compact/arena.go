package compact

// arena holds bytes. What was put is never changed, so that whoever has got it
// may keep it; what is dropped stays until all is copied.
type arena struct {
	pieces  [][]byte
	used    int
	dropped int
}

// place is where something stands. The zero place is empty.
type place struct {
	piece  uint32
	start  uint32
	length uint32
}

// Pieces grow from the least to the most, so that few texts take little.
const (
	leastPiece = 1 << 10
	mostPiece  = 1 << 18
)

// put appends a name and a text.
func (a *arena) put(name string, text []byte) place {
	length := len(name) + len(text)
	last := len(a.pieces) - 1
	if last < 0 || cap(a.pieces[last])-len(a.pieces[last]) < length {
		a.pieces = append(a.pieces, make([]byte, 0, max(length, min(mostPiece, max(leastPiece, a.used/4)))))
		last++
	}
	piece := a.pieces[last]
	at := place{piece: uint32(last), start: uint32(len(piece)), length: uint32(length)} //nolint:gosec // memory ends before
	a.pieces[last] = append(append(piece, name...), text...)
	a.used += length
	return at
}

// get returns what stands at a place.
func (a *arena) get(at place) []byte {
	if at.length == 0 {
		return nil
	}
	end := at.start + at.length
	return a.pieces[at.piece][at.start:end:end]
}

func (a *arena) drop(at place) { a.dropped += int(at.length) }

// wasteful tells whether it is time to copy what is needed.
func (a *arena) wasteful() bool { return a.dropped > mostPiece && a.dropped > a.used/2 }
