package faultsoak

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"vedette/cmd/vedette/internal/cli"
)

// report returns the table and the balance.
func report(found []observation, b mailBalance) string {
	var text strings.Builder
	table := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0) //nolint:mnd // blanks
	cli.Writef(table, "FAULT\tLASTED\tREADYZ\tDOCTOR\tREPORTED\tHEALED\tMISSED SLOTS\n")
	for i := range found {
		o := &found[i]
		cli.Writef(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", o.fault.name, seconds(o.lasted),
			shown(o.ready, o.fault.shown), shown(o.doctor, o.fault.shown), o.reported(), shown(o.healed, true), o.misses())
	}
	_ = table.Flush() // into memory
	cli.Writef(&text, "mails acknowledged %d, arrived %d, lost %d%s, sent twice %d%s, repeated with the same id %d\n",
		b.acknowledged, b.arrived, len(b.lost), some(b.lost), len(b.doubled), some(b.doubled), b.repeated)
	restarts := 0
	for i := range found {
		restarts += found[i].starts
	}
	cli.Writef(&text, "the instance ended %d times without a signal, and was started again\n", restarts)
	return text.String()
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.1fs", d.Seconds()) }

// shown returns a sighting for the table.
func shown(s sighting, expected bool) string {
	switch {
	case s.seen && s.how != "":
		return seconds(s.after) + " " + s.how
	case s.seen:
		return seconds(s.after)
	case expected:
		return "NEVER"
	default:
		return "-"
	}
}

func (o *observation) reported() string {
	if !o.told.seen && o.fault.unreported != "" {
		return "-"
	}
	return shown(o.told, true)
}

func (o *observation) misses() string {
	if o.unrecorded != nil {
		return "unknown: " + o.unrecorded.Error()
	}
	var parts []string
	for _, reason := range slices.Sorted(maps.Keys(o.missed)) {
		parts = append(parts, fmt.Sprintf("%d %s", o.missed[reason], reason))
	}
	if parts == nil {
		return "0"
	}
	return strings.Join(parts, ", ")
}

// some returns the first entries in a list.
func some(list []string) string {
	const most = 3
	switch {
	case len(list) == 0:
		return ""
	case len(list) > most:
		return " (" + strings.Join(list[:most], "; ") + " …)"
	default:
		return " (" + strings.Join(list, "; ") + ")"
	}
}

// verdict returns what does not hold.
func (s *soak) verdict(found []observation, b mailBalance) error {
	var problems []error
	for i := range found {
		problems = append(problems, s.limits.check(&found[i]))
	}
	return errors.Join(append(problems,
		expect(len(b.lost) == 0, "balance mails: found %d acknowledged that did not arrive, expected none", len(b.lost)),
		expect(len(b.doubled) == 0, "balance mails: found %d that were sent twice with different ids, expected none", len(b.doubled)),
	)...)
}

// check returns what of a fault was not seen in time.
func (l limits) check(o *observation) error {
	var problems []error
	within := func(what string, s sighting, limit time.Duration) {
		problems = append(problems,
			expect(s.seen, "%s: found it not %s, expected that within %s", o.fault.name, what, limit),
			expect(!s.seen || s.after <= limit, "%s: found it %s after %s, expected that within %s", o.fault.name, what, seconds(s.after), limit))
	}
	if o.fault.shown {
		within("noticed by /readyz", o.ready, l.noticed)
		within("noticed by doctor", o.doctor, l.noticed)
	}
	if o.fault.unreported == "" {
		within("reported", o.told, l.told)
	}
	within("healed", o.healed, l.healed)
	if o.fault.after != nil {
		problems = append(problems, expect(o.over, "%s: found no mail about its end, expected one", o.fault.name))
	}
	return errors.Join(problems...)
}
