package mail_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	netmail "net/mail"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"vedette/workers/mail"
)

func newMaildir(t *testing.T) (*mail.Maildir, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "mails")
	d, err := mail.NewMaildir(mail.MaildirConfig{Dir: dir, From: "vedette@example.com"})
	if err != nil {
		t.Fatal(err)
	}
	return d, dir
}

// files lists the files in a maildir as folder/name.
func files(t *testing.T, dir string) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*", "*"))
	if err != nil {
		t.Fatal(err)
	}
	names := []string{}
	for _, path := range paths {
		name, err := filepath.Rel(dir, path)
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, name)
	}
	return names
}

func TestMaildirFilesAreReadableByOwnerOnly(t *testing.T) {
	t.Parallel()
	d, dir := newMaildir(t)
	receipt, err := d.Send(t.Context(), order("m1"), stored)
	if err != nil {
		t.Fatal(err)
	}
	const name = "new/1772366407.m1.vedette"
	if want := (mail.Receipt{Relay: "maildir:" + dir, Reply: "stored as " + name}); receipt != want {
		t.Errorf("got %+v, want %+v", receipt, want)
	}
	content, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	if bytes.ContainsRune(content, '\r') {
		t.Error("got carriage returns in the file, want the line ends of files")
	}
	if parsed, err := netmail.ReadMessage(bytes.NewReader(content)); err != nil || parsed.Header.Get("Message-ID") != "<m1@example.com>" {
		t.Errorf("got %v, %v, want the mail", parsed, err)
	}
	modes := map[string]os.FileMode{}
	for _, path := range []string{"", "tmp", "new", "cur", name} {
		info, err := os.Stat(filepath.Join(dir, path))
		if err != nil {
			t.Fatal(err)
		}
		modes[path] = info.Mode().Perm()
	}
	if diff := cmp.Diff(map[string]os.FileMode{"": 0o700, "tmp": 0o700, "new": 0o700, "cur": 0o700, name: 0o600}, modes); diff != "" {
		t.Errorf("modes (-want +got):\n%s", diff)
	}
}

func TestMaildirStoresRedeliveredMailOnce(t *testing.T) {
	t.Parallel()
	cases := []struct{ name, as string }{
		{"unread", "new/1772366407.m1.vedette"},
		{"read", "cur/1772366407.m1.vedette:2,S"},
		{"in cur without flags", "cur/1772366407.m1.vedette"},
		{"read where names have no colon", "cur/1772366407.m1.vedette!2,S"},
		{"read where a semicolon stands for it", "cur/1772366407.m1.vedette;2,S"},
		{"with its size", "cur/1772366407.m1.vedette,S=1234:2,S"},
	}
	for _, c := range cases {
		d, dir := newMaildir(t)
		if _, err := d.Send(t.Context(), order("m1"), stored); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(filepath.Join(dir, cases[0].as), filepath.Join(dir, c.as)); err != nil {
			t.Fatal(err)
		}
		again := order("m1")
		again.Date = stored.AddDate(0, 0, 1)
		for _, m := range []string{"again", "and again"} {
			if receipt, err := d.Send(t.Context(), again, stored); err != nil || receipt.Reply != "stored as "+c.as {
				t.Errorf("%s, %s: got %+v, %v, want it found", c.name, m, receipt, err)
			}
		}
		if diff := cmp.Diff([]string{c.as}, files(t, dir)); diff != "" {
			t.Errorf("%s: files (-want +got):\n%s", c.name, diff)
		}
	}
}

func TestMaildirDistinguishesSimilarIDs(t *testing.T) {
	t.Parallel()
	d, dir := newMaildir(t)
	ids := []string{"m1", "m1.vedette", "x.m1", "m", "1", "M1"}
	for _, id := range ids {
		if _, err := d.Send(t.Context(), order(id), stored); err != nil {
			t.Fatal(err)
		}
	}
	if got := files(t, dir); len(got) != len(ids) {
		t.Errorf("got %q, want %d files", got, len(ids))
	}
}

func TestMaildirIsSafeForConcurrentUse(t *testing.T) {
	t.Parallel()
	d, dir := newMaildir(t)
	var group sync.WaitGroup
	for n := range 30 {
		group.Go(func() {
			if _, err := d.Send(t.Context(), order(fmt.Sprintf("m%d", n/2)), stored); err != nil { // each twice
				t.Error(err)
			}
		})
	}
	group.Wait()
	if got := files(t, dir); len(got) != 15 {
		t.Errorf("got %q, want 15 files in new and none in tmp", got)
	}
}

func TestMaildirWriteErrorCountsNoAttempt(t *testing.T) {
	t.Parallel()
	d, dir := newMaildir(t)
	if err := os.RemoveAll(filepath.Join(dir, "tmp")); err != nil {
		t.Fatal(err)
	}
	_, err := d.Send(t.Context(), order("m1"), stored)
	if !errors.Is(err, os.ErrNotExist) || resultOf(mail.JobError(err)) != "free true" {
		t.Errorf("got %v, want the job back", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := d.Send(ctx, order("m1"), stored); !errors.Is(err, context.Canceled) || resultOf(mail.JobError(err)) != "free true" {
		t.Errorf("got %v, want the job back at the end", err)
	}
	bad := order("m1")
	bad.To = "nobody"
	if _, err := d.Send(t.Context(), bad, stored); resultOf(mail.JobError(err)) != "dead invalid" {
		t.Errorf("got %v, want an invalid mail refused", err)
	}
}

func TestMaildirNeedsDirAndFrom(t *testing.T) {
	t.Parallel()
	for says, config := range map[string]mail.MaildirConfig{
		"dir":  {From: "a@example.org"},
		"from": {Dir: t.TempDir()},
	} {
		if _, err := mail.NewMaildir(config); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("got %v, want an error that says %q", err, says)
		}
	}
}
