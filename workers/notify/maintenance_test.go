package notify_test

import (
	"testing"
	"time"

	"vedette/pipeline/job"
	"vedette/workers/notify"
)

func window(t *testing.T, m job.Maintenance) notify.Window {
	t.Helper()
	m.Name = "w"
	w, err := notify.NewWindow(m)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func berlin(t *testing.T, text string) time.Time {
	t.Helper()
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	at, err := time.ParseInLocation("2006-01-02 15:04", text, zone)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func TestWindowsOpenAndClose(t *testing.T) {
	t.Parallel()
	night := job.Maintenance{Cron: "0 23 * * sat", TimeZone: "Europe/Berlin", Until: "07:00"}
	hours := job.Maintenance{Cron: "0 23 * * sat", TimeZone: "Europe/Berlin", For: job.Duration(8 * time.Hour)}
	monthly := job.Maintenance{Cron: "30 1 1,15 * *", TimeZone: "Europe/Berlin", For: job.Duration(time.Hour)}
	gap := job.Maintenance{Cron: "30 2 * * *", TimeZone: "Europe/Berlin", Until: "03:30"}
	cases := []struct {
		name  string
		w     job.Maintenance
		at    string
		until string // empty: closed
	}{
		{"before", night, "2026-03-07 22:59", ""},
		{"its first minute", night, "2026-03-07 23:00", "2026-03-08 07:00"},
		{"over midnight", night, "2026-03-08 03:00", "2026-03-08 07:00"},
		{"its end is outside", night, "2026-03-08 07:00", ""},
		{"another day", night, "2026-03-09 03:00", ""},
		// DST begins on 29 March at 02:00, and ends on 25 October at 03:00.
		{"local end, in spring", night, "2026-03-29 06:59", "2026-03-29 07:00"},
		{"local end, in autumn", night, "2026-10-25 06:59", "2026-10-25 07:00"},
		{"elapsed time, in spring", hours, "2026-03-29 07:30", "2026-03-29 08:00"},
		{"elapsed time, in autumn", hours, "2026-10-25 05:30", "2026-10-25 06:00"},
		{"elapsed time, over", hours, "2026-10-25 06:30", ""},
		{"monthly", monthly, "2026-02-15 02:00", "2026-02-15 02:30"},
		{"monthly, another day", monthly, "2026-02-16 02:00", ""},
		{"a beginning that DST skips", gap, "2026-03-29 03:10", "2026-03-29 03:30"},
		{"a beginning that DST repeats", gap, "2026-10-25 03:10", "2026-10-25 03:30"},
		{"once", job.Maintenance{Starts: berlin(t, "2026-05-01 22:00"), Ends: berlin(t, "2026-05-02 04:00")}, "2026-05-02 03:59", "2026-05-02 04:00"},
		{"once, and over", job.Maintenance{Starts: berlin(t, "2026-05-01 22:00"), Ends: berlin(t, "2026-05-02 04:00")}, "2026-05-02 04:00", ""},
	}
	for _, c := range cases {
		w := window(t, c.w)
		until, open := w.Active(berlin(t, c.at))
		switch {
		case c.until == "" && open:
			t.Errorf("%s: got open until %s at %s, want it closed", c.name, until, c.at)
		case c.until != "" && (!open || !until.Equal(berlin(t, c.until))):
			t.Errorf("%s: got open %v until %s at %s, want until %s", c.name, open, until, c.at, c.until)
		}
	}
}

// A daily window is open for its time and no other, checked for each minute in a
// year with two DST changes.
func TestDailyWindowIsOpenForItsTimeAllYear(t *testing.T) {
	t.Parallel()
	w := window(t, job.Maintenance{Cron: "30 22 * * *", TimeZone: "Europe/Berlin", Until: "06:15"})
	zone := berlin(t, "2026-01-01 00:00").Location()
	for at := berlin(t, "2026-01-01 12:00"); at.Year() == 2026; at = at.Add(time.Minute) {
		local := at.In(zone)
		clock := local.Hour()*60 + local.Minute()
		want := clock >= 22*60+30 || clock < 6*60+15
		if _, open := w.Active(at); open != want {
			t.Fatalf("%s: got open %v, want %v", local, open, want)
		}
	}
}

func TestInvalidWindowsAreRefused(t *testing.T) {
	t.Parallel()
	for _, m := range []job.Maintenance{
		{},
		{Cron: "x", For: 1},
		{Cron: "0 1 * * *"},
		{Cron: "0 1 * * *", Until: "7"},
		{Cron: "0 1 * * *", For: job.Duration(8 * 24 * time.Hour)},
		{Cron: "0 1 * * *", Until: "07:00", TimeZone: "Nowhere"},
	} {
		if _, err := notify.NewWindow(m); err == nil {
			t.Errorf("%+v: got no error", m)
		}
	}
	var mutes notify.Mutes
	if err := mutes.SetWindows([]job.Maintenance{{Name: "bad"}, {Name: "good", Starts: began, Ends: began.Add(time.Hour)}}); err == nil {
		t.Error("got no error for an invalid window")
	}
	if mute := mutes.Active(&job.Incident{Monitor: "a"}, began); mute.Kind != notify.MuteMaintenance || mute.By != "good" {
		t.Errorf("got %+v, want the valid window", mute)
	}
}

func TestTheMuteThatEndsLastCounts(t *testing.T) {
	t.Parallel()
	var mutes notify.Mutes
	for i, hours := range []int{1, 3, 2} {
		mutes.SetSilence(job.Silence{ID: string(rune('a' + i)), Match: job.Match{Labels: map[string]string{"env": "p*"}}, Starts: began, Ends: began.Add(time.Duration(hours) * time.Hour)})
	}
	incident := &job.Incident{Monitor: "x", Labels: map[string]string{"env": "prod"}}
	if mute := mutes.Active(incident, began); mute.By != "b" || !mute.Until.Equal(began.Add(3*time.Hour)) {
		t.Errorf("got %+v, want the longest", mute)
	}
	mutes.RemoveSilence("b")
	if mute := mutes.Active(incident, began); mute.By != "c" {
		t.Errorf("got %+v, want the next", mute)
	}
	if mute := mutes.Active(&job.Incident{Monitor: "x"}, began); mute.Kind != "" {
		t.Errorf("got %+v for a monitor without the label, want nothing", mute)
	}
	if got := len(mutes.ActiveSilences(began)); got != 2 {
		t.Errorf("got %d silences, want 2", got)
	}
}
