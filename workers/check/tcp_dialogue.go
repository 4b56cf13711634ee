package check

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"vedette/pipeline/job"
)

const (
	// maxReceived limits the data for one expectation.
	maxReceived = 1 << 20
	// readSize is the size of one read.
	readSize = 4 << 10
	// maxQuoted limits the received data in a cause.
	maxQuoted = 100
)

// expect reads until the received data matches the expectation. Data after the
// match is left for the next step.
func (d *dialogue) expect(step job.Step) error {
	find, err := newMatcher(step)
	if err != nil {
		return newLocalError("expect", err)
	}
	d.enter(inProcessing)
	chunk := make([]byte, readSize)
	for {
		if end, captured, ok := find(d.received); ok {
			d.received = d.received[end:]
			maps.Copy(d.captures, captured)
			return nil
		}
		if len(d.received) > maxReceived {
			return failed(job.ClassExpectation, "expected %s in the first %d bytes, found %q", expectedText(step), maxReceived, truncate(d.received))
		}
		n, err := d.conn.Read(chunk)
		d.received = append(d.received, chunk[:n]...)
		switch {
		case n > 0: // data may arrive together with an error
		case errors.Is(err, io.EOF) && len(d.received) > 0:
			return failed(job.ClassExpectation, "expected %s, found %q, then the end", expectedText(step), truncate(d.received))
		case err != nil:
			return err
		}
	}
}

func expectedText(step job.Step) string {
	if step.Expect != "" {
		return strconv.Quote(step.Expect)
	}
	return "the bytes " + step.ExpectHex
}

func truncate(received []byte) string {
	if len(received) <= maxQuoted {
		return string(received)
	}
	end := maxQuoted
	for end > maxQuoted-utf8.UTFMax && !utf8.RuneStart(received[end]) {
		end-- // not within a UTF-8 sequence
	}
	return string(received[:end]) + "…"
}

// newMatcher returns a function that finds the expectation of a step. It
// returns the end of the match, and the captured groups by number and name.
func newMatcher(step job.Step) (func([]byte) (int, map[string]string, bool), error) {
	if step.ExpectHex != "" {
		want, err := hex.DecodeString(step.ExpectHex)
		return func(received []byte) (int, map[string]string, bool) {
			at := bytes.Index(received, want)
			return at + len(want), nil, at >= 0
		}, err
	}
	expression, err := regexp.Compile(step.Expect)
	if err != nil {
		return nil, err
	}
	return func(received []byte) (int, map[string]string, bool) {
		at := expression.FindSubmatchIndex(received)
		if at == nil {
			return 0, nil, false
		}
		captured := map[string]string{}
		for i, name := range expression.SubexpNames() {
			if at[2*i] < 0 {
				continue // not part of the match
			}
			value := string(received[at[2*i]:at[2*i+1]])
			captured[strconv.Itoa(i)] = value
			if name != "" {
				captured[name] = value
			}
		}
		return at[1], captured, true
	}, nil
}

// fillCaptures replaces %{name} by a captured group, and %% by a percent sign.
func fillCaptures(text string, captured map[string]string) ([]byte, error) {
	var filled strings.Builder
	for {
		before, after, found := strings.Cut(text, "%")
		filled.WriteString(before)
		if !found {
			return []byte(filled.String()), nil
		}
		name, rest, closed := strings.Cut(strings.TrimPrefix(after, "{"), "}")
		value, known := captured[name]
		switch {
		case strings.HasPrefix(after, "%"):
			filled.WriteByte('%')
			text = after[1:]
		case !strings.HasPrefix(after, "{"):
			filled.WriteByte('%') // a plain percent sign
			text = after
		case !closed || !known:
			return nil, job.Problem{Found: fmt.Sprintf("%q", "%{"+name+"}"), Expected: "a group captured by an earlier step"}
		default:
			filled.WriteString(value)
			text = rest
		}
	}
}

// captureNames are the groups captured by the steps so far, for validation.
type captureNames map[string]string

// addStep validates a step, and adds its groups.
func (c captureNames) addStep(step job.Step) error {
	absent := func(text string) bool { return text == "" }
	set := len(slices.DeleteFunc([]string{step.Send, step.SendHex, step.Expect, step.ExpectHex}, absent))
	if step.StartTLS {
		set++
	}
	if set != 1 {
		return job.Problem{Found: fmt.Sprintf("%d of send, send_hex, expect, expect_hex and starttls", set), Expected: "one of them"}
	}
	if _, err := hex.DecodeString(step.SendHex + step.ExpectHex); err != nil {
		return job.Problem{Found: fmt.Sprintf("%q", step.SendHex+step.ExpectHex), Expected: "bytes such as 0d0a"}
	}
	if _, err := fillCaptures(step.Send, c); err != nil {
		return err
	}
	if step.Expect == "" {
		return nil
	}
	expression, err := regexp.Compile(step.Expect)
	if err != nil {
		return job.Problem{Found: fmt.Sprintf("%q (%v)", step.Expect, err), Expected: "a regular expression in RE2 syntax"}
	}
	for i, name := range expression.SubexpNames() {
		c[strconv.Itoa(i)] = ""
		if name != "" {
			c[name] = ""
		}
	}
	return nil
}
