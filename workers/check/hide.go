package check

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

	"vedette/pipeline/job"
)

// mark stands where a secret was.
const mark = "****"

// hide takes the values out of what a check found.
func (f *filling) hide(filled job.Spec, outcome *job.ProbeResult) {
	if outcome.Cause == "" && outcome.Stack == "" { // as most have it
		return
	}
	hidden := hider{}
	for _, value := range f.known {
		hidden.add(value)
	}
	if h := filled.HTTP; h != nil && h.BasicAuth != nil {
		hidden.add(base64.StdEncoding.EncodeToString([]byte(h.BasicAuth.Username + ":" + h.BasicAuth.Password)))
	}
	for _, credentials := range userInfos(filled) {
		hidden.add(base64.StdEncoding.EncodeToString([]byte(credentials)))
	}
	outcome.Cause, outcome.Stack = hidden.hide(outcome.Cause), hidden.hide(outcome.Stack)
}

// userInfos are the credentials in the URLs of a spec, as they are sent.
func userInfos(spec job.Spec) []string {
	var urls, found []string
	switch {
	case spec.HTTP != nil:
		urls = []string{spec.HTTP.URL, spec.HTTP.Proxy}
	case spec.WebSocket != nil:
		urls = []string{spec.WebSocket.URL}
	}
	for _, raw := range urls {
		if parsed, err := parseAnyURL(raw); err == nil && parsed.User != nil {
			password, _ := parsed.User.Password()
			found = append(found, parsed.User.Username()+":"+password)
		}
	}
	return found
}

// hider hides values in texts that a server may have had a part in, in all the
// forms in which one that echoes them may have written them.
type hider struct {
	forms []string // in lower case, of values long enough to be looked for anywhere
	words []string // shorter ones, which are hidden where they stand alone
}

// add takes in a value, and each of its lines: a server may echo one of them.
func (h *hider) add(value string) {
	h.addText(value)
	if strings.ContainsAny(value, "\r\n") {
		for line := range strings.FieldsFuncSeq(value, func(c rune) bool { return c == '\r' || c == '\n' }) {
			h.addText(line)
		}
	}
}

func (h *hider) addText(text string) {
	switch {
	case text == "":
	case len(text) < shortest:
		h.words = append(h.words, text)
	default:
		h.forms = append(h.forms, forms(text)...)
	}
}

// forms are the ways in which a value may be written: as it is, or encoded once
// or twice, such as in JSON in a URL; each of them once more in Go's quotes, as
// causes have them.
func forms(value string) []string {
	all := encoded(encoded([]string{value}))
	for _, form := range all {
		all = append(all, quoted(form))
	}
	for i, form := range all {
		all[i] = lower(form)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// encoded returns texts and what URLs, JSON, HTML, quotes and base64 make of
// each.
func encoded(texts []string) []string {
	var all []string
	for _, text := range texts {
		inJSON, _ := json.Marshal(text) // a string can be written
		all = append(all, text, percentEncode(text), url.QueryEscape(text), url.PathEscape(text), string(inJSON[1:len(inJSON)-1]), quoted(text),
			html.EscapeString(text), base64.StdEncoding.EncodeToString([]byte(text)), base64.RawURLEncoding.EncodeToString([]byte(text)))
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func quoted(text string) string {
	whole := strconv.Quote(text)
	return whole[1 : len(whole)-1]
}

// hide returns the text without the values, in upper or lower case: of %2F and
// %2f a server may choose either.
func (h *hider) hide(text string) string {
	if text == "" {
		return ""
	}
	// Longer ones first: what is left of them would not be recognised.
	slices.SortFunc(h.forms, func(a, b string) int { return cmp.Compare(len(b), len(a)) })
	for _, form := range h.forms {
		text = hideForm(text, form)
	}
	for _, form := range h.forms {
		text = hideCut(text, form)
	}
	for _, word := range h.words {
		text = hideWord(text, word)
	}
	return text
}

// lower is the text with A to Z in lower case, and as long as it was.
func lower(text string) string {
	lowered := []byte(text)
	for i, c := range lowered {
		if 'A' <= c && c <= 'Z' {
			lowered[i] = c + 'a' - 'A'
		}
	}
	return string(lowered)
}

func hideForm(text, form string) string {
	same := lower(text)
	var b strings.Builder
	for {
		at := strings.Index(same, form)
		if at < 0 {
			b.WriteString(text)
			return b.String()
		}
		b.WriteString(text[:at] + mark)
		text, same = text[at+len(form):], same[at+len(form):]
	}
}

// hideCut hides the beginning of a form where a text was cut short.
func hideCut(text, form string) string {
	const cut = "…"
	var b strings.Builder
	for {
		before, after, found := strings.Cut(text, cut)
		if !found {
			b.WriteString(before)
			return b.String()
		}
		same := lower(before)
		for n := min(len(form)-1, len(before)); n >= shortest; n-- {
			if strings.HasSuffix(same, form[:n]) {
				before = before[:len(before)-n] + mark
				break
			}
		}
		b.WriteString(before + cut)
		text = after
	}
}

// hideWord hides a value that is too short to be looked for within words.
func hideWord(text, word string) string {
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
			b.WriteString(mark)
		}
		text = text[at+len(word):]
	}
}

func inWord(c rune) bool { return unicode.IsLetter(c) || unicode.IsDigit(c) }
