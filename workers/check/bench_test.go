package check_test

import (
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"vedette/pipeline/job"
	"vedette/workers/check"
)

// BenchmarkCheck is a check of a target in this process, whose cost is part of
// it: see "vedette bench probe" for the probe's alone.
func BenchmarkCheck(b *testing.B) {
	s := serve(b, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok\n") })
	address := s.Listener.Addr().String()
	c := checker(b, check.Config{})
	for name, spec := range map[string]job.Spec{
		"http": {HTTP: &job.HTTP{URL: s.URL}},
		"tcp":  {TCP: &job.TCP{Address: address}},
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
