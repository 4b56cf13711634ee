package job_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"vedette/pipeline/job"
)

// second is a time in a table.
func second(n float64) time.Time {
	return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC).Add(time.Duration(n * float64(time.Second)))
}

// away makes absences from pairs of seconds.
func away(pairs ...float64) []job.Absence {
	var absences []job.Absence
	for i := 0; i < len(pairs); i += 2 {
		absences = append(absences, job.Absence{From: second(pairs[i]), To: second(pairs[i+1])})
	}
	return absences
}

func TestDeadlineMovesByTheTimeInWhichNoPingCouldBeTaken(t *testing.T) {
	t.Parallel()
	const hour, day = 3600, 24 * 3600
	cases := []struct {
		name            string
		interval, grace float64
		absences        []job.Absence
		want            float64 // the last success is at 0
	}{
		{"no absence", 60, 10, nil, 70},
		{"before the last ping", 60, 10, away(-20, -10), 70},
		{"only the part after the last ping", 60, 10, away(-20, 5), 75},
		{"early, so that no ping was due", 60, 10, away(5, 15), 80},
		{"two of them", 60, 10, away(5, 10, 12, 22), 85},
		{"when a ping was due, the next one counts", 60, 10, away(55, 65), 135},
		{"in the grace", 60, 10, away(62, 72), 142},
		{"after the deadline, when the job was overdue", 60, 10, away(71, 500), 70},
		{"longer than the interval: interval and grace after it", 5, 2, away(1, 1000), 1007},
		{"a job with a short interval that keeps a shorter one", 90, 0, away(58, 63), 126},
		{"a daily job, at noon", day, 1800, away(12*hour, 12*hour+20), day + 1800 + 20},
		{"a daily job, when it ran", day, 1800, away(day-10, day+10), 2*day + 10 + 1800},
		{"a crash each minute hides it for one interval more, and the absences", 300, 0, away(59, 64, 119, 124, 179, 184, 239, 244, 299, 304, 359, 364, 419, 424, 479, 484, 539, 544, 599, 604, 659, 664, 719, 724), 629},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := job.Heartbeat{Interval: job.Duration(c.interval * float64(time.Second)), Grace: job.Duration(c.grace * float64(time.Second))}
			if got := h.DueBy(second(0), c.absences); !got.Equal(second(c.want)) {
				t.Errorf("got %s after the last ping, want %gs", got.Sub(second(0)), c.want)
			}
		})
	}
}

// However often Vedette is away, a silent job is down after the last absence that
// matters, its interval and its grace.
func TestAbsencesNeverHideASilentJob(t *testing.T) {
	t.Parallel()
	h := job.Heartbeat{Interval: job.Duration(time.Minute), Grace: job.Duration(10 * time.Second)}
	for length := 1.0; length < 200; length += 7 {
		for pause := 1.0; pause < 200; pause += 11 {
			var absences []job.Absence
			total := time.Duration(0)
			for at := pause; at < 5000; at += pause + length {
				absences = append(absences, away(at, at+length)...)
			}
			due := h.DueBy(second(0), absences)
			for _, a := range absences {
				total += a.Within(second(0), due)
			}
			counted := due.Sub(second(0)) - total // time in which pings could be taken
			if counted > 2*h.Deadline() {
				t.Fatalf("away %g s of each %g s: got down after %s with a listener, want at most %s", length, pause+length, counted, 2*h.Deadline())
			}
		}
	}
}

func TestMarksShowWhenNoPingCouldBeTaken(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name   string
		stored []float64 // when the marks were stored
		now    float64
		want   string
	}{
		{"the first mark", []float64{0}, 1, ""},
		{"renewed", []float64{0, 1, 2, 3}, 4, ""},
		{"a busy machine", []float64{0, 2.9, 5.8}, 8.7, ""},
		{"a restart", []float64{0, 1, 21}, 22, "1-21"},
		{"and renewed again", []float64{0, 1, 21, 22, 23}, 24, "1-21"},
		{"two restarts", []float64{0, 1, 21, 22, 42}, 42, "1-21 22-42"},
		{"one that lasts", []float64{0, 1, 21}, 90, "1-21 21-90"},
		{"the server's clock went back", []float64{100, 1, 2}, 3, ""},
		{"the clock of the reader is behind", []float64{100, 101}, 3, ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var mark job.Listening
			for i := range c.stored {
				if i > 0 {
					mark = mark.Next(second(c.stored[i-1]))
				}
			}
			var got []string
			for _, a := range mark.Until(second(c.stored[len(c.stored)-1]), second(c.now)) {
				got = append(got, fmt.Sprintf("%g-%g", a.From.Sub(second(0)).Seconds(), a.To.Sub(second(0)).Seconds()))
			}
			if strings.Join(got, " ") != c.want {
				t.Errorf("got %v, want %s", got, c.want)
			}
		})
	}
}

func TestMarkStaysSmall(t *testing.T) {
	t.Parallel()
	var mark job.Listening
	at := second(0.123456789)
	for range 3 * job.MaxAbsences {
		mark = mark.Next(at)
		at = at.Add(time.Minute)
	}
	body, err := job.Encode(mark)
	if err != nil {
		t.Fatal(err)
	}
	const room = 16 << 10 // the largest ping
	if len(mark.Absences) != job.MaxAbsences || len(body) > room {
		t.Errorf("got %d absences in %d bytes, want %d in at most %d", len(mark.Absences), len(body), job.MaxAbsences, room)
	}
	if last := mark.Absences[len(mark.Absences)-1]; !last.To.Equal(mark.Previous) {
		t.Errorf("got %+v last, want the newest kept", last)
	}
}
