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

// optional reads a value if the literal before it comes next.
func optional[T any](p *parser, literal string, read func() T) (value T) {
	if p.accept(literal) {
		value = read()
	}
	return value
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

func (p *parser) newString() string { return string(p.rawString()) }

// sharedString reads a string. If it equals last, it shares its memory.
func (p *parser) sharedString(last string) string {
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
	c.V, c.Monitor = Version, p.newString()
	p.expect(`,"slot":"`)
	c.Slot = p.timestamp()
	p.expect(`,"location":"`)
	c.Location = p.sharedString(DefaultLocation)
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
		s.HTTP = &HTTP{URL: p.newString()}
	case p.accept(`,"tcp":{"address":"`):
		s.TCP = &TCP{Address: p.newString()}
	default:
		p.bad = true
	}
	p.expect(`}`)
	s.Expect = p.list(`,"expect":[`)
	s.Timeout = optional(p, `,"timeout":"`, p.span)
}

// decodeFast reads a monitor with such a probe, an interval and common optional
// fields. Each stage reads every definition at its start.
func (m *Monitor) decodeFast(data []byte) bool {
	p := &parser{rest: data}
	p.expect(`{"v":1,"name":"`)
	m.V, m.Name = Version, p.newString()
	m.Group = optional(p, `,"group":"`, p.newString)
	p.spec(&m.Spec)
	p.expect(`,"interval":"`)
	m.Interval = p.span()
	m.Locations = p.list(`,"locations":[`)
	m.FailureThreshold = optional(p, `,"failure_threshold":`, p.number)
	m.SuccessThreshold = optional(p, `,"success_threshold":`, p.number)
	m.RetryInterval = optional(p, `,"retry_interval":"`, p.span)
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
	all = append(all, p.newString())
	for !p.bad && p.accept(`,"`) {
		all = append(all, p.newString())
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
	r.Monitor = p.newString()
	p.expect(`,"slot":"`)
	r.Slot = p.timestamp()
	p.expect(`,"worker":"`)
	r.Worker = p.sharedString(last.Worker)
	p.expect(`,"location":"`)
	r.Location = p.sharedString(last.Location)
	p.expect(`,"probe_result":{"health":"`)
	r.ProbeResult = found
	p.probeResult(found)
	p.expect(`}}`)
	return r
}

func (p *parser) probeResult(o *ProbeResult) {
	o.Health = Health(p.sharedString(string(Up)))
	o.Class = Class(optional(p, `,"class":"`, p.newString))
	o.Cause = optional(p, `,"cause":"`, p.newString)
	p.expect(`,"started":"`)
	o.Started = p.timestamp()
	p.expect(`,"latency":"`)
	o.Latency = p.span()
	p.phases(&o.Phases)
	o.Address = optional(p, `,"address":"`, p.newString)
	o.Status = optional(p, `,"status":`, p.number)
	o.CertificateExpires = optional(p, `,"certificate_expires":"`, p.timestamp)
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
