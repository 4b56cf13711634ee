package producer

import (
	"slices"
	"sync"
	"time"

	"vedette/pipeline/compact"
	"vedette/pipeline/job"
)

// monitorTable holds a scheduler's monitors by shard, as ticks ask for them. It
// is made for a million monitors: one takes about 80 bytes without pointers,
// which the garbage collector skips, and a tick visits only monitors that are
// due. Full definitions in maps took a kilobyte each, and visiting all of them
// at each tick took a fifth of the time that checks cost.
type monitorTable struct {
	mu       sync.RWMutex
	shards   []shard
	index    map[profile]uint32 // positions in profiles
	profiles []profile
	users    []int // how many monitors have each profile
}

// shard is one part of the monitors. The text of an entry is the part of its
// template that is not shared, usually the target.
type shard struct {
	entries    compact.Map[entry]
	templates  compact.Templates
	wheels     map[time.Duration]wheel
	crons      map[compact.ID]*profile // the few without an interval
	byLocation map[string][]string     // entries by monitor, if it has several locations
}

// wheel is a timing wheel: the monitors with one interval by the second in
// which they are due.
type wheel map[int64][]compact.ID

// entry is one monitor at one location.
type entry struct {
	// since is the second in which the definition was written, until 2106.
	// Earlier slots do not exist.
	since          uint32
	profile        uint32 // position in the table's profiles, if there is an interval
	template       uint32 // position in the shard's templates
	slot, notAfter uint16 // offsets in the template
}

func newMonitorTable(shards int) *monitorTable {
	t := &monitorTable{shards: make([]shard, shards), index: map[profile]uint32{}}
	for i := range t.shards {
		t.shards[i].wheels, t.shards[i].crons = map[time.Duration]wheel{}, map[compact.ID]*profile{}
		t.shards[i].byLocation = map[string][]string{}
	}
	return t
}

// set replaces a monitor's definitions.
func (t *monitorTable) set(name string, all []definition) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.shardOf(name)
	if _, was := s.byLocation[name]; was || len(all) > 1 {
		t.removeEntries(s, name)
		for i := range all {
			s.byLocation[name] = append(s.byLocation[name], all[i].name)
		}
	}
	for i := range all {
		t.addEntry(s, &all[i])
	}
}

func (t *monitorTable) addEntry(s *shard, d *definition) {
	t.unschedule(s, d.name)
	rest, template := s.templates.Split(d.template.Body, monitorOf(d.name), d.target)
	id := s.entries.Put(d.name, rest)
	e := entry{since: uint32(max(0, d.since.Unix())), template: template, slot: d.template.SlotOffset, notAfter: d.template.NotAfterOffset} //nolint:gosec // see there
	if d.profile.interval == 0 {
		s.crons[id] = &d.profile
	} else {
		e.profile = t.profileIndex(d.profile)
		t.users[e.profile]++
		s.addToWheel(id, d.profile.interval, d.profile.phase(monitorOf(d.name)))
	}
	*s.entries.Value(id) = e
}

func (s *shard) addToWheel(id compact.ID, interval time.Duration, phase int64) {
	if s.wheels[interval] == nil {
		s.wheels[interval] = wheel{}
	}
	s.wheels[interval][phase] = append(s.wheels[interval][phase], id)
}

// profileIndex returns the position of a profile, which it adds if it is new.
func (t *monitorTable) profileIndex(own profile) uint32 {
	at, ok := t.index[own]
	if !ok {
		at = uint32(len(t.profiles)) //nolint:gosec // a few
		t.profiles, t.users, t.index[own] = append(t.profiles, own), append(t.users, 0), at
	}
	return at
}

func (t *monitorTable) shardOf(name string) *shard { return &t.shards[job.Shard(name, len(t.shards))] }

func (t *monitorTable) remove(name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.removeEntries(t.shardOf(name), name)
}

// removeEntries removes a monitor's entries.
func (t *monitorTable) removeEntries(s *shard, name string) {
	for _, own := range append(s.byLocation[name], name) {
		t.unschedule(s, own)
		s.entries.Delete(own)
	}
	delete(s.byLocation, name)
}

// monitorOf returns an entry's monitor. All its locations have the same slots.
func monitorOf(name string) string {
	monitor, _ := job.CutLocationName(name)
	return monitor
}

// unschedule removes an entry from its schedule.
func (t *monitorTable) unschedule(s *shard, name string) {
	id, known := s.entries.Find(name)
	if !known {
		return
	}
	if s.crons[id] != nil {
		delete(s.crons, id)
		return
	}
	terms := &t.profiles[s.entries.Value(id).profile]
	t.users[s.entries.Value(id).profile]--
	at, phase := s.wheels[terms.interval], terms.phase(monitorOf(name))
	at[phase] = slices.DeleteFunc(at[phase], func(other compact.ID) bool { return other == id })
}

// demand returns the slots per second at each location, without cron schedules.
func (t *monitorTable) demand() map[string]float64 {
	t.mu.RLock()
	defer t.mu.RUnlock()
	due := map[string]float64{}
	for i := range t.profiles {
		if own := &t.profiles[i]; !own.paused && own.interval > 0 {
			due[own.location] += float64(t.users[i]) / own.interval.Seconds()
		}
	}
	return due
}
