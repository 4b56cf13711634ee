// Package pipeline is JetStream for the rest of Vedette, and the only place
// that knows it: which streams and buckets there are, how a message gets into
// one, and how a pool of workers takes jobs out.
//
//	tick ──▶ check ──▶ result ──▶ state ──▶ ledger ──▶ mail
//	TICK     CHECK      RESULT     STATE     LEDGER     MAIL ──▶ relay or Maildir
//	         REQUEST                         CALL
//	         CALL                 what can't be done ──▶ DEAD
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
// # Versions
//
// Two versions are told apart. That of messages is package job's: a handler that
// meets a newer one returns [job.ErrNewer], and its pool gives the job back
// without counting an attempt. Orders and alerts, which are not bounded by the
// number of monitors, are parked in DEAD after a minute, as unsupported; the stage
// operate of a process that reads them gives them back to their queues. CHECK,
// RESULT, TIMER and the log of STATE hold what the pipeline makes for itself, and
// there it waits. The attempts at a job and the cursor of a shard have one field
// each, and will stay so.
//
// That of the topology stands in the metadata of each stream, bucket and
// consumer ("vedette-layout"): [Pipeline.Ensure] and pools change only what a
// program of their own layout or an older one has configured.
//
// # Departures that experience taught
//
// A check in CHECK has no time to live. One that expired in the queue would
// end a slot without anybody's knowing; instead the worker that finds it past
// its not_after records the miss, and while it waits the refusal of the next
// slots is recorded as overlap. Each monitor still has at most one.
//
// The queue of checks is first in, first out, so one that is longer than a slot
// has every check come too late, however many workers make. Nothing in JetStream
// would drop the right ones; the scheduler leaves out an even part of the slots
// instead, by what it sees of the consumer, and records them as shed.
//
// A job may give its slot back before it is done ([Yield]), when it only waits
// for the storing of what it found; a pool holds twice its limit at most.
//
// Results travel on one partition. Evaluators share them by a common consumer,
// and what two of them decide at once is settled by compare-and-swap, so that
// nothing is gained by more until one stream is too slow.
//
// Mails carry no signature: whoever may publish to MAIL may order mail. A
// signature would take away the order from a shell, and protect from nobody who
// holds the right to publish there, which [Names.Permissions] gives to few. The
// two ways around rights that the server leaves open lead nowhere: no stream
// with schedules holds jobs, and an answer of the server that somebody has it
// put into MAIL is no mail, and a dead letter.
//
// Calls have a stream of their own, and not only a subject: the one of casts
// may be full. An id is therefore kept apart by the server within a verb, and
// across verbs by looking first.
//
// A pool asks for exactly its free slots, but not for each at once: while the
// server owes it some, up to an eighth of the limit waits for the next request.
//
// The leases of processes, in WORKER, do not expire by themselves: nobody would
// notice. Each process watches the others' ([Processes]), tells the operators
// of one that was not renewed in its time, and takes it away.
//
// Heartbeats have no timers: PING keeps the last ping of each kind with the
// server's time, and each slot of the monitor judges by it, so that neither a
// restart nor a lost timer resets or misfires a deadline.
//
// What addresses were told stands in LEDGER: an account for each address and
// monitor, and a mailing for each address and group, which decides. Keys are
// never deleted there: a key that was purged can come back after an unclean
// stop, and a ledger that forgets tells twice.
//
// Whether a mail that waits for a relay can still be taken back is decided in
// SENT, by compare-and-swap: its worker's intent, or the word of the notifier
// that withdraws it, is first.
//
// An intent in SENT that is younger than [job.AttemptLease] is left to whoever wrote it.
// While a cluster chooses a leader holds cannot be renewed, so that the job of a
// mail which has left comes to a second worker before the first could write that
// down.
//
// That the server knows a message's id, or that its subject is occupied, is no
// word that it is stored while the cluster has not agreed on it: the leader may
// take it along. So messages whose storing is taken for done when they are there
// already, dead letters among them, have ids: the server tells those that are in
// process apart, and they are tried again.
//
// The server's word that a mail is settled is not waited for: SENT has it that
// it left, and one that comes again because our word got lost is settled unsent.
// Each class of mails has a queue of its own; a mail to operators that no relay
// takes is kept in the Maildir too, and sent all the same.
//
// DKIM signatures bear the time of the order, not of the attempt: a mail that is
// tried again is the same, byte for byte.
//
// A timer is set before what it belongs to is written, so that a crash between
// the two repeats both. Timers fire at whole seconds; times are rounded up.
//
// That nobody schedules is not seen by a shard without ticks, since the cursor
// of a shard in which nothing is due stands still, but by the leases, in which
// each process says its roles.
//
// The arithmetic of producer/schedule is used by workers too, for maintenance
// windows and the distance of cron's slots; it is the one package that both
// sides know.
//
// A child of a supervisor that an operator stopped comes back with its group,
// as in OTP; one that was disabled stays down: see package supervise.
//
// The letter of a state that could not be announced is replayed by writing the
// present state again: the one in the letter is of the past.
//
// Nodes of a cluster do not tell clients of each other. Those addresses may be
// of a network of the nodes' own, and a certificate may not be good for them, so
// clients use the ones that they were given.
//
// The copies of consumers follow those of their streams by themselves, when these
// have caught up. Nothing hastens that: consumers of queues have no number of
// their own that could be changed.
//
// The number of replicas belongs to the installation and not to each process:
// only one that was told a number sees to it ([Pipeline.Ensure]), lest a worker
// with other flags take copies away.
//
// What the locations of a monitor find, and what that makes of it, is one state
// and one write. States of their own, and a vote that is cast when one of them
// changes, would be two writes with a crash between them, and evaluators that
// know the one and not the other.
//
// A pool speaks the pull protocol itself, because the client library's
// iterators ask for messages before a slot is free, and the time until a
// redelivery runs while those wait in the client's buffer.
package pipeline
