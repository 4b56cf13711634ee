package job

import (
	"fmt"
	"strings"
)

// A reference, ${secret:NAME}, stands in what a probe sends for a secret that
// only the worker knows who makes the check. On the wire, dollars directly
// before "{secret:" come in pairs, each of which is one dollar; an odd one makes
// a reference of what follows. Anywhere else a dollar is a dollar.
const referenceMark = "{secret:"

// ReferenceStart is how each reference begins.
const ReferenceStart = "$" + referenceMark

// Reference returns the reference to a secret.
func Reference(name string) string { return ReferenceStart + name + "}" }

// HasReference reports whether a text may hold a reference, and has to go through
// [] before it is sent. It is called at each check.
func HasReference(text string) bool { return strings.Contains(text, ReferenceStart) }

// ExpandReferences replaces the references in a text by what value returns for their
// names. The error is that of value, or says what of a reference is malformed,
// as "found …, expected …".
func ExpandReferences(text string, value func(name string) (string, error)) (string, error) {
	var b strings.Builder
	for {
		before, after, found := strings.Cut(text, referenceMark)
		if !found {
			b.WriteString(before)
			return b.String(), nil
		}
		plain := strings.TrimRight(before, "$")
		dollars := len(before) - len(plain)
		b.WriteString(plain + strings.Repeat("$", dollars/2))
		if dollars%2 == 0 {
			b.WriteString(referenceMark)
			text = after
			continue
		}
		name, rest, err := cutName(after)
		if err != nil {
			return "", err
		}
		filled, err := value(name)
		if err != nil {
			return "", err
		}
		b.WriteString(filled)
		text = rest
	}
}

// CutReference takes a reference from the start of a text, and returns its name
// and what follows. The bool says whether one begins there; the error says what
// of it is malformed, as "found …, expected …".
func CutReference(text string) (name, rest string, begins bool, err error) {
	after, begins := strings.CutPrefix(text, ReferenceStart)
	if !begins {
		return "", text, false, nil
	}
	name, rest, err = cutName(after)
	return name, rest, true, err
}

const referenceForm = "${secret:NAME} with a name of letters, digits, _, - and single dots"

// cutName takes a name and the brace behind it from the start of a text. What
// is there instead is not shown: it may be the secret itself.
func cutName(text string) (name, rest string, err error) {
	end := strings.IndexFunc(text, func(c rune) bool { return c > 0x7f || !ValidName(string(c)) && c != '.' })
	switch {
	case end < 0:
		return "", "", fmt.Errorf("found a reference to a secret without its }, expected %s", referenceForm)
	case text[end] != '}':
		return "", "", fmt.Errorf("found a reference to a secret whose name holds another character, expected %s", referenceForm)
	case end == 0:
		return "", "", fmt.Errorf("found a reference to a secret without a name, expected %s", referenceForm)
	case !ValidName(text[:end]):
		return "", "", fmt.Errorf("found a reference to a secret whose name has dots in a row or at an end, or is too long, expected %s", referenceForm)
	default:
		return text[:end], text[end+1:], nil
	}
}

// EscapeReferences returns a text in the form in which [] leaves it as it is.
// With before, a reference is going to be put right behind it.
func EscapeReferences(text string, before bool) string {
	if !strings.Contains(text, "$") {
		return text
	}
	var b strings.Builder
	for {
		plain, after, found := strings.Cut(text, referenceMark)
		b.WriteString(plain)
		if found || before {
			b.WriteString(plain[len(strings.TrimRight(plain, "$")):])
		}
		if !found {
			return b.String()
		}
		b.WriteString(referenceMark)
		text = after
	}
}
