// Command words checks the language of comments, messages and documentation:
//
//	go run .ci/words.go [-of N] DIR...
//
// It prints how often "of" stands among 1,000 words in the comments of each
// directory, and fails when that is more than N, or when a word that this
// repository does not use stands in a comment, in a string that is prose, in
// Markdown, or in a # comment of a script or YAML file.
package main

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// unwanted has the words that are not used, each with what to write instead.
var unwanted = []struct {
	pattern *regexp.Regexp
	instead string
}{
	{phrase(`tells?|told|telling|untold|retells?|retold`), "notify, report, return, log, say, distinguish"},
	{phrase(`whoever|whomever|whosoever`), "the user, the caller, any client that"},
	{phrase(`nobody|somebody|anybody|everybody`), "no one, a person, a client, all"},
	{phrase(`lest`), "so that … not"},
	{phrase(`anew`), "again"},
	{phrase(`besides?`), "next to, with, in addition to, except"},
	{phrase(`excus(?:e|es|ed|ing)`), "tolerate"},
	{phrase(`tales?`), "incident, notified"},
	{phrase(`letters?`), "notification (dead letter is fine)"},
	{phrase(`ledgers?`), "notification log"},
	{phrase(`mailings?`), "notification group (mailing list is fine)"},
	{phrase(`canary|canaries`), "reference target"},
	{phrase(`judg(?:e|es|ed|ing|e?ments?)`), "evaluate"},
	{phrase(`(?:is|are|was|were) none of`), "does not"},
	{phrase(`(?:make|makes|made) good`), "repeats, repairs, compensates"},
	{phrase(`by (?:itself|themselves)`), "automatically, alone"},
	{phrase(`of one's own`), "own, custom"},
	{phrase(`orders?(?: (?:a|an|the|one|more))? (?:checks?|mails?|jobs?)`), "enqueue"},
	{phrase(`ordered (?:checks?|mails?|jobs?)|(?:checks?|mails?|jobs?|calls?) (?:is|are|was|were) ordered`), "enqueued, ad-hoc"},
	{phrase(`thereof|therein|wherein|hither|naught|nought|ere|betimes`), "modern English"},
}

// allowed has what a match may be part of.
var allowed = regexp.MustCompile(`(?i)dead[-\s]letters?|(?:capital|upper-?case|lower-?case|single|ascii|small|latin|first)\sletters?|letters?\s(?:and|or)\s(?:digits?|figures?)|letters,\s(?:digits|figures)|mailing\slist|\bLetter\sis\b|VEDETTE_\w+`)

// phrase matches one of several phrases, which may be broken between two lines.
func phrase(alternatives string) *regexp.Regexp {
	return regexp.MustCompile(`(?i)\b(?:` + strings.ReplaceAll(alternatives, " ", `\s+`) + `)\b`)
}

// checker counts the words in comments by directory, and prints unwanted ones.
type checker struct {
	words, of map[string]int
	found     int
}

func main() {
	most := flag.Float64("of", 0, `fail when "of" is more frequent than this among 1,000 words of a directory; 0: no bound`)
	flag.Parse()
	c := checker{words: map[string]int{}, of: map[string]int{}}
	for _, root := range flag.Args() {
		if err := filepath.WalkDir(root, c.visit); err != nil {
			fmt.Fprintln(os.Stderr, "words:", err)
			os.Exit(2)
		}
	}
	failed := c.found > 0
	for _, dir := range slices.Sorted(maps.Keys(c.words)) {
		rate := 1000 * float64(c.of[dir]) / float64(max(1, c.words[dir]))
		failed = failed || *most > 0 && rate > *most
		fmt.Printf("%6d words %5.1f of  %s\n", c.words[dir], rate, dir)
	}
	if failed {
		os.Exit(1)
	}
}

// visit checks one file.
func (c *checker) visit(path string, entry fs.DirEntry, err error) error {
	name := entry.Name()
	switch {
	case err != nil:
		return err
	case entry.IsDir():
		if name != "." && strings.HasPrefix(name, ".") || name == "testdata" && path != name {
			return fs.SkipDir
		}
		return nil
	}
	body, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	switch ext := filepath.Ext(name); {
	case ext == ".go":
		return c.goFile(path, body)
	case ext == ".md":
		c.check(path, 1, string(body))
	case ext == ".sh", ext == ".yaml", ext == ".yml", name == "Dockerfile":
		for i, line := range strings.Split(string(body), "\n") {
			_, comment, _ := strings.Cut(" "+line, " #")
			c.check(path, i+1, comment)
		}
	}
	return nil
}

// goFile checks comments, and strings with three words or more.
func (c *checker) goFile(path string, body []byte) error {
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, path, body, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	test, dir := strings.HasSuffix(path, "_test.go"), filepath.Dir(path)
	for _, group := range file.Comments {
		c.check(path, set.Position(group.Pos()).Line, group.Text())
		for _, word := range regexp.MustCompile(`[A-Za-z][A-Za-z'-]*`).FindAllString(group.Text(), -1) {
			if test {
				break
			}
			c.words[dir]++
			if strings.EqualFold(word, "of") {
				c.of[dir]++
			}
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		if literal, ok := n.(*ast.BasicLit); ok && literal.Kind == token.STRING && !test {
			if value, err := strconv.Unquote(literal.Value); err == nil && len(strings.Fields(value)) >= 3 {
				c.check(path, set.Position(literal.Pos()).Line, value)
			}
		}
		return true
	})
	return nil
}

// check prints the unwanted words in a text that begins at a line.
func (c *checker) check(path string, line int, body string) {
	exceptions := allowed.FindAllStringIndex(body, -1)
	for _, u := range unwanted {
		for _, at := range u.pattern.FindAllStringIndex(body, -1) {
			if within := func(e []int) bool { return e[0] <= at[0] && at[1] <= e[1] }; slices.ContainsFunc(exceptions, within) {
				continue
			}
			c.found++
			fmt.Printf("%s:%d: found %q, expected %s\n", path, line+strings.Count(body[:at[0]], "\n"), body[at[0]:at[1]], u.instead)
		}
	}
}
