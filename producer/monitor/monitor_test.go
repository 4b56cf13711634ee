package monitor_test

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"vedette/pipeline/job"
	"vedette/producer/monitor"
)

var update = flag.Bool("update", false, "write the golden files")

const folder = "../../testdata/monitors"

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// options read from the folder of the fixtures, and know a few variables. An
// expectation is bad when it says so.
func options() monitor.Options {
	variables := map[string]string{
		"WORD": "env-value", "LINES": "env-a\nenv-b", "SMTP_PASSWORD": "env-password", "USER_NAME": "env-user",
		"RELAY": "relay.example.org", "RELAY_PORT": "2525", "API": "https://api.example.org", "TOKEN": "env-token", "EMPTY": "", "LOOKS": "a ${secret:API}",
	}
	files := os.DirFS(folder)
	return monitor.Options{
		LookupEnv: func(name string) (string, bool) { v, ok := variables[name]; return v, ok },
		Open:      func(path string) (io.ReadCloser, error) { return files.Open(path) },
		CheckSpec: func(spec job.Spec) (problems []job.Problem) {
			for i, e := range spec.Expect {
				if strings.Contains(e, "bad") {
					problems = append(problems, job.Problem{Path: fmt.Sprintf("expect[%d]", i), Found: fmt.Sprintf("%q (syntax error at %s)", e, e), Expected: "an expression that can be evaluated"})
				}
			}
			if spec.HTTP != nil && strings.Contains(spec.HTTP.URL, "bad") {
				problems = append(problems, job.Problem{Path: "http", Found: "a bad URL", Expected: "a good one"})
			}
			return problems
		},
	}
}

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

func fixtures(tb testing.TB, pattern string) []string {
	tb.Helper()
	paths, err := filepath.Glob(filepath.Join(folder, pattern))
	if err != nil || len(paths) == 0 {
		tb.Fatalf("got %d files for %s and %v, want some", len(paths), pattern, err)
	}
	return paths
}

func TestBadFilesSayExactlyWhatIsWrong(t *testing.T) {
	t.Parallel()
	for _, path := range fixtures(t, "bad-*.yaml") {
		t.Run(filepath.Base(path), func(t *testing.T) {
			t.Parallel()
			file, err := monitor.Load(filepath.Base(path), options())
			invalid, ok := errors.AsType[*monitor.InvalidError](err)
			if !ok || file != nil {
				t.Fatalf("got %v and %v, want no file and an InvalidError", file, err)
			}
			golden(t, strings.TrimSuffix(path, ".yaml")+".txt", invalid.Error()+"\n")
			for _, secret := range []string{"hunter", "env-", "123456"} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("got the secret %q in the message:\n%v", secret, err)
				}
			}
		})
	}
}

// loaded is what a golden file holds of a good file.
type loaded struct {
	Monitors   []job.Monitor   `json:"monitors"`
	Recipients []job.Recipient `json:"recipients"`
	Operators  []string        `json:"operators,omitempty"`
	Server     monitor.Server  `json:"server"`
	Workers    monitor.Workers `json:"workers,omitzero"`

	Grouping    *job.Grouping     `json:"grouping,omitempty"`
	Maintenance []job.Maintenance `json:"maintenance,omitempty"`

	Watchdogs []monitor.Watchdog `json:"watchdogs,omitempty"`

	Warnings []string `json:"warnings"`
}

