// Package job holds every message that crosses the pipeline, and the errors
// by which a handler says what should become of a job.
//
// It is the only place where producers and workers meet: a producer makes a
// [Monitor], a [Check] or a [Mail], a worker turns checks into [Result]s,
// results into [State]s and [Event]s, and events into mails. All of them
// travel as JSON, so a program in any language can take part.
//
// # Versions
//
// Each message carries a version, "v"; a message without one is version 1. A
// version adds fields, and never changes or takes away what there is. A message
// bears the oldest version that can express it ([Encode] sees to that), so that
// neighbouring versions work together as long as nothing new is used. A message
// of a version that this program reads may hold known fields only: a misspelt
// field is an error, not a default. One of a newer version is refused with
// [ErrNewer], and whoever meets it leaves it as it is, for a newer process.
// [DecodeKnown] is for those who only look.
//
// # Secrets
//
// Texts that a probe sends may refer to secrets, as ${secret:NAME}. A reference
// travels as it stands; only who makes the check looks the secret up, and its
// value is in no message. [Spec.MapSentTexts] finds these texts, [] reads them,
// and [] keeps what looks like a reference from being one.
//
// # Words
//
// A monitor's health is pending, up, down or unknown. A check's result has the
// same health, with a class and a cause when it is not up. An incident runs
// from the first failed slot of a monitor that became down until it is up
// again. Durations are written as Go writes them ("1m30s"), times in RFC 3339.
package job
