package mail_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"vedette/workers/mail"
)

// go-mail builds our mails and opens our sessions. Eleven defects are known in how
// it sends, and in what it builds when used carelessly; go_mail_test.go shows most
// of them. This list has their effects and the tests that exclude them here:
//
//  1. A lost connection counts as a permanent refusal.
//     TestRelayRepliesDecideJobResult, TestClassifyErrors,
//     TestUnreachableRelayCountsNoAttempt.
//  2. A failure after the relay has accepted the mail makes it arrive twice.
//     TestFailureAfterAcceptanceIsIgnored, TestReplyToDotCountsAfterContextEnd,
//     TestDeliveredMailIsDoneWithoutRecord.
//  3. After DATA is refused, the next mail in the session is refused too.
//     TestSessionSurvivesRefusalAtEachStage, TestRelayRepliesDecideJobResult.
//  4. A mail whose transfer is interrupted arrives truncated.
//     TestInvalidMailReachesNoRelay, TestInterruptedBodyGetsNoFinalDot.
//  5. One of several recipients is refused: none gets the mail, and a later reply
//     hides the deciding one.
//     TestMailHasOneEnvelopeRecipient, TestFirstRefusalDecides.
//  6. A mail is sent without its attachment, without an error.
//     TestMailWithAllFieldsParses, TestInvalidFieldsAreRefused.
//  7. One deadline covers the whole exchange, even while the session is idle, and
//     only the dial notices the context's end.
//     TestEachStepHasItsOwnTimeout, TestIdleSessionOutlivesMailDeadlines,
//     TestContextEndsDialogueBeforeDot, TestContextEndsSilentHandshake.
//  8. A session that could not be opened leaks its connection.
//     TestFailedSessionLeavesNoConnection.
//  9. SMTPUTF8 is requested without need, so that a later relay refuses the mail.
//     TestNonASCIIAddressNeedsSMTPUTF8, TestNonASCIIShownAddressNeedsSMTPUTF8,
//     TestMailWithASCIIAddressesIsASCII.
//  10. Goroutines that share a client block each other or race, a closed session
//     counts as open, and certificates for other hosts are accepted.
//     TestConcurrentSessionsWithTLSAndLogin, TestConcurrentMailsStayBelowSessionLimit,
//     TestStaleSessionIsReplacedWithinAttempt, TestCertificateForOtherHostIsRefused.
//  11. The header order is random, values and names can add headers, and all levels
//     share one boundary.
//     TestHeaderOrderIsStable, TestDuplicateHeadersAreRefused,
//     TestInvalidFieldsAreRefused, TestEncodedLineEndInNameAddsNoHeader,
//     TestLongBlankRunMakesNoBlankHeaderLine, TestBoundariesDifferByLevelAndMail, FuzzBuild.

// An accepted mail is sent, whatever happens to the session afterwards.
func TestFailureAfterAcceptanceIsIgnored(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]script{
		"the relay closes the connection": {".": "250 2.0.0 queued" + thenHangUp},
		"every other command is broken":   {"RSET": hangUp, "NOOP": hangUp, "VRFY": hangUp, "QUIT": hangUp},
		"every other command is refused":  {"RSET": "421 4.3.2 closing", "NOOP": "421 4.3.2 closing", "QUIT": "500 what?"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			relay := serveScripts(t, nil, s)
			sender := newSender(t, mail.Config{Relays: []mail.Relay{relay.plain()}})
			mustSend(t, sender, "m1")
			mustSend(t, sender, "m2") // must notice that the session is closed
			sender.Close()
			if got := relay.received(); len(got) != 2 || !strings.Contains(got[0], "<m1@") || !strings.Contains(got[1], "<m2@") {
				t.Errorf("got %q, want each mail once", got)
			}
		})
	}
}

func TestReplyToDotCountsAfterContextEnd(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	h := startServer(t, &smtpServer{hold: cancel}, nil, false)
	s := newSender(t, mail.Config{Relays: []mail.Relay{h.plain()}})
	if _, err := s.Send(ctx, order("m1"), stored); err != nil || len(h.mails()) != 1 {
		t.Errorf("got %v and %d mails, want one that counts as sent", err, len(h.mails()))
	}
}

