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

// signatureLine is what a test says of the key that signs mails, in JSON.
type signatureLine struct {
	Name      string `json:"dkim"`
	Record    string `json:"record"`
	Published bool   `json:"published"`
	Error     string `json:"error,omitempty"`
}

// signature shows which record the DNS must have, so that others can verify
// mails, and tells whether it has it.
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
	cli.Say(t.out, "dkim\n  record        %s TXT %q\n  published     %s\n", name, record, publication(line, found))
	return line.Published, nil
}

func publication(line signatureLine, found []string) string {
	switch {
	case line.Published:
		return "yes"
	case line.Error != "":
		return "not known: " + cli.Printable(line.Error)
	case len(found) > 0:
		return "no: the DNS has another, " + cli.Printable(strings.Join(found, ", "))
	default:
		return "no: the DNS has none, and nobody can verify what is signed"
	}
}

// samePublicKey compares the tag p of two records, in which blanks mean nothing
// (RFC 6376, 3.6.1).
func samePublicKey(a, b string) bool { return publicKey(a) != "" && publicKey(a) == publicKey(b) }

func publicKey(record string) string {
	for tag := range strings.SplitSeq(record, ";") {
		if name, value, _ := strings.Cut(tag, "="); strings.TrimSpace(name) == "p" {
			return strings.Join(strings.Fields(value), "")
		}
	}
	return ""
}
