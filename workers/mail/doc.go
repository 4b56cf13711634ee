// Package mail delivers mails: one [job.Mail] to one envelope recipient,
// through an SMTP relay ([Sender]) or into a [Maildir].
//
// A mail is built completely before the first command, and its bytes are a
// function of the job alone: whatever is sent again is the same mail, which
// many receivers recognise by its Message-ID. What a relay says is judged in
// one place, by the stage of the dialogue and the reply's code ([]), and
// becomes the job's fate in another ([]). [Worker] puts these together
// with a ledger of what was sent.
//
// Delivery is at least once. The only moment that can double a mail is the one
// between the final dot and the relay's reply to it: a connection that is lost
// there leaves nobody who knows ([ClassUnknown]).
package mail
