package datadir

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

const (
	recordFile      = "streams"
	definitionsFile = "definitions"
	ownerOnly       = 0o600
	ownerOnlyDirs   = 0o700
)

// Record describes the streams in a data directory at one time: now and then
// while the server runs, and exactly after it has stopped.
type Record struct {
	At time.Time `json:"at"`
	// Clean is set when the server has stopped since.
	Clean bool `json:"clean"`
	// Streams has an entry for each directory, relative to the store.
	Streams map[string]*Stream `json:"streams"`
}

// Stream describes a stream.
type Stream struct {
	// Messages counts those in it, First and Last are sequences.
	Messages uint64 `json:"messages"`
	First    uint64 `json:"first"`
	Last     uint64 `json:"last"`
	// Blocks are the names for the files with messages, while the server runs.
	Blocks []string `json:"blocks,omitempty"`
	// Files are relative to the stream's directory; only after a clean stop.
	Files map[string]File `json:"files,omitempty"`
	// Consumers are the consumers' positions.
	Consumers map[string]Position `json:"consumers,omitempty"`
}

// File is a file after a clean stop. Blocks have their own checksums inside, so
// they have only a size here.
type File struct {
	Size int64  `json:"size"`
	Hash string `json:"hash,omitempty"`
}

// definitions has the metadata for all streams and consumers, by the file that it
// is in, relative to the store.
type definitions map[string]json.RawMessage

var errDamaged = errors.New("its checksum is wrong")

// read reads a file whose first line is a checksum for the rest. The error is
// [errDamaged] if it is not.
func read(path string, into any) error {
	content, err := os.ReadFile(path) //nolint:gosec // below the data directory
	if err != nil {
		if found, statErr := os.Stat(path); statErr == nil && found.IsDir() {
			return fmt.Errorf("read %s: found a directory: %w", filepath.Base(path), errors.Join(errDamaged, os.RemoveAll(path)))
		}
		return err
	}
	sum, body, _ := bytes.Cut(content, []byte("\n"))
	if string(sum) != digest(body) {
		return fmt.Errorf("read %s: %w", filepath.Base(path), errDamaged)
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("read %s: %w: %w", filepath.Base(path), errDamaged, err)
	}
	return nil
}

// write replaces such a file.
func write(path string, value any) error {
	body, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return put(path, append([]byte(digest(body)+"\n"), body...), false)
}

// replace replaces a file for the server, and creates its directory.
func replace(path string, content []byte) error { return put(path, content, true) }

// put replaces a file. Only with sync it survives a power cut that follows: a
// record has a checksum, and is written often.
func put(path string, content []byte, sync bool) error {
	if err := os.MkdirAll(filepath.Dir(path), ownerOnlyDirs); err != nil {
		return err
	}
	file, err := os.OpenFile(path+".tmp", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, ownerOnly) //nolint:gosec // below the data directory
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	if err == nil && sync {
		err = file.Sync()
	}
	if err := errors.Join(err, file.Close()); err != nil {
		return err
	}
	return os.Rename(path+".tmp", path)
}

func digest(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}

// Save records what a running server has. It keeps the definitions too, if they
// have changed since known, and returns their version.
func Save(dir string, states []State, known string, now time.Time) (version string, err error) {
	if _, err := os.Stat(store(dir)); err != nil {
		return known, err // it was removed, and must not come back
	}
	record := Record{At: now, Streams: map[string]*Stream{}}
	for i := range states {
		s := &states[i]
		stream := filepath.Join(s.Account, streamsDir, s.Name)
		blocks, err := blockNames(filepath.Join(store(dir), stream, messagesDir))
		if err != nil {
			return known, err
		}
		record.Streams[stream] = &Stream{Messages: s.Messages, First: s.First, Last: s.Last, Consumers: s.Consumers, Blocks: blocks}
	}
	version, err = saveDefinitions(dir, known)
	return version, errors.Join(err, write(filepath.Join(dir, recoveryDir, recordFile), record))
}

// SaveStopped records a server that has stopped cleanly, from its files. With an
// error from a full disk it still returns the record, for [Check] in the same
// process.
func SaveStopped(dir string, now time.Time) (*Record, error) {
	record := &Record{At: now, Clean: true, Streams: map[string]*Stream{}}
	if _, err := os.Stat(store(dir)); errors.Is(err, fs.ErrNotExist) {
		return record, nil // it was removed, and must not come back
	}
	streams, err := onDisk(store(dir))
	if err != nil {
		return nil, err
	}
	for _, stream := range streams {
		if record.Streams[stream], err = stopped(filepath.Join(store(dir), stream)); err != nil {
			return nil, fmt.Errorf("record stream %s: %w", filepath.Base(stream), err)
		}
	}
	if _, err := saveDefinitions(dir, ""); err != nil {
		return record, fmt.Errorf("record definitions: %w", err)
	}
	return record, write(filepath.Join(dir, recoveryDir, recordFile), record)
}

// stopped describes a stream's files.
func stopped(dir string) (*Stream, error) {
	s := &Stream{Files: map[string]File{}, Consumers: map[string]Position{}}
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		if s.Files[name], err = describe(path); err != nil {
			return err
		}
		if filepath.Base(name) == positionFile {
			if position, err := readPosition(path); err == nil {
				s.Consumers[filepath.Base(filepath.Dir(name))] = position
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	s.Messages, s.First, s.Last = readIndex(filepath.Join(dir, messagesDir, indexFile))
	return s, nil
}

func describe(path string) (File, error) {
	if filepath.Ext(path) == blockSuffix {
		found, err := os.Stat(path)
		if err != nil {
			return File{}, err
		}
		return File{Size: found.Size()}, nil
	}
	content, err := os.ReadFile(path) //nolint:gosec // below the data directory
	return File{Size: int64(len(content)), Hash: digest(content)}, err
}

// saveDefinitions copies the metadata for all streams and consumers, if they have
// changed since known, and returns their version.
func saveDefinitions(dir, known string) (string, error) {
	found := definitions{}
	streams, err := onDisk(store(dir))
	if err != nil {
		return known, err
	}
	for _, stream := range streams {
		found.add(store(dir), stream)
		consumers, err := entries(filepath.Join(store(dir), stream, consumersDir))
		if err != nil {
			return known, err
		}
		for _, consumer := range consumers {
			found.add(store(dir), filepath.Join(stream, consumersDir, consumer.Name()))
		}
	}
	body, err := json.Marshal(found)
	if err != nil || digest(body) == known {
		return known, err
	}
	return digest(body), write(filepath.Join(dir, recoveryDir, definitionsFile), found)
}

// add adds the metadata for a stream or consumer, if they are whole.
func (d definitions) add(store, dir string) {
	if content, err := readMeta(filepath.Join(store, dir), hashKey(dir)); err == nil {
		d[filepath.Join(dir, metaFile)] = content
	}
}
