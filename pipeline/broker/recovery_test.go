package broker_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"vedette/pipeline/broker"
	"vedette/pipeline/datadir"
)

const (
	someMessages = 1200 // three blocks
	streamDir    = "jetstream/jetstream/$G/streams/S"
)

// lockedLog collects a log.
type lockedLog struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

func (l *lockedLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buffer.Write(p)
}

func (l *lockedLog) lines() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.DeleteFunc(strings.Split(l.buffer.String(), "\n"), func(line string) bool { return line == "" })
}

func stream(t *testing.T, b *broker.Broker) jetstream.JetStream {
	t.Helper()
	conn, err := nats.Connect("", nats.InProcessServer(b), nats.UserInfo(broker.User, b.Secret()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	return js
}

// filled returns a directory with a stream S of several blocks and a consumer c
// that has taken a third of the messages. A killed directory is a copy made while
// the server runs.
func filled(t *testing.T, killed bool) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data")
	b, err := broker.Start(broker.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	js := stream(t, b)
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "S", Subjects: []string{"s.*"}, AllowDirect: true, MaxBytes: 15 << 20}); err != nil {
		t.Fatal(err)
	}
	consumer, err := js.CreateConsumer(t.Context(), "S", jetstream.ConsumerConfig{Durable: "c", AckPolicy: jetstream.AckAllPolicy, MaxAckPending: 2 * someMessages})
	if err != nil {
		t.Fatal(err)
	}
	body := bytes.Repeat([]byte("x"), 10_000)
	for i := range someMessages {
		if _, err := js.Publish(t.Context(), fmt.Sprint("s.", i), body); err != nil {
			t.Fatal(err)
		}
	}
	batch, err := consumer.Fetch(someMessages / 3)
	if err != nil {
		t.Fatal(err)
	}
	var last jetstream.Msg
	for m := range batch.Messages() {
		last = m
	}
	if err := last.DoubleAck(t.Context()); err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(t.TempDir(), "data")
	if killed {
		if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
			t.Fatal(err)
		}
		dir = copied
	}
	if err := b.Stop(); err != nil {
		t.Fatal(err)
	}
	return dir
}

// restarted starts a broker on a directory, and returns its stream, log and report.
func restarted(t *testing.T, dir string) (*jetstream.StreamInfo, jetstream.JetStream, []string, *datadir.Report) {
	t.Helper()
	log := &lockedLog{}
	var report *datadir.Report
	b := start(t, broker.Config{
		Dir: dir, Logger: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelInfo})),
		Recovered: func(r *datadir.Report) { report = r },
	})
	js := stream(t, b)
	found, err := js.Stream(t.Context(), "S")
	if err != nil {
		t.Fatalf("got %v, want the stream\n%s", err, strings.Join(log.lines(), "\n"))
	}
	return found.CachedInfo(), js, log.lines(), report
}

func flip(t *testing.T, path string, at int) {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	content[at] ^= 1
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

func blocks(t *testing.T, dir string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, streamDir, "msgs", "*.blk"))
	if err != nil || len(found) < 3 {
		t.Fatalf("got blocks %v, %v, want at least three", found, err)
	}
	return found
}

func TestUncleanStopIsOneLine(t *testing.T) {
	t.Parallel()
	info, _, lines, report := restarted(t, filled(t, true))
	if info.State.Msgs != someMessages {
		t.Errorf("got %d messages, want %d", info.State.Msgs, someMessages)
	}
	if len(lines) != 1 || !strings.Contains(lines[0], "recovered from an unclean stop; nothing was lost") || !strings.Contains(lines[0], fmt.Sprint("messages=", someMessages)) {
		t.Errorf("got log\n%s\nwant one line about the recovery", strings.Join(lines, "\n"))
	}
	if report == nil || len(report.Lost()) != 0 {
		t.Errorf("got report %+v, want one without losses", report)
	}
}

func TestCleanStopIsNotMentioned(t *testing.T) {
	t.Parallel()
	_, _, lines, report := restarted(t, filled(t, false))
	if len(lines) != 0 || report != nil {
		t.Errorf("got log %v and report %+v, want none", lines, report)
	}
}

// A wrong bit costs one message, not the rest of its block.
func TestFlippedBitLosesOneMessage(t *testing.T) {
	t.Parallel()
	for _, killed := range []bool{false, true} {
		dir := filled(t, killed)
		flip(t, blocks(t, dir)[1], 500_000)
		info, js, lines, report := restarted(t, dir)
		if info.State.Msgs != someMessages-1 || info.State.LastSeq != someMessages {
			t.Errorf("killed %t: got %d messages until %d, want one missing", killed, info.State.Msgs, info.State.LastSeq)
		}
		if len(lines) != 1 || !strings.Contains(lines[0], "level=ERROR") || !strings.Contains(lines[0], "lost=\"S: ") || report == nil || !report.LostFrom("S") {
			t.Errorf("killed %t: got log\n%s\nwant one error with the stream", killed, strings.Join(lines, "\n"))
		}
		if !killed { // a position is written a moment after it changed
			delivered(t, js, someMessages-someMessages/3-1)
		}
	}
}

