package topology_test

import (
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"vedette/pipeline/topology"
)

// On three replicas a bound of messages makes each publish walk all subjects in
// flight: a stream with one subject a monitor has none.
func TestStreamsAreBoundedWhereTheyCanBeAndNotWhereItWouldCost(t *testing.T) {
	t.Parallel()
	for _, config := range topology.Streams(topology.Names{Prefix: "vedette"}, 3) {
		name := strings.TrimPrefix(config.Name, "VEDETTE_")
		switch topology.Stream(name) {
		case topology.Checks:
			if config.MaxMsgs != 0 || config.MaxBytes != 0 || !config.DiscardNewPerSubject {
				t.Errorf("%s: got %d messages, %d bytes, want one a subject and no other bound", name, config.MaxMsgs, config.MaxBytes)
			}
		case topology.Adhoc, topology.Call, topology.Mail, topology.Dead:
			if config.MaxMsgs <= 0 || config.MaxBytes <= 0 || config.Discard != jetstream.DiscardNew {
				t.Errorf("%s: got %d messages, %d bytes, %v, want bounds that the publisher feels", name, config.MaxMsgs, config.MaxBytes, config.Discard)
			}
		default:
		}
		if config.MaxAge > 0 && config.Retention == jetstream.WorkQueuePolicy && name != string(topology.Advisory) {
			t.Errorf("%s: got a work queue that forgets after %s, want jobs to end as done or dead alone", name, config.MaxAge)
		}
		if config.AllowMsgSchedules && name != string(topology.Tick) && name != string(topology.Timer) {
			t.Errorf("%s: got schedules, want none: their target is not checked against the publisher's rights", name)
		}
	}
}
