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

	"github.com/minio/highwayhash"
)

// The files and directories in a stream's directory. A stream and each consumer have a
// definition with a checksum.
const (
	metaFile     = "meta.inf"
	metaSum      = "meta.sum"
	messagesDir  = "msgs"
	consumersDir = "obs"
	indexFile    = "index.db"
	positionFile = "o.dat"
	blockSuffix  = ".blk"
)

// hashKey returns the key for a definition's checksum, from its directory:
// the stream, or stream/consumer.
func hashKey(dir string) string {
	name, parent := filepath.Base(dir), filepath.Dir(dir)
	if filepath.Base(parent) == consumersDir {
		return filepath.Base(filepath.Dir(parent)) + "/" + name
	}
	return name
}

// checksum returns the server's hash for a key.
func checksum(key string, parts ...[]byte) []byte {
	seed := sha256.Sum256([]byte(key))
	h, err := highwayhash.NewDigest64(seed[:])
	if err != nil {
		return nil // only for a seed with another size
	}
	for _, part := range parts {
		_, _ = h.Write(part) // never fails
	}
	return h.Sum(nil)
}

// readMeta reads a definition and verifies its checksum.
func readMeta(dir, key string) (json.RawMessage, error) {
	content, err := os.ReadFile(filepath.Join(dir, metaFile)) //nolint:gosec // below the data directory
	if err != nil {
		return nil, missing(metaFile, err)
	}
	sum, err := os.ReadFile(filepath.Join(dir, metaSum)) //nolint:gosec // below the data directory
	if err != nil {
		return nil, missing(metaSum, err)
	}
	if !bytes.Equal(sum, []byte(hex.EncodeToString(checksum(key, content)))) || !json.Valid(content) {
		return nil, fmt.Errorf("definition in %s: %w", metaFile, errDamaged)
	}
	return content, nil
}

// missing shortens the error for a missing file.
func missing(name string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s is missing: %w", name, fs.ErrNotExist)
	}
	return err
}

// writeMeta writes a definition with its checksum.
func writeMeta(dir, key string, content json.RawMessage) error {
	err := replace(filepath.Join(dir, metaFile), content)
	return errors.Join(err, replace(filepath.Join(dir, metaSum), []byte(hex.EncodeToString(checksum(key, content)))))
}

// checkMeta verifies a definition, and restores it from the copy if it is
// damaged. Without a copy it removes the definition, so that the next process
// that configures the stream or consumer creates it over the present messages.
// what names it in the report.
func (c *checker) checkMeta(dir string, what Finding) (json.RawMessage, error) {
	path := filepath.Join(store(c.dir), dir)
	content, err := readMeta(path, hashKey(dir))
	if err == nil || !isDamage(err) {
		return content, err
	}
	what.Damage, what.File = err.Error(), c.below(filepath.Join(path, metaFile))
	for _, name := range []string{metaFile, metaSum} {
		if err := c.setAside(filepath.Join(path, name)); err != nil {
			return nil, err
		}
	}
	copied, ok := c.definitions[filepath.Join(dir, metaFile)]
	if !ok {
		what.Repair = "it is created again when it is configured"
		c.report.add(what)
		return nil, nil
	}
	what.Repair = "was restored from a copy"
	c.report.add(what)
	return copied, writeMeta(path, hashKey(dir), copied)
}

// below returns a path relative to the data directory.
func (c *checker) below(path string) string {
	if name, err := filepath.Rel(c.dir, path); err == nil {
		return name
	}
	return path
}

// setAside moves a file or directory that may be missing below [AsideDir].
func (c *checker) setAside(path string) error {
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	to := c.aside(path)
	if err := os.MkdirAll(filepath.Dir(to), ownerOnlyDirs); err != nil {
		return fmt.Errorf("move damaged file away: %w", err)
	}
	if err := os.Rename(path, to); err != nil {
		return fmt.Errorf("move damaged file away: %w", err)
	}
	return nil
}

// copyAside copies a file there.
func (c *checker) copyAside(path string, content []byte) error {
	if err := replace(c.aside(path), content); err != nil {
		return fmt.Errorf("copy damaged file: %w", err)
	}
	return nil
}

func (c *checker) aside(path string) string {
	return filepath.Join(c.dir, AsideDir, c.at.UTC().Format("20060102T150405.000"), c.below(path))
}
