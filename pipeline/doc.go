// Package pipeline is the connection to an installation on JetStream. Only this
// package and the ones below it know NATS. Package topology names streams and
// buckets, package pool takes jobs out, package deadletter keeps the jobs that
// could not be done.
//
//	tick ──▶ check ──▶ result ──▶ state ──▶ notification ──▶ mail
//	TICK     CHECK      RESULT     STATE     NOTIFICATION     MAIL ──▶ relay or Maildir
//	         ADHOC                                            CALL
//	         CALL                 jobs that cannot be done ──▶ DEAD
//
// Each arrow is a stream or a bucket, each stage a pool in any number of
// processes. A message that JetStream has acknowledged to its publisher ends as
// done or as a dead letter with a reason.
//
// # Durability
//
// JetStream acknowledges a message when the operating system has it, and syncs it
// to disk within a quarter of a second. So on one node a killed process loses
// nothing, while a power cut may lose the last quarter of a second. With three
// replicas a message is acknowledged when two nodes have it.
//
// # Versions
//
// Messages and topology have separate versions. Package job defines the version
// of messages: a handler that gets a newer one returns [job.ErrNewer], and its
// pool returns the job to the queue without counting an attempt. Jobs in ADHOC,
// CALL and MAIL, whose number is not bounded, are parked in DEAD after a minute
// as unsupported; the stage maintain in a process that understands them replays
// them. In CHECK, RESULT, TIMER and the log of STATE, which have the pipeline's
// own messages, newer ones wait. Attempts and cursors have one field each, and
// must keep it.
//
// The version of the topology is in the metadata of each stream, bucket and
// consumer ("vedette-layout"). [Pipeline.Ensure] and pools change only
// configurations from their own version or an older one.
//
// # Departures that experience taught
//
// A check in CHECK has no time to live. One that expired in the queue would end a
// slot without a record; instead the worker that finds it past its not_after
// records the miss, and while it waits, the refused checks for the next slots are
// recorded as overlap. Each monitor still has at most one.
//
// The queue of checks is first in, first out, so in a queue longer than a slot
// every check is late, however many workers there are. JetStream cannot drop the
// right checks; the scheduler leaves out an even part of the slots, by the
// consumer's backlog, and records them as shed.
//
// A job may give its slot back before it is done when it only waits for its
// result to be stored; a pool has at most twice its limit.
//
// Results travel on one partition. Evaluators share it by a common consumer, and
// settle simultaneous decisions by compare-and-swap, so more partitions gain
// nothing until one stream is too slow.
//
// Mails carry no signature: every user who may publish to MAIL may enqueue mails.
// A signature would exclude enqueueing from a shell, and protect only against the
// few users with that right. The server leaves two ways around rights open, both
// harmless: no stream with schedules holds jobs, and an acknowledgement that the
// server was made to publish to MAIL becomes a dead letter.
//
// Calls have a stream, and not only a subject, because ADHOC may be full. So the
// server keeps ids unique within each of the two streams, and clients look into
// the other one first.
//
// A pool requests exactly its free slots, but not each at once: while requested
// jobs have not arrived, up to an eighth of the limit waits for the next request.
//
// The leases in PROCESS do not expire, since an expiry would go unnoticed. Each
// process watches the others' leases, notifies the operators of one that was not
// renewed in time, and deletes it.
//
// Heartbeats have no timers: PING keeps the last ping of each kind with the
// server's time, and each slot of the monitor evaluates it, so that neither a
// restart nor a lost timer resets or misfires a deadline.
//
// NOTIFICATION has a log for each address and monitor, which says what the
// address was notified of, and a group for each address, which decides what to
// send. Keys are never deleted there: a purged key can come back after an unclean
// stop, and without its log an address would be notified twice.
//
// Whether a waiting mail can still be withdrawn is decided in DELIVERY by
// compare-and-swap between the worker that begins an attempt and the notifier. An
// attempt younger than [job.AttemptLease] is left to its worker: while a cluster
// elects a leader, holds on jobs cannot be renewed, so the job for a sent mail
// reaches a second worker before the first one could record that it was sent.
//
// A known message id, or an occupied subject, does not prove that a message is
// stored before the cluster has agreed on it: the leader may lose it. So messages
// that count as stored when they exist, dead letters included, have ids: by these
// the server reports the ones still in process, and they are retried.
//
// Workers do not wait for the server to confirm that a mail is settled: DELIVERY
// records that it was sent, and a mail that is delivered again is settled without
// sending it. Each class of mails has its own queue. A mail to operators that no
// relay takes is also copied to the Maildir.
//
// DKIM signatures have the time of the job, not of the attempt, so that each
// attempt sends the same bytes.
//
// A timer is set before the record that it belongs to is written, so that a crash
// in between repeats both. Timers fire at whole seconds; times are rounded up.
//
// A missing scheduler shows in the leases, which have the stages of each process,
// and not in the cursors: the cursor of a shard without due slots does not move.
//
// Workers use producer/schedule too, for maintenance windows and the distance
// between cron slots; it is the one package that both sides share.
//
// A child that an operator stopped restarts with its group, as in OTP; a disabled
// one stays down: see package supervise.
//
// A dead state is replayed by writing the present state again: the one in the
// dead letter is of the past.
//
// Cluster nodes do not advertise each other to clients: those addresses may be in
// a network of the nodes, and their certificates may not be valid for them.
// Clients use the configured addresses.
//
// Replicas of consumers follow those of their streams once these are current, and
// cannot be hastened: consumers of work queues have no number of their own.
//
// The number of replicas belongs to the installation: only a process that has one
// configured changes it, so that a worker with other flags removes no replicas.
//
// What the locations of a monitor find, and the vote on it, is one state and one
// write. Separate states and a vote would be two writes with a crash in between.
package pipeline
