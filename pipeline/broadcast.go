package pipeline

import "sync"

// broadcast signals an event to any number of listeners without blocking.
type broadcast struct {
	mu        sync.Mutex
	listeners map[chan struct{}]struct{}
}

func newBroadcast() *broadcast {
	return &broadcast{listeners: map[chan struct{}]struct{}{}}
}

// listen returns a channel that holds a token once the event happened, and a
// function that removes the listener.
func (b *broadcast) listen() (<-chan struct{}, func()) {
	listener := make(chan struct{}, 1)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.listeners[listener] = struct{}{}
	return listener, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.listeners, listener)
	}
}

func (b *broadcast) notify() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for listener := range b.listeners {
		select {
		case listener <- struct{}{}:
		default: // the previous token is still there
		}
	}
}
