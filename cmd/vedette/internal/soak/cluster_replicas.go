package soak

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"vedette/pipeline/topology"
)

// replica is what a node says that it holds of a stream.
type replica struct {
	Messages uint64 `json:"messages"`
	First    uint64 `json:"first_seq"`
	Last     uint64 `json:"last_seq"`
}

// differing are the queues of which nodes hold different things, with what each
// holds. At the end, when nothing is on its way, there should be none: a node that
// lacks what the others have would lose it by becoming the leader.
func (s *clusterSoak) differing(ctx context.Context) ([]string, error) {
	held := map[string][]string{}
	for _, n := range s.stage.nodes {
		streams, err := n.streams(ctx)
		if err != nil {
			return nil, fmt.Errorf("read streams of %s: %w", n.name, err)
		}
		for _, queue := range []topology.Stream{topology.Adhoc, topology.Mail, topology.Dead} {
			name := topology.Names{Prefix: "vedette"}.Stream(queue)
			r, found := streams[name]
			if !found {
				return nil, fmt.Errorf("read streams of %s: found no %s", n.name, name)
			}
			held[name] = append(held[name], fmt.Sprintf("%d messages, %d to %d", r.Messages, r.First, r.Last))
		}
	}
	var differing []string
	for name, each := range held {
		if slices.ContainsFunc(each, func(other string) bool { return other != each[0] }) {
			differing = append(differing, name+": "+strings.Join(each, "; "))
		}
	}
	return differing, nil
}

// streams asks a node what it holds.
func (n *soakNode) streams(ctx context.Context) (map[string]replica, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+n.http+"/jsz", http.NoBody)
	if err != nil {
		return nil, err
	}
	request.Close = true
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	var found struct {
		Accounts []struct {
			Streams []struct {
				Name  string  `json:"name"`
				State replica `json:"state"`
			} `json:"stream_detail"`
		} `json:"account_details"`
	}
	if err := json.NewDecoder(response.Body).Decode(&found); err != nil {
		return nil, err
	}
	streams := map[string]replica{}
	for _, account := range found.Accounts {
		for _, stream := range account.Streams {
			streams[stream.Name] = stream.State
		}
	}
	return streams, nil
}
