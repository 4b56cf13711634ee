package job

import (
	"bytes"
	"strconv"
	"time"
)

// The messages of which there is one for each check are read by hand when they
// look exactly as [Encode] writes the plain ones: the same fields in the same
// order, no spaces and no escapes. Anything else is left to the general decoder,
// which has the last word on what is a mistake. That decoder took a sixth of all
// the time that plain checks cost; this takes a tenth of that.

// quick is a message that may be read by hand. It reports whether it was; what
// it has set otherwise is to be thrown away.
type quick interface {
	decodeQuick(data []byte) bool
}

// text reads a message from its front. What it does not expect makes it bad, and
// what is read from then on is nothing.
type text struct {
	rest []byte
	bad  bool
}

// has reads a literal, if it comes next.
func (t *text) has(literal string) bool {
	if len(t.rest) < len(literal) || string(t.rest[:len(literal)]) != literal {
		return false
	}
	t.rest = t.rest[len(literal):]
	return true
}

// need reads a literal that must come next.
func (t *text) need(literal string) {
	if !t.has(literal) {
		t.bad = true
	}
}

// word reads a string of printable ASCII without escapes, to its closing quote.
func (t *text) word() []byte {
	for i, c := range t.rest {
		switch {
		case c == '"':
			word := t.rest[:i]
			t.rest = t.rest[i+1:]
			return word
		case c < ' ' || c > '~' || c == '\\':
			t.bad = true
			return nil
		}
	}
	t.bad = true
	return nil
}

// string reads a string. One that is as the last one was shares its memory.
func (t *text) string(last string) string {
	word := t.word()
	if string(word) == last {
		return last
	}
	return string(word)
}

func (t *text) time() (at time.Time) {
	if err := at.UnmarshalText(t.word()); err != nil {
		t.bad = true
	}
	return at
}

// duration reads one, whose letters need not be ASCII: 12µs.
func (t *text) duration() (d Duration) {
	end := bytes.IndexByte(t.rest, '"')
	if end < 0 || d.UnmarshalText(t.rest[:end]) != nil { // nothing that has escapes is one
		t.bad = true
		return 0
	}
	t.rest = t.rest[end+1:]
	return d
}

// number reads a number that is not negative, as JSON writes it.
func (t *text) number() int {
	end := 0
	for end < len(t.rest) && '0' <= t.rest[end] && t.rest[end] <= '9' {
		end++
	}
	number, err := strconv.Atoi(string(t.rest[:end]))
	if err != nil || t.rest[0] == '0' && end > 1 {
		t.bad = true
		return 0
	}
	t.rest = t.rest[end:]
	return number
}

// whole tells whether all was read, and as expected.
func (t *text) whole() bool { return !t.bad && len(t.rest) == 0 }

// decodeQuick reads the check of a slot whose probe has but its first parameter.
func (c *Check) decodeQuick(data []byte) bool {
	t := &text{rest: data}
	t.need(`{"v":1,"monitor":"`)
	c.V, c.Monitor = Version, t.string("")
	t.need(`,"slot":"`)
	c.Slot = t.time()
	t.need(`,"location":"`)
	c.Location = t.string(DefaultLocation)
	t.need(`,"not_after":"`)
	c.NotAfter = t.time()
	t.spec(&c.Spec)
	t.need(`}`)
	return t.whole()
}

// spec reads a probe that has but its first parameter, and what is expected.
func (t *text) spec(s *Spec) {
	switch {
	case t.has(`,"http":{"url":"`):
		s.HTTP = &HTTP{URL: t.string("")}
	case t.has(`,"tcp":{"address":"`):
		s.TCP = &TCP{Address: t.string("")}
	default:
		t.bad = true
	}
	t.need(`}`)
	s.Expect = t.strings(`,"expect":[`)
	if t.has(`,"timeout":"`) {
		s.Timeout = t.duration()
	}
}

