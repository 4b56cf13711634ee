package check

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"syscall"
	"time"

	"github.com/google/cel-go/cel"
	probing "github.com/prometheus-community/pro-bing"

	"vedette/pipeline/job"
)

const (
	defaultEchoCount    = 3
	defaultEchoSize     = 56
	defaultEchoInterval = 200 * time.Millisecond
	maxEchoCount        = 1000
	maxEchoSize         = 65_500
	minEchoSize         = 24 // for data added by the library
)

// errNoPing recommends a change for machines that permit neither kind of
// socket.
var errNoPing = errors.New("this machine does not permit echo requests; permit them with 'sysctl net.ipv4.ping_group_range=\"0 2147483647\"', or give CAP_NET_RAW to the program")

// probeICMP sends echo requests. Up means that at least one was answered.
func (c *Checker) probeICMP(ctx context.Context, spec job.Spec) (job.ProbeResult, Facts) {
	var t timing
	found, err := c.sendEchoes(ctx, spec.ICMP, &t)
	result := job.ProbeResult{Health: job.Up}
	switch {
	case err != nil:
		result = failureResult(ctx, err, &t, timeoutOf(spec))
	case found.PacketsRecv == 0 && len(spec.Expect) == 0:
		result = downResult(job.ClassTimeout, fmt.Sprintf("none of %d echo requests was answered", found.PacketsSent))
	}
	t.addTo(&result)
	if result.Health != job.Up {
		return result, nil
	}
	facts := Facts{"sent": found.PacketsSent, "received": found.PacketsRecv, "loss": found.PacketLoss / 100}
	if found.PacketsRecv > 0 {
		facts["rtt"] = map[string]time.Duration{"min": found.MinRtt, "avg": found.AvgRtt, "max": found.MaxRtt}
	}
	return result, facts
}

func icmpFacts() map[string]*cel.Type {
	return map[string]*cel.Type{
		"sent": cel.IntType, "received": cel.IntType, "loss": cel.DoubleType, "rtt": cel.MapType(cel.StringType, cel.DurationType),
	}
}

// sendEchoes looks up the host and sends echo requests to its first address:
// without privileges if the system permits it, otherwise over a raw socket.
func (c *Checker) sendEchoes(ctx context.Context, i *job.ICMP, t *timing) (*probing.Statistics, error) {
	addresses, err := c.lookup(ctx, i.Host, i.Network, t)
	if err != nil {
		return nil, err
	}
	ip := addresses[0]
	if err := c.config.NetworkPolicy.check(ip); err != nil {
		return nil, err
	}
	t.dialled(ip.String())
	t.enter(inProcessing)
	var sendErr error
	for _, privileged := range []bool{false, true} {
		pinger := probing.New(ip.String())
		pinger.SetIPAddr(&net.IPAddr{IP: ip.AsSlice(), Zone: ip.Zone()})
		pinger.SetPrivileged(privileged)
		pinger.Count, pinger.Size, pinger.Interval = cmp.Or(i.Count, defaultEchoCount), cmp.Or(i.Size, defaultEchoSize), cmp.Or(i.Pause.Std(), defaultEchoInterval)
		pinger.RecordRtts = false
		if deadline, ok := ctx.Deadline(); ok {
			pinger.Timeout = max(time.Millisecond, time.Until(deadline)*9/10) // limits the wait for missing replies
		}
		sendErr = pinger.RunWithContext(ctx)
		if !notPermitted(sendErr) {
			if sendErr == nil {
				t.done()
			}
			return pinger.Statistics(), sendErr
		}
	}
	return nil, newLocalError("open socket for echo requests", fmt.Errorf("%w (%s)", errNoPing, innermostText(sendErr)))
}

func notPermitted(err error) bool {
	return errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EACCES) || errors.Is(err, syscall.EPROTONOSUPPORT)
}

func validateICMP(spec job.Spec, p *problems) {
	i := spec.ICMP
	if i.Host == "" {
		p.add("host", "no host", "a name or an address")
	}
	if i.Count < 0 || i.Count > maxEchoCount {
		p.add("count", fmt.Sprintf("count %d", i.Count), fmt.Sprintf("1 to %d", maxEchoCount))
	}
	if i.Size != 0 && (i.Size < minEchoSize || i.Size > maxEchoSize) {
		p.add("size", fmt.Sprintf("size %d", i.Size), fmt.Sprintf("%d to %d", minEchoSize, maxEchoSize))
	}
	if i.Pause < 0 {
		p.add("pause", fmt.Sprintf("pause %s", i.Pause), "none below 0s")
	}
	validateNetwork(i.Network, p)
}
