// Package pipeline is JetStream for the rest of Vedette, and the only place
// that knows it: which streams and buckets there are, how a message gets into
// one, and how a pool of workers takes jobs out.
//
//	tick ──▶ check ──▶ result ──▶ state ──▶ mail
//	TICK     CHECK      RESULT     STATE     MAIL ──▶ relay or Maildir
//	         REQUEST                          DEAD
//
// Each arrow is a stream ([Topology] lists them), each stage a [Pool] in any
// number of processes. What JetStream has acknowledged to a publisher ends as
// done or as a dead letter with its reason; nothing is dropped in silence.
//
// # What a node promises
//
// JetStream acknowledges a message when the operating system has it, and syncs
// to disk a quarter of a second later at the latest. So on one node a killed
// process loses nothing, while a power cut may lose the last quarter of a
// second. With three replicas a message is acknowledged when two nodes have it.
//
// # Departures that experience taught
//
// A check in CHECK has no time to live. One that expired in the queue would
// end a slot without anybody's knowing; instead the worker that finds it past
// its not_after records the miss, and while it waits the refusal of the next
// slots is recorded as overlap. Each monitor still has at most one.
//
// Results travel on one partition. Evaluators share them by a common consumer,
// and what two of them decide at once is settled by compare-and-swap, so that
// nothing is gained by more until one stream is too slow.
//
// Mails carry no signature: whoever may publish to MAIL may order mail. On the
// server inside that is this user's processes; on a shared server, give the
// right to publish below mail to nobody else.
//
// A pool speaks the pull protocol itself, because the client library's
// iterators ask for messages before a slot is free, and the time until a
// redelivery runs while those wait in the client's buffer.
package pipeline
