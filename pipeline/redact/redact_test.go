package redact_test

import (
	"encoding/base64"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"vedette/pipeline/redact"
)

func TestURL(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		"https://me:secret@example.org/x?a=b@c":           "https://me:****@example.org/x?a=b@c",
		"me:se@cret@example.org":                          "me:****@example.org",
		"https://example.org:8080/":                       "https://example.org:8080/",
		"https://me@example.org:8080/":                    "https://me@example.org:8080/",
		"https://me:${secret:A}@example.org":              "https://me:****@example.org",
		"https://${secret:A}@example.org/x":               "https://${secret:A}@example.org/x",
		"https://${secret:A}:x${secret:B}@example.org":    "https://${secret:A}:****@example.org",
		"https://example.org/${secret:A}?next=http://a:b": "https://example.org/${secret:A}?next=http://a:b",
	} {
		if got := redact.URL(raw); got != want {
			t.Errorf("%s: got %s, want %s", raw, got, want)
		}
	}
}

func TestURLsKeepsTheWidth(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`- {http: "https://user:pässword@example.org/"} # no secret: x@y`: `- {http: "https://user:********@example.org/"} # no secret: x@y`,
		`http://a:b@c, http://d:ef@g`:                                     `http://a:*@c, http://d:**@g`,
		`http://a:${PASSWORD}@c`:                                          `http://a:${PASSWORD}@c`,
		`http://${secret:A}:bcd@e`:                                        `http://${secret:A}:***@e`,
		`no URL: a:b@c`:                                                   `no URL: a:b@c`,
	} {
		if got := redact.URLs(text); got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
}

func TestValuesReplacesLongValues(t *testing.T) {
	t.Parallel()
	if got, want := redact.Values("token abcd, id abc", "abcd", "abc", ""), "token ****, id abc"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestRedactorRecognizesEncodedValues(t *testing.T) {
	t.Parallel()
	const secret = `p&ss "wörd"/<1>`
	for name, form := range map[string]string{
		"verbatim":      secret,
		"upper case":    strings.ToUpper("p&ss ") + `"wörd"/<1>`,
		"query":         url.QueryEscape(secret),
		"path":          url.PathEscape(secret),
		"lower hex":     strings.ToLower(url.QueryEscape(secret)),
		"Go quotes":     fmt.Sprintf("%q", secret),
		"base64":        base64.StdEncoding.EncodeToString([]byte(secret)),
		"base64 in URL": url.QueryEscape(base64.StdEncoding.EncodeToString([]byte(secret))),
		"truncated":     secret[:8] + "…",
	} {
		var r redact.Redactor
		r.Add(secret)
		if got := r.Redact("echo " + form + " end"); !strings.Contains(got, redact.Mark) || strings.Contains(strings.ToLower(got), "p&ss") || strings.Contains(got, form) {
			t.Errorf("%s: got %s, want no secret", name, got)
		}
	}
}

func TestRedactorReplacesLinesAndShortWords(t *testing.T) {
	t.Parallel()
	var r redact.Redactor
	r.Add("first line\nsecond line")
	r.Add("abc")
	if got, want := r.Redact("second line: abc, abcd, (abc)"), "****: ****, abcd, (****)"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
