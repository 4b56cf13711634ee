package pool

import (
	"context"
	"encoding/json"
	"strconv"

	"vedette/pipeline"
	"vedette/pipeline/job"
)

// attemptLog counts the failed attempts at jobs. The server's count of deliveries
// includes interruptions.
type attemptLog struct {
	bucket *pipeline.Bucket
	prefix string
}

type attemptRecord struct {
	V        int `json:"v"`
	Attempts int `json:"attempts"`
}

func (a *attemptLog) key(sequence uint64) string {
	return a.prefix + "." + strconv.FormatUint(sequence, 10)
}

// next returns the beginning attempt's number. If the count cannot be
// read, the job runs as a first attempt, and waits less after a failure.
func (a *attemptLog) next(ctx context.Context, sequence uint64) int {
	found, err := a.bucket.Get(ctx, a.key(sequence))
	if err != nil {
		return 1
	}
	var record attemptRecord
	if err := json.Unmarshal(found.Value, &record); err != nil {
		return 1
	}
	return record.Attempts + 1
}

// count records how many attempts a job had.
func (a *attemptLog) count(ctx context.Context, sequence uint64, attempts int) error {
	return pipeline.Put(ctx, a.bucket, a.key(sequence), attemptRecord{V: job.Version, Attempts: attempts})
}
