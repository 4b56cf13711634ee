package notify_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vedette/pipeline/job"
	"vedette/workers/notify"
)

var update = flag.Bool("update", false, "rewrite the golden mails")

func incident(condition job.Condition) *job.Incident {
	return &job.Incident{
		ID: job.IncidentID("website", condition, began), Condition: condition, Monitor: "website", Target: "https://example.org/health?a=1&b=2",
		Group: "web", Began: began, LastUp: began.Add(-time.Minute), Failures: 3, Notify: []string{"oncall"}, Period: seconds(60),
		ProbeResult: job.ProbeResult{
			Health: job.Down, Class: job.ClassStatus, Cause: "status 503 Service Unavailable", Address: "192.0.2.7:443",
			Latency: job.Duration(43210 * time.Microsecond), Phases: job.Phases{DNS: job.Duration(time.Millisecond), Connect: job.Duration(12 * time.Millisecond)},
		},
		Recent: []job.Sample{
			{Slot: began, Health: job.Down, Cause: "status 503 Service Unavailable", Latency: job.Duration(40 * time.Millisecond)},
			{Slot: began.Add(10 * time.Second), Health: job.Down, Cause: "status 503 Service Unavailable", Latency: job.Duration(43210 * time.Microsecond)},
		},
	}
}

func line(kind job.EventKind, condition job.Condition, after time.Duration) notify.Line {
	l := notify.Line{Incident: incident(condition)}
	if kind != job.EventBegan {
		l.Resolution = &job.Resolution{Kind: kind, At: began.Add(after), ProbeResult: &job.ProbeResult{Health: job.Up, Latency: job.Duration(20 * time.Millisecond)}}
	}
	return l
}

func named(l notify.Line, name string) notify.Line {
	copied := *l.Incident
	copied.Monitor, copied.Recent = name, nil
	l.Incident = &copied
	return l
}

// decisions are the content of the golden mails, by name.
func decisions() map[string]notify.Decision {
	down := line(job.EventBegan, job.ConditionDown, 0)
	noData := line(job.EventBegan, job.ConditionNoData, 0)
	noData.Incident.Reason = job.MissNoWorker
	certificate := line(job.EventBegan, job.ConditionCertificate, 0)
	certificate.Incident.ProbeResult.CertificateExpires = began.Add(6*24*time.Hour + 5*time.Hour)
	router := named(down, "router-1")
	for i := range 60 {
		router.Dependents = append(router.Dependents, named(down, fmt.Sprintf("host-%d", i)))
	}
	var many []notify.Line
	for i := range 12 {
		many = append(many, named(down, fmt.Sprintf("web-%d", i)))
	}
	under := named(down, "host-1")
	under.Parent = "router-1"
	whole := line(job.EventEnded, job.ConditionDown, 12*time.Minute)
	whole.Unannounced = true
	failed := line(job.EventBegan, job.ConditionNoData, 0)
	failed.Incident.Reason, failed.Incident.Detail = job.MissCheckFailed, "no reference target answered"
	voted := line(job.EventBegan, job.ConditionDown, 0)
	voted.Incident.Location, voted.Incident.Quorum = "fra,nyc,sin", 2
	voted.Incident.Votes = []job.Vote{
		{Location: "fra", Health: job.Down, Cause: "status 503 Service Unavailable"},
		{Location: "nyc", Health: job.Down, Cause: "no answer within 10s"},
		{Location: "sin", Health: job.Unknown, Reason: job.MissNoWorker},
	}
	voted.Incident.Recent[0].Location, voted.Incident.Recent[1].Location = "nyc", "fra"
	oneNoData := line(job.EventBegan, job.ConditionNoData, 0)
	oneNoData.Incident.Reason, oneNoData.Incident.Location, oneNoData.Incident.Quorum = job.MissNoWorker, "sin", 2
	oneDataAgain := line(job.EventEnded, job.ConditionNoData, time.Hour)
	oneDataAgain.Incident.Reason, oneDataAgain.Incident.Location, oneDataAgain.Incident.Quorum = job.MissNoWorker, "sin", 2
	single := func(l notify.Line) notify.Decision { return notify.Decision{Lines: []notify.Line{l}} }
	return map[string]notify.Decision{
		"down": single(down), "up": single(line(job.EventEnded, job.ConditionDown, 12*time.Minute)), "was-down": single(whole),
		"removed":  single(line(job.EventRemoved, job.ConditionDown, 3*time.Hour+5*time.Minute)),
		"degraded": single(line(job.EventBegan, job.ConditionDegraded, 0)), "degraded-ended": single(line(job.EventEnded, job.ConditionDegraded, time.Hour)),
		"flapping": single(line(job.EventBegan, job.ConditionFlapping, 0)), "flapping-ended": single(line(job.EventEnded, job.ConditionFlapping, time.Hour)),
		"no-data": single(noData), "certificate": single(certificate), "behind": single(under), "parent": single(router),
		"digest": {
			Lines: append(append([]notify.Line{router}, many...), named(line(job.EventEnded, job.ConditionDown, time.Minute), "mail")),
			Still: []notify.Line{named(down, "old")},
		},
		"check-failed": single(failed),
		"votes":        single(voted),
		"location":     {Lines: []notify.Line{oneNoData, named(oneDataAgain, "database")}},
		"reminder":     {Lines: []notify.Line{down}, Reminder: true},
		"down-again":   {Lines: []notify.Line{line(job.EventEnded, job.ConditionDown, time.Minute), down}},
	}
}

