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
func probeICMP(ctx context.Context, a *attempt) (Facts, error) {
	found, err := a.sendEchoes(ctx, a.spec.ICMP)
	switch {
	case err != nil:
		return nil, err
	case found.PacketsRecv == 0 && len(a.spec.Expect) == 0:
		return nil, failed(job.ClassTimeout, "none of %d echo requests was answered", found.PacketsSent)
	}
	facts := Facts{"sent": found.PacketsSent, "received": found.PacketsRecv, "loss": found.PacketLoss / 100}
	if found.PacketsRecv > 0 {
		facts["rtt"] = map[string]time.Duration{"min": found.MinRtt, "avg": found.AvgRtt, "max": found.MaxRtt}
	}
	return facts, nil
}

func icmpFacts() map[string]*cel.Type {
	return map[string]*cel.Type{
		"sent": cel.IntType, "received": cel.IntType, "loss": cel.DoubleType, "rtt": cel.MapType(cel.StringType, cel.DurationType),
	}
}

// sendEchoes looks up the host and sends echo requests to its first address:
// without privileges if the system permits it, otherwise over a raw socket.
func (a *attempt) sendEchoes(ctx context.Context, i *job.ICMP) (*probing.Statistics, error) {
	addresses, err := a.lookup(ctx, i.Host, i.Network)
	if err != nil {
		return nil, err
	}
	ip := addresses[0]
	if err := a.c.config.NetworkPolicy.check(ip); err != nil {
		return nil, err
	}
	a.dialled(ip.String())
	a.enter(inProcessing)
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
				a.done()
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
	p.require(i.Count >= 0 && i.Count <= maxEchoCount, "count", i.Count, fmt.Sprintf("1 to %d", maxEchoCount))
	p.require(i.Size == 0 || i.Size >= minEchoSize && i.Size <= maxEchoSize, "size", i.Size, fmt.Sprintf("%d to %d", minEchoSize, maxEchoSize))
	p.require(i.Pause >= 0, "pause", i.Pause, "none below 0s")
	validateNetwork(i.Network, p)
}
