package check

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"unicode/utf8"

	"vedette/pipeline/job"
)

// Secrets knows what references to secrets stand for; [*SecretStore] does.
type Secrets interface {
	// Secret returns the value of a secret as it is now. The error names the
	// secret and where it was looked for, and never holds a value.
	Secret(name string) (string, error)
}

// errNoSecrets is why references cannot be replaced.
var errNoSecrets = errors.New("this process was given no secrets")

// secretExpansion puts secrets for the references of one spec, for one check.
type secretExpansion struct {
	secrets Secrets
	known   map[string]string
}

// fillCaptures returns the spec as its probe needs it, and the values that nobody may
// be told. The error says why the check cannot be made.
func (c *Checker) expandSecrets(spec job.Spec) (job.Spec, *secretExpansion, error) {
	f := &secretExpansion{secrets: c.config.Secrets, known: map[string]string{}}
	filled, err := spec.MapSentTexts(f.expand)
	return filled, f, err
}

func (f *secretExpansion) expand(s job.SentText) (string, error) {
	if err := checkReferences(s); err != nil {
		return "", fmt.Errorf("the spec is wrong: %s: %w", s.Path, err)
	}
	return job.ExpandReferences(s.Text, func(name string) (string, error) {
		value, err := f.secret(name)
		if err != nil {
			return "", err
		}
		if what := invalidPart(s.Context, value); what != "" {
			return "", fmt.Errorf("put secret %s into %s: found %s in the secret, expected none, since a %s cannot hold it", name, s.Path, what, s.Context)
		}
		return encodeFor(s.Context, value), nil
	})
}

// secret looks a secret up, once in a check.
func (f *secretExpansion) secret(name string) (string, error) {
	if value, ok := f.known[name]; ok {
		return value, nil
	}
	if f.secrets == nil {
		return "", fmt.Errorf("read secret %s: %w", name, errNoSecrets)
	}
	value, err := f.secrets.Secret(name)
	if err == nil {
		f.known[name] = value
	}
	return value, err
}

// invalidPart tells what in a value would break the protocol at a place; empty when
// nothing would. A line break could even begin another header or command.
func invalidPart(place job.SecretContext, value string) string {
	switch place {
	case job.ContextHeader, job.ContextUsername:
		if strings.ContainsFunc(value, func(c rune) bool { return c < ' ' && c != '\t' || c == 0x7f }) {
			return lineBreakOr(value, "a control character")
		}
		if place == job.ContextUsername && strings.Contains(value, ":") {
			return "a colon"
		}
	case job.ContextMetadata:
		if strings.ContainsFunc(value, func(c rune) bool { return c < ' ' || c > '~' }) {
			return lineBreakOr(value, "a character that is not printable ASCII")
		}
	case job.ContextDialogue:
		if strings.ContainsAny(value, "\r\n\x00") {
			return lineBreakOr(value, "a zero byte")
		}
	case job.ContextMessage:
		if !utf8.ValidString(value) {
			return "bytes that are no UTF-8"
		}
	case job.ContextURL, job.ContextBody, job.ContextBinary: // encoded, or free
	}
	return ""
}

func lineBreakOr(value, other string) string {
	if strings.ContainsAny(value, "\r\n") {
		return "a line break other than one at its end"
	}
	return other
}

// encodeFor writes a value so that it stays one at its place.
func encodeFor(place job.SecretContext, value string) string {
	switch place {
	case job.ContextURL:
		return percentEncode(value)
	case job.ContextDialogue:
		return strings.ReplaceAll(value, "%", "%%") // see fill
	case job.ContextHeader, job.ContextUsername, job.ContextMetadata, job.ContextBody, job.ContextMessage, job.ContextBinary:
		return value
	default:
		return value
	}
}

// percentEncode encodes a text for any part of a URL: all but what RFC 3986,
// section 2.3, calls unreserved.
func percentEncode(text string) string {
	return strings.ReplaceAll(url.QueryEscape(text), "+", "%20")
}

// checkReferences tells what is wrong with the references in a text.
func checkReferences(s job.SentText) error {
	if _, err := job.ExpandReferences(s.Text, func(string) (string, error) { return "", nil }); err != nil {
		return err
	}
	if s.Context == job.ContextDialogue && percentBeforeReference(s.Text) {
		return job.Problem{Found: "a percent sign directly before a reference to a secret", Expected: "%%, which is one"}
	}
	if s.Context == job.ContextURL && job.HasReference(schemeAndHost(s.Text)) {
		return job.Problem{Found: "a reference to a secret in the host of a URL", Expected: "one behind it, or before the @"}
	}
	return nil
}

// percentBeforeReference tells whether a reference stands where a dialogue would take
// what the secret begins with for the name of a group.
func percentBeforeReference(text string) bool {
	for {
		before, after, found := strings.Cut(text, job.ReferenceStart)
		if !found {
			return false
		}
		before = strings.TrimRight(before, "$")
		if (len(before)-len(strings.TrimRight(before, "%")))%2 == 1 {
			return true
		}
		text = after
	}
}

// schemeAndHost is what of a URL says where it leads: the scheme, the host and the
// port.
func schemeAndHost(raw string) string {
	scheme, rest, found := strings.Cut(raw, "://")
	if !found {
		scheme, rest = "", raw
	}
	if end := strings.IndexAny(rest, "/?#"); end >= 0 {
		rest = rest[:end]
	}
	return scheme + "://" + rest[strings.LastIndexByte(rest, '@')+1:]
}

// validateWithPlaceholders validates the parameters of a probe with a word for each
// reference, unless the references themselves are wrong.
func validateWithPlaceholders(kind probeKind, spec job.Spec, p *problems) {
	plain, err := spec.MapSentTexts(func(s job.SentText) (string, error) {
		err := checkReferences(s)
		p.check(s.Path, err)
		return replaceReferences(s.Text), err
	})
	if err == nil {
		kind.validate(plain, p)
	}
}

func replaceReferences(text string) string {
	plain, err := job.ExpandReferences(text, func(string) (string, error) { return "secret", nil })
	if err != nil {
		return ""
	}
	return plain
}
