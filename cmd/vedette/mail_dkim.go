package main

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"slices"
	"strings"

	"vedette/cmd/vedette/internal/cli"
	"vedette/workers/mail"
)

// signatureLine describes the DKIM record, in JSON.
type signatureLine struct {
	Name      string `json:"dkim"`
	Record    string `json:"record"`
	Published bool   `json:"published"`
	Error     string `json:"error,omitempty"`
}

// signature prints the DNS record that verifiers need, and reports whether it is
// published.
func (t *relayTest) signature(ctx context.Context, key *mail.DKIM) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, relayTestTime)
	defer cancel()
	name, record, err := key.Record()
	if err != nil {
		return false, err
	}
	found, err := t.lookup(ctx, name)
	line := signatureLine{Name: name, Record: record, Published: slices.ContainsFunc(found, func(text string) bool { return samePublicKey(text, record) })}
	if missing, ok := errors.AsType[*net.DNSError](err); err != nil && (!ok || !missing.IsNotFound) {
		line.Error = err.Error()
	}
	if t.json {
		return line.Published, json.NewEncoder(t.out).Encode(line)
	}
	cli.Writef(t.out, "dkim\n  record        %s TXT %q\n  published     %s\n", name, record, publication(line, found))
	return line.Published, nil
}

func publication(line signatureLine, found []string) string {
	switch {
	case line.Published:
		return "yes"
	case line.Error != "":
		return "unknown: " + cli.Printable(line.Error)
	case len(found) > 0:
		return "no: the DNS has another record, " + cli.Printable(strings.Join(found, ", "))
	default:
		return "no: the DNS has no record, so receivers cannot verify signatures"
	}
}

// samePublicKey compares the tag p in two records, ignoring blanks (RFC 6376,
// 3.6.1).
func samePublicKey(a, b string) bool { return publicKey(a) != "" && publicKey(a) == publicKey(b) }

func publicKey(record string) string {
	for tag := range strings.SplitSeq(record, ";") {
		if name, value, _ := strings.Cut(tag, "="); strings.TrimSpace(name) == "p" {
			return strings.Join(strings.Fields(value), "")
		}
	}
	return ""
}
