package pipeline

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"vedette/pipeline/topology"
)

// Unstored is a stream that stored nothing since its first failure: every message
// that this process published there failed for a reason that lies with the server,
// such as no answer.
type Unstored struct {
	Stream topology.Stream
	// Since is when the first message failed, Last when the last one did.
	Since, Last time.Time
	Err         error // of the last one
}

// Unstored returns the streams that store nothing, those that have failed for the
// longest time first. All publishers and buckets in this process are counted. A
// stream that nothing was published to since its last failure remains.
func (p *Pipeline) Unstored() []Unstored { return p.unstored.list() }

// publishWatch knows which streams refuse messages.
type publishWatch struct {
	failing atomic.Int32 // len(streams), so that a success in good times costs nothing
	mu      sync.Mutex
	streams map[topology.Stream]Unstored
}

func (w *publishWatch) list() []Unstored {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := make([]Unstored, 0, len(w.streams))
	for _, found := range w.streams {
		all = append(all, found)
	}
	slices.SortFunc(all, func(a, b Unstored) int {
		return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.Stream, b.Stream))
	})
	return all
}

// observe counts the outcome of one attempt to publish, as the library returned
// it. Attempts without a connection, or whose caller has gone, say nothing about
// the stream.
func (p *Pipeline) observe(ctx context.Context, stream topology.Stream, err error) {
	switch {
	case provesStorage(err):
		if p.unstored.failing.Load() > 0 {
			p.unstored.succeeded(stream)
		}
	case ctx.Err() == nil && p.Connected() && notStored(err):
		p.unstored.failed(stream, time.Now(), publishError(err))
	}
}

func (w *publishWatch) succeeded(stream topology.Stream) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.streams, stream)
	w.failing.Store(int32(len(w.streams))) //nolint:gosec // there are some twenty streams
}

func (w *publishWatch) failed(stream topology.Stream, now time.Time, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	known, found := w.streams[stream]
	if !found {
		known = Unstored{Stream: stream, Since: now}
	}
	known.Last, known.Err = now, err
	if w.streams == nil {
		w.streams = map[topology.Stream]Unstored{}
	}
	w.streams[stream] = known
	w.failing.Store(int32(len(w.streams))) //nolint:gosec // there are some twenty streams
}

// provesStorage reports whether the outcome proves that the stream stores messages:
// it stored this one, or refused it for another one that it has.
func provesStorage(err error) bool {
	return err == nil || errors.Is(publishError(err), ErrOccupied) || errors.Is(err, jetstream.ErrKeyExists) || wrongRevision(err)
}

// notStored reports whether the message was not stored for a reason that lies with
// the server: no answer, no stream, or no room on its disk. A stream at its own
// limit only asks its publishers to slow down.
func notStored(err error) bool {
	translated := publishError(err)
	if errors.Is(translated, ErrFull) {
		return errors.Is(translated, errServerFull)
	}
	if errors.Is(translated, ErrTooLarge) {
		return false
	}
	if api, ok := errors.AsType[*jetstream.APIError](err); ok {
		return api.Code >= 500 || api.ErrorCode == jetstream.JSErrCodeStreamNotFound
	}
	return transient(err)
}
