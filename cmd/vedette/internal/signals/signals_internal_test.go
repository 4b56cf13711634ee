package signals

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"vedette/cmd/vedette/internal/cli"
)

func TestSignalsWithinHalfASecondAreOne(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		at   []time.Duration
		want []action
	}{
		"one":          {[]time.Duration{0}, []action{stopCleanly}},
		"timeout(1)":   {[]time.Duration{0, 50 * time.Microsecond}, []action{stopCleanly, sameRequest}},
		"two wrappers": {[]time.Duration{0, 10 * time.Millisecond, 499 * time.Millisecond}, []action{stopCleanly, sameRequest, sameRequest}},
		"two requests": {[]time.Duration{0, time.Second}, []action{stopCleanly, endAtOnce}},
		"both":         {[]time.Duration{0, time.Millisecond, 500 * time.Millisecond}, []action{stopCleanly, sameRequest, endAtOnce}},
	} {
		var s sequence
		var got []action
		for _, at := range c.at {
			got = append(got, s.next(time.Unix(1, 0).Add(at)))
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: got %v, want %v", name, got, c.want)
		}
	}
}

func TestFirstSignalIsTheCauseAndALaterOneEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancelCause(t.Context())
		received, done := make(chan os.Signal), make(chan struct{})
		defer close(done)
		var ended []os.Signal
		go follow(done, received, stop, func(s os.Signal) { ended = append(ended, s) })
		received <- syscall.SIGTERM
		received <- os.Interrupt
		synctest.Wait()
		if reason, stopped := Stopped(ctx); !stopped || reason != "SIGTERM" || len(ended) != 0 {
			t.Errorf("got %q %t %v, want a clean stop for the first", reason, stopped, ended)
		}
		<-time.After(repeatWindow)
		received <- os.Interrupt
		synctest.Wait()
		if !slices.Equal(ended, []os.Signal{os.Interrupt}) {
			t.Errorf("got %v, want the end at a later one", ended)
		}
	})
}

func TestReasonForTheEndIsPrinted(t *testing.T) {
	t.Parallel()
	stopped, stop := context.WithCancelCause(t.Context())
	stop(&StopError{Reason: "SIGTERM"})
	broken := errors.New("unlock: not locked")
	for name, c := range map[string]struct {
		ctx       context.Context
		err       error
		prints    string
		wantError string
	}{
		"stopped":            {stopped, nil, "vedette stopped cleanly: SIGTERM\n", ""},
		"could not stop":     {stopped, broken, "", "stop after SIGTERM: unlock: not locked"},
		"ended without stop": {t.Context(), broken, "", "unlock: not locked"},
	} {
		var out strings.Builder
		err := Ended(c.ctx, &out, c.err)
		if text := errorText(err); out.String() != c.prints || text != c.wantError {
			t.Errorf("%s: got %q %q, want %q %q", name, out.String(), text, c.prints, c.wantError)
		}
	}
	if err := UnlessStopped(stopped, broken); err != nil {
		t.Errorf("got %v, want no error from a start that was stopped", err)
	}
	if err := UnlessStopped(t.Context(), broken); !errors.Is(err, broken) {
		t.Errorf("got %v, want %v", err, broken)
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestInterruptedCommandNamesTheSignal(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancelCause(t.Context())
	err := errors.Join(context.Canceled)
	if got := Explain(ctx, err); !errors.Is(got, err) || strings.Contains(got.Error(), "stopped") {
		t.Errorf("got %v, want no change without a signal", got)
	}
	stop(&StopError{Reason: "SIGINT"})
	var out strings.Builder
	if code := cli.PrintError(&out, Explain(ctx, err)); code != cli.ExitFailed || out.String() != "vedette: stopped by SIGINT: context canceled\n" {
		t.Errorf("got %d %q, want the signal", code, out.String())
	}
	if Explain(ctx, nil) != nil {
		t.Error("got an error, want none for a command that was done")
	}
}
