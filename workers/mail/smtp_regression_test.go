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

// go-mail builds our mails and opens our sessions. In how it sends, and in what
// it builds if it is asked in the wrong way, eleven defects are known; the tests
// of gomail_test.go show most of them. This is how each would show in a mail, and
// which tests see to it that it is not ours:
//
//  1. A connection that is lost counts as a refusal for good, and buries the mail.
//     TestWhatTheRelaySaysDecidesTheFate, TestVerdictWithoutReplyFollowsFromStageAndError,
//     TestRelayThatIsNotThereIsNoFaultOfTheMail.
//  2. Something fails after the relay has taken the mail, and it is sent twice.
//     TestNothingAfterTheAcceptanceMakesAMailFail, TestAnswerToTheDotCountsAfterTheContextsEnd,
//     TestDeliveredMailIsDoneEvenIfItCannotBeRecorded.
//  3. DATA is refused, and so is the next mail of the session, for no reason of its own.
//     TestRefusalAtAnyStageLeavesTheSessionToTheNextMail, TestWhatTheRelaySaysDecidesTheFate.
//  4. A mail that breaks off while it is written arrives in half.
//     TestMailThatCannotBeBuiltReachesNoRelay, TestBodyThatIsCutShortIsNeverEnded.
//  5. One of several recipients is refused: none gets the mail, and a later reply
//     hides the one that decided.
//     TestJobThatShowsManyNamesHasOneRecipient, TestFirstRefusalDecides.
//  6. A mail goes out without an attachment, and nobody is told.
//     TestMailForEverybodyReadsBackAsItWasMeant, TestWhatWouldBeAnotherMailIsRefused.
//  7. One deadline runs for the whole exchange, also while the session is idle, and
//     the context's end is noticed only by the dial.
//     TestEachStepHasATimeOfItsOwn, TestIdleSessionOutlivesTheTimesOfItsMails,
//     TestEndOfTheContextEndsTheDialogueBeforeTheDot, TestSilenceInTheHandshakeEndsWithTheContext.
//  8. A session that could not be opened leaves its connection behind.
//     TestSessionThatWasNotOpenedLeavesNoConnection.
//  9. SMTPUTF8 is asked for in vain, and a relay further on refuses a mail in ASCII.
//     TestAddressThatIsNotASCIINeedsTheExtension, TestAddressThatIsShownNeedsTheExtensionToo,
//     TestMailWithASCIIAddressesIsASCII.
//  10. Goroutines that share a client wait for each other or race, a session counts as
//     alive after the relay has left, and certificates of other hosts are taken.
//     TestManySessionsWithTLSAndLoginAtOnce, TestManyMailsAtOnceUseNoMoreSessionsThanAllowed,
//     TestKeptSessionThatTheRelayHasEndedIsDialledAgainForFree, TestCertificateOfAnotherHostIsRefused.
//  11. Headers come in a random order, values and names can begin other headers, and
//     all levels have one boundary.
//     TestOrderOfTheHeaderIsAlwaysTheSame, TestHeadersOfOneNameAreRefused,
//     TestWhatWouldBeAnotherMailIsRefused, TestLineEndInAnEncodedNameAddsNoHeader,
//     TestRunOfBlanksMakesNoLineOfBlanks, TestBoundaryIsOfItsLevelAndOfItsMail, FuzzBuild.

// A mail that the relay has taken is sent, whatever the session comes to.
func TestNothingAfterTheAcceptanceMakesAMailFail(t *testing.T) {
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
			mustSend(t, sender, "m2") // which has to notice that the session is gone
			sender.Close()
			if got := relay.received(); len(got) != 2 || !strings.Contains(got[0], "<m1@") || !strings.Contains(got[1], "<m2@") {
				t.Errorf("got %q, want each mail once", got)
			}
		})
	}
}

func TestAnswerToTheDotCountsAfterTheContextsEnd(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	h := openHouse(t, &house{hold: cancel}, nil, false)
	s := newSender(t, mail.Config{Relays: []mail.Relay{h.plain()}})
	if _, err := s.Send(ctx, order("m1"), stored); err != nil || len(h.letters()) != 1 {
		t.Errorf("got %v and %d mails, want one that counts as sent", err, len(h.letters()))
	}
}

func TestRefusalAtAnyStageLeavesTheSessionToTheNextMail(t *testing.T) {
	t.Parallel()
	for _, ehlo := range []string{"250 HELP", "250 PIPELINING"} {
		for _, verb := range []string{"MAIL", "RCPT", "DATA", "."} {
			t.Run(verb+" "+ehlo, func(t *testing.T) {
				t.Parallel()
				relay := serveScripts(t, nil, script{"EHLO": "250-relay.test\r\n" + ehlo, verb + " 1": "554 5.7.1 not this one"})
				s := newSender(t, mail.Config{Relays: []mail.Relay{relay.plain()}})
				if _, err := s.Send(t.Context(), order("m1"), stored); fateOf(mail.JobError(err)) != "dead permanent" {
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

func TestMailThatCannotBeBuiltReachesNoRelay(t *testing.T) {
	t.Parallel()
	relay := serveScripts(t, nil, script{})
	s := newSender(t, mail.Config{Relays: []mail.Relay{relay.plain()}})
	m := order("m1")
	m.Subject = strings.Repeat("x", 1200) // what is wrong with it shows when it is written
	if _, err := s.Send(t.Context(), m, stored); !errors.Is(err, mail.ErrInvalid) {
		t.Errorf("got %v, want it invalid", err)
	}
	if relay.count() != 0 {
		t.Errorf("got %d connections, want none; heard %q", relay.count(), relay.commands())
	}
}

// A relay takes what it has when the dot comes; so no dot may follow a body that
// was cut short.
func TestBodyThatIsCutShortIsNeverEnded(t *testing.T) {
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

func TestJobThatShowsManyNamesHasOneRecipient(t *testing.T) {
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

// What is refused after the first refusal is refused because of it.
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
