package job

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// plainMessages returns encoded messages that occur once per check.
func plainMessages(tb testing.TB) map[string][]byte {
	tb.Helper()
	at := time.Date(2026, 3, 1, 12, 0, 7, 0, time.UTC)
	spec := Spec{HTTP: &HTTP{URL: "https://example.org/health"}}
	outcome := ProbeResult{Health: Up, Started: at.Add(12345678), Latency: Duration(1500 * time.Microsecond), Address: "192.0.2.1:443", Status: 200}
	outcome.Phases = Phases{Connect: 100, Processing: 2000, Transfer: 3}
	secure := outcome
	secure.Phases, secure.CertificateExpires = Phases{DNS: 1, TLS: 2}, at.Add(time.Hour)
	failed := ProbeResult{Health: Down, Class: ClassConnect, Cause: "connect refused", Started: at}
	messages := map[string][]byte{}
	for name, message := range map[string]any{
		"check":   Check{V: 1, Monitor: "a", Slot: at, Location: "default", NotAfter: at.Add(time.Minute), Spec: spec},
		"expect":  Check{V: 1, Monitor: "a", Slot: at, Location: "b", NotAfter: at, Spec: Spec{TCP: &TCP{Address: "a:1"}, Expect: []string{"true", "1 == 1"}, Timeout: 5}},
		"monitor": Monitor{V: 1, Name: "a", Spec: spec, Interval: Duration(time.Minute)},
		"policy": Monitor{V: 1, Name: "a", Group: "g", Spec: Spec{TCP: &TCP{Address: "a:1"}, Timeout: 7}, Interval: Duration(time.Minute), Locations: []string{"b"}, Policy: Policy{
			FailureThreshold: 3, SuccessThreshold: 2, RetryInterval: 5, Notify: []string{"x", "y"},
		}},
		"results": Results{V: 1, Results: []Result{
			{Monitor: "a", Slot: at, Worker: "w", Location: "default", ProbeResult: &outcome},
			{Monitor: "b", Slot: at, Worker: "w", Location: "default", ProbeResult: &secure},
			{Monitor: "c", Slot: at, Worker: "x", Location: "y", ProbeResult: &failed},
		}},
	} {
		body, err := Encode(message)
		if err != nil {
			tb.Fatal(err)
		}
		messages[name] = body
	}
	return messages
}

// same compares the fast decoder with the general one, and reports whether the
// fast one accepted data.
func same[T any, P interface {
	*T
	fastDecoder
}](t *testing.T, data []byte) bool {
	t.Helper()
	var byHand, general T
	if !P(&byHand).decodeFast(data) {
		return false
	}
	if err := decodeStrict(data, &general); err != nil {
		t.Fatalf("general decoder: got %v for a message that the fast decoder accepts: %s", err, data)
	}
	if diff := cmp.Diff(general, byHand); diff != "" {
		t.Errorf("%s (-general +fast):\n%s", data, diff)
	}
	return true
}

func TestFastDecoderReadsPlainMessages(t *testing.T) {
	t.Parallel()
	messages := plainMessages(t)
	for _, name := range []string{"check", "expect"} {
		if !same[Check](t, messages[name]) {
			t.Errorf("%s: fast decoder refused %s", name, messages[name])
		}
	}
	for _, name := range []string{"monitor", "policy"} {
		if !same[Monitor](t, messages[name]) {
			t.Errorf("%s: fast decoder refused %s", name, messages[name])
		}
	}
	if !same[Results](t, messages["results"]) {
		t.Errorf("fast decoder refused results: %s", messages["results"])
	}
}

