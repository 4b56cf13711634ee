package doctor

import (
	"fmt"
	"slices"
	"strings"
)

const (
	// nearlyFull is the percentage of a stream limit that is a finding.
	nearlyFull = 80
	// lowDisk is the percentage of a disk that should be free.
	lowDisk = 10
)

// streams finds streams that are nearly full, and replicas that are offline or
// behind.
func streams(s Snapshot) []Finding {
	var found []Finding
	for _, stream := range s.Streams {
		if used := max(percent(stream.Messages, stream.MaxMessages), percent(stream.Bytes, stream.MaxBytes)); used >= nearlyFull {
			found = append(found, Finding{
				Kind: StreamFull, Subject: stream.Name,
				Found:  fmt.Sprintf("stream %s is %d %% full: %d messages, %d MB", stream.Name, used, stream.Messages, stream.Bytes>>20),
				Why:    "publishers to a full stream are refused, or wait",
				Advice: streamAdvice(stream.Name),
			})
		}
		if affected := slices.Concat(stream.Unreachable, stream.Behind); len(affected) > 0 {
			found = append(found, Finding{
				Kind: ReplicaBehind, Subject: stream.Name,
				Found:  fmt.Sprintf("replicas of stream %s are offline or behind on %s", stream.Name, strings.Join(affected, ", ")),
				Why:    "until they are up to date, no other node may stop",
				Advice: "check these nodes: '/readyz' at 'vedette server --http' shows when a node is up to date; stop no other node before",
			})
		}
	}
	return found
}

func percent(n, limit uint64) uint64 {
	if limit == 0 {
		return 0
	}
	return 100 * n / limit
}

// streamAdvice recommends how to empty a stream.
func streamAdvice(stream string) string {
	switch {
	case strings.HasSuffix(stream, "_DEAD"):
		return "'vedette dead drop --older-than 720h' frees space"
	case strings.HasSuffix(stream, "_MAIL"):
		return "raise workers.mails, or start another 'vedette worker --stages mail FILE'; 'vedette mail test FILE' shows whether the relays accept mails"
	default:
		return "raise workers.adhoc or workers.calls, start another 'vedette worker', or enqueue fewer jobs"
	}
}

func diskSpace(s Snapshot) []Finding {
	if s.Disk.Size == 0 || percent(s.Disk.Free, s.Disk.Size) >= lowDisk {
		return nil
	}
	return []Finding{{
		Kind: DiskFull, Subject: s.Disk.Path,
		Found:  fmt.Sprintf("%d %% are free on the disk with %s: %d MB", percent(s.Disk.Free, s.Disk.Size), s.Disk.Path, s.Disk.Free>>20),
		Why:    "on a full disk nothing is stored, so checks and notifications stop",
		Advice: "free space, or move the data directory: server.data in the file, or --data",
	}}
}
