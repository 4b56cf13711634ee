// Package yardstick is the reference for pipeline benchmarks: the same work with
// only the client library, used as in its documentation.
package yardstick

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"vedette/pipeline"
)

const (
	stream  = "YARDSTICK"
	pending = 4096 // publishes in flight, as in the pipeline
)

// Server is the server in this process and a user who may do everything on it.
type Server struct {
	pipeline.InProcess

	User, Password string
}

// Jobs creates a work queue, publishes n messages with the given body
// asynchronously, each to a separate subject, and consumes and acknowledges them
// with the library's prefetching consumer. It returns when all are acknowledged,
// and deletes the queue.
//
// Like the pipeline's queues, this one is on disk with one message per subject, so
// that the difference measures the pipeline's overhead.
func Jobs(ctx context.Context, server Server, n int, body []byte) (err error) {
	conn, err := nats.Connect("", nats.InProcessServer(server), nats.UserInfo(server.User, server.Password))
	if err != nil {
		return fmt.Errorf("connect to nats: %w", err)
	}
	defer conn.Close()
	js, err := jetstream.New(conn, jetstream.WithPublishAsyncMaxPending(pending))
	if err != nil {
		return fmt.Errorf("open jetstream: %w", err)
	}
	queue, err := js.CreateStream(ctx, jetstream.StreamConfig{
		Name: stream, Subjects: []string{"yardstick.>"}, Retention: jetstream.WorkQueuePolicy, Storage: jetstream.FileStorage,
		MaxMsgsPerSubject: 1, Discard: jetstream.DiscardNew, DiscardNewPerSubject: true,
	})
	if err != nil {
		return fmt.Errorf("create stream: %w", err)
	}
	defer func() { err = errors.Join(err, js.DeleteStream(context.WithoutCancel(ctx), stream)) }()
	acknowledged, stop, err := acknowledge(ctx, queue, n)
	if err != nil {
		return err
	}
	defer stop()
	if err := publish(ctx, js, n, body); err != nil {
		return err
	}
	select {
	case <-acknowledged:
		return conn.Flush()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// acknowledge consumes n messages.
func acknowledge(ctx context.Context, queue jetstream.Stream, n int) (done <-chan struct{}, stop func(), err error) {
	consumer, err := queue.CreateOrUpdateConsumer(ctx, jetstream.ConsumerConfig{
		Durable: "yardstick", AckPolicy: jetstream.AckExplicitPolicy, MaxAckPending: n,
	})
	if err != nil {
		return nil, nil, fmt.Errorf("create consumer: %w", err)
	}
	all := make(chan struct{})
	var seen atomic.Int64
	consuming, err := consumer.Consume(func(m jetstream.Msg) {
		if err := m.Ack(); err != nil {
			return // the message is delivered again, and counted then
		}
		if seen.Add(1) == int64(n) {
			close(all)
		}
	})
	if err != nil {
		return nil, nil, fmt.Errorf("consume: %w", err)
	}
	return all, consuming.Stop, nil
}

func publish(ctx context.Context, js jetstream.JetStream, n int, body []byte) error {
	for i := range n {
		if _, err := js.PublishMsgAsync(&nats.Msg{Subject: "yardstick." + strconv.Itoa(i), Data: body}); err != nil {
			return fmt.Errorf("publish: %w", err)
		}
	}
	select {
	case <-js.PublishAsyncComplete():
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
