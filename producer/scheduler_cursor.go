package producer

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"vedette/pipeline"
	"vedette/pipeline/job"
)

// cursor is the last second whose slots in a shard were handled.
type cursor struct {
	V      int       `json:"v"`
	Second time.Time `json:"second"`
}

func readCursor(ctx context.Context, cursors *pipeline.Bucket, shard int) (time.Time, uint64, error) {
	found, err := cursors.Get(ctx, strconv.Itoa(shard))
	if errors.Is(err, pipeline.ErrNotFound) {
		return time.Time{}, 0, nil
	}
	if err != nil {
		return time.Time{}, 0, fmt.Errorf("read cursor of shard %d: %w", shard, err)
	}
	at, err := job.Decode[cursor](found.Value)
	if err != nil {
		return time.Time{}, 0, fmt.Errorf("read cursor of shard %d: %w", shard, err)
	}
	return at.Second, found.Revision, nil
}

// moveCursor moves a cursor forward. If another scheduler was faster, the tick
// is retried and finds fewer slots, or none.
func moveCursor(ctx context.Context, cursors *pipeline.Bucket, shard int, second time.Time, revision uint64) error {
	body, err := job.Encode(cursor{V: job.Version, Second: second})
	if err != nil {
		return err
	}
	if _, err := cursors.CompareAndSwap(ctx, strconv.Itoa(shard), body, revision); err != nil {
		return fmt.Errorf("move cursor of shard %d: %w", shard, err)
	}
	return nil
}
