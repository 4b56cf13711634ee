package pool

import (
	"context"
	"encoding/json"
	"strconv"

	"vedette/pipeline"
	"vedette/pipeline/job"
)

// attemptLog counts the attempts at jobs that failed. The broker's own count
// of deliveries would count interruptions too.
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

// next returns the number of the attempt that begins. When the count cannot be
// read the job runs all the same, as a first attempt: it waits less than it
// should have.
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

// count records that attempts have been made at a job.
func (a *attemptLog) count(ctx context.Context, sequence uint64, attempts int) error {
	return pipeline.Store(ctx, a.bucket, a.key(sequence), attemptRecord{V: job.Version, Attempts: attempts})
}
