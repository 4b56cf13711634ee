package job

import (
	"strconv"
	"time"
)

// encodeQuick writes the result of a check as [Encode] does, if nothing in it
// needs an escape. There is one for each check.
func (r *Result) encodeQuick() ([]byte, bool) {
	o := r.ProbeResult
	if o == nil || r.Miss != nil || r.ID != "" || r.Slot.IsZero() || o.SelfCheckFailed || o.Stack != "" {
		return nil, false
	}
	const room = 384 // more than most take
	w := &writer{text: append(make([]byte, 0, room), '{')}
	w.string("monitor", r.Monitor)
	w.time("slot", r.Slot)
	w.string("worker", r.Worker)
	w.string("location", r.Location)
	w.name("probe_result")
	w.text = append(w.text, '{')
	w.outcome(o)
	w.text = append(w.text, '}', '}')
	return w.text, !w.bad
}

// writer writes the fields of an object. What it cannot write makes it bad.
type writer struct {
	text []byte
	bad  bool
}

func (w *writer) outcome(o *ProbeResult) {
	w.bad = w.bad || o.Health == ""
	w.string("health", string(o.Health))
	w.string("class", string(o.Class))
	w.string("cause", o.Cause)
	w.time("started", o.Started)
	w.name("latency")
	w.quoted(o.Latency.String())
	w.name("phases")
	w.text = append(w.text, '{')
	p := &o.Phases
	w.duration("dns", p.DNS)
	w.duration("connect", p.Connect)
	w.duration("tls", p.TLS)
	w.duration("processing", p.Processing)
	w.duration("transfer", p.Transfer)
	w.text = append(w.text, '}')
	w.string("address", o.Address)
	if o.Status != 0 {
		w.name("status")
		w.text = strconv.AppendInt(w.text, int64(o.Status), 10)
	}
	if !o.CertificateExpires.IsZero() {
		w.time("certificate_expires", o.CertificateExpires)
	}
}

// name begins a field.
func (w *writer) name(name string) {
	if w.text[len(w.text)-1] != '{' {
		w.text = append(w.text, ',')
	}
	w.text = append(append(append(w.text, '"'), name...), '"', ':')
}

func (w *writer) quoted(value string) {
	w.text = append(append(append(w.text, '"'), value...), '"')
}

// string writes a string that is not empty.
func (w *writer) string(name, value string) {
	if value != "" {
		w.name(name)
		w.value(value)
	}
}

// value writes a text, unless it needs escapes.
func (w *writer) value(value string) {
	for _, c := range []byte(value) {
		if c < ' ' || c > '~' || c == '"' || c == '\\' {
			w.bad = true
			return
		}
	}
	w.quoted(value)
}

// strings writes a list that is not empty.
func (w *writer) strings(name string, all []string) {
	if len(all) == 0 {
		return
	}
	w.name(name)
	w.text = append(w.text, '[')
	for i, one := range all {
		if i > 0 {
			w.text = append(w.text, ',')
		}
		w.value(one)
	}
	w.text = append(w.text, ']')
}

// number writes a number that is not zero.
func (w *writer) number(name string, n int) {
	if n != 0 {
		w.name(name)
		w.text = strconv.AppendInt(w.text, int64(n), 10)
	}
}

// duration writes a duration that is not zero.
func (w *writer) duration(name string, d Duration) {
	if d != 0 {
		w.name(name)
		w.quoted(d.String())
	}
}

// time writes a time that JSON can hold.
func (w *writer) time(name string, at time.Time) {
	_, offset := at.Zone()
	if year := at.Year(); year < 0 || year > 9999 || offset != 0 {
		w.bad = true
	}
	w.name(name)
	w.text = append(at.AppendFormat(append(w.text, '"'), time.RFC3339Nano), '"')
}
