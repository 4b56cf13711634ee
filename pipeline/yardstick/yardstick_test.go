package yardstick_test

import (
	"context"
	"testing"
	"time"

	"vedette/pipeline/broker"
	"vedette/pipeline/pipelinetest"
	"vedette/pipeline/yardstick"
)

func TestJobsAcknowledgesAllAndDeletesTheQueue(t *testing.T) {
	t.Parallel()
	b := pipelinetest.Broker(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for range 2 { // the second would find messages left by the first
		if err := yardstick.Jobs(ctx, yardstick.Server{InProcess: b, User: broker.User, Password: b.Secret()}, 1000, []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
}