// decodeQuick reads a definition with such a probe, an interval, and the usual
// of the rest. There is one for each monitor and part at the start.
func (m *Monitor) decodeQuick(data []byte) bool {
	t := &text{rest: data}
	t.need(`{"v":1,"name":"`)
	m.V, m.Name = Version, t.string("")
	if t.has(`,"group":"`) {
		m.Group = t.string("")
	}
	t.spec(&m.Spec)
	t.need(`,"interval":"`)
	m.Interval = t.duration()
	m.Locations = t.strings(`,"locations":[`)
	if t.has(`,"failure_threshold":`) {
		m.FailureThreshold = t.number()
	}
	if t.has(`,"success_threshold":`) {
		m.SuccessThreshold = t.number()
	}
	if t.has(`,"retry_interval":"`) {
		m.RetryInterval = t.duration()
	}
	m.Notify = t.strings(`,"notify":[`)
	t.need(`}`)
	return t.whole()
}

// strings reads a list of strings that is not empty, if it comes next.
func (t *text) strings(name string) (all []string) {
	if !t.has(name) {
		return nil
	}
	t.need(`"`)
	all = append(all, t.string(""))
	for !t.bad && t.has(`,"`) {
		all = append(all, t.string(""))
	}
	t.need(`]`)
	return all
}

// maxQuickResults bounds for how many results memory is taken before they are
// read; a batch has fewer.
const maxQuickResults = 1000

// decodeQuick reads results of which none is a miss.
func (r *Results) decodeQuick(data []byte) bool {
	t := &text{rest: data}
	t.need(`{"v":1,"results":[`)
	r.V = Version
	// All in two pieces of memory: three, with their growing, were a tenth of all
	// that was allocated for a check.
	many := bytes.Count(data, []byte(`{"monitor":"`))
	if many > maxQuickResults {
		return false
	}
	outcomes := make([]ProbeResult, many)
	r.Results = make([]Result, 0, many)
	var last Result
	for {
		if len(r.Results) == many {
			return false
		}
		last = t.result(&last, &outcomes[len(r.Results)])
		if t.bad {
			return false
		}
		r.Results = append(r.Results, last)
		if !t.has(`,`) {
			t.need(`]}`)
			return t.whole()
		}
	}
}

// result reads one, into an outcome that is its own.
func (t *text) result(last *Result, outcome *ProbeResult) (r Result) {
	t.need(`{"monitor":"`)
	r.Monitor = t.string("")
	t.need(`,"slot":"`)
	r.Slot = t.time()
	t.need(`,"worker":"`)
	r.Worker = t.string(last.Worker)
	t.need(`,"location":"`)
	r.Location = t.string(last.Location)
	t.need(`,"probe_result":{"health":"`)
	r.ProbeResult = outcome
	t.outcome(outcome)
	t.need(`}}`)
	return r
}

func (t *text) outcome(o *ProbeResult) {
	o.Health = Health(t.string(string(Up)))
	if t.has(`,"class":"`) {
		o.Class = Class(t.string(""))
	}
	if t.has(`,"cause":"`) {
		o.Cause = t.string("")
	}
	t.need(`,"started":"`)
	o.Started = t.time()
	t.need(`,"latency":"`)
	o.Latency = t.duration()
	t.phases(&o.Phases)
	if t.has(`,"address":"`) {
		o.Address = t.string("")
	}
	if t.has(`,"status":`) {
		o.Status = t.number()
	}
	if t.has(`,"certificate_expires":"`) {
		o.CertificateExpires = t.time()
	}
}

func (t *text) phases(p *Phases) {
	t.need(`,"phases":{`)
	first := true
	for _, phase := range [...]struct {
		name string
		at   *Duration
	}{{`"dns":"`, &p.DNS}, {`"connect":"`, &p.Connect}, {`"tls":"`, &p.TLS}, {`"processing":"`, &p.Processing}, {`"transfer":"`, &p.Transfer}} {
		before := t.rest
		if !first && !t.has(`,`) {
			break
		}
		if !t.has(phase.name) {
			t.rest = before
			continue
		}
		*phase.at, first = t.duration(), false
	}
	t.need(`}`)
}
