package soak

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

// Bounds of waiting for what ought to come.
const (
	clusterPatience = time.Minute
	readyLook       = 100 * time.Millisecond
)

// allReady waits until every node says that it is ready.
func (s *clusterStage) allReady(ctx context.Context) error {
	limited, cancel := context.WithTimeout(ctx, clusterPatience)
	defer cancel()
	for _, n := range s.nodes {
		if err := n.awaitReady(limited); err != nil {
			return fmt.Errorf("wait for %s to be ready: %w", n.name, err)
		}
	}
	return nil
}

// awaitReady believes nobody who answers in the place of a node that has ended.
func (n *soakNode) awaitReady(ctx context.Context) error {
	look := time.NewTicker(readyLook)
	defer look.Stop()
	for ready := false; !ready; {
		select {
		case <-n.process.ended:
			return fmt.Errorf("it ended: %w", n.process.err)
		case <-ctx.Done():
			return ctx.Err()
		case <-look.C:
			ready = isReady(ctx, n.http)
		}
	}
	return nil
}

func isReady(ctx context.Context, address string) bool {
	limited, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(limited, http.MethodGet, "http://"+address+"/readyz", http.NoBody)
	if err != nil {
		return false
	}
	request.Close = true
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return false
	}
	_ = response.Body.Close()
	return response.StatusCode == http.StatusOK
}
