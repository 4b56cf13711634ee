package job

import (
	"strings"
)

// A reference, ${secret:NAME}, is a placeholder in text that a probe sends. Only
// the worker that makes the check knows the secret. On the wire each pair of
// dollars directly before "{secret:" is one dollar; a remaining single dollar
// starts a reference. Elsewhere a dollar is a dollar.
const referenceMark = "{secret:"

// ReferenceStart is the prefix common to all references.
const ReferenceStart = "$" + referenceMark

// Reference returns the reference for a secret name.
func Reference(name string) string { return ReferenceStart + name + "}" }

// HasReference reports whether a text may contain a reference and must pass
// through [ExpandReferences] before it is sent. It runs at each check.
func HasReference(text string) bool { return strings.Contains(text, ReferenceStart) }

// ExpandReferences replaces each reference by the result from value for its name.
// The error comes from value, or describes a malformed reference as "found …,
// expected …".
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

// CutReference cuts a reference from the start of a text and returns its name and
// the rest. begins reports whether there is one; the error for a
// malformed reference is a [Problem].
func CutReference(text string) (name, rest string, begins bool, err error) {
	after, begins := strings.CutPrefix(text, ReferenceStart)
	if !begins {
		return "", text, false, nil
	}
	name, rest, err = cutName(after)
	return name, rest, true, err
}

const referenceForm = "${secret:NAME} with a name of letters, digits, _, - and single dots"

// cutName cuts a name and its closing brace from the start of a text. The error
// does not quote the text, which may be the secret itself.
func cutName(text string) (name, rest string, err error) {
	end := strings.IndexFunc(text, func(c rune) bool { return c > 0x7f || !ValidName(string(c)) && c != '.' })
	switch {
	case end < 0:
		return "", "", Problem{Found: "a reference to a secret without its }", Expected: referenceForm}
	case text[end] != '}':
		return "", "", Problem{Found: "a reference to a secret whose name holds another character", Expected: referenceForm}
	case end == 0:
		return "", "", Problem{Found: "a reference to a secret without a name", Expected: referenceForm}
	case !ValidName(text[:end]):
		return "", "", Problem{Found: "a reference to a secret whose name has dots in a row or at an end, or is too long", Expected: referenceForm}
	default:
		return text[:end], text[end+1:], nil
	}
}

// EscapeReferences returns text in a form that [ExpandReferences] restores. before
// means that a reference will follow the text directly.
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
