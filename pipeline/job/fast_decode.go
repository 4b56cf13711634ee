package job

import (
	"bytes"
	"strconv"
	"time"
)

// Messages that occur once per check have a fast decoder for the exact form that
// [Encode] writes for plain ones: same fields, same order, no spaces, no escapes.
// Everything else goes to the general decoder, which alone decides about errors.
// The general decoder took a sixth of the processor time for plain checks; the
// fast one takes a tenth of that.

// fastDecoder is a message with a fast decoder. decodeFast reports whether it
// succeeded; after a failure the caller must discard the message.
type fastDecoder interface {
	decodeFast(data []byte) bool
}

// parser reads a message from its start. Unexpected input sets bad; later reads
// then return zero values.
type parser struct {
	rest []byte
	bad  bool
}

// accept consumes a literal if it comes next.
func (p *parser) accept(literal string) bool {
	if len(p.rest) < len(literal) || string(p.rest[:len(literal)]) != literal {
		return false
	}
	p.rest = p.rest[len(literal):]
	return true
}

// expect consumes a literal that must come next.
func (p *parser) expect(literal string) {
	if !p.accept(literal) {
		p.bad = true
	}
}

// rawString reads printable ASCII without escapes, up to the closing quote.
func (p *parser) rawString() []byte {
	for i, c := range p.rest {
		switch {
		case c == '"':
			word := p.rest[:i]
			p.rest = p.rest[i+1:]
			return word
		case c < ' ' || c > '~' || c == '\\':
			p.bad = true
			return nil
		}
	}
	p.bad = true
	return nil
}

// text reads a string. A string equal to last shares its memory.
func (p *parser) text(last string) string {
	word := p.rawString()
	if string(word) == last {
		return last
	}
	return string(word)
}

func (p *parser) timestamp() (at time.Time) {
	if err := at.UnmarshalText(p.rawString()); err != nil {
		p.bad = true
	}
	return at
}

// span reads a duration, which may contain non-ASCII letters: 12µs.
func (p *parser) span() (d Duration) {
	end := bytes.IndexByte(p.rest, '"')
	if end < 0 || d.UnmarshalText(p.rest[:end]) != nil { // no duration has escapes
		p.bad = true
		return 0
	}
	p.rest = p.rest[end+1:]
	return d
}

// number reads a JSON number that is not negative.
func (p *parser) number() int {
	end := 0
	for end < len(p.rest) && '0' <= p.rest[end] && p.rest[end] <= '9' {
		end++
	}
	number, err := strconv.Atoi(string(p.rest[:end]))
	if err != nil || p.rest[0] == '0' && end > 1 {
		p.bad = true
		return 0
	}
	p.rest = p.rest[end:]
	return number
}

// complete reports whether all input was read as expected.
func (p *parser) complete() bool { return !p.bad && len(p.rest) == 0 }

// decodeFast reads a scheduled check whose probe has only its main parameter.
func (c *Check) decodeFast(data []byte) bool {
	p := &parser{rest: data}
	p.expect(`{"v":1,"monitor":"`)
	c.V, c.Monitor = Version, p.text("")
	p.expect(`,"slot":"`)
	c.Slot = p.timestamp()
	p.expect(`,"location":"`)
	c.Location = p.text(DefaultLocation)
	p.expect(`,"not_after":"`)
	c.NotAfter = p.timestamp()
	p.spec(&c.Spec)
	p.expect(`}`)
	return p.complete()
}

// spec reads a probe with only its main parameter, and the expectations.
func (p *parser) spec(s *Spec) {
	switch {
	case p.accept(`,"http":{"url":"`):
		s.HTTP = &HTTP{URL: p.text("")}
	case p.accept(`,"tcp":{"address":"`):
		s.TCP = &TCP{Address: p.text("")}
	default:
		p.bad = true
	}
	p.expect(`}`)
	s.Expect = p.list(`,"expect":[`)
	if p.accept(`,"timeout":"`) {
		s.Timeout = p.span()
	}
}

