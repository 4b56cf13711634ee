package bench

import (
	"encoding/json"
	"fmt"
	"io"
	"time"

	"vedette/cmd/vedette/internal/harness"
)

// child is a process that serves a benchmark and reports in JSON.
type child struct {
	*harness.Process

	output *json.Decoder
}

// startChild starts 'vedette bench ARGS' and decodes its first report.
func startChild(report any, args ...string) (*child, error) {
	cmd, err := harness.Command(append([]string{"bench"}, args...)...)
	if err != nil {
		return nil, err
	}
	output, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", args[0], err)
	}
	process, err := harness.Start(cmd, func(error) {})
	if err != nil {
		return nil, err
	}
	c := &child{process, json.NewDecoder(output)}
	if err := c.output.Decode(report); err != nil {
		c.Stop()
		return nil, fmt.Errorf("start %s: %w", args[0], err)
	}
	return c, nil
}

// startTargets starts the targets.
func startTargets(delay time.Duration) (t targets, c *child, err error) {
	c, err = startChild(&t, "targets", "--delay", delay.String())
	return t, c, err
}

// cost returns the CPU time that the targets have used so far.
func (c *child) cost() (used time.Duration, err error) {
	if _, err = io.WriteString(c.Input, "\n"); err == nil {
		err = c.output.Decode(&used)
	}
	if err != nil {
		return 0, fmt.Errorf("read cost of targets: %w", err)
	}
	return used, nil
}
