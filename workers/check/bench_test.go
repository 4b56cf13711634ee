package check_test

import (
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"vedette/pipeline/job"
	"vedette/workers/check"
)

// BenchmarkCheck checks a target in this process, and includes the target's cost.
// "vedette bench probe" measures the probe alone.
func BenchmarkCheck(b *testing.B) {
	s := serve(b, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok\n") })
	address := s.Listener.Addr().String()
	dir := b.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "TOKEN"), []byte("hunter2\n"), 0o600); err != nil {
		b.Fatal(err)
	}
	secrets, err := check.NewSecretStore(dir, nil)
	if err != nil {
		b.Fatal(err)
	}
	c := checker(b, check.Config{Secrets: secrets})
	for name, spec := range map[string]job.Spec{
		"http":    {HTTP: &job.HTTP{URL: s.URL}},
		"secret":  {HTTP: &job.HTTP{URL: s.URL, BearerToken: "${secret:TOKEN}"}},
		"literal": {HTTP: &job.HTTP{URL: s.URL, BearerToken: "hunter2"}},
		"tcp":     {TCP: &job.TCP{Address: address}},
	} {
		b.Run(name, func(b *testing.B) {
			spec.Timeout = job.Duration(10 * time.Second)
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if got := c.Check(b.Context(), spec); got.Health != job.Up {
						b.Errorf("got %+v, want up", got)
						return
					}
				}
			})
		})
	}
	b.Run("dial", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				conn, err := net.Dial("tcp", address)
				if err != nil {
					b.Error(err)
					return
				}
				_ = conn.(*net.TCPConn).SetLinger(0)
				conn.Close()
			}
		})
	})
}
