package compact_test

import (
	"fmt"
	"testing"

	"vedette/pipeline/compact"
)

func TestTextsWithACommonTemplateAreRestored(t *testing.T) {
	t.Parallel()
	var s compact.Templates
	for i := range 100 {
		name, word := fmt.Sprintf("m-%d", i), fmt.Sprintf("http://example.org/%d", i)
		text := fmt.Sprintf(`{"v":1,"name":%q,"http":{"url":%q},"interval":"%dm"}`, name, word, i%3)
		rest, template := s.Split([]byte(text), name, word)
		if string(rest) != word || template == 0 || template > 3 {
			t.Fatalf("got %q and template %d for %s, want %q and one of three templates", rest, template, text, word)
		}
		if got := s.AppendText([]byte("x"), []byte(name), rest, template); string(got) != "x"+text {
			t.Fatalf("got %s, want x%s", got, text)
		}
	}
}

func TestTextsWithoutATemplateStayWhole(t *testing.T) {
	t.Parallel()
	var s compact.Templates
	for _, test := range []struct{ text, name, word string }{
		{`{"v":1,"name":"a"}`, "a", "b"},            // no word
		{`{"v":1,"name":"ab","url":"b"}`, "a", "b"}, // the name is part of another
		{`{"url":"b","name":"a"}`, "a", "b"},        // reverse order
		{`{"name":"a","url":"\u0062"}`, "a", "b"},   // escaped
		{``, "a", "b"}, {`"a`, "a", ""}, {`a"`, "a", ""}, {`{"name":"a"}`, "a", ""}, // no quotes, no word
	} {
		rest, template := s.Split([]byte(test.text), test.name, test.word)
		if got := s.AppendText(nil, []byte(test.name), rest, template); template != 0 || string(got) != test.text {
			t.Errorf("got %q and template %d, want %q whole", got, template, test.text)
		}
	}
	for i := range 10_000 { // each with a different template
		text := fmt.Sprintf(`{"name":"a","label":"%d","url":"b"}`, i)
		rest, template := s.Split([]byte(text), "a", "b")
		if got := s.AppendText(nil, []byte("a"), rest, template); string(got) != text {
			t.Fatalf("got %s, want %s", got, text)
		}
		if i == 9_999 && template != 0 {
			t.Errorf("got template %d, want a limit", template)
		}
	}
}

func TestNamesThatAppearEarlierInTheTextAreRestored(t *testing.T) {
	t.Parallel()
	var s compact.Templates
	for _, name := range []string{"name", "v", "http", "x"} {
		text := fmt.Sprintf(`{"v":1,"name":%q,"http":{"url":"u"}}`, name)
		rest, template := s.Split([]byte(text), name, "u")
		if got := s.AppendText(nil, []byte(name), rest, template); string(got) != text {
			t.Errorf("got %s, want %s", got, text)
		}
	}
}

func BenchmarkCutAndAppend(b *testing.B) {
	var s compact.Templates
	text := []byte(`{"v":1,"name":"m-000001","http":{"url":"http://127.0.0.1:8080/1"},"interval":"1m0s"}`)
	b.ReportAllocs()
	var to []byte
	for b.Loop() {
		rest, template := s.Split(text, "m-000001", "http://127.0.0.1:8080/1")
		to = s.AppendText(to[:0], []byte("m-000001"), rest, template)
	}
}
