package e2e_test

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// The clock of a process can be turned in a program that is built with another
// package time: its Now adds an offset from a file that is mapped into memory. The
// monotonic part of each time stays true, so that both Vedette and the nats-server
// inside it see what they see when a real clock is set.

// offsetVariable is the environment variable with the path of the offset.
const offsetVariable = "VEDETTE_TEST_CLOCK_OFFSET"

// turnedSource is the file that is added to package time.
const turnedSource = `package time

import (
	"sync/atomic"
	"syscall"
	"unsafe"
)

// offset is the number of nanoseconds to add to the wall clock, nil for none.
var offset *int64

func init() {
	path, ok := syscall.Getenv("` + offsetVariable + `")
	if !ok {
		return
	}
	file, err := syscall.Open(path, syscall.O_RDONLY, 0)
	if err != nil {
		panic(err)
	}
	mapped, err := syscall.Mmap(file, 0, 8, syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		panic(err)
	}
	offset = (*int64)(unsafe.Pointer(&mapped[0]))
}

// turnedNow is runtimeNow with the offset.
func turnedNow() (sec int64, nsec int32, mono int64) {
	sec, nsec, mono = runtimeNow()
	if offset == nil {
		return sec, nsec, mono
	}
	wall := sec*1e9 + int64(nsec) + atomic.LoadInt64(offset)
	return wall / 1e9, int32(wall % 1e9), mono
}
`

// turnable is the program with a clock that can be turned. It is built once, when
// the first test asks for it: the standard library has to be compiled again.
var turnable struct {
	once    sync.Once
	program string
	err     error
	output  []byte
}

// turnableProgram returns the path of the program.
func turnableProgram(t *testing.T) string {
	t.Helper()
	turnable.once.Do(func() {
		turnable.program = filepath.Join(filepath.Dir(program), "vedette-turnable")
		turnable.output, turnable.err = buildTurnable(turnable.program)
	})
	if turnable.err != nil {
		t.Fatalf("build a program whose clock can be turned: %v\n%s", turnable.err, turnable.output)
	}
	return turnable.program
}

func buildTurnable(to string) ([]byte, error) {
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(strings.TrimSpace(string(root)), "src", "time")
	source, err := os.ReadFile(filepath.Join(dir, "time.go"))
	if err != nil {
		return nil, err
	}
	const now = "func Now() Time {\n\tsec, nsec, mono := runtimeNow()\n"
	if strings.Count(string(source), now) != 1 {
		return nil, errors.New("found another time.Now than expected: this test is for Go 1.26")
	}
	replaced := map[string]string{
		filepath.Join(dir, "time.go"):   strings.Replace(string(source), now, strings.Replace(now, "runtimeNow()", "turnedNow()", 1), 1),
		filepath.Join(dir, "turned.go"): turnedSource,
	}
	overlay := struct{ Replace map[string]string }{map[string]string{}}
	for path, text := range replaced {
		overlay.Replace[path] = to + "-" + filepath.Base(path)
		if err := os.WriteFile(overlay.Replace[path], []byte(text), 0o600); err != nil {
			return nil, err
		}
	}
	list, err := json.Marshal(overlay)
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(to+".json", list, 0o600); err != nil {
		return nil, err
	}
	return exec.Command("go", "build", "-overlay", to+".json", "-o", to, "..").CombinedOutput()
}

// turnedClock is the clock of an instance.
type turnedClock struct {
	t    *testing.T
	path string
}

// withClock gives an instance a clock that is wrong by an offset.
func (r *running) withClock(offset time.Duration) *turnedClock {
	r.t.Helper()
	c := &turnedClock{t: r.t, path: filepath.Join(r.dir, "clock")}
	r.program, r.env = turnableProgram(r.t), append(r.env, offsetVariable+"="+c.path)
	if err := os.WriteFile(c.path, make([]byte, 8), 0o600); err != nil {
		r.t.Fatal(err)
	}
	c.set(offset)
	return c
}

// set sets the offset, at once for all running processes of the instance.
func (c *turnedClock) set(offset time.Duration) {
	c.t.Helper()
	file, err := os.OpenFile(c.path, os.O_WRONLY, 0)
	if err != nil {
		c.t.Fatal(err)
	}
	defer file.Close()
	if _, err := file.WriteAt(binary.NativeEndian.AppendUint64(nil, uint64(offset)), 0); err != nil {
		c.t.Fatal(err)
	}
}
