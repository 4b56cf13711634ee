package datadir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// checkConsumers checks all consumers on disk or in the definitions.
func (s *streamCheck) checkConsumers() error {
	found, err := entries(s.path(consumersDir))
	if err != nil {
		return err
	}
	var names []string
	for _, entry := range found {
		names = append(names, entry.Name())
	}
	for known := range s.definitions {
		if dir := filepath.Dir(known); filepath.Dir(dir) == filepath.Join(s.dir, consumersDir) {
			names = append(names, filepath.Base(dir))
		}
	}
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		if err := s.checkConsumer(name); err != nil {
			return fmt.Errorf("consumer %s: %w", name, err)
		}
	}
	return nil
}

func (s *streamCheck) checkConsumer(name string) error {
	path := s.path(consumersDir, name)
	if found, err := os.Stat(path); err == nil && !found.IsDir() {
		if err := s.setAside(path); err != nil {
			return err
		}
	}
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) && s.gone(name) {
		return nil
	}
	if _, err := s.checkMeta(filepath.Join(s.dir, consumersDir, name), Finding{Stream: s.name, Consumer: name}); err != nil {
		return err
	}
	return s.checkPosition(name)
}

// gone reports whether a consumer that is only among the definitions was deleted
// since they were copied. After a clean stop they are complete.
func (s *streamCheck) gone(name string) bool {
	_, known := s.known.Consumers[name]
	return !s.clean && !known
}

// checkPosition checks where a consumer is. In a work queue it starts again from
// the first message if the position or the messages are damaged: the queue has
// only messages that are not done. Other streams keep messages that are done, so
// there it continues from the last known position.
func (s *streamCheck) checkPosition(name string) error {
	path := s.path(consumersDir, name, positionFile)
	known, recorded := s.known.Consumers[name]
	position, err := readPosition(path)
	if err != nil && !isDamage(err) {
		return err
	}
	damage := s.positionDamage(name, position, err)
	if damage == "" && s.damaged && s.workQueue && err == nil {
		return s.setAside(path)
	}
	if damage == "" {
		return nil
	}
	if err := s.setAside(path); err != nil {
		return err
	}
	repair := "it starts again from the first message"
	if recorded && !s.workQueue {
		repair = fmt.Sprintf("it continues after sequence %d", known.AckFloor.Stream)
		if err := replace(path, positionBytes(known)); err != nil {
			return err
		}
	}
	s.find(Finding{Consumer: name, File: s.below(path), Damage: damage, Repair: repair})
	return nil
}

// positionDamage returns what is wrong with a position, "" if nothing is.
func (s *streamCheck) positionDamage(name string, p Position, err error) string {
	known, recorded := s.known.Consumers[name]
	file, described := s.known.Files[filepath.Join(consumersDir, name, positionFile)]
	switch {
	case errors.Is(err, fs.ErrNotExist) && (!recorded || known == Position{}):
		return "" // nothing was delivered yet
	case errors.Is(err, fs.ErrNotExist):
		return "its position is missing"
	case err != nil:
		return "its position is damaged"
	case s.clean && described:
		if got, err := describe(s.path(consumersDir, name, positionFile)); err != nil || got != file {
			return "its position has changed"
		}
	case p.Delivered.Stream > max(s.last(), s.known.Last):
		return fmt.Sprintf("its position %d is after the last message, %d", p.Delivered.Stream, max(s.last(), s.known.Last))
	case recorded && p.AckFloor.Stream < known.AckFloor.Stream:
		return fmt.Sprintf("its position went back from %d to %d", known.AckFloor.Stream, p.AckFloor.Stream)
	}
	return ""
}
