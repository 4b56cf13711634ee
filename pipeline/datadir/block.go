package datadir

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/minio/highwayhash"
)

// A record in a block: its length with a bit for headers, its sequence with bits
// for erased messages and tombstones, a time, the subject's length, the subject,
// the headers' length if there are any, headers, body, checksum.
const (
	recordHead    = 22
	recordSum     = 8
	maxRecord     = 32 << 20
	headersBit    = 1 << 31
	erasedBit     = 1 << 63
	tombstoneBit  = 1 << 62
	maxSubject    = 4 << 10 // in a record that follows damage
	compressedTag = "cmp"
)

// block is what a file with messages contains.
type block struct {
	name  string
	index int
	size  int64
	// whole are the ranges with valid records, bad the bytes in between.
	whole [][2]int
	bad   int
	// badTail is where bytes without a valid record until the end begin, or size.
	badTail int64
	// first and last are sequences; last includes tombstones.
	first, last uint64
	unknown     bool // in a format that only the server reads
}

// blockNames lists a stream's blocks.
func blockNames(dir string) ([]string, error) {
	found, err := entries(dir)
	var names []string
	for _, entry := range found {
		if _, ok := blockIndex(entry.Name()); ok {
			names = append(names, entry.Name())
		}
	}
	return names, err
}

func blockIndex(name string) (int, bool) {
	number, ok := strings.CutSuffix(name, blockSuffix)
	index, err := strconv.Atoi(number)
	return index, ok && err == nil && index > 0
}

// readBlock reads a stream's block.
func readBlock(path, stream string) (*block, error) {
	content, err := os.ReadFile(path) //nolint:gosec // below the data directory
	if err != nil {
		return nil, err
	}
	b := &block{name: filepath.Base(path), size: int64(len(content)), badTail: int64(len(content))}
	b.index, _ = blockIndex(b.name)
	if bytes.HasPrefix(content, []byte(compressedTag)) {
		b.unknown = true
		return b, nil
	}
	b.scan(content, newScanner(stream, b.index))
	return b, nil
}

// scan finds the valid records.
func (b *block) scan(content []byte, s *scanner) {
	at := 0
	for at < len(content) {
		next, length := at, s.valid(content[at:])
		for length == 0 && next < len(content) {
			next++
			if s.plausible(content[next:]) {
				length = s.valid(content[next:])
			}
		}
		if next > at {
			b.bad += next - at
		}
		if length == 0 {
			b.badTail = int64(at)
			return
		}
		b.take(content[next:])
		b.extend(next, next+length)
		at = next + length
	}
}

// take counts a valid record.
func (b *block) take(record []byte) {
	raw := binary.LittleEndian.Uint64(record[4:])
	sequence := raw &^ (erasedBit | tombstoneBit)
	if raw&tombstoneBit == 0 && b.first == 0 {
		b.first = sequence
	}
	b.last = max(b.last, sequence)
}

func (b *block) extend(from, to int) {
	if n := len(b.whole); n > 0 && b.whole[n-1][1] == from {
		b.whole[n-1][1] = to
		return
	}
	b.whole = append(b.whole, [2]int{from, to})
}

// salvaged returns the valid records in the block's content.
func (b *block) salvaged(content []byte) []byte {
	var parts [][]byte
	for _, r := range b.whole {
		parts = append(parts, content[r[0]:r[1]])
	}
	return slices.Concat(parts...)
}

// scanner recognises the records in a block.
type scanner struct {
	hash hash.Hash64
	sum  [recordSum]byte
}

func newScanner(stream string, index int) *scanner {
	seed := sha256.Sum256(fmt.Appendf(nil, "%s-%d", stream, index))
	h, _ := highwayhash.New64(seed[:]) // fails only for a seed with another size
	return &scanner{hash: h}
}

// valid returns the record's length at the beginning, 0 if there is none.
func (s *scanner) valid(content []byte) int {
	if len(content) < recordHead+recordSum {
		return 0
	}
	head := content[:recordHead]
	length, subject := binary.LittleEndian.Uint32(head), int(binary.LittleEndian.Uint16(head[20:]))
	skip := 0
	if length&headersBit != 0 {
		length &^= headersBit
		skip = 4
	}
	if int(length) > len(content) || length > maxRecord || int(length) < recordHead+subject+skip+recordSum {
		return 0
	}
	data := content[recordHead:length]
	end := len(data) - recordSum
	s.hash.Reset()
	for _, part := range [][]byte{head[4:20], data[:subject], data[subject+skip : end]} {
		_, _ = s.hash.Write(part) // never fails
	}
	if !bytes.Equal(s.hash.Sum(s.sum[:0]), data[end:]) {
		return 0
	}
	return int(length)
}

// plausible reports cheaply whether a record may begin here.
func (*scanner) plausible(content []byte) bool {
	if len(content) < recordHead+recordSum {
		return false
	}
	length, subject := binary.LittleEndian.Uint32(content)&^headersBit, binary.LittleEndian.Uint16(content[20:])
	sequence := binary.LittleEndian.Uint64(content[4:]) &^ (erasedBit | tombstoneBit)
	return length >= recordHead+recordSum && int(length) <= len(content) && subject <= maxSubject &&
		sequence < highest && binary.LittleEndian.Uint64(content[12:]) <= math.MaxInt64
}

// tombstone encodes a block that contains only the fact that a sequence was used.
func tombstone(stream string, index int, sequence uint64, at time.Time) []byte {
	record := make([]byte, recordHead, recordHead+recordSum)
	binary.LittleEndian.PutUint32(record, recordHead+recordSum)
	binary.LittleEndian.PutUint64(record[4:], sequence|tombstoneBit)
	binary.LittleEndian.PutUint64(record[12:], uint64(at.UnixNano()))
	return append(record, checksum(fmt.Sprintf("%s-%d", stream, index), record[4:20])...)
}

// readIndex reads how many messages a stream has, and its first and last
// sequence, from the index that the server wrote when it stopped. A missing index
// gives zeros.
func readIndex(path string) (messages, first, last uint64) {
	content, err := os.ReadFile(path) //nolint:gosec // below the data directory
	if err != nil || len(content) < 2 {
		return 0, 0, 0
	}
	r := &reader{content: content[2:]} // after magic and version
	messages = r.unsigned()
	r.unsigned() // bytes
	first = r.unsigned()
	r.skip() // when the first was stored
	last = r.unsigned()
	if r.bad {
		return 0, 0, 0
	}
	return messages, first, last
}
