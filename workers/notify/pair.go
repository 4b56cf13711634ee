package notify

import (
	"strings"

	"vedette/pipeline/job"
)

// pair is an address and a monitor, in one role: for alerts, or for mails to
// operators. Everything that an address must be notified about belongs to a
// pair; groups only decide which pairs share a mail.
type pair struct {
	address   string // its token in keys
	operators bool
	monitor   string
}

// The tokens for roles in keys.
const (
	alertsToken    = "alerts"
	operatorsToken = "operators"
)

// addressToken identifies an address in keys.
func addressToken(address string) string { return job.DeriveID("address", AddressKey(address)) }

func (p pair) role() string {
	if p.operators {
		return operatorsToken
	}
	return alertsToken
}

func (p pair) key() string { return p.address + "." + p.role() + "." + p.monitor }

// cutPair returns the pair of a log's key.
func cutPair(key string) (pair, bool) {
	tokens := strings.SplitN(key, ".", 3) // a monitor's name may hold dots
	if len(tokens) < 3 || tokens[1] != alertsToken && tokens[1] != operatorsToken {
		return pair{}, false
	}
	return pair{address: tokens[0], operators: tokens[1] == operatorsToken, monitor: tokens[2]}, true
}
