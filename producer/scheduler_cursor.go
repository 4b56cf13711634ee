package producer

import (
	"context"
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
	at, revision, err := pipeline.Read(ctx, cursors, strconv.Itoa(shard), job.Decode[cursor])
	if err != nil {
		return time.Time{}, 0, fmt.Errorf("read cursor of shard %d: %w", shard, err)
	}
	return at.Second, revision, nil
}

// moveCursor moves a cursor forward. If another scheduler was faster, the tick
// is retried and finds fewer slots, or none.
func moveCursor(ctx context.Context, cursors *pipeline.Bucket, shard int, second time.Time, revision uint64) error {
	if _, err := pipeline.Swap(ctx, cursors, strconv.Itoa(shard), cursor{V: job.Version, Second: second}, revision); err != nil {
		return fmt.Errorf("move cursor of shard %d: %w", shard, err)
	}
	return nil
}
