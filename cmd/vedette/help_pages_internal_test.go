package main

import (
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// manualRoot is the way from this package to the root of the repository.
const manualRoot = "../.."

// page is a page of documentation.
type page struct {
	path  string // from this package
	text  string
	prose string // without blocks of code
	code  []block
}

// block is a fenced block of code.
type block struct {
	line int
	info string // the words behind the fence
	text string
}

// manualPages reads the README, the changelog, and all topics.
func manualPages(t *testing.T) []page {
	t.Helper()
	paths, err := filepath.Glob("help/*.md")
	if err != nil || len(paths) == 0 {
		t.Fatalf("find topics: found %d, %v", len(paths), err)
	}
	var all []page
	for _, path := range append(paths, manualRoot+"/README.md", manualRoot+"/CHANGELOG.md") {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, parsePage(path, string(data)))
	}
	return all
}

func parsePage(path, text string) page {
	p := page{path: path, text: text}
	var prose []string
	var open *block
	for i, line := range strings.Split(text, "\n") {
		info, fence := strings.CutPrefix(line, "```")
		switch {
		case fence && open == nil:
			open = &block{line: i + 1, info: info}
		case fence:
			p.code = append(p.code, *open)
			open = nil
		case open != nil:
			open.text += line + "\n"
		default:
			prose = append(prose, line)
		}
	}
	p.prose = strings.Join(prose, "\n")
	return p
}

// Parts that complete a fragment of a monitors file to a whole one.
const (
	wholeRecipients = "recipients: {oncall: [ops@example.org]}\n"
	wholeDefaults   = "defaults: {notify: [oncall]}\n"
	wholeMonitors   = "monitors: [{name: website, http: 'https://example.org'}]\n"
)

// wholeFile completes a block to a monitors file, as the words behind its fence
// say: "yaml" is a whole file, "yaml monitors" the items of its list, and "yaml
// section" some of its other sections.
func wholeFile(b block) (text string, ok bool) {
	switch b.info {
	case "yaml":
		return b.text, true
	case "yaml monitors":
		return wholeRecipients + wholeDefaults + "monitors:\n" + b.text, true
	case "yaml section":
		return wholeRecipients + wholeDefaults + b.text + wholeMonitors, true
	default:
		return "", false
	}
}

// writeExtras writes the files that the blocks of a page refer to: a block whose
// fence says "file NAME" is one.
func writeExtras(t *testing.T, dir string, p page) {
	t.Helper()
	for _, b := range p.code {
		if _, name, ok := strings.Cut(b.info, " file "); ok {
			writeManualFile(t, filepath.Join(dir, name), b.text)
		}
	}
}

func writeManualFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// parseCommand does with a command line all but run it. Text between
// sentences may leave out arguments.
func parseCommand(args []string, whole bool) error {
	root := rootCommand(io.Discard, io.Discard)
	root.InitDefaultHelpCmd()
	if !whole && args[0] == "COMMAND" {
		args = args[1:]
	}
	cmd, rest, err := root.Find(args)
	if err != nil {
		return err
	}
	cmd.InitDefaultHelpFlag()
	if err := cmd.ParseFlags(rest); err != nil {
		return err
	}
	given := cmd.Flags().Args()
	if cmd.Name() == "help" && len(given) == 1 && given[0] != "TOPIC" && !slices.Contains(topicNames(), given[0]) {
		return parseCommand(given, false)
	}
	if !whole && (len(given) == 0 || !cmd.HasSubCommands()) {
		return nil
	}
	return cmd.ValidateArgs(given)
}

// blockCommands returns the arguments of vedette in a block: of each line in a
// script, and of those behind a prompt in what a terminal shows.
func blockCommands(b block) [][]string {
	var commands [][]string
	for line := range strings.SplitSeq(strings.ReplaceAll(b.text, "\\\n", " "), "\n") {
		typed, prompt := strings.CutPrefix(line, "$ ")
		if b.info == "sh" || prompt {
			commands = append(commands, lineCommands(typed)...)
		}
	}
	return commands
}

// lineCommands returns the arguments of vedette in a line for a shell.
func lineCommands(line string) [][]string {
	var commands [][]string
	var words []string
	end := func() {
		if len(words) > 0 && words[0] == "vedette" {
			commands = append(commands, words[1:])
		}
		words = nil
	}
	for _, word := range shellWord.FindAllString(line, -1) {
		switch {
		case strings.HasPrefix(word, "#"):
			end()
			return commands
		case strings.Trim(word, "|&;") == "":
			end()
		case strings.ContainsAny(word[:1], "<>"):
			end()
			words = []string{word} // the rest is no argument
		default:
			words = append(words, shellQuotes.ReplaceAllString(word, ""))
		}
	}
	end()
	return commands
}

var (
	shellWord   = regexp.MustCompile(`(?:'[^']*'|"[^"]*"|[^\s'"])+`)
	shellQuotes = regexp.MustCompile(`['"]`)
	inlineCode  = regexp.MustCompile("`vedette ([^`]+)`")
	mdLink      = regexp.MustCompile(`\]\(([^)]+)\)`)
)

// inlineCommands returns the arguments of vedette between sentences, where
// a|b|c are three commands.
func inlineCommands(prose string) [][]string {
	var commands [][]string
	for _, match := range inlineCode.FindAllStringSubmatch(prose, -1) {
		words := shellWord.FindAllString(match[1], -1)
		for i, word := range words {
			words[i] = shellQuotes.ReplaceAllString(word, "")
		}
		at := slices.IndexFunc(words, func(w string) bool { return strings.Contains(w, "|") })
		if at < 0 {
			commands = append(commands, words)
			continue
		}
		for choice := range strings.SplitSeq(words[at], "|") {
			commands = append(commands, slices.Concat(words[:at], []string{choice}, words[at+1:]))
		}
	}
	return commands
}
