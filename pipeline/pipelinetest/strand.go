package pipelinetest

import (
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"vedette/pipeline"
	"vedette/pipeline/topology"
)

// Strand stores a message, and moves its consumer beyond it, so that the server
// never delivers it: as after a restart with a consumer that is newer than its
// stream. The consumer is created if there is none.
func Strand(tb testing.TB, p *pipeline.Pipeline, consumer topology.Consumer, m pipeline.Message) {
	tb.Helper()
	stream, err := p.JetStream().Stream(tb.Context(), p.Names().Stream(consumer.Stream))
	if err != nil {
		tb.Fatalf("strand %s: %v", m.Subject, err)
	}
	if _, err := stream.Consumer(tb.Context(), consumer.Name); err != nil {
		config := jetstream.ConsumerConfig{Durable: consumer.Name, FilterSubject: p.Names().Subject(consumer.Filter), AckPolicy: jetstream.AckExplicitPolicy}
		if _, err := stream.CreateConsumer(tb.Context(), config); err != nil {
			tb.Fatalf("strand %s: %v", m.Subject, err)
		}
	}
	stored, err := p.Store(tb.Context(), m)
	if err != nil {
		tb.Fatalf("strand %s: %v", m.Subject, err)
	}
	if _, err := stream.ResetConsumerToSequence(tb.Context(), consumer.Name, stored.Sequence+1); err != nil {
		tb.Fatalf("strand %s: %v", m.Subject, err)
	}
}