// delivered checks how many messages the consumer still gets.
func delivered(t *testing.T, js jetstream.JetStream, want int) {
	t.Helper()
	consumer, err := js.Consumer(t.Context(), "S", "c")
	if err != nil {
		t.Fatal(err)
	}
	batch, err := consumer.Fetch(want)
	if err != nil {
		t.Fatal(err)
	}
	got := 0
	for range batch.Messages() {
		got++
	}
	if left := consumer.CachedInfo().NumPending; got != want || left != uint64(want) {
		t.Errorf("got %d messages delivered, %d pending, want %d", got, left, want)
	}
}

func TestDamagedFiles(t *testing.T) {
	t.Parallel()
	remove := func(name string) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			t.Helper()
			if err := os.RemoveAll(filepath.Join(dir, streamDir, name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	write := func(name, content string) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			t.Helper()
			if err := os.WriteFile(filepath.Join(dir, streamDir, name), []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	file := func(name string) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			t.Helper()
			remove(name)(t, dir)
			write(name, "x")(t, dir)
		}
	}
	directory := func(name string) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			t.Helper()
			remove(name)(t, dir)
			if err := os.MkdirAll(filepath.Join(dir, streamDir, name, "x"), 0o700); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, test := range map[string]struct {
		damage func(*testing.T, string)
		lost   bool
	}{
		"stream definition":            {write("meta.inf", "{}"), false},
		"stream checksum":              {remove("meta.sum"), false},
		"consumer definition":          {write("obs/c/meta.inf", `{"durable_nam":"c"}`), false},
		"position":                     {write("obs/c/o.dat", "\x16\x02\x01\x01\x05\x05\xff\xff\xff\xff\xff\xff\xff\x7f"), false},
		"position missing":             {remove("obs/c/o.dat"), false},
		"consumer missing":             {remove("obs/c"), false},
		"consumers missing":            {remove("obs"), false},
		"file instead of consumers":    {file("obs"), true},
		"index":                        {write("msgs/index.db", strings.Repeat("x", 100)), false},
		"directory instead of index":   {directory("msgs/index.db"), false},
		"block missing":                {remove("msgs/2.blk"), true},
		"block empty":                  {write("msgs/2.blk", ""), true},
		"directory instead of block":   {directory("msgs/2.blk"), true},
		"last block missing":           {remove("msgs/3.blk"), true},
		"messages missing":             {remove("msgs"), true},
		"stream missing":               {remove(""), true},
		"stream missing, file instead": {file(""), true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filled(t, false)
			blocks(t, dir)
			test.damage(t, dir)
			info, js, lines, report := restarted(t, dir)
			if len(lines) != 1 || report == nil || report.LostFrom("S") != test.lost || len(report.Lost()) > 1 {
				t.Errorf("got log\n%s\nwant one line; lost: %t", strings.Join(lines, "\n"), test.lost)
			}
			if lost := info.State.Msgs < someMessages; name != "file instead of consumers" && lost != test.lost {
				t.Errorf("got %d messages, lost: %t", info.State.Msgs, test.lost)
			}
			if info.State.LastSeq != someMessages {
				t.Errorf("got last sequence %d, want %d", info.State.LastSeq, someMessages)
			}
			// The consumer continues, and gets what is new.
			ack, err := js.Publish(t.Context(), "s.new", []byte("new"))
			if err != nil || ack.Sequence != someMessages+1 {
				t.Fatalf("got %+v, %v, want the next sequence", ack, err)
			}
			consumer, err := js.Consumer(t.Context(), "S", "c")
			if err != nil {
				t.Fatal(err)
			}
			if got := consumer.CachedInfo().AckFloor.Stream; got != someMessages/3 {
				t.Errorf("got position %d, want %d", got, someMessages/3)
			}
			if !test.lost {
				delivered(t, js, someMessages-someMessages/3+1)
			}
		})
	}
}

func TestFileInsteadOfADirectoryIsRefused(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"jetstream", "jetstream/jetstream"} {
		dir := t.TempDir()
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte("x"), 0o600)); err != nil {
			t.Fatal(err)
		}
		_, err := broker.Start(broker.Config{Dir: dir})
		if damaged, ok := errors.AsType[*datadir.PathError](err); !ok || damaged.Path != path {
			t.Errorf("%s: got %v, want a PathError with it", name, err)
		}
	}
}

func TestDamagedSecretIsReplaced(t *testing.T) {
	t.Parallel()
	for name, content := range map[string]string{"empty": "", "zeros": "\x00\x00\x00\x00\x00\x00\x00\x00\x00", "long": strings.Repeat("x", 100), "two lines": "0123456789\n0123456789"} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "nats.secret"), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		log := &lockedLog{}
		b := start(t, broker.Config{Dir: dir, Listen: "127.0.0.1:0", Logger: slog.New(slog.NewTextHandler(log, nil))})
		if secret := b.Secret(); len(secret) < 32 || secret == content || !strings.Contains(strings.Join(log.lines(), ""), "secret was damaged") {
			t.Errorf("%s: got %q, %v, want a new secret and a warning", name, secret, log.lines())
		}
		stream(t, b) // logs in
	}
}

func TestDirectoryInsteadOfAFileIsRefused(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"lock", "nats.secret", "nats.url"} {
		dir := t.TempDir()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Join(path, "x"), 0o700); err != nil {
			t.Fatal(err)
		}
		_, err := broker.Start(broker.Config{Dir: dir, Listen: "127.0.0.1:0"})
		if damaged, ok := errors.AsType[*datadir.PathError](err); !ok || damaged.Path != path {
			t.Errorf("%s: got %v, want a PathError with it", name, err)
		}
	}
}
