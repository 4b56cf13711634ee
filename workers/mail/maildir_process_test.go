package mail_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	netmail "net/mail"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"vedette/workers/mail"
)

// With beDeliverer in its environment, the test binary delivers the mails whose
// ids are its arguments into the named maildir once its input ends. fullAt bounds
// the size of files, as on a full disk.
const (
	beDeliverer = "VEDETTE_TEST_MAILDIR"
	fullAt      = "VEDETTE_TEST_FULL_AT"
)

func deliver(dir string, ids []string) int {
	var limit uint64
	if _, err := fmt.Sscan(os.Getenv(fullAt), &limit); err == nil {
		signal.Ignore(syscall.SIGXFSZ)
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: limit, Max: limit}); err != nil {
			fmt.Println(err)
			return 2
		}
	}
	d, err := mail.NewMaildir(mail.MaildirConfig{Dir: dir, From: "vedette@example.com"})
	if err != nil {
		fmt.Println(err)
		return 2
	}
	_, _ = io.Copy(io.Discard, os.Stdin)
	for _, id := range ids {
		if _, err := d.Send(context.Background(), order(id), stored); err != nil {
			fmt.Println(err)
			return 1
		}
	}
	return 0
}

// deliverer is such a process. Its output is an error.
func deliverer(t *testing.T, dir string, ids ...string) (member *exec.Cmd, output *bytes.Buffer) {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	member, output = exec.CommandContext(t.Context(), program, ids...), new(bytes.Buffer)
	member.Env = append(os.Environ(), beDeliverer+"="+dir)
	member.Stdout, member.Stderr = output, output
	return member, output
}

func TestMaildirWithManyProcesses(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "mails")
	ready, start, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]bool{}
	var wait []func()
	for n := range 3 {
		var ids []string
		for i := range 8 {
			shared, own := fmt.Sprintf("m%d", i), fmt.Sprintf("p%d-m%d", n, i)
			ids = append(ids, shared, own)
			want[shared], want[own] = true, true
		}
		member, output := deliverer(t, dir, ids...)
		member.Stdin = ready
		if err := member.Start(); err != nil {
			t.Fatal(err)
		}
		wait = append(wait, func() {
			if err := member.Wait(); err != nil {
				t.Errorf("got %v: %s", err, output)
			}
		})
	}
	_ = start.Close() // all start together
	for _, ended := range wait {
		ended()
	}
	_ = ready.Close()
	for _, name := range files(t, dir) {
		content, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		message, err := netmail.ReadMessage(bytes.NewReader(content))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		id, _, _ := strings.Cut(strings.Trim(message.Header.Get("Message-Id"), "<>"), "@")
		if !want[id] || !strings.HasPrefix(name, "new/") || !bytes.HasSuffix(content, []byte("--\n")) {
			t.Errorf("got %s of %q, want each mail whole, once and in new", name, id)
		}
		delete(want, id)
	}
	if len(want) != 0 {
		t.Errorf("got no file of %v", want)
	}
}

func TestMaildirOnFullDiskLeavesNoFile(t *testing.T) {
	t.Parallel()
	_, dir := newMaildir(t)
	member, output := deliverer(t, dir, "m1")
	member.Env = append(member.Env, fullAt+"=300")
	if err := member.Run(); err == nil || !strings.Contains(output.String(), "body: write "+dir+"/tmp/") || !strings.Contains(output.String(), "file too large") {
		t.Errorf("got %v: %s, want an error that names the file", err, output)
	}
	if got := files(t, dir); len(got) != 0 {
		t.Errorf("got %q, want nothing left", got)
	}
}
