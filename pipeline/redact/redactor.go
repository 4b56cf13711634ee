package redact

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"html"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Redactor removes values from texts that a server may have influenced. A server
// that echoes a value may encode it, shorten it or change its case, and the
// redactor recognizes all these forms. The zero value is ready to use.
type Redactor struct {
	forms []string // lower-case, for values to find anywhere
	words []string // short values, found only as whole words
}

// Add adds a value and each of its lines, since a server may echo a single line.
func (r *Redactor) Add(value string) {
	r.add(value)
	if strings.ContainsAny(value, "\r\n") {
		for line := range strings.FieldsFuncSeq(value, func(c rune) bool { return c == '\r' || c == '\n' }) {
			r.add(line)
		}
	}
}

func (r *Redactor) add(text string) {
	switch {
	case text == "":
	case len(text) < MinLength:
		r.words = append(r.words, text)
	default:
		r.forms = append(r.forms, forms(text)...)
	}
}

// Redact returns the text with [Mark] for each value.
func (r *Redactor) Redact(text string) string {
	if text == "" {
		return ""
	}
	// Longer forms first: a partly replaced form would not be recognized.
	slices.SortFunc(r.forms, func(a, b string) int { return cmp.Compare(len(b), len(a)) })
	for _, form := range r.forms {
		text = replaceForm(text, form)
	}
	for _, form := range r.forms {
		text = replaceTruncated(text, form)
	}
	for _, word := range r.words {
		text = replaceWord(text, word)
	}
	return text
}

// forms returns the possible forms for a value: verbatim or encoded up to twice,
// such as JSON in a URL, and each of them with Go's escapes, as error texts have
// them.
func forms(value string) []string {
	all := encodings(encodings([]string{value}))
	for _, form := range all {
		all = append(all, quoted(form))
	}
	for i, form := range all {
		all[i] = lower(form)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// encodings returns texts and their encodings in URLs, JSON, HTML, quotes and
// base64.
func encodings(texts []string) []string {
	var all []string
	for _, text := range texts {
		inJSON, _ := json.Marshal(text) // a string can always be encoded
		inQuery := url.QueryEscape(text)
		all = append(all, text, inQuery, strings.ReplaceAll(inQuery, "+", "%20"), url.PathEscape(text), string(inJSON[1:len(inJSON)-1]), quoted(text),
			html.EscapeString(text), base64.StdEncoding.EncodeToString([]byte(text)), base64.RawURLEncoding.EncodeToString([]byte(text)))
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func quoted(text string) string {
	whole := strconv.Quote(text)
	return whole[1 : len(whole)-1]
}

// lower converts A to Z to lower case, and keeps the length.
func lower(text string) string {
	lowered := []byte(text)
	for i, c := range lowered {
		if 'A' <= c && c <= 'Z' {
			lowered[i] = c + 'a' - 'A'
		}
	}
	return string(lowered)
}

// replaceForm replaces a form in any case: a server may write %2F or %2f.
func replaceForm(text, form string) string {
	lowered := lower(text)
	var b strings.Builder
	for {
		at := strings.Index(lowered, form)
		if at < 0 {
			b.WriteString(text)
			return b.String()
		}
		b.WriteString(text[:at] + Mark)
		text, lowered = text[at+len(form):], lowered[at+len(form):]
	}
}

// replaceTruncated replaces an incomplete form where a text was truncated.
func replaceTruncated(text, form string) string {
	const ellipsis = "…"
	var b strings.Builder
	for {
		before, after, found := strings.Cut(text, ellipsis)
		if !found {
			b.WriteString(before)
			return b.String()
		}
		lowered := lower(before)
		for n := min(len(form)-1, len(before)); n >= MinLength; n-- {
			if strings.HasSuffix(lowered, form[:n]) {
				before = before[:len(before)-n] + Mark
				break
			}
		}
		b.WriteString(before + ellipsis)
		text = after
	}
}

// replaceWord replaces a short value where it is a whole word.
func replaceWord(text, word string) string {
	var b strings.Builder
	for {
		at := strings.Index(text, word)
		if at < 0 {
			b.WriteString(text)
			return b.String()
		}
		last, _ := utf8.DecodeLastRuneInString(text[:at])
		next, _ := utf8.DecodeRuneInString(text[at+len(word):])
		b.WriteString(text[:at])
		if inWord(last) || inWord(next) {
			b.WriteString(word)
		} else {
			b.WriteString(Mark)
		}
		text = text[at+len(word):]
	}
}

func inWord(c rune) bool { return unicode.IsLetter(c) || unicode.IsDigit(c) }
