package doctor

import (
	"fmt"
	"slices"
	"strings"
)

const (
	// nearlyFull is the part of a stream's limit from which on it is a finding, in
	// percent.
	nearlyFull = 80
	// lowDisk is how much of a disk should be free, in percent.
	lowDisk = 10
)

// streams finds streams that are nearly full, and copies that are not what they
// should be.
func streams(s Snapshot) []Finding {
	var found []Finding
	for _, stream := range s.Streams {
		if part := max(percent(stream.Messages, stream.MaxMessages), percent(stream.Bytes, stream.MaxBytes)); part >= nearlyFull {
			found = append(found, Finding{
				Kind: StreamFull, Subject: stream.Name,
				Found:  fmt.Sprintf("stream %s is full to %d %%: %d messages, %d MB", stream.Name, part, stream.Messages, stream.Bytes>>20),
				Why:    "when it is full whoever publishes there is refused, or waits",
				Advice: emptier(stream.Name),
			})
		}
		if away := slices.Concat(stream.Unreachable, stream.Behind); len(away) > 0 {
			found = append(found, Finding{
				Kind: CopyBehind, Subject: stream.Name,
				Found:  fmt.Sprintf("the copies of stream %s on %s are away or behind", stream.Name, strings.Join(away, ", ")),
				Why:    "while one is, no other node may go",
				Advice: "look for these nodes: '/readyz' of 'vedette server --http' tells when one is up to date; take no other node away before",
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

// emptier is what helps a stream that is nearly full.
func emptier(stream string) string {
	switch {
	case strings.HasSuffix(stream, "_DEAD"):
		return "'vedette dead drop --older-than 720h' makes room"
	case strings.HasSuffix(stream, "_MAIL"):
		return "raise workers.mails, or start another 'vedette worker --stages mail FILE'; 'vedette mail test FILE' tells whether the relays take mails"
	default:
		return "raise workers.requests or workers.calls, or start another 'vedette worker'; or order less"
	}
}

func disk(s Snapshot) []Finding {
	if s.Disk.Size == 0 || percent(s.Disk.Free, s.Disk.Size) >= lowDisk {
		return nil
	}
	return []Finding{{
		Kind: DiskFull, Subject: s.Disk.Path,
		Found:  fmt.Sprintf("of the disk of %s %d %% are free, %d MB", s.Disk.Path, percent(s.Disk.Free, s.Disk.Size), s.Disk.Free>>20),
		Why:    "when it is full nothing is stored, and so nothing is checked and nobody is told",
		Advice: "make room, or move the data directory: server.data in the file, or --data",
	}}
}
