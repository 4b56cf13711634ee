package e2e_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// client is a foreign program that knows only NATS and the wire format.
type client struct {
	t    *testing.T
	conn *nats.Conn
	js   jetstream.JetStream
}

func natsClient(t *testing.T, url string) *client {
	t.Helper()
	conn, err := nats.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	return &client{t: t, conn: conn, js: js}
}

// publish is what `nats pub` does: it does not even wait for an answer.
func (c *client) publish(subject, body string) {
	c.t.Helper()
	if err := c.conn.Publish(subject, []byte(body)); err != nil {
		c.t.Fatal(err)
	}
	if err := c.conn.Flush(); err != nil {
		c.t.Fatal(err)
	}
}

// read is what `nats kv get` prints; empty for a key that is not there.
func (c *client) read(bucket, key string) string {
	c.t.Helper()
	kv, err := c.js.KeyValue(c.t.Context(), bucket)
	if err != nil {
		c.t.Fatal(err)
	}
	entry, err := kv.Get(c.t.Context(), key)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return ""
	}
	if err != nil {
		c.t.Fatal(err)
	}
	return string(entry.Value())
}

// dead is the reason and the body of the last dead letter; empty for none.
func (c *client) dead() string {
	c.t.Helper()
	stream, err := c.js.Stream(c.t.Context(), "VEDETTE_DEAD")
	if err != nil {
		c.t.Fatal(err)
	}
	last := stream.CachedInfo().State.LastSeq
	if last == 0 {
		return ""
	}
	message, err := stream.GetMsg(c.t.Context(), last)
	if err != nil {
		c.t.Fatal(err)
	}
	return message.Header.Get("Vedette-Reason") + " " + string(message.Data)
}

// overhear writes down whatever is said on the server from now on.
func (c *client) overhear() *lockedBuffer {
	c.t.Helper()
	heard := &lockedBuffer{}
	_, err := c.conn.Subscribe(">", func(m *nats.Msg) { _, _ = fmt.Fprintf(heard, "%s %v %s\n", m.Subject, m.Header, m.Data) })
	if err == nil {
		err = c.conn.Flush()
	}
	if err != nil {
		c.t.Fatal(err)
	}
	return heard
}

// stored are all messages of all streams, those of buckets among them, as they
// are now.
func (c *client) stored() string {
	c.t.Helper()
	all := &lockedBuffer{}
	streams := c.js.ListStreams(c.t.Context())
	for info := range streams.Info() {
		stream, err := c.js.Stream(c.t.Context(), info.Config.Name)
		if err != nil {
			c.t.Fatal(err)
		}
		for seq := info.State.FirstSeq; seq <= info.State.LastSeq && seq > 0; seq++ {
			m, err := stream.GetMsg(c.t.Context(), seq)
			if errors.Is(err, jetstream.ErrMsgNotFound) {
				continue // it was done since
			}
			if err != nil {
				c.t.Fatal(err)
			}
			_, _ = fmt.Fprintf(all, "%s %v %s\n", m.Subject, m.Header, m.Data)
		}
	}
	if err := streams.Err(); err != nil {
		c.t.Fatal(err)
	}
	return all.String()
}
