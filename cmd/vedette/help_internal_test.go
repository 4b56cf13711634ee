package main

import (
	"bytes"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"vedette/cmd/vedette/internal/cli"
)

// repository is the way from this package to the root of the repository.
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

func TestEveryFileInTheManualIsValid(t *testing.T) {
	t.Setenv("SMTP_PASSWORD", "secret")
	files := 0
	for _, p := range manualPages(t) {
		dir := t.TempDir()
		writeExtras(t, dir, p)
		for _, b := range p.code {
			text, ok := wholeFile(b)
			if !ok {
				if strings.HasPrefix(b.info, "yaml") {
					t.Errorf("%s:%d: found %q behind a fence, expected yaml, yaml monitors or yaml section", p.path, b.line, b.info)
				}
				continue
			}
			files++
			path := filepath.Join(dir, "monitors.yaml")
			writeManualFile(t, path, text)
			var warnings bytes.Buffer
			if _, err := cli.LoadFile(path, &warnings); err != nil {
				t.Errorf("%s:%d: %v", p.path, b.line, err)
			}
			if warnings.Len() > 0 {
				t.Errorf("%s:%d: %s", p.path, b.line, &warnings)
			}
		}
	}
	if files < 10 {
		t.Errorf("found %d files in the manual, expected at least 10", files)
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

func TestEveryCommandInTheManualExists(t *testing.T) {
	t.Parallel()
	found := 0
	for _, p := range manualPages(t) {
		for _, b := range p.code {
			for _, args := range blockCommands(b) {
				found++
				if err := parseCommand(args, true); err != nil {
					t.Errorf("%s:%d: vedette %s: %v", p.path, b.line, strings.Join(args, " "), err)
				}
			}
		}
		for _, args := range inlineCommands(p.prose) {
			found++
			if err := parseCommand(args, false); err != nil {
				t.Errorf("%s: vedette %s: %v", p.path, strings.Join(args, " "), err)
			}
		}
	}
	if found < 100 {
		t.Errorf("found %d commands in the manual, expected at least 100", found)
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

func TestEveryLinkInTheManualLeadsToAFile(t *testing.T) {
	t.Parallel()
	for _, p := range manualPages(t) {
		for _, match := range mdLink.FindAllStringSubmatch(p.prose, -1) {
			if strings.Contains(match[1], "://") {
				continue
			}
			if _, err := os.Stat(filepath.Join(filepath.Dir(p.path), match[1])); err != nil {
				t.Errorf("%s: %v", p.path, err)
			}
		}
	}
}

func TestTopicsAreListedAndLinked(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile(manualRoot + "/README.md")
	if err != nil {
		t.Fatal(err)
	}
	files, err := fs.Glob(manual, "help/*.md")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, path := range files {
		name := strings.TrimSuffix(filepath.Base(path), ".md")
		names = append(names, name)
		if !bytes.Contains(readme, []byte("["+name+"](cmd/vedette/"+path+")")) {
			t.Errorf("the README does not link the topic %s", name)
		}
	}
	listed := slices.Sorted(slices.Values(topicNames()))
	if !slices.Equal(names, listed) {
		t.Errorf("got topics %q, want %q", listed, names)
	}
}

func TestTopicsCanBeReadInTenMinutes(t *testing.T) {
	t.Parallel()
	const mostWords, mostReadme = 2000, 10 << 10
	for _, p := range manualPages(t) {
		if n := len(strings.Fields(p.text)); n > mostWords {
			t.Errorf("%s: found %d words, expected at most %d", p.path, n, mostWords)
		}
		if strings.HasSuffix(p.path, "README.md") && len(p.text) > mostReadme {
			t.Errorf("%s: found %d bytes, expected at most %d", p.path, len(p.text), mostReadme)
		}
	}
}

func TestTheManualHasNoUnwantedWords(t *testing.T) {
	t.Parallel()
	check := exec.CommandContext(t.Context(), "go", "run", ".ci/words.go", "-list", "README.md", "CHANGELOG.md", "cmd/vedette/help")
	check.Dir = manualRoot
	if out, err := check.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestHelpShowsTopicsAndCommands(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		args   []string
		code   int
		stdout string // a part
		stderr string
	}{
		{[]string{"help"}, cli.ExitOK, "\nTopics:\n  file ", ""},
		{[]string{"help"}, cli.ExitOK, "\nAvailable Commands:\n", ""},
		{[]string{"help", "wire"}, cli.ExitOK, "# Wire format", ""},
		{[]string{"help", "dead", "list"}, cli.ExitOK, "vedette dead list [flags]", ""},
		{[]string{"help", "run"}, cli.ExitOK, "vedette run FILE [flags]", ""},
		{[]string{"help", "notification"}, cli.ExitInvalid, "", `did you mean "notifications"?`},
		{[]string{"help", "valdate"}, cli.ExitInvalid, "", `did you mean "validate"?`},
		{[]string{"help", "dead", "lits"}, cli.ExitInvalid, "", `found "dead lits", expected a command or a topic`},
		{[]string{"help", "xyzzy"}, cli.ExitInvalid, "", "'vedette help' lists commands and topics"},
	} {
		var stdout, stderr bytes.Buffer
		code := Main(t.Context(), test.args, &stdout, &stderr)
		if code != test.code || !strings.Contains(stdout.String(), test.stdout) || !strings.Contains(stderr.String(), test.stderr) {
			t.Errorf("vedette %s: got code %d, want %d\n%s%s", strings.Join(test.args, " "), code, test.code, &stdout, &stderr)
		}
	}
}