func TestSessionSurvivesRefusalAtEachStage(t *testing.T) {
	t.Parallel()
	for _, ehlo := range []string{"250 HELP", "250 PIPELINING"} {
		for _, verb := range []string{"MAIL", "RCPT", "DATA", "."} {
			t.Run(verb+" "+ehlo, func(t *testing.T) {
				t.Parallel()
				relay := serveScripts(t, nil, script{"EHLO": "250-relay.test\r\n" + ehlo, verb + " 1": "554 5.7.1 not this one"})
				s := newSender(t, mail.Config{Relays: []mail.Relay{relay.plain()}})
				if _, err := s.Send(t.Context(), order("m1"), stored); resultOf(mail.JobError(err)) != "dead permanent" {
					t.Fatalf("got %v, want it refused for good", err)
				}
				mustSend(t, s, "m2")
				if relay.count() != 1 {
					t.Errorf("got %d connections, want 1; heard %q", relay.count(), relay.commands())
				}
			})
		}
	}
}

func TestInvalidMailReachesNoRelay(t *testing.T) {
	t.Parallel()
	relay := serveScripts(t, nil, script{})
	s := newSender(t, mail.Config{Relays: []mail.Relay{relay.plain()}})
	m := order("m1")
	m.Subject = strings.Repeat("x", 1200) // the error shows when it is rendered
	if _, err := s.Send(t.Context(), m, stored); !errors.Is(err, mail.ErrInvalid) {
		t.Errorf("got %v, want it invalid", err)
	}
	if relay.count() != 0 {
		t.Errorf("got %d connections, want none; heard %q", relay.count(), relay.commands())
	}
}

// The relay accepts what it has when the dot arrives, so no dot may follow an
// incomplete body.
func TestInterruptedBodyGetsNoFinalDot(t *testing.T) {
	t.Parallel()
	relay := serveScripts(t, nil, script{"DATA": stall})
	s := newSender(t, mail.Config{Relays: []mail.Relay{relay.plain()}})
	m := order("m1")
	m.Text = strings.Repeat("a line of some length that is repeated\n", 1<<18) // more than the system buffers
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	group.Go(func() {
		relay.awaitCommand(t, "(stalled)")
		cancel()
		relay.resume()
	})
	_, err := s.Send(ctx, m, stored)
	group.Wait()
	if failed, ok := errors.AsType[*mail.Error](err); !ok || failed.Class != mail.ClassRelay || failed.Stage != mail.StageBody {
		t.Errorf("got %v, want class relay in the body", err)
	}
	relay.awaitEnd(t)
	if got := relay.received(); len(got) != 0 {
		t.Errorf("got %d bodies, the first of %d bytes, want none that ended", len(got), len(got[0]))
	}
}

func TestMailHasOneEnvelopeRecipient(t *testing.T) {
	t.Parallel()
	relay := serveScripts(t, nil, script{})
	s := newSender(t, mail.Config{Relays: []mail.Relay{relay.plain()}})
	if _, err := s.Send(t.Context(), full(), stored); err != nil {
		t.Fatal(err)
	}
	got := slices.DeleteFunc(relay.lines(), func(line string) bool { return !strings.HasPrefix(line, "RCPT") })
	if want := []string{"RCPT TO:<ops@example.org>"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// Refusals after the first one are its consequence.
func TestFirstRefusalDecides(t *testing.T) {
	t.Parallel()
	relay := serveScripts(t, nil, script{
		"EHLO": "250-relay.test\r\n250 PIPELINING", "MAIL": "451 4.3.0 later", "RCPT": "550 5.5.1 MAIL first", "DATA": "554 5.5.1 RCPT first",
	})
	s := newSender(t, mail.Config{Relays: []mail.Relay{relay.plain()}})
	_, err := s.Send(t.Context(), order("m1"), stored)
	if failed, ok := errors.AsType[*mail.Error](err); !ok || failed.Class != mail.ClassTemporary || failed.Stage != mail.StageMail || failed.Reply.Code != 451 {
		t.Errorf("got %v, want 451 of MAIL", err)
	}
}
