// Package mail delivers a [job.Mail] to one envelope recipient, through an SMTP
// relay ([Sender]) or into a [Maildir].
//
// [Build] renders the complete mail before the first SMTP command. Its bytes
// depend on the job alone, so that each attempt sends the same mail, which many
// receivers recognise by its Message-ID. [Classify] derives the class of an
// attempt from the stage of the SMTP dialogue and the reply code, [JobError]
// turns the class into the job's result, and [Worker] records each attempt.
//
// Delivery is at least once. A mail can arrive twice only when the connection is
// lost between the final dot and the relay's reply to it ([ClassUnknown]).
package mail
