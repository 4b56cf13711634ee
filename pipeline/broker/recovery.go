package broker

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"vedette/pipeline/datadir"
)

// recordPeriod is how often the broker records what the server has. A loss of
// messages younger than that can go unnoticed after an unclean stop.
const recordPeriod = 5 * time.Second

// checkFiles checks and repairs the data directory before a start. A cluster node
// repairs its files from other nodes, so for one it returns nil.
func checkFiles(config Config, stopped *datadir.Record) (*datadir.Report, error) {
	if config.Cluster != nil {
		return nil, nil //nolint:nilnil // there is nothing to report
	}
	return datadir.Check(config.Dir, time.Now(), stopped)
}

// recovered reports how a start went, and starts to record what the server has.
func (c Config) recovered(running *server.Server, report *datadir.Report) (*recorder, error) {
	if c.Cluster != nil {
		return nil, nil //nolint:nilnil // a nil recorder does nothing
	}
	found, err := states(running)
	if err != nil {
		return nil, fmt.Errorf("look at recovered streams: %w", err)
	}
	c.reportRecovery(report, found)
	return startRecorder(c, running), nil
}

// reportRecovery writes one line about a recovery, and passes it on. A start
// after a clean stop without damage needs none.
func (c Config) reportRecovery(report *datadir.Report, states []datadir.State) {
	report.Finish(states, time.Now())
	attributes := []any{
		"directory", c.Dir, "streams", report.Streams, "messages", report.Messages, "took", report.Took.Round(time.Millisecond),
	}
	lost := report.Lost()
	switch {
	case len(lost) > 0:
		c.Logger.Error("data directory was damaged; messages are lost, or may be",
			append(attributes, "lost", datadir.Summary(lost), "damaged_files", filepath.Join(c.Dir, datadir.AsideDir))...)
	case len(report.Findings) > 0:
		c.Logger.Warn("data directory was damaged and has been repaired; nothing was lost", append(attributes, "repaired", datadir.Summary(report.Findings))...)
	case !report.Clean:
		c.Logger.Warn("recovered from an unclean stop; nothing was lost", attributes...)
	default:
		return
	}
	if c.Recovered != nil {
		c.Recovered(report)
	}
}

// states returns what the server has.
func states(running *server.Server) ([]datadir.State, error) {
	info, err := running.Jsz(&server.JSzOptions{Accounts: true, Streams: true, Consumer: true})
	if err != nil {
		return nil, err
	}
	var all []datadir.State
	for _, account := range info.AccountDetails {
		for i := range account.Streams {
			s := &account.Streams[i]
			state := datadir.State{
				Account: account.Id, Name: s.Name, Messages: s.State.Msgs, First: s.State.FirstSeq, Last: s.State.LastSeq,
				Consumers: map[string]datadir.Position{},
			}
			for _, consumer := range s.Consumer {
				state.Consumers[consumer.Name] = datadir.Position{AckFloor: pair(consumer.AckFloor), Delivered: pair(consumer.Delivered)}
			}
			all = append(all, state)
		}
	}
	return all, nil
}

func pair(s server.SequenceInfo) datadir.Pair {
	return datadir.Pair{Consumer: s.Consumer, Stream: s.Stream}
}

// recorder records what a server has, until it is stopped.
type recorder struct {
	dir     string
	running *server.Server
	logger  *slog.Logger
	stop    chan struct{}
	done    chan struct{}
}

func startRecorder(config Config, running *server.Server) *recorder {
	r := &recorder{dir: config.Dir, running: running, logger: config.Logger, stop: make(chan struct{}), done: make(chan struct{})}
	go r.run()
	return r
}

func (r *recorder) run() {
	defer close(r.done)
	ticker := time.NewTicker(recordPeriod)
	defer ticker.Stop()
	definitions := ""
	for {
		select {
		case <-r.stop:
			return
		case <-ticker.C:
		}
		found, err := states(r.running)
		if err == nil {
			definitions, err = datadir.Save(r.dir, found, definitions, time.Now())
		}
		if err != nil { // such as a full disk, which others report
			r.logger.Debug("streams were not recorded; retrying", "error", err)
		}
	}
}

// end ends the recorder, before its server is stopped.
func (r *recorder) end() {
	if r != nil {
		close(r.stop)
		<-r.done
	}
}

// finish records the files after the server has stopped cleanly.
func (r *recorder) finish() *datadir.Record {
	record, err := datadir.SaveStopped(r.dir, time.Now())
	if err != nil {
		r.logger.Warn("files were not recorded; another process treats this stop as unclean", "error", err)
	}
	return record
}

// recoveryLog passes the server's warnings about its recovery to the debug level
// while it recovers, since one line of ours describes the result.
type recoveryLog struct {
	*logAdapter

	recovering atomic.Bool
}

// newRecoveryLog returns a log for a start with or without something to recover.
func newRecoveryLog(logger *slog.Logger, report *datadir.Report) *recoveryLog {
	l := &recoveryLog{logAdapter: &logAdapter{logger: logger, fatal: make(chan string, 1)}}
	l.recovering.Store(report != nil && (!report.Clean || len(report.Findings) > 0))
	return l
}

// Warnf logs a warning.
func (l *recoveryLog) Warnf(format string, v ...any) {
	if l.recovering.Load() && aboutRecovery(format) {
		l.Debugf(format, v...)
		return
	}
	l.logAdapter.Warnf(format, v...)
}

// aboutRecovery recognises a warning about streams and consumers that are being
// recovered. The server indents most of them.
func aboutRecovery(format string) bool {
	for _, beginning := range []string{"Filestore [", "  ", "JetStream consumer "} {
		if strings.HasPrefix(format, beginning) {
			return true
		}
	}
	return false
}
