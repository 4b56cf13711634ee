package main

import (
	"bytes"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"vedette/cmd/vedette/internal/cli"
	"vedette/cmd/vedette/internal/instance"
	"vedette/cmd/vedette/internal/mailstatus"
	"vedette/pipeline/job"
	"vedette/pipeline/rights"
	"vedette/producer/monitor"
	"vedette/workers/check"
	"vedette/workers/doctor"
	"vedette/workers/notify"
	"vedette/workers/web"
)

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
	words := exec.CommandContext(t.Context(), "go", "run", ".ci/words.go", "README.md", "CHANGELOG.md", "cmd/vedette/help")
	words.Dir = manualRoot
	if out, err := words.CombinedOutput(); err != nil {
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
		{[]string{"help", "notification"}, cli.ExitUsage, "", `did you mean "notifications"?`},
		{[]string{"help", "valdate"}, cli.ExitUsage, "", `did you mean "validate"?`},
		{[]string{"help", "dead", "lits"}, cli.ExitUsage, "", `found "dead lits", expected a command or a topic`},
		{[]string{"help", "xyzzy"}, cli.ExitUsage, "", "'vedette help' lists commands and topics"},
	} {
		var stdout, stderr bytes.Buffer
		code := Main(t.Context(), test.args, &stdout, &stderr)
		if code != test.code || !strings.Contains(stdout.String(), test.stdout) || !strings.Contains(stderr.String(), test.stderr) {
			t.Errorf("vedette %s: got code %d, want %d\n%s%s", strings.Join(test.args, " "), code, test.code, &stdout, &stderr)
		}
	}
}

// A reader who meets a name from a closed set finds it in the topic about it.
func TestTheManualNamesEveryMemberOfASet(t *testing.T) {
	t.Parallel()
	for topic, sets := range map[string][][]string{
		"probes":      {job.Kinds()},
		"expressions": {facts()},
		"jobs":        {texts(job.Reasons())},
		"rights":      {texts(rights.Roles())},
		"cluster":     {instance.AllStages()},
		"wire":        {job.MailClasses()},
		"templates":   {fieldNames(notify.View{}), fieldNames(notify.Fact{}), fieldNames(notify.Result{}), fieldNames(notify.Section{}), fieldNames(notify.Item{})},
		"json-output": {
			jsonNames(status{}), jsonNames(explanation{}), jsonNames(notify.Explanation{}), jsonNames(notify.Held{}), jsonNames(doctor.Finding{}),
			jsonNames(mailstatus.Mail{}), jsonNames(deadLetterJSON{}), jsonNames(job.ProcessCondition{}), jsonNames(web.Row{}), jsonNames(web.Queue{}),
		},
		"notifications": {{"down", "degraded", "flapping", "certificate", "no data"}},
	} {
		text, err := readTopic(topic)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range slices.Concat(sets...) {
			if !regexp.MustCompile(`(?m)[\x60.\s|]` + regexp.QuoteMeta(name) + `[\x60\s,|]`).MatchString(text) {
				t.Errorf("help %s: found no %s", topic, name)
			}
		}
	}
}

func texts[T ~string](values []T) []string {
	all := make([]string, len(values))
	for i, value := range values {
		all[i] = string(value)
	}
	return all
}

// facts are those of all probes.
func facts() []string {
	var all []string
	for _, kind := range job.Kinds() {
		all = slices.AppendSeq(all, maps.Keys(check.FactTypes(kind)))
	}
	return all
}

// jsonNames are the keys of a struct in JSON.
func jsonNames(value any) []string {
	var all []string
	for _, field := range reflect.VisibleFields(reflect.TypeOf(value)) {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if name != "" && name != "-" && name != "v" {
			all = append(all, name)
		}
	}
	return all
}

func fieldNames(value any) []string {
	var all []string
	for _, field := range reflect.VisibleFields(reflect.TypeOf(value)) {
		all = append(all, field.Name)
	}
	return all
}

func TestEveryGoProgramInTheManualBuilds(t *testing.T) {
	t.Parallel()
	found := 0
	for _, p := range manualPages(t) {
		for _, b := range p.code {
			if b.info != "go" {
				continue
			}
			found++
			path := filepath.Join(t.TempDir(), "main.go")
			writeManualFile(t, path, b.text)
			vet := exec.CommandContext(t.Context(), "go", "vet", path)
			vet.Dir = manualRoot
			if out, err := vet.CombinedOutput(); err != nil {
				t.Errorf("%s:%d: %v\n%s", p.path, b.line, err, out)
			}
		}
	}
	if found == 0 {
		t.Error("found no program in the manual, expected one")
	}
}

func TestHelpDescribesEveryKeyOfTheFile(t *testing.T) {
	t.Parallel()
	text, err := readTopic("file")
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range monitor.Keys() {
		line := "\n" + key.Path + ": " + key.Type
		if n := strings.Count(text, line+"\n") + strings.Count(text, line+" (") + strings.Count(text, line+", "); n != 1 {
			t.Errorf("%s: found %d descriptions, expected 1", key.Path, n)
		}
	}
}
