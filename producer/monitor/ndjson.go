package monitor

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"runtime"
	"strings"
)

// A monitors_file is read as a stream, in batches of lines that are read
// concurrently, each as if it were alone. Their results are merged in order. If a
// batch has a name that is taken, it is read again at that point, to report the
// duplicate.

// line is a line in a monitors_file.
type line struct {
	text   string
	number int
}

// readFiles reads the files in monitors_file: one path, or a list.
func (c *collector) readFiles(root mapping) {
	const expected = "the path of a file with a monitor as a JSON object in each line"
	if _, ok := section(root, "monitors_file"); !ok {
		return
	}
	items, _ := c.entries(root, "monitors_file", expected)
	read := map[string]bool{}
	for _, item := range items {
		name, ok := c.nonEmpty(item, expected)
		if !ok {
			continue
		}
		if name = c.inFolder(name); read[name] {
			c.report(item, item.describe()+" again", "each file once", "")
			continue
		}
		read[name] = true
		if err := c.readFile(name); err != nil {
			c.report(item, item.describe()+", which cannot be read ("+err.Error()+")", expected, "relative paths start from the folder of this file")
		}
	}
}

// inFolder resolves a path against the monitor file's folder.
func (r *reader) inFolder(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(filepath.Dir(r.source.name), path)
}

// result is a batch with its monitors.
type result struct {
	batch batch
	part  *collector
}

func (c *collector) readFile(name string) (err error) {
	file, err := c.options.Open(name)
	if err != nil {
		return err //nolint:wrapcheck // the caller names the file
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	cutter := lineCutter{from: file, source: source{name: name, base: c.inputs.lines, masker: c.source.masker, byLine: true}}
	results := make(chan chan result, runtime.GOMAXPROCS(0)) // bounds what is read ahead
	go func() {
		defer close(results)
		for cutter.next() {
			b, done := cutter.batch, make(chan result, 1)
			results <- done
			go func() { done <- result{b, c.readBatch(b, nil)} }()
		}
	}()
	for done := range results {
		r := <-done
		if c.sharesNames(r.part) {
			r.part = c.readBatch(r.batch, c.place)
		}
		c.merge(r.part)
		c.progress()
	}
	c.inputs.add(name, cutter.lines)
	return cutter.err
}

// readBatch reads a batch's monitors. It may run concurrently, as it does not change
// c.
func (c *collector) readBatch(b batch, elsewhere func(name string) uint32) *collector {
	part := newCollector(&reader{
		source: b.source, options: c.options, inputs: c.inputs, keys: c.keys,
		standard: c.standard, recipients: c.recipients, names: c.names,
	}, c.defaults)
	if elsewhere != nil {
		part.elsewhere = elsewhere
	}
	number := b.source.before
	for text := range strings.SplitSeq(b.source.text, "\n") {
		number++
		part.readLine(line{text, number})
	}
	if b.mistake != nil {
		part.reportMistake(b.mistake)
	}
	return part
}

// readLine reads a monitor. Blank lines and lines that begin with # are skipped.
func (c *collector) readLine(l line) {
	start := strings.TrimLeft(l.text, " \t\r")
	if start == "" || start[0] == '#' {
		return
	}
	c.count++
	c.current = l
	n, mistake := parseJSON(l)
	if mistake != nil {
		c.reportMistake(mistake)
		return
	}
	c.add(value{node: n, line: n.line, column: n.column, index: -1})
}

// keptSource returns the source for a report after all monitors are read. For a line
// in a batch it keeps that line only.
func (c *collector) keptSource() *source {
	if c.current.number == 0 {
		return c.source
	}
	return &source{name: c.source.name, text: strings.Clone(c.current.text), before: c.current.number - 1, masker: c.source.masker, byLine: true}
}

// batch is a sequence of lines, and a mistake after them.
type batch struct {
	source  *source
	mistake *mistake
}

// Sizes in bytes: the usual batch, and the longest line.
const (
	batchSize = 64 << 10
	maxLine   = 4 << 20
)

// lineCutter cuts a file into batches.
type lineCutter struct {
	from   io.Reader
	source source // for each batch, without its text
	batch  batch
	rest   []byte // read, and not yet in a batch
	lines  int
	ended  bool
	err    error
}

// next reads the next batch. It returns false at the end, or after an error.
func (l *lineCutter) next() bool {
	if l.ended {
		return false
	}
	end := bytes.LastIndexByte(l.rest, '\n') + 1
	for size := batchSize + len(l.rest); end == 0 && !l.ended && size <= maxLine; size *= 2 {
		l.fill(size)
		end = bytes.LastIndexByte(l.rest, '\n') + 1
	}
	made := l.source
	made.before = l.lines
	l.batch = batch{source: &made}
	switch {
	case l.ended:
		end = len(l.rest)
	case end == 0:
		l.batch.mistake = &mistake{line: l.lines + 1, column: 1, found: fmt.Sprintf("a line longer than %d bytes", maxLine), expected: "a monitor in each line"}
		l.ended = true
	}
	made.text = string(l.rest[:end])
	if l.lines == 0 {
		made.text = strings.TrimPrefix(made.text, "\ufeff")
	}
	l.lines += strings.Count(made.text, "\n")
	l.rest = append([]byte(nil), l.rest[end:]...)
	return true
}

// fill reads until rest has size bytes.
func (l *lineCutter) fill(size int) {
	buffer := make([]byte, size)
	n := copy(buffer, l.rest)
	more, err := io.ReadFull(l.from, buffer[n:])
	l.rest = buffer[:n+more]
	if err == nil {
		return
	}
	l.ended = true
	if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		l.err = err
	}
}

// inputs are the files with monitors. A place counts lines through all files, so
// that one number identifies file and line.
type inputs struct {
	names []string
	ends  []int
	lines int
}

func (i *inputs) add(name string, lines int) {
	i.lines += lines + 1 // the last line may have no end
	i.names, i.ends = append(i.names, name), append(i.ends, i.lines)
}

// describe returns a place as text, without the file if that is the one being read.
func (i *inputs) describe(place uint32, from string) string {
	before := 0
	for n, end := range i.ends {
		if int(place) <= end {
			if i.names[n] == from {
				break
			}
			return fmt.Sprintf("line %d of %s", int(place)-before, i.names[n])
		}
		before = end
	}
	return fmt.Sprintf("line %d", int(place)-before)
}