func TestFastDecoderRefusesOtherForms(t *testing.T) {
	t.Parallel()
	check, results := string(plainMessages(t)["check"]), string(plainMessages(t)["results"])
	for _, odd := range []string{
		"", "{}", check + " ", check + "x", strings.Replace(check, `"v":1`, `"v":2`, 1), strings.Replace(check, `"a"`, `"\u0061"`, 1),
		strings.Replace(check, `"a"`, `"ü"`, 1), strings.Replace(check, "12:00:07Z", "25:00:07Z", 1), strings.Replace(check, `"url"`, `"URL"`, 1),
		check[:len(check)-1] + `,"negate":true}`, check[:40],
	} {
		if same[Check](t, []byte(odd)) {
			t.Errorf("fast decoder accepted %s", odd)
		}
	}
	for _, odd := range []string{`{"v":1,"name":"a","cron":"* * * * *"}`, `{"v":1,"name":"a","http":{"url":"x"},"interval":"1m","paused":true}`} {
		if same[Monitor](t, []byte(odd)) {
			t.Errorf("fast decoder accepted %s", odd)
		}
	}
	for _, odd := range []string{
		"", results[:len(results)-1], strings.Replace(results, "200", "0200", 1), strings.Replace(results, "200", "-1", 1),
		strings.Replace(results, `"latency":"1.5ms"`, `"latency":"1.5 ms"`, 1), `{"v":1,"results":[]}`, strings.Replace(results, "]}", "],}", 1),
	} {
		if same[Results](t, []byte(odd)) {
			t.Errorf("fast decoder accepted %s", odd)
		}
	}
}

func TestFastEncoderWritesResultsLikeTheGeneralOne(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 1, 12, 0, 7, 0, time.UTC)
	plain := Result{Monitor: "a", Slot: at, ProbeResult: &ProbeResult{Health: Up, Started: at.Add(time.Nanosecond), Latency: 1}}
	full := Result{Monitor: "a", Slot: at, Worker: "w", Location: "default", ProbeResult: &ProbeResult{
		Health: Down, Class: ClassConnect, Cause: "no <b> & 'c'", Started: at, Address: "[::1]:1", Status: 404, CertificateExpires: at,
		Phases: Phases{DNS: 1, Connect: 1000, TLS: 1_000_000, Processing: 1_000_000_000, Transfer: 60_000_000_000},
	}}
	for _, r := range []Result{plain, full} {
		if _, ok := r.encodeFast(); !ok {
			t.Errorf("fast encoder refused %+v", r)
		}
	}
	for name, change := range map[string]func(r *Result){
		"id": func(r *Result) { r.ID = "x" }, "no slot": func(r *Result) { r.Slot = time.Time{} }, "miss": func(r *Result) { r.Miss = &Miss{} },
		"escape": func(r *Result) { r.Worker = `"` }, "letter": func(r *Result) { r.Location = "ü" }, "no health": func(r *Result) { r.ProbeResult = &ProbeResult{} },
		"zone":     func(r *Result) { r.Slot = at.In(time.FixedZone("", 3600)) },
		"impaired": func(r *Result) { r.ProbeResult = &ProbeResult{Health: Up, Started: at, SelfCheckFailed: true} },
		"stack":    func(r *Result) { r.ProbeResult = &ProbeResult{Health: Up, Started: at, Stack: "x"} },
		"none":     func(r *Result) { r.ProbeResult = nil },
	} {
		odd := plain
		change(&odd)
		if _, ok := odd.encodeFast(); ok {
			t.Errorf("%s: fast encoder accepted it", name)
		}
	}
	for _, r := range []Result{plain, full} {
		if got, err := Encode(r); err != nil || string(got) != generally(t, r) {
			t.Errorf("got  %s, %v\nwant %s", got, err, generally(t, r))
		}
	}
}

// Every field, including future ones, must reach the message: the fast encoder
// writes it or refuses the result.
func TestFastEncoderForgetsNoFieldInAResult(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 1, 12, 0, 7, 0, time.UTC)
	plain := func() Result {
		return Result{Monitor: "a", Slot: at, ProbeResult: &ProbeResult{Health: Up, Started: at, Latency: 1}}
	}
	for _, part := range []func(*Result) reflect.Value{
		func(r *Result) reflect.Value { return reflect.ValueOf(r).Elem() },
		func(r *Result) reflect.Value { return reflect.ValueOf(r.ProbeResult).Elem() },
		func(r *Result) reflect.Value { return reflect.ValueOf(&r.ProbeResult.Phases).Elem() },
	} {
		example := plain()
		for _, field := range reflect.VisibleFields(part(&example).Type()) {
			r := plain()
			fill(part(&r).FieldByIndex(field.Index))
			if got, err := Encode(r); err != nil || string(got) != generally(t, r) {
				t.Errorf("%s: got %v and\n%s, want\n%s", field.Name, err, got, generally(t, r))
			}
		}
	}
}

