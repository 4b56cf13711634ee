// Command words checks the language of comments, messages and documentation:
//
//	go run .ci/words.go [-list] [-tests] [-of N] [DIR...]
//
// It prints, for each directory, the words in the comments of Go files and how
// often "of" stands among 1,000 of them, and fails when a word that this
// repository does not use is found in a comment, in a string that is prose, in
// Markdown, or in a # comment of a script or YAML file.
package main

import (
	"bufio"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
)

// unwanted has the words and phrases that are not used, each with what to write
// instead.
var unwanted = []struct {
	pattern *regexp.Regexp
	instead string
}{
	{word(`tells?|told|telling|untold|retells?|retold`), "notify, report, return, log, say, distinguish"},
	{word(`whoever|whomever|whosoever`), "the user, the caller, any client that"},
	{word(`nobody|somebody|anybody|everybody`), "no one, a person, a client, all"},
	{word(`lest`), "so that … not"},
	{word(`anew`), "again"},
	{word(`besides?`), "next to, with, in addition to, except"},
	{word(`excus(?:e|es|ed|ing)`), "tolerate"},
	{word(`tales?`), "incident, notified"},
	{word(`letters?`), "notification (dead letter is fine)"},
	{word(`ledgers?`), "notification log"},
	{word(`mailings?`), "notification group (mailing list is fine)"},
	{word(`canary|canaries`), "reference target"},
	{word(`judg(?:e|es|ed|ing|e?ments?)`), "evaluate"},
	{word(`(?:is|are|was|were) none of`), "does not"},
	{word(`(?:make|makes|made) good`), "repeats, repairs, compensates"},
	{word(`by (?:itself|themselves)`), "automatically, alone"},
	{word(`of one's own`), "own, custom"},
	{word(`orders?(?: (?:a|an|the|one|more))? (?:checks?|mails?|jobs?)`), "enqueue"},
	{word(`ordered (?:checks?|mails?|jobs?)|(?:checks?|mails?|jobs?|calls?) (?:is|are|was|were) ordered`), "enqueued, ad-hoc"},
	{word(`thereof|therein|wherein|hither|naught|nought|ere|betimes`), "modern English"},
}

// allowed has what a match may be part of.
var allowed = regexp.MustCompile(`(?i)dead[- ]letters?|(?:capital|upper-?case|lower-?case|single|ascii|small|latin|first) letters?|letters? (?:and|or) (?:digits?|figures?)|letters, (?:digits|figures)|mailing list|\bLetter is\b|VEDETTE_\w+`)

func word(alternatives string) *regexp.Regexp {
	return regexp.MustCompile(`(?i)\b(?:` + alternatives + `)\b`)
}

// text is a piece of prose at a place.
type text struct {
	path string
	line int
	body string
}

// figure counts the words in the comments of one directory.
type figure struct{ words, of, found int }

type checker struct {
	figures map[string]*figure
	list    bool
	tests   bool
}

func main() {
	list := flag.Bool("list", false, "print each unwanted word with its place")
	tests := flag.Bool("tests", false, "count the comments of tests too")
	most := flag.Float64("of", 0, `fail when "of" is more frequent than this among 1,000 words of a directory; 0: no bound`)
	flag.Parse()
	roots := flag.Args()
	if len(roots) == 0 {
		roots = []string{"."}
	}
	c := &checker{figures: map[string]*figure{}, list: *list, tests: *tests}
	for _, root := range roots {
		if err := filepath.WalkDir(strings.TrimSuffix(root, "/..."), c.visit); err != nil {
			fmt.Fprintf(os.Stderr, "words: read %s: %v\n", root, err)
			os.Exit(2)
		}
	}
	if !c.print(*most) {
		os.Exit(1)
	}
}

// visit checks one file.
func (c *checker) visit(path string, entry fs.DirEntry, err error) error {
	if err != nil {
		return err
	}
	name := entry.Name()
	if entry.IsDir() {
		if strings.HasPrefix(name, ".") && len(name) > 1 && name != ".." || name == "testdata" && filepath.Dir(path) != "." {
			return fs.SkipDir
		}
		return nil
	}
	inTestdata := strings.HasPrefix(path, "testdata"+string(filepath.Separator))
	switch ext := filepath.Ext(name); {
	case ext == ".go" && !inTestdata:
		return c.goFile(path)
	case ext == ".md" && !inTestdata:
		return c.lines(path, func(line string) string { return line })
	case ext == ".sh", (ext == ".yaml" || ext == ".yml") && !inTestdata, name == "Dockerfile":
		return c.lines(path, afterHash)
	}
	return nil
}

