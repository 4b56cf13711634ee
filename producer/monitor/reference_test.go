package monitor_test

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"vedette/pipeline/job"
	"vedette/producer/monitor"
)

// placed writes a value at a path, with others next to it.
func placed(path, value string, siblings ...string) string {
	path = strings.ReplaceAll(path, "NAME", "oncall")
	parts := strings.Split(path, ".")
	text := value
	for i, part := range slices.Backward(parts) {
		name, list := strings.CutSuffix(part, "[]")
		if list {
			text = "[" + text + "]"
		}
		fields := []string{name + ": " + text}
		if i == len(parts)-1 {
			fields = append(fields, siblings...)
		}
		text = "{" + strings.Join(fields, ", ") + "}"
	}
	return text
}

// siblings are what a key needs next to it.
func siblings(path string) []string {
	switch path {
	case "defaults.quorum", "monitors[].quorum":
		return []string{"locations: [fra, nyc]"}
	case "monitors[].time_zone":
		return []string{"cron: '* * * * *'"}
	case "mail.relays[].username":
		return []string{"password: x"}
	case "mail.relays[].password", "mail.relays[].password_file":
		return []string{"username: x"}
	case "maintenance[].until", "maintenance[].for", "maintenance[].weekly", "maintenance[].monthly":
		return []string{"from: '23:00'"}
	default:
		return nil
	}
}

// problemAt is the mistake in a field of a file.
func problemAt(err error, path string) *monitor.Problem {
	path = strings.ReplaceAll(strings.ReplaceAll(path, "[]", "[0]"), "NAME", "oncall")
	invalid, _ := errors.AsType[*monitor.InvalidError](err)
	for i := 0; invalid != nil && i < len(invalid.Problems); i++ {
		if p := &invalid.Problems[i]; p.Field == path || strings.HasPrefix(p.Field, path+"[") || strings.HasPrefix(p.Field, path+".") {
			return p
		}
	}
	return nil
}

func TestReaderReadsEveryKeyOfTheReference(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, key := range monitor.Keys() {
		_, err := monitor.Parse("test.yaml", []byte(placed(key.Path, "!wrong x", siblings(key.Path)...)), options())
		if p := problemAt(err, key.Path); p == nil || p.Found != "the tag !wrong" && p.Found != "a value that is not shown" {
			t.Errorf("%s: got %v, want its value refused", key.Path, err)
		}
		if seen[key.Path] {
			t.Errorf("%s: got it twice, want it once", key.Path)
		}
		seen[key.Path] = true
		if key.Meaning == "" || strings.HasSuffix(key.Meaning, ".") || key.Type == "" || key.Type == monitor.TypeNumber && key.Unit == "" && !strings.HasSuffix(key.Path, ".port") {
			t.Errorf("got %+v, want its meaning, type and unit", key)
		}
	}
}

func TestReaderRefusesKeysThatTheReferenceLacks(t *testing.T) {
	t.Parallel()
	parents := map[string]bool{}
	for _, key := range monitor.Keys() {
		if i := strings.LastIndexByte(key.Path, '.'); i >= 0 {
			parents[key.Path[:i+1]] = true
		}
	}
	for parent := range parents {
		_, err := monitor.Parse("test.yaml", []byte(placed(parent+"zzz", "1")), options())
		if p := problemAt(err, parent+"zzz"); p == nil || p.Found != `unknown key "zzz"` {
			t.Errorf("%s: got %v, want an unknown key", parent, err)
		}
	}
}

