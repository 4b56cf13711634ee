package e2e_test

import (
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
)

// countingTarget is a web server that counts its requests.
type countingTarget struct {
	url      string
	requests atomic.Int64
}

func newCountingTarget(t *testing.T) *countingTarget {
	t.Helper()
	x := &countingTarget{}
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { x.requests.Add(1) }))
	t.Cleanup(server.Close)
	x.url = server.URL
	return x
}

func (x *countingTarget) count() int64 { return x.requests.Load() }
