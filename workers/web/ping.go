package web

import (
	"context"
	"io"
	"net/http"
	"strconv"
	"strings"

	"vedette/pipeline/job"
)

// PingStore stores pings from jobs.
type PingStore interface {
	// Ping stores a ping if its token is known, and reports whether it is.
	Ping(ctx context.Context, token, kind string, ping job.Ping) (known bool, err error)
}

// maxPingBody is the largest accepted body.
const maxPingBody = 64 << 10

// servePing serves POST /ping/TOKEN, /ping/TOKEN/start, /ping/TOKEN/fail and
// /ping/TOKEN/EXITCODE, with the job's output as the body. An unknown token gets
// the same response as an unknown path.
func (p *StatusPage) servePing(w http.ResponseWriter, r *http.Request) {
	kind, ping, ok := readPing(r.PathValue("what"))
	if !ok {
		http.NotFound(w, r)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxPingBody))
	if err != nil {
		http.Error(w, "read body: expected at most 64 KiB", http.StatusRequestEntityTooLarge)
		return
	}
	ping.Output = strings.ToValidUTF8(string(body[max(0, len(body)-job.MaxPingOutput):]), "")
	known, err := p.config.Pings.Ping(r.Context(), r.PathValue("token"), kind, ping)
	switch {
	case err != nil:
		p.config.Logger.ErrorContext(r.Context(), "ping could not be stored", "error", err)
		http.Error(w, "store ping: try again", http.StatusServiceUnavailable)
	case !known:
		http.NotFound(w, r)
	default:
		writeResponse(w, p.config.Logger, "text/plain", []byte("ok\n"))
	}
}

// readPing parses the last part of a ping's path.
func readPing(what string) (kind string, ping job.Ping, ok bool) {
	switch what {
	case "":
		return job.PingOK, ping, true
	case job.PingStart, job.PingFail:
		return what, ping, true
	}
	code, err := strconv.ParseUint(what, 10, 8)
	if err != nil {
		return "", ping, false
	}
	if code == 0 {
		return job.PingOK, ping, true
	}
	ping.ExitCode = int(code)
	return job.PingFail, ping, true
}
