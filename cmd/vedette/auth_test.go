package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vedette/pipeline"
	"vedette/pipeline/job"
	"vedette/pipeline/pipelinetest"
)

func TestUsersThatWereMadeReachTheServerWithTheirRightsAlone(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "auth")
	stdout, stderr, code := vedette(t, "auth", "init", dir, "--server", "nats://n1:4222,nats://n2:4222", "--location", "default,fra")
	if code != exitOK {
		t.Fatalf("got %d %s", code, stderr)
	}
	read := func(name string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 || !strings.Contains(stdout, path+"\n") {
			t.Errorf("%s: got %v, %v, want it for its owner only, and named", path, info.Mode(), err)
		}
		return strings.TrimSpace(string(text))
	}
	config := read("users.conf")
	address := pipelinetest.Server(t, config)
	connect := func(name string) *pipeline.Pipeline {
		t.Helper()
		urls := read(name)
		user, rest, _ := strings.Cut(strings.TrimPrefix(urls, "nats://"), "@n1:4222,nats://")
		if rest != user+"@n2:4222" {
			t.Errorf("%s: got %s, want both servers with the same user", name, urls)
		}
		if _, password, _ := strings.Cut(user, ":"); len(password) < 20 || strings.Contains(config, password) {
			t.Errorf("%s: got %d characters of a password, want a long one that users.conf does not hold", name, len(password))
		}
		p, err := pipeline.Connect(t.Context(), pipeline.Config{URL: strings.Split(strings.ReplaceAll(urls, "n1:4222", address), ",")[0]})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		t.Cleanup(func() { _ = p.Close() })
		return p
	}
	if err := connect("operator.url").Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	order := pipeline.Message{Subject: pipeline.MailSubject(job.MailRequest, "m1"), Body: []byte(`{}`), ID: "m1"}
	if err := connect("publisher.url").Publish(t.Context(), order); err != nil {
		t.Errorf("got %v, want the publisher's order stored", err)
	}
	for _, name := range []string{"check-worker.url", "check-worker-fra.url", "scheduler.url", "evaluator.url", "notifier.url", "mail-worker.url", "viewer.url"} {
		connect(name)
	}

	if _, stderr, code := vedette(t, "auth", "init", dir); code == exitOK || !strings.Contains(stderr, "it is there already") {
		t.Errorf("got %d %s, want nothing overwritten", code, stderr)
	}
}

func TestUsersCannotBeMadeForNoServer(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{"--server", "n1:4222"}, {"--server", "nats://n1"}, {"--server", "http://n1:80"}, {"--server", "nats://u:hunter2@n1:4222"}, {"--location", "a.b"},
	} {
		dir := filepath.Join(t.TempDir(), "auth")
		_, stderr, code := vedette(t, append([]string{"auth", "init", dir}, args...)...)
		if _, err := os.Stat(dir); code != exitInvalid || !strings.Contains(stderr, "expected") || err == nil {
			t.Errorf("%v: got %d %s, want it refused, and nothing written", args, code, stderr)
		}
		if strings.Contains(stderr, "hunter2") {
			t.Errorf("%v: got the password in %s", args, stderr)
		}
	}
}
