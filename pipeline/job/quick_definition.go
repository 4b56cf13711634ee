package job

import (
	"math"
	"reflect"
)

// encodeQuick writes a definition as [Encode] does, if it is one of those that
// decodeQuick reads. Whatever else it says, it is left to the encoder: a field
// that is not written here is looked for, and not forgotten.
func (m *Monitor) encodeQuick() ([]byte, bool) {
	rest := *m
	rest.V, rest.Name, rest.Group, rest.Interval, rest.Locations, rest.Notify = 0, "", "", 0, nil, nil
	rest.FailureThreshold, rest.SuccessThreshold, rest.RetryInterval = 0, 0, 0
	rest.HTTP, rest.TCP, rest.Expect, rest.Timeout = nil, nil, nil, 0
	if m.V != Version || m.Name == "" || m.Interval == 0 || (m.HTTP == nil) == (m.TCP == nil) || !reflect.ValueOf(&rest).Elem().IsZero() {
		return nil, false
	}
	const room = 384
	w := &writer{text: append(make([]byte, 0, room), `{"v":1`...)}
	w.string("name", m.Name)
	w.string("group", m.Group)
	w.spec(&m.Spec)
	w.duration("timeout", m.Timeout)
	w.duration("interval", m.Interval)
	w.strings("locations", m.Locations)
	w.number("failure_threshold", m.FailureThreshold)
	w.number("success_threshold", m.SuccessThreshold)
	w.duration("retry_interval", m.RetryInterval)
	w.strings("notify", m.Notify)
	w.text = append(w.text, '}')
	return w.text, !w.bad
}

// formQuick is the form of a check that decodeQuick reads. There is one for each
// monitor at the start.
func (c *Check) formQuick() (f CheckTemplate, ok bool) {
	rest := *c
	rest.V, rest.Monitor, rest.Location = 0, "", ""
	rest.HTTP, rest.TCP, rest.Expect, rest.Timeout = nil, nil, nil, 0
	if c.V != Version || (c.HTTP == nil) == (c.TCP == nil) || !reflect.ValueOf(&rest).Elem().IsZero() {
		return f, false
	}
	const room = 128
	w := &writer{text: append(make([]byte, 0, room), `{"v":1`...)}
	w.string("monitor", c.Monitor)
	slot := len(w.text)
	w.string("location", c.Location)
	notAfter := len(w.text)
	w.spec(&c.Spec)
	w.duration("timeout", c.Timeout)
	w.text = append(w.text, '}')
	return CheckTemplate{Text: w.text, Slot: uint16(slot), NotAfter: uint16(notAfter)}, !w.bad && notAfter <= math.MaxUint16 //nolint:gosec // see there
}

// spec writes a probe that has but its first parameter, and what is expected.
func (w *writer) spec(s *Spec) {
	if s.HTTP != nil {
		rest := *s.HTTP
		rest.URL = ""
		w.bad = w.bad || !reflect.ValueOf(&rest).Elem().IsZero()
		w.probe("http", "url", s.HTTP.URL)
	} else {
		rest := *s.TCP
		rest.Address = ""
		w.bad = w.bad || !reflect.ValueOf(&rest).Elem().IsZero()
		w.probe("tcp", "address", s.TCP.Address)
	}
	w.strings("expect", s.Expect)
}

func (w *writer) probe(kind, name, target string) {
	w.name(kind)
	w.text = append(w.text, '{')
	w.string(name, target)
	w.bad = w.bad || target == ""
	w.text = append(w.text, '}')
}