func TestReferenceHasEveryFieldOfTheProbes(t *testing.T) {
	t.Parallel()
	var got []string
	for _, key := range monitor.Keys() {
		if path, ok := strings.CutPrefix(key.Path, "monitors[]."); ok && slices.Contains(job.Kinds(), strings.FieldsFunc(path, func(c rune) bool { return c == '.' || c == '[' })[0]) {
			got = append(got, path)
		}
	}
	var want []string
	var walk func(parent string, of reflect.Type)
	walk = func(parent string, of reflect.Type) {
		switch of.Kind() {
		case reflect.Pointer:
			walk(parent, of.Elem())
		case reflect.Slice:
			walk(parent+"[]", of.Elem())
		case reflect.Struct:
			for _, f := range reflect.VisibleFields(of) {
				if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); !f.Anonymous && name != "" {
					path := strings.TrimPrefix(parent+"."+name, ".")
					if parent != "" || slices.Contains(job.Kinds(), name) {
						want = append(want, path)
						walk(path, f.Type)
					}
				}
			}
		default:
		}
	}
	walk("", reflect.TypeFor[job.Spec]())
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-structs +reference):\n%s", diff)
	}
}

func TestExamplesOfTheReferenceAreAccepted(t *testing.T) {
	t.Parallel()
	files := withFiles(map[string]string{
		"mail.txt": "x", "mail.html": "x", "smtp.password": "x", "dkim.pem": "x", "monitors.ndjson": `{"name": "a", "tcp": "127.0.0.1:1"}`,
	})
	for _, key := range monitor.Keys() {
		example := key.Example
		if example == "" {
			if key.Type != monitor.TypeMapping && key.Type != monitor.TypeList {
				t.Errorf("%s: got no example, want one", key.Path)
			}
			continue
		}
		text := strings.TrimSuffix(placed(key.Path, example, siblings(key.Path)...), "}")
		if !strings.HasPrefix(key.Path, "recipients") {
			text += ", recipients: {oncall: ops@example.org}"
		}
		if key.Path != "monitors[].depends_on" && !strings.HasPrefix(key.Path, "monitors[") {
			text += ", monitors: [{name: router, tcp: '127.0.0.1:1'}]"
		}
		if key.Path == "monitors[].depends_on" {
			text = strings.Replace(text, "}]", "}, {name: router, tcp: '127.0.0.1:1'}]", 1)
		}
		_, err := monitor.Parse("test.yaml", []byte(text+"}"), files)
		if p := problemAt(err, key.Path); p != nil {
			t.Errorf("%s: got %v, want the example accepted", key.Path, p)
		}
	}
}

func TestDefaultsOfTheReferenceAreThoseOfTheReader(t *testing.T) {
	t.Parallel()
	tried := 0
	for _, key := range monitor.Keys() {
		path, ofMonitor := strings.CutPrefix(key.Path, "monitors[].")
		section, name, _ := strings.Cut(key.Path, ".")
		ofMonitor = ofMonitor && !strings.Contains(path, ".")
		if key.Default == "" || key.Default[0] == '(' || !ofMonitor && section != "server" && section != "defaults" {
			continue
		}
		one := "monitors: [{name: a, http: https://example.org, notify: []}]"
		with := one + fmt.Sprintf("\n%s: {%s: %s}", section, name, key.Default)
		switch {
		case path == "time_zone":
			one = strings.Replace(one, "}]", ", cron: '* * * * *'}]", 1)
			with = strings.Replace(one, "}]", ", time_zone: UTC}]", 1)
		case ofMonitor:
			with = strings.Replace(one, "}]", fmt.Sprintf(", %s: %s}]", path, key.Default), 1)
		case strings.Contains(name, "."):
			continue // below flapping, which says it as a whole
		}
		want, got := parse(t, one), parse(t, with)
		want.Monitors[0].TimeZone, got.Monitors[0].TimeZone = "", ""
		for _, file := range []*monitor.File{want, got} {
			if m := &file.Monitors[0]; m.Flapping == nil {
				limits := job.DefaultFlapping()
				m.Flapping = &limits
			}
			if m := &file.Monitors[0]; m.CertificateAlerts == nil {
				m.CertificateAlerts = job.CertificateAlerts()
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s (-left out +written):\n%s", key.Path, key.Default, diff)
		}
		tried++
	}
	if tried < 20 {
		t.Errorf("got %d defaults, want those of monitors, defaults and server", tried)
	}
}
