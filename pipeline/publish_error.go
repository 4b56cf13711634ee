package pipeline

import (
	"errors"
	"fmt"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"vedette/pipeline/job"
	"vedette/pipeline/topology"
)

// ErrFull is returned for a message to a full stream: the stage behind it is
// slower than its publishers. Retry later, or set [Message.Wait].
var ErrFull = errors.New("stream is full")

// ErrOccupied is returned for a message whose subject has one already: the check
// for that monitor, or the job with that id, is queued or running.
var ErrOccupied = errors.New("subject is occupied")

// ErrTooLarge is returned for a message above [topology.MaxMessage] bytes.
var ErrTooLarge = errors.New("message is too large")

// errServerFull adds to [ErrFull] that the server or account has no room, and not
// only the stream.
var errServerFull = errors.New("the server has no room")

// Server error codes. With storeFailed, only the description says which
// limit was exceeded. The others mean that the account or server is full.
const (
	storeFailed     = 10077
	accountFull     = 10002
	serverFull      = 10023
	serverDisksFull = 10047
)

// publishError translates the server's errors.
func publishError(err error) error {
	var api *jetstream.APIError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, nats.ErrMaxPayload):
		return fmt.Errorf("%w: expected at most %d bytes", ErrTooLarge, topology.MaxMessage)
	case wrongRevision(err):
		return job.ErrConflict
	case !errors.As(err, &api):
		return err
	case api.ErrorCode == storeFailed && strings.Contains(api.Description, "per subject"):
		return ErrOccupied
	case api.ErrorCode == storeFailed && strings.Contains(api.Description, "exceeded"):
		return ErrFull
	case api.ErrorCode == accountFull, api.ErrorCode == serverFull, api.ErrorCode == serverDisksFull,
		api.ErrorCode == storeFailed && strings.Contains(api.Description, "no space"):
		return fmt.Errorf("%w: %w: the server says %q", ErrFull, errServerFull, api.Description)
	case strings.Contains(api.Description, "message size exceeds"):
		return fmt.Errorf("%w: expected at most %d bytes", ErrTooLarge, topology.MaxMessage)
	default:
		return err
	}
}