func TestGoodFilesMeanExactlyThis(t *testing.T) {
	t.Parallel()
	for _, path := range fixtures(t, "good-*.yaml") {
		t.Run(filepath.Base(path), func(t *testing.T) {
			t.Parallel()
			file, err := monitor.Load(filepath.Base(path), options())
			if err != nil {
				t.Fatal(err)
			}
			got := loaded{
				Monitors: file.Monitors, Recipients: file.Recipients, Operators: file.Operators, Server: file.Server, Workers: file.Workers,
				Grouping: file.Notifications.Grouping, Maintenance: file.Maintenance, Watchdogs: file.Watchdogs,
			}
			for _, w := range file.Warnings {
				got.Warnings = append(got.Warnings, w.String())
			}
			body, err := json.MarshalIndent(got, "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			golden(t, strings.TrimSuffix(path, ".yaml")+".json", string(body)+"\n")
		})
	}
}

func TestRelaysTakeDefaultsEnvironmentAndFiles(t *testing.T) {
	t.Parallel()
	file, err := monitor.Load("good-full.yaml", options())
	if err != nil {
		t.Fatal(err)
	}
	want := monitor.Mail{From: "Vedette <vedette@example.org>", RecipientPerMinute: 30, DKIM: &monitor.DKIM{Domain: "example.org", Selector: "v1", Key: "hunter2\n"}, Relays: []monitor.Relay{
		{Host: "smtp.example.org", Port: 587, TLS: monitor.TLSStart, Username: "v", Password: "env-password"},
		{Host: "smtp2.example.org", Port: 465, TLS: monitor.TLSImplicit, Username: "v", Password: "hunter2", PasswordFile: "secret.txt"},
		{Host: "::1", Port: 25, TLS: monitor.TLSNone, Username: "env-user", Password: "a$b", AllowCleartext: true},
		{Host: "relay.example.org", Port: 2525, TLS: monitor.TLSStart},
	}}
	if diff := cmp.Diff(want, file.Mail); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestSecretsAreNotShownByPrintingOrLoggingOrEncoding(t *testing.T) {
	t.Parallel()
	file, err := monitor.Load("good-full.yaml", options())
	if err != nil {
		t.Fatal(err)
	}
	var logged strings.Builder
	slog.New(slog.NewTextHandler(&logged, nil)).Info("relay", "relay", file.Mail.Relays[0], "password", file.Mail.Relays[0].Password)
	encoded, err := json.Marshal(file.Mail)
	if err != nil {
		t.Fatal(err)
	}
	for _, shown := range []string{fmt.Sprintf("%v %+v %#v %s", file.Mail, file.Mail, file.Mail, file.Mail.Relays[1].Password), logged.String(), string(encoded)} {
		if strings.Contains(shown, "env-password") || strings.Contains(shown, "hunter2") || !strings.Contains(shown, "****") {
			t.Errorf("got %s, want **** for secrets", shown)
		}
	}
	if got := monitor.Secret("").String(); got != "" {
		t.Errorf("got %q for no secret, want nothing", got)
	}
}

func TestDemoFileIsGoodAsItIs(t *testing.T) {
	t.Parallel()
	file, err := monitor.Load("../../testdata/demo.yaml", monitor.Options{LookupEnv: func(string) (string, bool) { return "", false }})
	if err != nil {
		t.Fatal(err)
	}
	common := func(m job.Monitor) job.Monitor {
		m.V, m.Interval, m.Timeout = job.Version, job.Duration(5e9), job.Duration(2e9)
		m.Policy = job.Policy{FailureThreshold: 2, SuccessThreshold: 1, RetryInterval: job.Duration(1e9), Notify: []string{"oncall"}}
		return m
	}
	want := &monitor.File{
		Monitors: []job.Monitor{
			common(job.Monitor{Name: "vedette", Spec: job.Spec{HTTP: &job.HTTP{URL: "http://127.0.0.1:8080/healthz"}}}),
			common(job.Monitor{Name: "demo-service", Spec: job.Spec{TCP: &job.TCP{Address: "127.0.0.1:9099"}}}),
		},
		Recipients: []job.Recipient{{V: job.Version, Name: "oncall", Addresses: []string{"you@example.org"}}},
		Mail:       monitor.Mail{From: "Vedette <vedette@example.org>"},

		Notifications: monitor.Notifications{Grouping: &job.Grouping{RepeatInterval: job.DefaultGrouping().RepeatInterval, MaxListed: job.DefaultGrouping().MaxListed}},
		Server:        monitor.Server{Data: monitor.DefaultData, HTTP: monitor.DefaultHTTP, NATS: monitor.DefaultNATS, Grace: monitor.DefaultGrace},
	}
	if diff := cmp.Diff(want, file); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestFileThatCannotBeReadIsNotCalledInvalid(t *testing.T) {
	t.Parallel()
	_, err := monitor.Load(filepath.Join(t.TempDir(), "none.yaml"), monitor.Options{})
	if _, invalid := errors.AsType[*monitor.InvalidError](err); invalid || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, want fs.ErrNotExist and no InvalidError", err)
	}
}

func parse(tb testing.TB, text string) *monitor.File {
	tb.Helper()
	file, err := monitor.Parse("test.yaml", []byte(text), options())
	if err != nil {
		tb.Fatal(err)
	}
	return file
}

func problems(tb testing.TB, text string) []monitor.Problem {
	tb.Helper()
	_, err := monitor.Parse("test.yaml", []byte(text), options())
	invalid, ok := errors.AsType[*monitor.InvalidError](err)
	if !ok {
		tb.Fatalf("got %v, want an InvalidError", err)
	}
	return invalid.Problems
}

func TestDollarsAndReferences(t *testing.T) {
	t.Parallel()
	for written, want := range map[string]string{
		`${WORD}`:                "env-value",
		`"a ${WORD} b ${EMPTY}"`: "a env-value b ",
		`$$`:                     "$",
		`'$${WORD}'`:             "${WORD}",
		`$$$${WORD}`:             "$${WORD}",
		`$$${WORD}`:              "$env-value",
		`'^a$'`:                  "^a$",
		`$WORD`:                  "$WORD",
	} {
		body := "body: " + written
		for _, form := range []string{"http:\n      url: https://example.org\n      " + body, "http: {url: https://example.org, " + body + "}"} {
			file := parse(t, "monitors:\n  - name: a\n    notify: []\n    "+form+"\n")
			if got := file.Monitors[0].HTTP.Body; got != want {
				t.Errorf("%s: got %q, want %q", form, got, want)
			}
		}
	}
}

func TestTimeoutsThatAMonitorDoesNotSetYieldToItsInterval(t *testing.T) {
	t.Parallel()
	cases := []struct{ name, defaults, monitor, want string }{
		{"nothing is said", "{}", "", "10s"},
		{"a long interval", "{}", "interval: 11s", "10s"},
		{"an interval as long as the timeout", "{}", "interval: 10s", "8s"},
		{"a short interval", "{}", "interval: 1s", "800ms"},
		{"a short interval of defaults", "{interval: 5s}", "", "4s"},
		{"a timeout of defaults", "{timeout: 7s}", "", "7s"},
		{"a timeout of defaults, longer than the interval", "{timeout: 7s}", "interval: 5s", "4s"},
		{"a timeout of its own", "{timeout: 7s}", "{interval: 5s, timeout: 4500ms}", "4.5s"},
		{"cron", "{interval: 5s, timeout: 4s}", "cron: '* * * * *'", "4s"},
	}
	for _, c := range cases {
		own := strings.Trim(c.monitor, "{}")
		if own != "" {
			own = ", " + own
		}
		file := parse(t, "defaults: "+c.defaults+"\nmonitors:\n  - {name: a, tcp: '127.0.0.1:1', notify: []"+own+"}\n")
		if got := file.Monitors[0].Timeout.String(); got != c.want {
			t.Errorf("%s: got %s, want %s", c.name, got, c.want)
		}
	}
}

func TestHintsNameWhatWasProbablyMeant(t *testing.T) {
	t.Parallel()
	for written, want := range map[string]string{
		"intervall: 5s":  `did you mean "interval"?`,
		"itnerval: 5s":   `did you mean "interval"?`,
		"Timeout: 5s":    `did you mean "timeout"?`,
		"crn: 5s":        `did you mean "cron"?`,
		"schedule: 5s":   "",
		"x: 5s":          "",
		"notify: oncal":  `did you mean "oncall"?`,
		"notify: ONCALL": `did you mean "oncall"?`,
		"notify: team":   "",
	} {
		found := problems(t, "recipients: {oncall: a@example.org}\nmonitors:\n  - name: a\n    tcp: 127.0.0.1:1\n    "+written+"\n")
		if len(found) != 1 || found[0].Hint != want || found[0].Line != 5 {
			t.Errorf("%s: got %v, want one in line 5 with the hint %q", written, found, want)
		}
	}
}

func TestOnlyGoodSpecsAreCheckedFurther(t *testing.T) {
	t.Parallel()
	var asked []string
	o := options()
	o.CheckSpec = func(spec job.Spec) []job.Problem {
		asked = append(asked, spec.Target())
		return nil
	}
	_, err := monitor.Parse("test.yaml", []byte(`monitors:
  - {name: a, tcp: nonsense, expect: [x]}
  - {name: b, tcp: "127.0.0.1:1", expect: [x]}
  - {name: c, expect: [x]}
`), o)
	if diff := cmp.Diff([]string{"127.0.0.1:1"}, asked); diff != "" || err == nil {
		t.Errorf("got %v (-want +got):\n%s", err, diff)
	}
}

func TestManyMistakesAreKeptAndTheFirstHundredShown(t *testing.T) {
	t.Parallel()
	_, err := monitor.Parse("test.yaml", []byte("monitors:\n"+strings.Repeat("  - {tcp: '127.0.0.1:1'}\n", 150)), options())
	invalid, ok := errors.AsType[*monitor.InvalidError](err)
	if !ok || len(invalid.Problems) != 150 {
		t.Fatalf("got %v, want 150 problems", err)
	}
	if text := err.Error(); strings.Count(text, "found no name") != 100 || !strings.HasSuffix(text, "… and 50 more mistakes") {
		t.Errorf("got %d shown and the end %q, want 100 and the number of the others", strings.Count(text, "found no name"), text[len(text)-40:])
	}
}

func TestLongLinesAreCutAroundTheColumn(t *testing.T) {
	t.Parallel()
	padding := strings.Repeat("é", 500)
	found := problems(t, "monitors:\n  - {name: a, tcp: '127.0.0.1:1', notify: [], expect: '"+padding+"', timeout: x, interval: '5m' }  # "+padding+"\n")
	lines := strings.Split(found[0].String(), "\n")
	if len(lines) != 3 || len([]rune(lines[1])) > 170 {
		t.Fatalf("got %q, want three short lines", lines)
	}
	if caret := []rune(lines[1])[strings.Index(lines[2], "^")]; caret != 'x' {
		t.Errorf("got the caret below %q, want it below x:\n%s", caret, found[0])
	}
}

func TestMarksOfOtherEditorsAreNoMistakes(t *testing.T) {
	t.Parallel()
	file := parse(t, "\ufeffmonitors:\r\n  - name: a\r\n    tcp: 127.0.0.1:1\r\n    notify: []\r\n")
	if len(file.Monitors) != 1 || file.Monitors[0].TCP.Address != "127.0.0.1:1" || len(file.Warnings) != 0 {
		t.Errorf("got %+v, want one monitor", file)
	}
}

func TestNestingIsBounded(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"monitors: " + strings.Repeat("[", 100_000), strings.Repeat("- ", 100_000), strings.Repeat("{a: ", 1000),
	} {
		if found := problems(t, text); !strings.Contains(found[0].Found, "levels") {
			t.Errorf("got %v, want too many levels", found[0])
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, path := range append(fixtures(f, "bad-*.yaml"), fixtures(f, "good-*.yaml")...) {
		data, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := monitor.Parse("fuzz.yaml", data, options())
		if invalid, ok := errors.AsType[*monitor.InvalidError](err); ok {
			for _, p := range invalid.Problems {
				if p.Line < 1 || p.Column < 1 || p.Found == "" || p.Expected == "" || p.String() == "" {
					t.Fatalf("got %+v, want a place, what was found and what was expected", p)
				}
			}
			return
		}
		for _, m := range file.Monitors {
			if _, err := m.Kind(); err != nil || !job.ValidName(m.Name) || (m.Interval > 0) == (m.Cron != "") {
				t.Fatalf("got %+v, want a monitor that can be watched", m)
			}
		}
	})
}
