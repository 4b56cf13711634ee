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

// fastDecoder is a message that may be read by hand. It reports whether it was; what
// it has set otherwise is to be thrown away.
type fastDecoder interface {
	decodeFast(data []byte) bool
}

// parser reads a message from its front. What it does not expect makes it bad, and
// what is read from then on is nothing.
type parser struct {
	rest []byte
	bad  bool
}

// accept reads a literal, if it comes next.
func (t *parser) accept(literal string) bool {
	if len(t.rest) < len(literal) || string(t.rest[:len(literal)]) != literal {
		return false
	}
	t.rest = t.rest[len(literal):]
	return true
}

// expect reads a literal that must come next.
func (t *parser) expect(literal string) {
	if !t.accept(literal) {
		t.bad = true
	}
}

// rawString reads a string of printable ASCII without escapes, to its closing quote.
func (t *parser) rawString() []byte {
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

// text reads a string. One that is as the last one was shares its memory.
func (t *parser) text(last string) string {
	word := t.rawString()
	if string(word) == last {
		return last
	}
	return string(word)
}

func (t *parser) timestamp() (at time.Time) {
	if err := at.UnmarshalText(t.rawString()); err != nil {
		t.bad = true
	}
	return at
}

// span reads one, whose letters need not be ASCII: 12µs.
func (t *parser) span() (d Duration) {
	end := bytes.IndexByte(t.rest, '"')
	if end < 0 || d.UnmarshalText(t.rest[:end]) != nil { // nothing that has escapes is one
		t.bad = true
		return 0
	}
	t.rest = t.rest[end+1:]
	return d
}

// number reads a number that is not negative, as JSON writes it.
func (t *parser) number() int {
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

// complete tells whether all was read, and as expected.
func (t *parser) complete() bool { return !t.bad && len(t.rest) == 0 }

// decodeFast reads the check of a slot whose probe has but its first parameter.
func (c *Check) decodeFast(data []byte) bool {
	t := &parser{rest: data}
	t.expect(`{"v":1,"monitor":"`)
	c.V, c.Monitor = Version, t.text("")
	t.expect(`,"slot":"`)
	c.Slot = t.timestamp()
	t.expect(`,"location":"`)
	c.Location = t.text(DefaultLocation)
	t.expect(`,"not_after":"`)
	c.NotAfter = t.timestamp()
	t.spec(&c.Spec)
	t.expect(`}`)
	return t.complete()
}

// spec reads a probe that has but its first parameter, and what is expected.
func (t *parser) spec(s *Spec) {
	switch {
	case t.accept(`,"http":{"url":"`):
		s.HTTP = &HTTP{URL: t.text("")}
	case t.accept(`,"tcp":{"address":"`):
		s.TCP = &TCP{Address: t.text("")}
	default:
		t.bad = true
	}
	t.expect(`}`)
	s.Expect = t.list(`,"expect":[`)
	if t.accept(`,"timeout":"`) {
		s.Timeout = t.span()
	}
}

// decodeFast reads a definition with such a probe, an interval, and the usual
// of the rest. There is one for each monitor and part at the start.
func (m *Monitor) decodeFast(data []byte) bool {
	t := &parser{rest: data}
	t.expect(`{"v":1,"name":"`)
	m.V, m.Name = Version, t.text("")
	if t.accept(`,"group":"`) {
		m.Group = t.text("")
	}
	t.spec(&m.Spec)
	t.expect(`,"interval":"`)
	m.Interval = t.span()
	m.Locations = t.list(`,"locations":[`)
	if t.accept(`,"failure_threshold":`) {
		m.FailureThreshold = t.number()
	}
	if t.accept(`,"success_threshold":`) {
		m.SuccessThreshold = t.number()
	}
	if t.accept(`,"retry_interval":"`) {
		m.RetryInterval = t.span()
	}
	m.Notify = t.list(`,"notify":[`)
	t.expect(`}`)
	return t.complete()
}

// list reads a list of strings that is not empty, if it comes next.
func (t *parser) list(name string) (all []string) {
	if !t.accept(name) {
		return nil
	}
	t.expect(`"`)
	all = append(all, t.text(""))
	for !t.bad && t.accept(`,"`) {
		all = append(all, t.text(""))
	}
	t.expect(`]`)
	return all
}

// maxFastResults bounds for how many results memory is taken before they are
// read; a batch has fewer.
const maxFastResults = 1000

// decodeFast reads results of which none is a miss.
func (r *Results) decodeFast(data []byte) bool {
	t := &parser{rest: data}
	t.expect(`{"v":1,"results":[`)
	r.V = Version
	// All in two pieces of memory: three, with their growing, were a tenth of all
	// that was allocated for a check.
	many := bytes.Count(data, []byte(`{"monitor":"`))
	if many > maxFastResults {
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
		if !t.accept(`,`) {
			t.expect(`]}`)
			return t.complete()
		}
	}
}

// result reads one, into an outcome that is its own.
func (t *parser) result(last *Result, outcome *ProbeResult) (r Result) {
	t.expect(`{"monitor":"`)
	r.Monitor = t.text("")
	t.expect(`,"slot":"`)
	r.Slot = t.timestamp()
	t.expect(`,"worker":"`)
	r.Worker = t.text(last.Worker)
	t.expect(`,"location":"`)
	r.Location = t.text(last.Location)
	t.expect(`,"probe_result":{"health":"`)
	r.ProbeResult = outcome
	t.probeResult(outcome)
	t.expect(`}}`)
	return r
}

func (t *parser) probeResult(o *ProbeResult) {
	o.Health = Health(t.text(string(Up)))
	if t.accept(`,"class":"`) {
		o.Class = Class(t.text(""))
	}
	if t.accept(`,"cause":"`) {
		o.Cause = t.text("")
	}
	t.expect(`,"started":"`)
	o.Started = t.timestamp()
	t.expect(`,"latency":"`)
	o.Latency = t.span()
	t.phases(&o.Phases)
	if t.accept(`,"address":"`) {
		o.Address = t.text("")
	}
	if t.accept(`,"status":`) {
		o.Status = t.number()
	}
	if t.accept(`,"certificate_expires":"`) {
		o.CertificateExpires = t.timestamp()
	}
}

func (t *parser) phases(p *Phases) {
	t.expect(`,"phases":{`)
	first := true
	for _, phase := range [...]struct {
		name string
		at   *Duration
	}{{`"dns":"`, &p.DNS}, {`"connect":"`, &p.Connect}, {`"tls":"`, &p.TLS}, {`"processing":"`, &p.Processing}, {`"transfer":"`, &p.Transfer}} {
		before := t.rest
		if !first && !t.accept(`,`) {
			break
		}
		if !t.accept(phase.name) {
			t.rest = before
			continue
		}
		*phase.at, first = t.span(), false
	}
	t.expect(`}`)
}
