package statuspage

import (
	"context"
	"io"
	"net/http"
	"strconv"
	"strings"

	"vedette/pipeline/job"
)

// Pinger takes the pings of jobs.
type Pinger interface {
	// Ping stores what a job says, if its token is known, and tells whether it is.
	Ping(ctx context.Context, token, kind string, ping job.Ping) (known bool, err error)
}

// maxPingBody is how much of what a job sends is read.
const maxPingBody = 64 << 10

// ping takes POST /ping/TOKEN, /ping/TOKEN/start, /ping/TOKEN/fail and
// /ping/TOKEN/EXITCODE, with what the job printed as the body. A token that is
// not known is answered as any path that is not there.
func (p *Page) ping(w http.ResponseWriter, r *http.Request) {
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
		p.config.Logger.ErrorContext(r.Context(), "store ping", "error", err)
		http.Error(w, "store ping: try again", http.StatusServiceUnavailable)
	case !known:
		http.NotFound(w, r)
	default:
		p.write(w, "text/plain", []byte("ok\n"))
	}
}

// readPing reads the last part of a ping's path.
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
