package monitor

import "strings"

// A file of a million monitors would need gigabytes as one tree. So the list
// of monitors of a large file is cut between its items, and its parts are read
// by themselves, see parts.go. YAML allows that: whatever belongs to an item stands
// deeper than its dash (YAML 1.2.2, section 8.2.1), and nothing but anchors
// reaches from one item to another.

// chunk is a part of a file's list of monitors.
type chunk struct {
	text        string
	linesBefore int
}

// Bounds of cutting: smaller files are read as one, and chunks are about this
// many bytes.
const (
	chunkAbove = 1 << 20
	chunkSize  = 64 << 10
)

// cut takes the items out of the list of monitors, if it is written as a block
// at the top level. The rest keeps its lines' numbers.
func cut(text string) (rest string, chunks []chunk) {
	start, lines := listStart(text)
	if start < 0 {
		return text, nil
	}
	indent, first, from, end := "", true, start, start
	for number := lines; end < len(text); number++ {
		line := text[end:]
		if i := strings.IndexByte(line, '\n'); i >= 0 {
			line = line[:i+1]
		}
		switch trimmed := strings.TrimLeft(line, " "); {
		case first && isItem(trimmed):
			indent, first = line[:len(line)-len(trimmed)], false
		case isBlank(trimmed):
		case first, ends(line, indent):
			chunks = append(chunks, chunk{text[from:end], lines})
			return text[:start] + strings.Repeat("\n", number-countLines(text[:start])) + text[end:], trimChunks(chunks, first)
		case strings.HasPrefix(line, indent) && isItem(line[len(indent):]) && end-from > chunkSize:
			chunks = append(chunks, chunk{text[from:end], lines})
			from, lines = end, number
		}
		end += len(line)
	}
	return text[:start], trimChunks(append(chunks, chunk{text[from:end], lines}), first)
}

// trimChunks returns no chunks when there was no item.
func trimChunks(chunks []chunk, none bool) []chunk {
	if none {
		return nil
	}
	return chunks
}

// listStart returns where the lines after "monitors:" begin, and how many lines
// stand before; -1 when there is no such line.
func listStart(text string) (start, lines int) {
	const key = "monitors:"
	at := 0
	if !strings.HasPrefix(text, key) {
		if at = strings.Index(text, "\n"+key) + 1; at == 0 {
			return -1, 0
		}
	}
	line, _, ended := strings.Cut(text[at:], "\n")
	if !ended || !isBlank(strings.TrimLeft(line[len(key):], " ")) {
		return -1, 0
	}
	start = at + len(line) + 1
	return start, countLines(text[:start])
}

func countLines(text string) int { return strings.Count(text, "\n") }

func isItem(trimmed string) bool {
	return strings.HasPrefix(trimmed, "- ") || strings.TrimRight(trimmed, "\r\n") == "-"
}

// isBlank reports whether a line, without its indentation, says nothing.
func isBlank(trimmed string) bool {
	return strings.TrimRight(trimmed, "\r\n") == "" || trimmed[0] == '#'
}

// ends reports whether a line that is not blank belongs to no item.
func ends(line, indent string) bool {
	if !strings.HasPrefix(line, indent) {
		return true
	}
	next := line[len(indent):]
	return next[0] != ' ' && !isItem(next)
}
