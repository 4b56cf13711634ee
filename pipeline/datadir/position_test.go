package datadir_test

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"vedette/pipeline/datadir"
)

// A position that announces more than the file holds must not be read to the end:
// the server would allocate room for it, or count to it.
func TestDamagedPositionIsNeitherFollowedNorCountedTo(t *testing.T) {
	t.Parallel()
	huge := append([]byte{22, 2, 1, 1, 5, 5}, binary.AppendUvarint(nil, 1<<60)...)
	for name, content := range map[string][]byte{
		"pending":     huge,
		"redelivered": append([]byte{22, 2, 1, 1, 5, 5, 0}, binary.AppendUvarint(nil, 1<<60)...),
		"sequence":    append([]byte{22, 2, 1}, binary.AppendUvarint(nil, 1<<63)...),
		"floor":       {22, 2, 9, 9, 5, 5, 0, 0},
		"short":       {22, 2, 1, 1, 5},
		"magic":       {21, 2, 1, 1, 5, 5, 0, 0},
		"empty":       {},
	} {
		dir := t.TempDir()
		consumer := filepath.Join(dir, "jetstream", "jetstream", "$G", "streams", "S", "obs", "c")
		if err := os.MkdirAll(consumer, 0o700); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(consumer, "o.dat")
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if _, err := datadir.Check(dir, time.Now(), nil); err != nil {
			t.Errorf("%s: got %v, want a repair", name, err)
		}
		if took := time.Since(began); took > time.Minute {
			t.Errorf("%s: took %s, want less than a minute", name, took)
		}
		if _, err := os.Stat(path); !os.IsNotExist(err) {
			t.Errorf("%s: got %v, want the position moved away", name, err)
		}
	}
}

// No content of any file makes a check fail or panic.
func TestRandomContentIsNeverFatal(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for range 50 {
		dir := t.TempDir()
		stream := filepath.Join(dir, "jetstream", "jetstream", "$G", "streams", "S")
		for _, name := range []string{"meta.inf", "meta.sum", "msgs/1.blk", "msgs/2.blk", "msgs/index.db", "msgs/sched.db", "obs/c/meta.inf", "obs/c/o.dat"} {
			path := filepath.Join(stream, name)
			if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			content := bytes.Repeat([]byte{byte(random.IntN(256))}, random.IntN(300))
			for i := range content {
				if random.IntN(3) == 0 {
					content[i] = byte(random.IntN(256))
				}
			}
			if err := os.WriteFile(path, content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := datadir.Check(dir, time.Now(), nil); err != nil {
			t.Fatalf("got %v, want a report", err)
		}
	}
}
