package workers

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"vedette/pipeline/job"
)

// newerDefinitions are the recipients, settings and silences of a newer version. While
// there are any, this process tells nobody anything: it would tell too many, or
// too few. A newer one does, and what happens waits for it.
type newerDefinitions struct {
	*shared

	count atomic.Int64
	mu    sync.Mutex
	keys  map[string]bool
}

// empty tells whether everything can be read.
func (u *newerDefinitions) empty() bool { return u.count.Load() == 0 }

// set notes whether what stands under a key is of a newer version, and tells the
// operators of the first such.
func (u *newerDefinitions) set(ctx context.Context, key string, is bool) {
	u.mu.Lock()
	if u.keys == nil {
		u.keys = map[string]bool{}
	}
	if is {
		u.keys[key] = true
	} else {
		delete(u.keys, key)
	}
	first := is && u.count.Load() == 0
	u.count.Store(int64(len(u.keys)))
	u.mu.Unlock()
	if !first {
		return
	}
	notice := job.Notice{
		Kind: job.NoticeNewer, ID: job.DeriveID("unread", u.p.Process(), time.Now().UTC().Truncate(time.Hour).Format(time.RFC3339)),
		Summary: fmt.Sprintf("process %s leaves telling people to newer processes: %s is of a newer version", u.p.Process(), key),
	}
	if err := u.p.Notify(ctx, notice); err != nil {
		u.log.WarnContext(ctx, "tell operators of a newer version", "error", err)
	}
}
