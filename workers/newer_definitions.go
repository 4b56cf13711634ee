package workers

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"vedette/pipeline/job"
)

// newerDefinitions are the recipients, settings and silences that were written by
// a newer version. While there are any, this process takes no notification jobs,
// since it would send too many mails or too few; newer processes take them.
type newerDefinitions struct {
	*shared

	count atomic.Int64
	mu    sync.Mutex
	keys  map[string]bool
}

// empty reports whether this process can read all definitions.
func (d *newerDefinitions) empty() bool { return d.count.Load() == 0 }

// set records whether a key holds a newer version, and notifies the operators
// about the first one.
func (d *newerDefinitions) set(ctx context.Context, key string, newer bool) {
	d.mu.Lock()
	if d.keys == nil {
		d.keys = map[string]bool{}
	}
	if newer {
		d.keys[key] = true
	} else {
		delete(d.keys, key)
	}
	first := newer && d.count.Load() == 0
	d.count.Store(int64(len(d.keys)))
	d.mu.Unlock()
	if !first {
		return
	}
	d.notify(ctx, job.Notice{
		Kind: job.NoticeNewer, ID: job.DeriveID("newer_definitions", d.p.Process(), time.Now().UTC().Truncate(time.Hour).Format(time.RFC3339)),
		Summary: fmt.Sprintf("process %s leaves notifications to newer processes: %s was written by a newer version", d.p.Process(), key),
	})
}
