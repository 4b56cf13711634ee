package notify

import (
	"context"
	"hash/maphash"
	"slices"
	"strings"
	"sync"
	"time"

	"vedette/pipeline/job"
)

// Index finds the notification logs that matter now: by group, by monitor, by the
// mails that they mention, and those that wait for a parent. It holds no logs, but
// about 300 bytes for each that has an incident; logs without one are not in it.
// Its owner keeps it up to date with [Index.Observe]. It is safe for concurrent
// use.
type Index struct {
	mu       sync.Mutex
	revision uint64
	advanced chan struct{} // closed at the next advance
	seed     maphash.Seed
	logs     map[pair]*indexed
	groups   map[string]pairs
	monitors map[string]pairs
	mails    map[uint64]pairs
	behind   map[string]pairs // by address
}

type pairs map[*indexed]struct{}

// indexed is what the index knows about a log.
type indexed struct {
	pair     pair
	revision uint64
	group    string // key
	mails    []uint64
	flags    logFlags
}

type logFlags struct {
	outstanding bool // a notification is to be sent or suppressed
	behind      bool // an incident may be listed under a parent
	former      bool
}

// NewIndex returns an empty index.
func NewIndex() *Index {
	return &Index{
		advanced: make(chan struct{}), seed: maphash.MakeSeed(), logs: map[pair]*indexed{}, groups: map[string]pairs{}, monitors: map[string]pairs{},
		mails: map[uint64]pairs{}, behind: map[string]pairs{},
	}
}

// Observe takes a key that any process wrote. The error reports a log that cannot
// be read, which is left out.
func (x *Index) Observe(e Entry) error {
	defer x.advance(e.Revision)
	p, isLog := cutPair(e.Key)
	if !isLog {
		return nil // a group
	}
	log := job.NotificationLog{}
	if len(e.Value) > 0 {
		var err error
		if log, err = decodeLog(e); err != nil {
			return err
		}
	}
	x.note(p, &log, e.Revision)
	return nil
}

// advance records that everything up to a revision was observed.
func (x *Index) advance(revision uint64) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if revision > x.revision {
		x.revision = revision
		close(x.advanced)
		x.advanced = make(chan struct{})
	}
}

// indexPatience limits the wait for the index: what it misses then is found at the
// next look.
const indexPatience = 2 * time.Second

// await waits until everything up to a revision was observed, so that the logs
// written before a group are found with it.
func (x *Index) await(ctx context.Context, revision uint64) {
	ctx, cancel := context.WithTimeout(ctx, indexPatience)
	defer cancel()
	for {
		x.mu.Lock()
		reached, advanced := x.revision >= revision, x.advanced
		x.mu.Unlock()
		if reached {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-advanced:
		}
	}
}

// note takes a log.
func (x *Index) note(p pair, log *job.NotificationLog, revision uint64) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if known := x.logs[p]; known != nil {
		if known.revision > revision {
			return
		}
		x.remove(known)
	}
	if len(log.Incidents) == 0 {
		return
	}
	own := &indexed{pair: p, revision: revision, group: p.address + "." + log.Group, flags: flagsOf(log)}
	own.flags.behind = own.flags.behind && !p.operators
	for _, mail := range mailsOf(log) {
		if hash := maphash.String(x.seed, mail); !slices.Contains(own.mails, hash) {
			own.mails = append(own.mails, hash)
		}
	}
	x.add(own)
}

func flagsOf(log *job.NotificationLog) logFlags {
	return logFlags{
		outstanding: hasOutstanding(log), former: log.Former,
		behind: slices.ContainsFunc(log.Incidents, func(i job.Notified) bool {
			return i.NotifiedBy == "" && i.Resolution == nil && len(i.Incident.DependsOn) > 0
		}),
	}
}

func (x *Index) add(own *indexed) {
	x.logs[own.pair] = own
	put(x.groups, own.group, own)
	put(x.monitors, own.pair.monitor, own)
	for _, mail := range own.mails {
		put(x.mails, mail, own)
	}
	if own.flags.behind {
		put(x.behind, own.pair.address, own)
	}
}

func (x *Index) remove(own *indexed) {
	delete(x.logs, own.pair)
	drop(x.groups, own.group, own)
	drop(x.monitors, own.pair.monitor, own)
	for _, mail := range own.mails {
		drop(x.mails, mail, own)
	}
	drop(x.behind, own.pair.address, own)
}

func put[K comparable](all map[K]pairs, key K, own *indexed) {
	if all[key] == nil {
		all[key] = pairs{}
	}
	all[key][own] = struct{}{}
}

func drop[K comparable](all map[K]pairs, key K, own *indexed) {
	delete(all[key], own)
	if len(all[key]) == 0 {
		delete(all, key)
	}
}

// sorted returns pairs in a fixed order.
func (all pairs) sorted() []pair {
	list := make([]pair, 0, len(all))
	for own := range all {
		list = append(list, own.pair)
	}
	slices.SortFunc(list, comparePairs)
	return list
}

func comparePairs(a, b pair) int { return strings.Compare(a.key(), b.key()) }

// inGroup returns the pairs in a group.
func (x *Index) inGroup(group string) []pair {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.groups[group].sorted()
}

// about returns the pairs about a monitor.
func (x *Index) about(monitor string) []pair {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.monitors[monitor].sorted()
}

// mentioning returns the pairs that a mail reported about.
func (x *Index) mentioning(mail string) []pair {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.mails[maphash.String(x.seed, mail)].sorted()
}

// behindOf returns an address's pairs outside a group that may be listed under a
// parent.
func (x *Index) behindOf(group string) []pair {
	address, _, _ := strings.Cut(group, ".")
	x.mu.Lock()
	defer x.mu.Unlock()
	others := pairs{}
	for own := range x.behind[address] {
		if own.group != group {
			others[own] = struct{}{}
		}
	}
	return others.sorted()
}

// groupStatus says what the logs in a group hold.
type groupStatus struct{ outstanding, open bool }

// allGroups returns the groups that have logs with incidents.
func (x *Index) allGroups() map[string]groupStatus {
	x.mu.Lock()
	defer x.mu.Unlock()
	all := make(map[string]groupStatus, len(x.groups))
	for key, own := range x.groups {
		var status groupStatus
		for log := range own {
			status.outstanding = status.outstanding || log.flags.outstanding
			status.open = status.open || !log.flags.former
		}
		all[key] = status
	}
	return all
}

// allMonitors returns the monitors with logs that have incidents; only those of
// former recipients on request.
func (x *Index) allMonitors(former bool) []string {
	x.mu.Lock()
	defer x.mu.Unlock()
	var names []string
	for name, own := range x.monitors {
		for log := range own {
			if !former || log.flags.former {
				names = append(names, name)
				break
			}
		}
	}
	slices.Sort(names)
	return names
}
