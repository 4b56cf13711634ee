package datadir

import (
	"encoding/binary"
	"os"
)

// Pair is a consumer's sequence and that in its stream.
type Pair struct {
	Consumer uint64 `json:"consumer"`
	Stream   uint64 `json:"stream"`
}

// Position is how far a consumer has delivered, and up to where everything is
// acknowledged.
type Position struct {
	AckFloor  Pair `json:"ack_floor"`
	Delivered Pair `json:"delivered"`
}

// A position's header, in the only version that servers since 2.2 write.
const (
	positionMagic   = 22
	positionVersion = 2
	// highest is the lowest sequence that no stream reaches.
	highest = 1 << 62
)

// reader reads varints. After an error it stays at bad.
type reader struct {
	content []byte
	bad     bool
}

func (r *reader) unsigned() uint64 {
	n, size := binary.Uvarint(r.content)
	if size <= 0 {
		r.bad = true
		return 0
	}
	r.content = r.content[size:]
	return n
}

// skip skips one.
func (r *reader) skip() { r.unsigned() }

// readPosition reads a consumer's position and checks that the file has
// everything it announces. The error is [errDamaged] if not.
func readPosition(path string) (Position, error) {
	content, err := os.ReadFile(path) //nolint:gosec // below the data directory
	if err != nil {
		return Position{}, err
	}
	return parsePosition(content)
}

func parsePosition(content []byte) (Position, error) {
	if len(content) < 2 || content[0] != positionMagic || content[1] != positionVersion {
		return Position{}, errDamaged
	}
	r := &reader{content: content[2:]}
	var p Position
	p.AckFloor.Consumer, p.AckFloor.Stream = r.unsigned(), r.unsigned()
	p.Delivered.Consumer, p.Delivered.Stream = r.unsigned(), r.unsigned()
	pending := r.unsigned()
	if pending > 0 {
		r.skip()
	}
	for ; pending > 0 && !r.bad; pending-- {
		if p.AckFloor.Stream+r.unsigned() > p.Delivered.Stream {
			r.bad = true
		}
		r.unsigned()
		r.skip()
	}
	for redelivered := r.unsigned(); redelivered > 0 && !r.bad; redelivered-- {
		r.unsigned()
		r.unsigned()
	}
	if r.bad || p.AckFloor.Stream > p.Delivered.Stream || p.AckFloor.Consumer > p.Delivered.Consumer || p.Delivered.Stream >= highest || p.Delivered.Consumer >= highest {
		return Position{}, errDamaged
	}
	return p, nil
}

// positionBytes encodes a position in which everything after the acknowledged
// messages is delivered again.
func positionBytes(p Position) []byte {
	content := []byte{positionMagic, positionVersion}
	for range 2 { // the delivered sequences are the acknowledged ones
		content = binary.AppendUvarint(content, p.AckFloor.Consumer)
		content = binary.AppendUvarint(content, p.AckFloor.Stream)
	}
	return append(content, 0, 0) // nothing pending, nothing redelivered
}
