package check

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"unicode/utf8"

	"vedette/pipeline/job"
)

// Secrets resolves secret references, as [*SecretStore] does.
type Secrets interface {
	// Secret returns the current value. An error contains the name and the
	// searched places, but never a value.
	Secret(name string) (string, error)
}

// errNoSecrets is why references cannot be resolved.
var errNoSecrets = errors.New("this process has no secrets")

// secretExpansion resolves the references in one spec, for one check.
type secretExpansion struct {
	secrets Secrets
	known   map[string]string
}

// expandSecrets returns the spec with its secrets, and the expansion that knows
// their values. An error means that the check cannot run.
func (c *Checker) expandSecrets(spec job.Spec) (job.Spec, *secretExpansion, error) {
	f := &secretExpansion{secrets: c.config.Secrets, known: map[string]string{}}
	filled, err := spec.MapSentTexts(f.expand)
	return filled, f, err
}

func (f *secretExpansion) expand(s job.SentText) (string, error) {
	if err := checkReferences(s); err != nil {
		return "", fmt.Errorf("invalid spec: %s: %w", s.Path, err)
	}
	return job.ExpandReferences(s.Text, func(name string) (string, error) {
		value, err := f.secret(name)
		if err != nil {
			return "", err
		}
		if what := invalidPart(s.Context, value); what != "" {
			return "", fmt.Errorf("insert secret %s into %s: found %s in the secret, expected none, since a %s cannot contain it", name, s.Path, what, s.Context)
		}
		return encodeFor(s.Context, value), nil
	})
}

// secret looks up a secret, once per check.
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

// invalidPart describes the part of a value that would break the protocol in a
// context, or returns "". A line break could even start another header or
// command.
func invalidPart(context job.SecretContext, value string) string {
	isControl := func(c rune) bool { return c < ' ' && c != '\t' || c == 0x7f }
	notPrintable := func(c rune) bool { return c < ' ' || c > '~' }
	inHeader := context == job.ContextHeader || context == job.ContextUsername
	switch {
	case inHeader && strings.ContainsFunc(value, isControl):
		return lineBreakOr(value, "a control character")
	case context == job.ContextUsername && strings.Contains(value, ":"):
		return "a colon"
	case context == job.ContextMetadata && strings.ContainsFunc(value, notPrintable):
		return lineBreakOr(value, "a character that is not printable ASCII")
	case context == job.ContextDialogue && strings.ContainsAny(value, "\r\n\x00"):
		return lineBreakOr(value, "a zero byte")
	case context == job.ContextMessage && !utf8.ValidString(value):
		return "invalid UTF-8"
	default: // encoded, or without restrictions
		return ""
	}
}

func lineBreakOr(value, other string) string {
	if strings.ContainsAny(value, "\r\n") {
		return "a line break other than one at its end"
	}
	return other
}

// encodeFor encodes a value so that it stays intact in a context.
func encodeFor(context job.SecretContext, value string) string {
	switch context {
	case job.ContextURL:
		return percentEncode(value)
	case job.ContextDialogue:
		return strings.ReplaceAll(value, "%", "%%") // see fillCaptures
	default:
		return value
	}
}

// percentEncode encodes a text for any part of a URL. It keeps only the
// unreserved characters in RFC 3986, section 2.3.
func percentEncode(text string) string {
	return strings.ReplaceAll(url.QueryEscape(text), "+", "%20")
}

// checkReferences validates the references in a text.
func checkReferences(s job.SentText) error {
	if _, err := job.ExpandReferences(s.Text, func(string) (string, error) { return "", nil }); err != nil {
		return err
	}
	if s.Context == job.ContextDialogue && percentBeforeReference(s.Text) {
		return job.Problem{Found: "a percent sign directly before a secret reference", Expected: "%% for a percent sign"}
	}
	if s.Context == job.ContextURL && job.HasReference(schemeAndHost(s.Text)) {
		return job.Problem{Found: "a secret reference in the host of a URL", Expected: "one after the host, or before the @"}
	}
	return nil
}

// percentBeforeReference reports whether a dialogue would read the secret's
// first bytes as part of a group reference.
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

// schemeAndHost returns the scheme, host and port in a URL.
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

// validateWithPlaceholders validates parameters with a placeholder for each
// valid reference.
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
