package job

import (
	"math"
	"reflect"
	"strconv"
	"time"
)

// encodeFast writes a probe result in the form that [Encode] gives, if no value
// needs an escape. It runs once per check. A test by reflection fails for a field
// that it neither writes nor refuses.
func (r *Result) encodeFast() ([]byte, bool) {
	o := r.ProbeResult
	if o == nil || r.Miss != nil || r.ID != "" || r.Slot.IsZero() || o.SelfCheckFailed || o.Stack != "" {
		return nil, false
	}
	const room = 384 // enough for most results
	w := &writer{body: append(make([]byte, 0, room), '{')}
	w.textField("monitor", r.Monitor)
	w.timeField("slot", r.Slot)
	w.textField("worker", r.Worker)
	w.textField("location", r.Location)
	w.key("probe_result")
	w.body = append(w.body, '{')
	w.probeResult(o)
	w.body = append(w.body, '}', '}')
	return w.body, !w.bad
}

// writer writes the fields in a JSON object. A value that it cannot write sets bad.
type writer struct {
	body []byte
	bad  bool
}

func (w *writer) probeResult(o *ProbeResult) {
	w.bad = w.bad || o.Health == ""
	w.textField("health", string(o.Health))
	w.textField("class", string(o.Class))
	w.textField("cause", o.Cause)
	w.timeField("started", o.Started)
	w.key("latency")
	w.quoted(o.Latency.String())
	w.key("phases")
	w.body = append(w.body, '{')
	p := &o.Phases
	w.durationField("dns", p.DNS)
	w.durationField("connect", p.Connect)
	w.durationField("tls", p.TLS)
	w.durationField("processing", p.Processing)
	w.durationField("transfer", p.Transfer)
	w.body = append(w.body, '}')
	w.textField("address", o.Address)
	w.numberField("status", o.Status)
	if !o.CertificateExpires.IsZero() {
		w.timeField("certificate_expires", o.CertificateExpires)
	}
}

// key starts a field.
func (w *writer) key(name string) {
	if w.body[len(w.body)-1] != '{' {
		w.body = append(w.body, ',')
	}
	w.body = append(append(append(w.body, '"'), name...), '"', ':')
}

func (w *writer) quoted(value string) {
	w.body = append(append(append(w.body, '"'), value...), '"')
}

// textField writes a non-empty string.
func (w *writer) textField(name, value string) {
	if value != "" {
		w.key(name)
		w.textValue(value)
	}
}

// textValue writes a string that needs no escapes.
func (w *writer) textValue(value string) {
	for _, c := range []byte(value) {
		if c < ' ' || c > '~' || c == '"' || c == '\\' {
			w.bad = true
			return
		}
	}
	w.quoted(value)
}

// listField writes a non-empty list.
func (w *writer) listField(name string, all []string) {
	if len(all) == 0 {
		return
	}
	w.key(name)
	w.body = append(w.body, '[')
	for i, one := range all {
		if i > 0 {
			w.body = append(w.body, ',')
		}
		w.textValue(one)
	}
	w.body = append(w.body, ']')
}

// numberField writes a non-zero number.
func (w *writer) numberField(name string, n int) {
	if n != 0 {
		w.key(name)
		w.body = strconv.AppendInt(w.body, int64(n), 10)
	}
}

// durationField writes a non-zero duration.
func (w *writer) durationField(name string, d Duration) {
	if d != 0 {
		w.key(name)
		w.quoted(d.String())
	}
}

// timeField writes a UTC time that JSON can represent.
func (w *writer) timeField(name string, at time.Time) {
	_, offset := at.Zone()
	if year := at.Year(); year < 0 || year > 9999 || offset != 0 {
		w.bad = true
	}
	w.key(name)
	w.body = append(at.AppendFormat(append(w.body, '"'), time.RFC3339Nano), '"')
}

// encodeFast writes a definition in the form that [Encode] gives, if decodeFast
// can read it. Any field that is not written here must be zero, so that none is
// forgotten.
func (m *Monitor) encodeFast() ([]byte, bool) {
	rest := *m
	rest.V, rest.Name, rest.Group, rest.Interval, rest.Locations, rest.Notify = 0, "", "", 0, nil, nil
	rest.FailureThreshold, rest.SuccessThreshold, rest.RetryInterval = 0, 0, 0
	rest.HTTP, rest.TCP, rest.Expect, rest.Timeout = nil, nil, nil, 0
	if m.V != Version || m.Name == "" || m.Interval == 0 || (m.HTTP == nil) == (m.TCP == nil) || !isZero(&rest) {
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
	if c.V != Version || (c.HTTP == nil) == (c.TCP == nil) || !isZero(&rest) {
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
	var kind, name, target string
	if s.HTTP != nil {
		rest := *s.HTTP
		kind, name, target, rest.URL = "http", "url", rest.URL, ""
		w.bad = w.bad || !isZero(&rest)
	} else {
		rest := *s.TCP
		kind, name, target, rest.Address = "tcp", "address", rest.Address, ""
		w.bad = w.bad || !isZero(&rest)
	}
	w.bad = w.bad || target == ""
	w.key(kind)
	w.body = append(w.body, '{')
	w.textField(name, target)
	w.body = append(w.body, '}')
	w.listField("expect", s.Expect)
}

// isZero reports whether no field is set.
func isZero[T any](message *T) bool { return reflect.ValueOf(message).Elem().IsZero() }
