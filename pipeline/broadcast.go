package pipeline

import "sync"

// broadcast tells any number of listeners that something happened, without
// ever waiting for one of them.
type broadcast struct {
	mu        sync.Mutex
	listeners map[chan struct{}]struct{}
}

func newBroadcast() *broadcast {
	return &broadcast{listeners: map[chan struct{}]struct{}{}}
}

// listen returns a channel that holds a token once something happened, and a
// function that ends the listening.
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
		default: // it has not yet seen the token before
		}
	}
}
