package compact_test

import (
	"fmt"
	"testing"

	"vedette/pipeline/compact"
)

func TestTextsOfAShapeAreThatOfTheirNamesAndWords(t *testing.T) {
	t.Parallel()
	var s compact.Shapes
	for i := range 100 {
		name, word := fmt.Sprintf("m-%d", i), fmt.Sprintf("http://example.org/%d", i)
		text := fmt.Sprintf(`{"v":1,"name":%q,"http":{"url":%q},"interval":"%dm"}`, name, word, i%3)
		rest, shape := s.Cut([]byte(text), name, word)
		if string(rest) != word || shape == 0 || shape > 3 {
			t.Fatalf("got %q and shape %d of %s, want %q and one of three shapes", rest, shape, text, word)
		}
		if got := s.Append([]byte("x"), []byte(name), rest, shape); string(got) != "x"+text {
			t.Fatalf("got %s, want x%s", got, text)
		}
	}
}

func TestTextsWithoutAShapeStayWhole(t *testing.T) {
	t.Parallel()
	var s compact.Shapes
	for _, test := range []struct{ text, name, word string }{
		{`{"v":1,"name":"a"}`, "a", "b"},            // no word
		{`{"v":1,"name":"ab","url":"b"}`, "a", "b"}, // the name is a part of another
		{`{"url":"b","name":"a"}`, "a", "b"},        // the other way round
		{`{"name":"a","url":"\u0062"}`, "a", "b"},   // escaped
		{``, "a", "b"}, {`"a`, "a", ""}, {`a"`, "a", ""}, {`{"name":"a"}`, "a", ""}, // no quotes, no word
	} {
		rest, shape := s.Cut([]byte(test.text), test.name, test.word)
		if got := s.Append(nil, []byte(test.name), rest, shape); shape != 0 || string(got) != test.text {
			t.Errorf("got %q and shape %d, want %q whole", got, shape, test.text)
		}
	}
	for i := range 10_000 { // each a shape of its own
		text := fmt.Sprintf(`{"name":"a","label":"%d","url":"b"}`, i)
		rest, shape := s.Cut([]byte(text), "a", "b")
		if got := s.Append(nil, []byte("a"), rest, shape); string(got) != text {
			t.Fatalf("got %s, want %s", got, text)
		}
		if i == 9_999 && shape != 0 {
			t.Errorf("got shape %d, want a bound of them", shape)
		}
	}
}

func TestNamesThatAreWordsOfTheTextAreCutWhereTheyStandFirst(t *testing.T) {
	t.Parallel()
	var s compact.Shapes
	for _, name := range []string{"name", "v", "http", "x"} {
		text := fmt.Sprintf(`{"v":1,"name":%q,"http":{"url":"u"}}`, name)
		rest, shape := s.Cut([]byte(text), name, "u")
		if got := s.Append(nil, []byte(name), rest, shape); string(got) != text {
			t.Errorf("got %s, want %s", got, text)
		}
	}
}

func BenchmarkCutAndAppend(b *testing.B) {
	var s compact.Shapes
	text := []byte(`{"v":1,"name":"m-000001","http":{"url":"http://127.0.0.1:8080/1"},"interval":"1m0s"}`)
	b.ReportAllocs()
	var to []byte
	for b.Loop() {
		rest, shape := s.Cut(text, "m-000001", "http://127.0.0.1:8080/1")
		to = s.Append(to[:0], []byte("m-000001"), rest, shape)
	}
}
