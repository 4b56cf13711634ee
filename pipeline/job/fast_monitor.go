package job

import (
	"math"
	"reflect"
)

// encodeFast writes a definition in the form that [Encode] gives, if decodeFast
// can read it. Any field that is not written here must be zero, so that none is
// forgotten.
func (m *Monitor) encodeFast() ([]byte, bool) {
	rest := *m
	rest.V, rest.Name, rest.Group, rest.Interval, rest.Locations, rest.Notify = 0, "", "", 0, nil, nil
	rest.FailureThreshold, rest.SuccessThreshold, rest.RetryInterval = 0, 0, 0
	rest.HTTP, rest.TCP, rest.Expect, rest.Timeout = nil, nil, nil, 0
	if m.V != Version || m.Name == "" || m.Interval == 0 || (m.HTTP == nil) == (m.TCP == nil) || !reflect.ValueOf(&rest).Elem().IsZero() {
		return nil, false
	}
	const room = 384
	w := &writer{body: append(make([]byte, 0, room), `{"v":1`...)}
	w.textField("name", m.Name)
	w.textField("group", m.Group)
	w.spec(&m.Spec)
	w.durationField("timeout", m.Timeout)
	w.durationField("interval", m.Interval)
	w.listField("locations", m.Locations)
	w.numberField("failure_threshold", m.FailureThreshold)
	w.numberField("success_threshold", m.SuccessThreshold)
	w.durationField("retry_interval", m.RetryInterval)
	w.listField("notify", m.Notify)
	w.body = append(w.body, '}')
	return w.body, !w.bad
}

// templateFast returns the template for a check that decodeFast can read. The
// scheduler makes one per monitor at its start.
func (c *Check) templateFast() (t CheckTemplate, ok bool) {
	rest := *c
	rest.V, rest.Monitor, rest.Location = 0, "", ""
	rest.HTTP, rest.TCP, rest.Expect, rest.Timeout = nil, nil, nil, 0
	if c.V != Version || (c.HTTP == nil) == (c.TCP == nil) || !reflect.ValueOf(&rest).Elem().IsZero() {
		return t, false
	}
	const room = 128
	w := &writer{body: append(make([]byte, 0, room), `{"v":1`...)}
	w.textField("monitor", c.Monitor)
	slot := len(w.body)
	w.textField("location", c.Location)
	notAfter := len(w.body)
	w.spec(&c.Spec)
	w.durationField("timeout", c.Timeout)
	w.body = append(w.body, '}')
	return CheckTemplate{Body: w.body, SlotOffset: uint16(slot), NotAfterOffset: uint16(notAfter)}, !w.bad && notAfter <= math.MaxUint16 //nolint:gosec // see there
}

// spec writes a probe with only its main parameter, and the expectations.
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
	w.listField("expect", s.Expect)
}

func (w *writer) probe(kind, name, target string) {
	w.key(kind)
	w.body = append(w.body, '{')
	w.textField(name, target)
	w.bad = w.bad || target == ""
	w.body = append(w.body, '}')
}
