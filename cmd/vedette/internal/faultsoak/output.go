package faultsoak

import (
	"bytes"
	"io"
	"sync"
)

// output keeps the end of what processes print.
type output struct {
	to io.Writer // gets everything too, if set

	mu   sync.Mutex
	last []byte
}

// keptOutput is about two hundred lines.
const keptOutput = 20 << 10

// Write keeps p, and passes it on.
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.last = append(o.last, p...)
	if over := len(o.last) - keptOutput; over > 0 {
		o.last = bytes.Clone(o.last[over:])
	}
	if o.to != nil {
		return o.to.Write(p)
	}
	return len(p), nil
}

// end returns the last lines.
func (o *output) end() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	if _, rest, ok := bytes.Cut(o.last, []byte("\n")); ok && len(o.last) == keptOutput {
		return string(rest)
	}
	return string(o.last)
}
