package broker

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"vedette/pipeline/datadir"
)

// recordPeriod is how often the broker records what the server has. A loss of
// messages younger than that can go unnoticed after an unclean stop.
const recordPeriod = 5 * time.Second

// files follows the data directory through starts and stops. A cluster node
// repairs its files from other nodes, so for one it does nothing.
type files struct {
	config   Config
	recorder *recorder       // of the running server
	last     *datadir.Record // of the server before a restart

	mu   sync.Mutex // guards lost
	lost []datadir.Finding
}

// Lost returns what starts and restarts have found to be lost, or may be.
func (b *Broker) Lost() []datadir.Finding {
	b.files.mu.Lock()
	defer b.files.mu.Unlock()
	return slices.Clone(b.files.lost)
}

// check checks and repairs the data directory before a start.
func (f *files) check() (*datadir.Report, error) {
	if f.config.Cluster != nil {
		return nil, nil //nolint:nilnil // there is nothing to report
	}
	return datadir.Check(f.config.Dir, time.Now(), f.last)
}

// started reports how a start went, and starts to record what the server has.
func (f *files) started(running *server.Server, report *datadir.Report) error {
	if f.config.Cluster != nil {
		return nil
	}
	found, err := states(running)
	if err != nil {
		return fmt.Errorf("look at recovered streams: %w", err)
	}
	f.config.reportRecovery(report, found)
	f.mu.Lock()
	f.lost = append(f.lost, report.Lost()...)
	f.mu.Unlock()
	f.recorder = startRecorder(f.config, running)
	return nil
}

// stopping ends the record of a server that is about to stop.
func (f *files) stopping() {
	if f.recorder != nil {
		f.recorder.end()
	}
}

// stopped records the files after the server has stopped cleanly.
func (f *files) stopped() {
	if f.recorder == nil {
		return
	}
	f.recorder = nil
	record, err := datadir.SaveStopped(f.config.Dir, time.Now())
	if err != nil {
		f.config.Logger.Warn("files were not recorded; another process treats this stop as unclean", "error", err)
	}
	f.last = record
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
	close(r.stop)
	<-r.done
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