func (c *checker) goFile(path string) error {
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, path, nil, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	test := strings.HasSuffix(path, "_test.go")
	f := c.figure(path)
	for _, group := range file.Comments {
		for _, comment := range group.List {
			body := strings.TrimPrefix(strings.TrimPrefix(comment.Text, "//"), "/*")
			if strings.HasPrefix(comment.Text, "//go:") || strings.HasPrefix(comment.Text, "//nolint") {
				continue
			}
			if !test || c.tests {
				f.count(body)
			}
			c.check(text{path, set.Position(comment.Pos()).Line, body})
		}
		// A phrase may be broken between two lines.
		c.check(text{path, set.Position(group.Pos()).Line, brokenPhrases(group)})
	}
	if !test {
		c.literals(set, file, path)
	}
	return nil
}

// brokenPhrases returns what stands around those line ends of a comment that
// break an unwanted phrase in two.
func brokenPhrases(group *ast.CommentGroup) string {
	var broken []string
	lines := strings.Split(group.Text(), "\n")
	for i := range len(lines) - 1 {
		before, after := strings.Fields(lines[i]), strings.Fields(lines[i+1])
		end := strings.Join(before[max(0, len(before)-2):], " ")
		begin := strings.Join(after[:min(2, len(after))], " ")
		if joined := end + " " + begin; len(find(joined)) > len(find(end))+len(find(begin)) {
			broken = append(broken, joined)
		}
	}
	return strings.Join(broken, " | ")
}

// literals checks the strings of a file that are prose: three words or more.
func (c *checker) literals(set *token.FileSet, file *ast.File, path string) {
	ast.Inspect(file, func(n ast.Node) bool {
		literal, ok := n.(*ast.BasicLit)
		if !ok || literal.Kind != token.STRING {
			return true
		}
		value, err := strconv.Unquote(literal.Value)
		if err != nil || len(strings.Fields(value)) < 3 {
			return true
		}
		for i, line := range strings.Split(value, "\n") {
			c.check(text{path, set.Position(literal.Pos()).Line + i, line})
		}
		return true
	})
}

// lines checks what part returns of each line of a file.
func (c *checker) lines(path string, part func(string) string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	scanner := bufio.NewScanner(file)
	scanner.Buffer(nil, 1<<20)
	for n := 1; scanner.Scan(); n++ {
		c.check(text{path, n, part(scanner.Text())})
	}
	return scanner.Err()
}

func afterHash(line string) string {
	_, comment, _ := strings.Cut(" "+line, " #")
	return comment
}

// check counts the unwanted words in a text.
func (c *checker) check(t text) {
	for _, hit := range find(t.body) {
		c.figure(t.path).found++
		if c.list {
			fmt.Printf("%s:%d: found %q, expected %s\n", t.path, t.line, hit[0], hit[1])
		}
	}
}

// find returns each unwanted word in a text, with what to write instead.
func find(body string) [][2]string {
	var hits [][2]string
	exceptions := allowed.FindAllStringIndex(body, -1)
	for _, u := range unwanted {
		for _, at := range u.pattern.FindAllStringIndex(body, -1) {
			within := func(e []int) bool { return e[0] <= at[0] && at[1] <= e[1] }
			if !slices.ContainsFunc(exceptions, within) {
				hits = append(hits, [2]string{body[at[0]:at[1]], u.instead})
			}
		}
	}
	return hits
}

func (c *checker) figure(path string) *figure {
	dir := filepath.Dir(path)
	if c.figures[dir] == nil {
		c.figures[dir] = &figure{}
	}
	return c.figures[dir]
}

var words = regexp.MustCompile(`[A-Za-z][A-Za-z'-]*`)

func (f *figure) count(body string) {
	for _, w := range words.FindAllString(body, -1) {
		f.words++
		if strings.EqualFold(w, "of") {
			f.of++
		}
	}
}

func (f *figure) rate() float64 {
	if f.words == 0 {
		return 0
	}
	return 1000 * float64(f.of) / float64(f.words)
}

// print writes the figures, and returns whether all is well.
func (c *checker) print(most float64) bool {
	var total figure
	ok := true
	out := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(out, "comment words\t\"of\" per 1,000\tunwanted\t\n")
	dirs := make([]string, 0, len(c.figures))
	for dir := range c.figures {
		dirs = append(dirs, dir)
	}
	slices.Sort(dirs)
	for _, dir := range dirs {
		f := c.figures[dir]
		total.words, total.of, total.found = total.words+f.words, total.of+f.of, total.found+f.found
		ok = ok && f.found == 0 && (most == 0 || f.rate() <= most)
		fmt.Fprintf(out, "%d\t%.1f\t%d\t  %s\n", f.words, f.rate(), f.found, dir)
	}
	fmt.Fprintf(out, "%d\t%.1f\t%d\t  total\n", total.words, total.rate(), total.found)
	_ = out.Flush()
	return ok
}
