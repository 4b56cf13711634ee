package datadir

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"
)

// streamCheck checks one stream.
type streamCheck struct {
	*checker

	dir, name string // relative to the store, and its last part
	known     *Stream
	clean     bool
	blocks    []*block
	damaged   bool // messages
	workQueue bool
}

func (s *streamCheck) path(names ...string) string {
	return filepath.Join(append([]string{store(s.checker.dir), s.dir}, names...)...)
}

func (s *streamCheck) find(f Finding) {
	f.Stream = s.name
	s.report.add(f)
}

// lose reports damage to messages. A stream that was empty has lost none.
func (s *streamCheck) lose(file, damage, repair string, messages uint64) {
	s.damaged = true
	lost := !s.clean || s.known.Messages > 0
	if lost && s.clean {
		messages = min(cmp.Or(messages, s.known.Messages), s.known.Messages)
	}
	s.find(Finding{File: s.below(s.path(messagesDir, file)), Damage: damage, Repair: repair, Lost: lost, Messages: messages})
}

// checkStream checks a stream's definition, messages and consumers.
func (c *checker) checkStream(dir string) error {
	s := &streamCheck{checker: c, dir: dir, name: filepath.Base(dir), known: c.record.Streams[dir], clean: c.record.Clean}
	if s.known == nil {
		s.known, s.clean = &Stream{}, false
	}
	for _, path := range []string{s.path(), s.path(messagesDir), s.path(consumersDir)} {
		if err := s.ensureDirectory(path); err != nil {
			return err
		}
	}
	definition, err := c.checkMeta(dir, Finding{Stream: s.name})
	if err != nil {
		return err
	}
	s.workQueue = retention(definition) == "workqueue"
	for _, step := range []func() error{s.readBlocks, s.checkFiles, s.salvage, s.checkMissing, s.checkConsumers, s.keepSequence, s.dropIndexes} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// retention reads the retention policy in a definition.
func retention(definition json.RawMessage) string {
	var known struct {
		Retention string `json:"retention"`
	}
	_ = json.Unmarshal(definition, &known) // one without a copy is unknown
	return known.Retention
}

// ensureDirectory creates a directory that is missing, and moves a file in its
// place away.
func (s *streamCheck) ensureDirectory(path string) error {
	found, err := os.Stat(path)
	if err == nil && found.IsDir() {
		return nil
	}
	if err == nil {
		s.lose("", "found a file at "+s.below(path)+", expected a directory", "the file was moved to "+AsideDir, s.known.Messages)
		if err := s.setAside(path); err != nil {
			return err
		}
	} else if s.known.Messages > 0 && filepath.Base(path) != consumersDir {
		s.lose("", s.below(path)+" is missing", "", s.known.Messages)
	}
	return os.MkdirAll(path, ownerOnlyDirs)
}

// readBlocks reads all blocks, several at once.
func (s *streamCheck) readBlocks() error {
	names, err := blockNames(s.path(messagesDir))
	if err != nil {
		return err
	}
	blocks := make([]*block, len(names))
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i, name := range names {
		path := s.path(messagesDir, name)
		if found, err := os.Stat(path); err == nil && !found.Mode().IsRegular() {
			s.lose(name, "found no regular file, expected one", "it was moved to "+AsideDir, 0)
			if err := s.setAside(path); err != nil {
				return err
			}
			continue
		}
		group.Go(func() error {
			var err error
			blocks[i], err = readBlock(path, s.name)
			return err
		})
	}
	err = group.Wait()
	s.blocks = slices.DeleteFunc(blocks, func(b *block) bool { return b == nil })
	for _, b := range s.blocks {
		s.report.Bytes += b.size
	}
	slices.SortFunc(s.blocks, func(a, b *block) int { return cmp.Compare(a.index, b.index) })
	return err
}

// checkFiles compares the files with those after a clean stop. The server creates
// all except blocks again.
func (s *streamCheck) checkFiles() error {
	if !s.clean {
		return nil
	}
	for name, want := range s.known.Files {
		path := s.path(name)
		if filepath.Dir(name) != messagesDir || filepath.Ext(name) == blockSuffix {
			continue
		}
		got, err := describe(path)
		if err != nil && !isDamage(err) {
			return err
		}
		if err == nil && got == want {
			continue
		}
		s.find(Finding{File: s.below(path), Damage: "the file has changed or is missing", Repair: "it is built again from the messages"})
		if err := s.setAside(path); err != nil {
			return err
		}
	}
	return nil
}

// salvage replaces blocks with bad bytes by their valid records.
func (s *streamCheck) salvage() error {
	for i, b := range s.blocks {
		want, known := s.known.Files[filepath.Join(messagesDir, b.name)]
		last := i == len(s.blocks)-1
		switch {
		case s.clean && known && b.size < want.Size && b.bad == 0 && !b.unknown:
			s.lose(b.name, fmt.Sprintf("%d of %d bytes are missing", want.Size-b.size, want.Size), "", missingMessages(want.Size-b.size))
			continue
		case !s.clean && b.size == 0 && !last:
			s.lose(b.name, "the file is empty", "", 0)
			continue
		case b.bad == 0:
			continue
		case s.clean && known && b.badTail >= want.Size && b.bad == int(b.size-b.badTail):
			s.find(Finding{File: s.below(s.path(messagesDir, b.name)), Damage: fmt.Sprintf("%d bytes were appended", b.bad), Repair: "they were cut off"})
			s.damaged = true
		case s.clean && last && b.bad == int(b.size-b.badTail) && b.last >= s.known.Last:
			s.find(Finding{File: s.below(s.path(messagesDir, b.name)), Damage: fmt.Sprintf("it ends with %d bytes of an unfinished write", b.bad), Repair: "they were cut off"})
			s.damaged = true
		default:
			missing := int64(b.bad) + max(0, want.Size-b.size)
			s.lose(b.name, fmt.Sprintf("%d bytes are damaged or missing", missing), "what is whole was kept", missingMessages(missing))
		}
		if err := s.rewrite(b); err != nil {
			return err
		}
	}
	return nil
}

// smallest is the smallest message in practice, in bytes.
const smallest = 64

// missingMessages is how many messages some bytes hold at most.
func missingMessages(size int64) uint64 { return uint64(max(1, size/smallest)) }

// rewrite replaces a block by its valid records. Until then the block stays where
// it is, so that a crash in between loses nothing.
func (s *streamCheck) rewrite(b *block) error {
	path := s.path(messagesDir, b.name)
	content, err := os.ReadFile(path) //nolint:gosec // below the data directory
	if err != nil {
		return err
	}
	kept := b.salvaged(content)
	if len(kept) == 0 {
		return s.setAside(path)
	}
	if err := s.copyAside(path, content); err != nil {
		return err
	}
	return replace(path, kept)
}

// checkMissing finds blocks that are gone.
func (s *streamCheck) checkMissing() error {
	present := func(name string) bool {
		return slices.ContainsFunc(s.blocks, func(b *block) bool { return b.name == name })
	}
	for name := range s.known.Files {
		if filepath.Ext(name) == blockSuffix && !present(filepath.Base(name)) && !s.damagedWholly() {
			s.lose(filepath.Base(name), "the file is missing", "", missingMessages(s.known.Files[name].Size))
		}
	}
	for _, name := range s.known.Blocks {
		if !present(name) && !s.emptied(name) {
			s.lose(name, "the file is missing", "", 0)
		}
	}
	return nil
}

// damagedWholly reports whether the loss as a whole was reported.
func (s *streamCheck) damagedWholly() bool { return s.damaged && len(s.blocks) == 0 }

// emptied reports whether the server may have removed a block after its last
// message, since the record was written.
func (s *streamCheck) emptied(name string) bool {
	index, _ := blockIndex(name)
	at := slices.IndexFunc(s.blocks, func(b *block) bool { return b.index > index })
	if at < 0 {
		return false
	}
	if !s.workQueue {
		return at == 0 // old messages expire
	}
	for consumer := range s.known.Consumers {
		if p, err := readPosition(s.path(consumersDir, consumer, positionFile)); err == nil && p.AckFloor.Stream+1 >= s.blocks[at].first {
			return true
		}
	}
	return false
}

// last is the highest sequence on disk.
func (s *streamCheck) last() uint64 {
	last := uint64(0)
	for _, b := range s.blocks {
		last = max(last, b.last)
	}
	return last
}

// keepSequence makes the server continue after the last sequence that was used.
// Others have stored sequences, such as in the subjects for dead letters.
func (s *streamCheck) keepSequence() error {
	last := s.last()
	if slices.ContainsFunc(s.blocks, func(b *block) bool { return b.unknown }) {
		return nil
	}
	if s.known.Last <= last {
		return nil
	}
	if !s.damaged {
		s.lose("", fmt.Sprintf("messages from sequence %d to %d are missing", last+1, s.known.Last), "", s.known.Last-last)
	}
	index := 1
	for _, b := range s.blocks {
		index = max(index, b.index+1)
	}
	return replace(s.path(messagesDir, fmt.Sprint(index, blockSuffix)), tombstone(s.name, index, s.known.Last, s.at))
}

// dropIndexes removes what the server has to build again from the messages: everything
// after damage, and after an unclean stop the schedules and expiries, which
// have no checksum.
func (s *streamCheck) dropIndexes() error {
	if s.clean && !s.damaged {
		return nil
	}
	found, err := entries(s.path(messagesDir))
	if err != nil {
		return err
	}
	for _, entry := range found {
		name := entry.Name()
		if !strings.HasSuffix(name, ".db") || name == indexFile && !s.damaged {
			continue
		}
		if err := os.RemoveAll(s.path(messagesDir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
