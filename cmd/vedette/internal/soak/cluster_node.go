package soak

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"vedette/cmd/vedette/internal/harness"
)

// patience bounds the wait for an expected event.
const patience = time.Minute

// node is a server in the cluster.
type node struct {
	name, key, listen, routes, http string // key is the name in the certificate and its file
	process                         *harness.Process
}

// awaitReady waits until all nodes are ready.
func (p *clusterProcesses) awaitReady(ctx context.Context) error {
	limited, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for _, n := range p.nodes {
		if err := n.awaitReady(limited); err != nil {
			return fmt.Errorf("await %s: %w", n.name, err)
		}
	}
	return nil
}

// awaitReady fails when the process has ended: then another process may answer at
// its address.
func (n *node) awaitReady(ctx context.Context) (err error) {
	polled := harness.Poll(ctx, func() bool {
		select {
		case <-n.process.Ended:
			err = fmt.Errorf("process ended: %w", n.process.Err)
			return true
		default:
			return n.isReady(ctx)
		}
	})
	if err != nil {
		return err
	}
	return polled
}

func (n *node) isReady(ctx context.Context) bool {
	limited, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	return n.get(limited, "/readyz", func(io.Reader) error { return nil }) == nil
}

// get reads a page from the node's web server.
func (n *node) get(ctx context.Context, path string, read func(io.Reader) error) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+n.http+path, http.NoBody)
	if err != nil {
		return err
	}
	request.Close = true
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("get %s: found status %s", path, response.Status)
	}
	return read(response.Body)
}

// stream is a replica's state.
type stream struct {
	Messages uint64 `json:"messages"`
	First    uint64 `json:"first_seq"`
	Last     uint64 `json:"last_seq"`
}

// streams returns the state for each replica.
func (n *node) streams(ctx context.Context) (map[string]stream, error) {
	var page struct {
		Accounts []struct {
			Streams []struct {
				Name  string `json:"name"`
				State stream `json:"state"`
			} `json:"stream_detail"`
		} `json:"account_details"`
	}
	if err := n.get(ctx, "/jsz", func(body io.Reader) error { return json.NewDecoder(body).Decode(&page) }); err != nil {
		return nil, err
	}
	streams := map[string]stream{}
	for _, account := range page.Accounts {
		for _, s := range account.Streams {
			streams[s.Name] = s.State
		}
	}
	return streams, nil
}
