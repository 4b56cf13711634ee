package compact

import "bytes"

// Templates splits similar texts into a shared template and the parts that
// differ: a name and one word. This halves the memory for the definitions of a
// million monitors, since most differ only in name and target. The zero value is
// ready to use. Concurrent readers are safe, concurrent use with writers is not.
type Templates struct {
	known map[template]uint32
	all   []template
}

// template is a text without its name and word.
type template struct{ front, middle, back string }

// maxTemplates limits the number, since a template used by one text takes more
// memory than the text.
const maxTemplates = 256

// Split returns the part of a text to store, and the number of its template. If
// the text contains the name and the word in quotes, in this order, the part is
// the word. Otherwise it is the whole text, and the number is 0.
func (t *Templates) Split(text []byte, name, word string) (rest []byte, number uint32) {
	front, after, found := cutQuoted(text, name)
	if !found {
		return text, 0
	}
	middle, back, found := cutQuoted(after, word)
	if !found {
		return text, 0
	}
	// The conversions of the key do not allocate for a known template.
	if number, ok := t.known[template{string(front), string(middle), string(back)}]; ok {
		return []byte(word), number
	}
	if len(t.all) >= maxTemplates {
		return text, 0
	}
	if t.known == nil {
		t.known, t.all = map[template]uint32{}, make([]template, 1)
	}
	number = uint32(len(t.all)) //nolint:gosec // a few
	added := template{string(front), string(middle), string(back)}
	t.all, t.known[added] = append(t.all, added), number
	return []byte(word), number
}

// cutQuoted cuts a text around a quoted word, and keeps the quotes.
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

// AppendText appends the text for a name, the part returned by Split, and the
// template number.
func (t *Templates) AppendText(to, name, rest []byte, number uint32) []byte {
	if number == 0 {
		return append(to, rest...)
	}
	used := &t.all[number]
	to = append(append(to, used.front...), name...)
	to = append(append(to, used.middle...), rest...)
	return append(to, used.back...)
}