func write(t *testing.T, d notify.Decision) job.Notification {
	t.Helper()
	renderer, err := notify.NewRenderer(notify.Templates{})
	if err != nil {
		t.Fatal(err)
	}
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	d.At = began.Add(4 * time.Hour)
	notification, err := renderer.Render(&d, &job.NotificationGroup{Address: "ops@example.org", Group: []string{"group=web"}}, job.Grouping{MaxListed: 10}, zone)
	if err != nil {
		t.Fatal(err)
	}
	return notification
}

func TestMailsMatchTheGoldenFiles(t *testing.T) {
	t.Parallel()
	for name, d := range decisions() {
		mail := write(t, d).Mail
		golden(t, name+".txt", "Subject: "+mail.Subject+"\n\n"+mail.Text)
		if slices.Contains([]string{"down", "up", "parent", "digest"}, name) { // the others have the same parts
			golden(t, name+".html", mail.HTML)
		}
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("..", "..", "testdata", "mails", name)
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
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

func TestMailsAboutOneIncidentFormAThread(t *testing.T) {
	t.Parallel()
	all := decisions()
	down, up := write(t, all["down"]).Mail, write(t, all["up"]).Mail
	if down.Thread != up.Thread || down.Thread == "" {
		t.Errorf("got threads %q and %q, want the incident's", down.Thread, up.Thread)
	}
	if digest := write(t, all["digest"]).Mail; digest.Thread == down.Thread || digest.Thread == "" {
		t.Errorf("got thread %q for a digest, want one of its own", digest.Thread)
	}
}

func TestCauseFromAHostileServerIsHarmless(t *testing.T) {
	t.Parallel()
	l := line(job.EventBegan, job.ConditionDown, 0)
	l.Incident.ProbeResult.Cause = "oops\u202e\r\nBcc: victim@example.org\r\n\r\n<script>alert(1)</script>" + strings.Repeat("x", 500)
	l.Incident.Recent[0].Cause = l.Incident.ProbeResult.Cause
	l.Incident.Group = l.Incident.ProbeResult.Cause
	for _, d := range []notify.Decision{{Lines: []notify.Line{l}}, {Lines: []notify.Line{l, named(l, "other")}}} {
		mail := write(t, d).Mail
		if strings.ContainsAny(mail.Subject, "\r\n\u202e") || len([]rune(mail.Subject)) > 120 {
			t.Errorf("got subject %q, want one short line", mail.Subject)
		}
		if strings.Contains(mail.HTML, "<script>") {
			t.Error("got a script in the HTML, want it escaped")
		}
		if strings.Contains(mail.Text, "\nBcc:") {
			t.Error("got a line from the server in the text, want it within the cause")
		}
	}
}

func TestTemplatesAreTriedBeforeTheyAreUsed(t *testing.T) {
	t.Parallel()
	if _, err := notify.NewRenderer(notify.Templates{Text: "{{.Headline}} {{range .Sections}}{{.Title}}{{end}}", HTML: "<b>{{.Headline}}</b>"}); err != nil {
		t.Errorf("got %v, want valid templates", err)
	}
	for _, bad := range []notify.Templates{{Text: "{{.Headlin}}"}, {HTML: "{{range}}"}, {HTML: "{{range .Sections}}{{.Monitor}}{{end}}"}} {
		if _, err := notify.NewRenderer(bad); err == nil || !strings.Contains(err.Error(), "template") {
			t.Errorf("%+v: got %v, want an error that names the template", bad, err)
		}
	}
}

func TestHumanDuration(t *testing.T) {
	t.Parallel()
	for want, d := range map[string]time.Duration{
		"0 s": 0, "45 s": 45 * time.Second, "12 min": 12*time.Minute + 40*time.Second, "3 h 5 min": 3*time.Hour + 5*time.Minute,
		"2 h": 2 * time.Hour, "2 d 4 h": 52 * time.Hour,
	} {
		if got := notify.HumanDuration(d); got != want {
			t.Errorf("%s: got %q, want %q", d, got, want)
		}
	}
}

func TestTimeBetweenStoredTimesIsNeverNonsense(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 27, 20, 43, 12, 0, time.UTC)
	for name, c := range map[string]struct {
		from, to time.Time
		want     string
	}{
		"in order":          {now.Add(-90 * time.Minute), now, "1 h 30 min"},
		"the same":          {now, now, "0 s"},
		"never began":       {time.Time{}, now, "an unknown time"},
		"never ended":       {now, time.Time{}, "an unknown time"},
		"by another clock":  {now.Add(time.Second), now, "0 s"},
		"before the epoch":  {now, time.Unix(0, 0), "0 s"},
		"a day in the past": {now.Add(-24 * time.Hour), now, "1 d"},
	} {
		if got := notify.HumanBetween(c.from, c.to); got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

func TestNotifierWithoutAStoreIsRefused(t *testing.T) {
	t.Parallel()
	if _, err := notify.New(notify.Config{}); err == nil {
		t.Error("got nil, want an error")
	}
}
