// Package job defines every message that crosses the pipeline, and the errors by
// which a handler decides what happens to a job.
//
// Producers and workers meet only here: a producer writes a [Monitor], a [Check]
// or a [Mail]; workers turn checks into [Result]s, results into [State]s and
// [Event]s, and events into mails. Every message is JSON, so a program in any
// language can take part.
//
// # Versions
//
// Each message has a version, "v"; a message without one has version 1. A newer
// version adds fields and never changes or removes existing ones. A message
// carries the oldest version that can express it, so that neighbouring versions
// work together while no new feature is in use. A message of a known version
// may contain known fields only: a misspelt field is an error, not a default.
// [Decode] refuses a newer message with [ErrNewer], and the process leaves it to
// a newer process. [DecodeKnown] reads such a message for display.
//
// # Secrets
//
// Texts that a probe sends may refer to secrets, as ${secret:NAME}. The reference
// travels unchanged; the process that makes the check looks the secret up, and no
// message contains its value. [Spec.MapSentTexts] finds these texts,
// [ExpandReferences] replaces references, and [EscapeReferences] protects text
// that only looks like a reference.
//
// # Terms
//
// A monitor's health is pending, up, degraded, down or unknown. A probe result
// has a health too, with a class and a cause when the target is not up. An
// incident lasts from the first failed slot until its condition ends. Durations
// are written as in Go ("1m30s"), times as in RFC 3339.
package job
