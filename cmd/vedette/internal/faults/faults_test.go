package faults_test

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"vedette/cmd/vedette/internal/faults"
)

// mounted returns a disk, or skips the test where a process may not mount one.
func mounted(t *testing.T) *faults.Disk {
	t.Helper()
	if err := faults.Available(); err != nil {
		if os.Getenv("VEDETTE_MOUNT") == "required" {
			t.Fatalf("mounting a disk is required: %v", err)
		}
		t.Skipf("no disk can be mounted: %v", err)
	}
	d := &faults.Disk{Dir: filepath.Join(t.TempDir(), "disk"), Size: 4 << 20}
	if err := d.Mount(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Unmount(); err != nil {
			t.Error(err)
		}
	})
	return d
}

func write(d *faults.Disk, name string, size int) error {
	return os.WriteFile(filepath.Join(d.Dir, name), make([]byte, size), 0o600)
}

func TestFullDiskHasNoRoomUntilItIsFreed(t *testing.T) {
	t.Parallel()
	d := mounted(t)
	if err := write(d, "before", 5000); err != nil {
		t.Fatal(err)
	}
	if err := d.Fill(); err != nil {
		t.Fatal(err)
	}
	if err := write(d, "during", 5000); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("got %v, want %v", err, syscall.ENOSPC)
	}
	if err := d.Free(); err != nil {
		t.Fatal(err)
	}
	if err := write(d, "after", 5000); err != nil {
		t.Errorf("got %v after the disk was freed, want none", err)
	}
}

func TestReadOnlyDiskTakesNoNewFileUntilItIsWritable(t *testing.T) {
	t.Parallel()
	d := mounted(t)
	open, err := os.Create(filepath.Join(d.Dir, "open"))
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	if err := d.ReadOnly(); err != nil {
		t.Fatal(err)
	}
	if err := write(d, "during", 1); !errors.Is(err, syscall.EROFS) {
		t.Errorf("got %v, want %v", err, syscall.EROFS)
	}
	if err := d.Writable(); err != nil {
		t.Fatal(err)
	}
	if err := write(d, "after", 1); err != nil {
		t.Errorf("got %v after the disk was writable again, want none", err)
	}
}

func TestConnectionsAreHeldUntilTheyAreReleased(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	var c faults.Connections
	if err := c.Hold(listener.Addr().String(), 3); err != nil {
		t.Fatal(err)
	}
	accepted := make([]net.Conn, 3)
	for i := range accepted {
		if accepted[i], err = listener.Accept(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = accepted[i].Close() })
	}
	if err := c.Release(); err != nil {
		t.Fatal(err)
	}
	for _, conn := range accepted { // more may have come since
		if _, err := conn.Read(make([]byte, 1)); err == nil {
			t.Error("got a connection that is open, want the end of it")
		}
	}
	if err := c.Hold("127.0.0.1:1", 1); err == nil {
		t.Error("got no error for an address without a listener, want one")
	}
}
