package compact

import "bytes"

// Shapes cuts out of texts that are much alike what differs: a name, and one word
// more. Definitions of a million monitors take half of the memory so, since all
// but a few are the same but for name and target. The zero Shapes is ready. It is
// not safe for concurrent use, but for any number of readers.
type Shapes struct {
	known map[shape]uint32
	all   []shape
}

// shape is a text without its name and its word.
type shape struct{ front, middle, back string }

// maxShapes bounds how many there are: what has a shape of its own takes more as
// a shape than as a text.
const maxShapes = 256

// Cut returns what is left of a text, to be kept, and the number of its shape:
// the word, if name and word stand in quotes in it, in this order, or all of it
// otherwise.
func (s *Shapes) Cut(text []byte, name, word string) (rest []byte, number uint32) {
	front, after, found := cutQuoted(text, name)
	if !found {
		return text, 0
	}
	middle, back, found := cutQuoted(after, word)
	if !found {
		return text, 0
	}
	// The conversions of the key do not allocate for a shape that is known.
	if number, ok := s.known[shape{string(front), string(middle), string(back)}]; ok {
		return []byte(word), number
	}
	if len(s.all) >= maxShapes {
		return text, 0
	}
	if s.known == nil {
		s.known, s.all = map[shape]uint32{}, make([]shape, 1)
	}
	number = uint32(len(s.all)) //nolint:gosec // a few
	own := shape{string(front), string(middle), string(back)}
	s.all, s.known[own] = append(s.all, own), number
	return []byte(word), number
}

// cutQuoted cuts a text around a word in quotes, which stay.
func cutQuoted(text []byte, word string) (before, after []byte, found bool) {
	if word == "" {
		return nil, nil, false
	}
	const quotes = len(`""`)
	for from := 0; ; {
		i := bytes.Index(text[from:], []byte(word))
		if i < 0 {
			return nil, nil, false
		}
		at := from + i
		end := at + len(word)
		if at > 0 && text[at-1] == '"' && end < len(text) && text[end] == '"' {
			return text[:at], text[end:], true
		}
		from = at + quotes/2
	}
}

// Append puts the text of a shape together again, and appends it.
func (s *Shapes) Append(to, name, rest []byte, number uint32) []byte {
	if number == 0 {
		return append(to, rest...)
	}
	own := &s.all[number]
	to = append(append(to, own.front...), name...)
	to = append(append(to, own.middle...), rest...)
	return append(to, own.back...)
}