// generally encodes a message with the general encoder.
func generally(t *testing.T, message any) string {
	t.Helper()
	var general bytes.Buffer
	encoder := json.NewEncoder(&general)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(message); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(general.String())
}

// fill sets a value and its parts to something that is not zero.
func fill(v reflect.Value) {
	if v.Type() == reflect.TypeFor[time.Time]() {
		v.Set(reflect.ValueOf(time.Date(2027, 3, 1, 12, 0, 7, 0, time.UTC)))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString("x")
	case reflect.Int, reflect.Int64:
		v.SetInt(7)
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fill(v.Index(0))
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(reflect.ValueOf("k"), reflect.Zero(v.Type().Elem()))
	case reflect.Struct:
		for _, field := range v.Fields() {
			fill(field)
		}
	default:
		panic("no way to fill a " + v.Type().String())
	}
}

func TestFastEncoderWritesMonitorsLikeTheGeneralOne(t *testing.T) {
	t.Parallel()
	web := func() Monitor {
		return Monitor{V: 1, Name: "a", Spec: Spec{HTTP: &HTTP{URL: "https://x.example/?a=b&c"}}, Interval: Duration(time.Minute)}
	}
	all := web()
	all.Group, all.Locations, all.Expect, all.Timeout = "g", []string{"l", "m"}, []string{"status == 200"}, 1500
	all.Policy = Policy{FailureThreshold: 3, SuccessThreshold: 2, RetryInterval: 5, Notify: []string{"x", "y"}}
	port := Monitor{V: 1, Name: "a", Spec: Spec{TCP: &TCP{Address: "a:1"}}, Interval: 1}
	for _, m := range []Monitor{web(), all, port} {
		if got, ok := m.encodeFast(); !ok || string(got) != generally(t, m) {
			t.Errorf("got %v and\n%s, want fast\n%s", ok, got, generally(t, m))
		}
	}
	// Every field, including future ones, must reach the message.
	for _, whole := range []func(*Monitor) reflect.Value{
		func(m *Monitor) reflect.Value { return reflect.ValueOf(m).Elem() },
		func(m *Monitor) reflect.Value { return reflect.ValueOf(m.HTTP).Elem() },
		func(m *Monitor) reflect.Value { m.HTTP, m.TCP = nil, &TCP{}; return reflect.ValueOf(m.TCP).Elem() },
	} {
		var m Monitor
		for _, field := range reflect.VisibleFields(whole(new(web())).Type()) {
			m = web()
			fill(whole(&m).FieldByIndex(field.Index))
			if got, err := Encode(m); err != nil || string(got) != generally(t, m) {
				t.Errorf("%s: got %v and\n%s, want\n%s", field.Name, err, got, generally(t, m))
			}
		}
	}
	for _, odd := range []string{`"`, `\`, "ü", "\n", ""} {
		m := web()
		m.HTTP.URL, m.Notify = odd, []string{odd}
		if got, err := Encode(m); err != nil || string(got) != generally(t, m) {
			t.Errorf("%q: got %v and\n%s, want\n%s", odd, err, got, generally(t, m))
		}
	}
}

func FuzzFastDecoder(f *testing.F) {
	for _, message := range plainMessages(f) {
		f.Add(message)
	}
	files, err := filepath.Glob(filepath.Join("..", "..", "testdata", "job", "*.json"))
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range files {
		body, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		same[Check](t, data)
		same[Results](t, data)
		same[Monitor](t, data)
	})
}

func BenchmarkDecode(b *testing.B) {
	messages := plainMessages(b)
	for range b.N {
		if _, err := Decode[Check](messages["check"]); err != nil {
			b.Fatal(err)
		}
		if _, err := Decode[Results](messages["results"]); err != nil {
			b.Fatal(err)
		}
	}
}
