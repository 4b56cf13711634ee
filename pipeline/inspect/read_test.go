package inspect_test

import (
	"strconv"
	"testing"
	"time"

	"vedette/pipeline"
	"vedette/pipeline/inspect"
	"vedette/pipeline/pipelinetest"
	"vedette/pipeline/topology"
)

func TestPastOfAStreamEndsAtThePresent(t *testing.T) {
	t.Parallel()
	p := pipelinetest.New(t, pipeline.Config{})
	count := 0
	read := func() (whole bool) {
		t.Helper()
		count = 0
		whole, err := inspect.ReadSince(t.Context(), p, topology.Result, time.Hour, func(pipeline.Delivery) { count++ })
		if err != nil {
			t.Fatal(err)
		}
		return whole
	}
	if !read() || count != 0 {
		t.Errorf("got %d messages of an empty stream", count)
	}
	for i := range 1200 {
		if err := p.Publish(t.Context(), pipeline.Message{Subject: topology.ResultSubject(0), Body: []byte("{}"), ID: strconv.Itoa(i)}); err != nil {
			t.Fatal(err)
		}
	}
	if !read() || count != 1200 {
		t.Errorf("got %d messages, want all 1200", count)
	}
	if whole, err := inspect.ReadSince(t.Context(), p, topology.Result, 0, func(pipeline.Delivery) { t.Error("got a message of long ago") }); err != nil || !whole {
		t.Errorf("got %v, %v, want nothing newer than now", whole, err)
	}
}
