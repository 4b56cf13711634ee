package mail_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vedette/workers/mail"
)

// The addresses in the header may differ from the envelope recipient.
func TestMaildirFileStartsWithEnvelope(t *testing.T) {
	t.Parallel()
	d, dir := newMaildir(t)
	m := full()
	m.ShownTo = []string{"everybody@example.org"}
	if _, err := d.Send(t.Context(), m, stored); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(filepath.Join(dir, files(t, dir)[0]))
	if err != nil {
		t.Fatal(err)
	}
	m.From = "vedette@example.com"
	want := "Return-Path: <vedette@example.com>\nDelivered-To: ops@example.org\n" + strings.ReplaceAll(string(build(t, m).Bytes), "\r\n", "\n")
	if diff := cmp.Diff(want, string(content)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestMaildirRemovesAbandonedFiles(t *testing.T) {
	t.Parallel()
	d, dir := newMaildir(t)
	if _, err := d.Send(t.Context(), order("m1"), stored); err != nil {
		t.Fatal(err)
	}
	for name, age := range map[string]time.Duration{
		"tmp/1.m1.vedette.123": 37 * time.Hour, // its process was killed
		"tmp/1.m2.vedette.123": 35 * time.Hour, // its process may only be slow
		"tmp/1.M3P4.other":     37 * time.Hour, // from another program
		files(t, dir)[0]:       37 * time.Hour, // a mail
	} {
		path := filepath.Join(dir, name)
		file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		_ = file.Close()
		if err := os.Chtimes(path, time.Time{}, time.Now().Add(-age)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := mail.NewMaildir(mail.MaildirConfig{Dir: dir, From: "vedette@example.com"}); err != nil {
		t.Fatal(err)
	}
	want := []string{"new/1772366407.m1.vedette", "tmp/1.M3P4.other", "tmp/1.m2.vedette.123"}
	if diff := cmp.Diff(want, files(t, dir)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

func TestMaildirWriteErrorNamesPath(t *testing.T) {
	t.Parallel()
	replace := func(path string) error {
		if err := os.Remove(path); err != nil {
			return err
		}
		return os.WriteFile(path, nil, 0o600)
	}
	for name, c := range map[string]struct {
		folder string
		spoil  func(path string) error
	}{
		"no tmp":        {"tmp", os.Remove},
		"no new":        {"new", os.Remove},
		"no cur":        {"cur", os.Remove},
		"tmp is a file": {"tmp", replace},
		"new is a file": {"new", replace},
		"read-only tmp": {"tmp", func(path string) error { return os.Chmod(path, 0o500) }},
		"read-only new": {"new", func(path string) error { return os.Chmod(path, 0o500) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if strings.HasPrefix(name, "read-only") && os.Geteuid() == 0 {
				t.Skip("root writes everywhere")
			}
			d, dir := newMaildir(t)
			path := filepath.Join(dir, c.folder)
			if err := c.spoil(path); err != nil {
				t.Fatal(err)
			}
			_, err := d.Send(t.Context(), order("m1"), stored)
			if err == nil || !strings.Contains(err.Error(), path) || resultOf(mail.JobError(err)) != "free true" {
				t.Errorf("got %v, want the job back for %s", err, path)
			}
			if got, _ := filepath.Glob(filepath.Join(dir, "*", "*.vedette*")); len(got) != 0 {
				t.Errorf("got %q, want nothing left", got)
			}
		})
	}
}

func TestMaildirCreateErrorNamesPath(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{file, filepath.Join(file, "mails")} {
		_, err := mail.NewMaildir(mail.MaildirConfig{Dir: dir, From: "vedette@example.com"})
		if err == nil || !strings.HasPrefix(err.Error(), "set up maildir: ") || !strings.Contains(err.Error(), file) {
			t.Errorf("got %v, want an error that names %s", err, file)
		}
	}
}