// decodeFast reads a monitor with such a probe, an interval and common optional
// fields. Each stage reads every definition at its start.
func (m *Monitor) decodeFast(data []byte) bool {
	p := &parser{rest: data}
	p.expect(`{"v":1,"name":"`)
	m.V, m.Name = Version, p.text("")
	if p.accept(`,"group":"`) {
		m.Group = p.text("")
	}
	p.spec(&m.Spec)
	p.expect(`,"interval":"`)
	m.Interval = p.span()
	m.Locations = p.list(`,"locations":[`)
	if p.accept(`,"failure_threshold":`) {
		m.FailureThreshold = p.number()
	}
	if p.accept(`,"success_threshold":`) {
		m.SuccessThreshold = p.number()
	}
	if p.accept(`,"retry_interval":"`) {
		m.RetryInterval = p.span()
	}
	m.Notify = p.list(`,"notify":[`)
	p.expect(`}`)
	return p.complete()
}

// list reads a non-empty list if it comes next.
func (p *parser) list(name string) (all []string) {
	if !p.accept(name) {
		return nil
	}
	p.expect(`"`)
	all = append(all, p.text(""))
	for !p.bad && p.accept(`,"`) {
		all = append(all, p.text(""))
	}
	p.expect(`]`)
	return all
}

// maxFastResults limits the memory that is allocated before results are read; a
// batch has fewer.
const maxFastResults = 1000

// decodeFast reads results without misses.
func (r *Results) decodeFast(data []byte) bool {
	p := &parser{rest: data}
	p.expect(`{"v":1,"results":[`)
	r.V = Version
	// Two allocations for all results: growing slices were a tenth of the memory
	// that a check allocated.
	many := bytes.Count(data, []byte(`{"monitor":"`))
	if many > maxFastResults {
		return false
	}
	found := make([]ProbeResult, many)
	r.Results = make([]Result, 0, many)
	var last Result
	for {
		if len(r.Results) == many {
			return false
		}
		last = p.result(&last, &found[len(r.Results)])
		if p.bad {
			return false
		}
		r.Results = append(r.Results, last)
		if !p.accept(`,`) {
			p.expect(`]}`)
			return p.complete()
		}
	}
}

// result reads one result and stores its probe result in found.
func (p *parser) result(last *Result, found *ProbeResult) (r Result) {
	p.expect(`{"monitor":"`)
	r.Monitor = p.text("")
	p.expect(`,"slot":"`)
	r.Slot = p.timestamp()
	p.expect(`,"worker":"`)
	r.Worker = p.text(last.Worker)
	p.expect(`,"location":"`)
	r.Location = p.text(last.Location)
	p.expect(`,"probe_result":{"health":"`)
	r.ProbeResult = found
	p.probeResult(found)
	p.expect(`}}`)
	return r
}

func (p *parser) probeResult(o *ProbeResult) {
	o.Health = Health(p.text(string(Up)))
	if p.accept(`,"class":"`) {
		o.Class = Class(p.text(""))
	}
	if p.accept(`,"cause":"`) {
		o.Cause = p.text("")
	}
	p.expect(`,"started":"`)
	o.Started = p.timestamp()
	p.expect(`,"latency":"`)
	o.Latency = p.span()
	p.phases(&o.Phases)
	if p.accept(`,"address":"`) {
		o.Address = p.text("")
	}
	if p.accept(`,"status":`) {
		o.Status = p.number()
	}
	if p.accept(`,"certificate_expires":"`) {
		o.CertificateExpires = p.timestamp()
	}
}

func (p *parser) phases(f *Phases) {
	p.expect(`,"phases":{`)
	first := true
	for _, phase := range [...]struct {
		name string
		at   *Duration
	}{{`"dns":"`, &f.DNS}, {`"connect":"`, &f.Connect}, {`"tls":"`, &f.TLS}, {`"processing":"`, &f.Processing}, {`"transfer":"`, &f.Transfer}} {
		before := p.rest
		if !first && !p.accept(`,`) {
			break
		}
		if !p.accept(phase.name) {
			p.rest = before
			continue
		}
		*phase.at, first = p.span(), false
	}
	p.expect(`}`)
}
