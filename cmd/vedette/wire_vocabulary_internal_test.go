package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"vedette/pipeline"
	"vedette/pipeline/deadletter"
	"vedette/pipeline/job"
	"vedette/pipeline/rights"
	"vedette/pipeline/topology"
	"vedette/workers"
)

// The list of words is what programs in other languages rely on. Package job
// has the test for keys and values; this one has the names on the server.
func TestVocabularyListsEveryNameOnTheServer(t *testing.T) {
	t.Parallel()
	names := topology.Names{Prefix: "x"}
	streams := []string{string(topology.StateLog)}
	for _, config := range topology.Streams(names, 1) {
		streams = append(streams, string(names.CutStream(config.Name)))
	}
	var buckets, roles []string
	for _, config := range topology.Buckets(names, 1) {
		buckets = append(buckets, strings.TrimPrefix(config.Bucket, names.Bucket("")))
	}
	for _, role := range rights.Roles() {
		roles = append(roles, string(role))
	}
	for kind, want := range map[string][]string{
		"stream": streams, "bucket": buckets, "role": roles, "stage": append(workers.Stages(), workers.StageSchedule),
		"header": {
			pipeline.HeaderReply, pipeline.HeaderFirstStored, deadletter.HeaderStage, deadletter.HeaderReason, deadletter.HeaderError,
			deadletter.HeaderSubject, deadletter.HeaderAttempts, deadletter.HeaderWorker,
		},
		"subject": append(subjects(t), topology.ProcessRequest), "consumer": consumers(t),
	} {
		listed := vocabulary(t, kind)
		slices.Sort(listed)
		slices.Sort(want)
		if diff := cmp.Diff(listed, want); diff != "" {
			t.Errorf("%s (-listed +in the code):\n%s", kind, diff)
		}
	}
}

// vocabulary returns the listed words of one kind.
func vocabulary(t *testing.T, kind string) (words []string) {
	t.Helper()
	list, err := os.ReadFile(filepath.Join("help", "wire-vocabulary.txt"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(list)) {
		if fields := strings.Fields(line); len(fields) > 2 && fields[0] == kind {
			words = append(words, fields[1])
		}
	}
	return words
}

func subjects(t *testing.T) []string {
	t.Helper()
	return namesOf(t, "subjects.go", "Subject", map[string]string{
		"ClockSubject": topology.ClockSubject("<shard>"), "TickSubject": topology.TickSubject("<shard>"),
		"CheckSubject": topology.CheckSubject("<location>", "<monitor>"), "AdhocSubject": topology.AdhocSubject("<location>", "<id>"),
		"MailSubject": topology.MailSubject("<class>", "<id>"), "CallMailSubject": topology.CallMailSubject("<id>"),
		"CallCheckSubject": topology.CallCheckSubject("<location>", "<id>"), "NoticeSubject": topology.NoticeSubject("<kind>"),
		"ListeningSubject": topology.ListeningSubject(), "PingSubject": topology.PingSubject("<token>", "<kind>"), "TimerSubject": topology.TimerSubject("<what>", "<id>"),
		"SetTimerSubject": topology.SetTimerSubject("<what>", "<id>"), "ResultSubject": strings.Replace(topology.ResultSubject(0), "0", "<partition>", 1),
		"DeadSubject":  strings.Replace(topology.DeadSubject("<stream>", "<consumer>", 0), "0", "<sequence>", 1),
		"ReplySubject": topology.ReplySubject("<address>"), "StatusSubject": topology.StatusSubject("<address>"),
	})
}

func consumers(t *testing.T) []string {
	t.Helper()
	table := map[string]string{
		"SchedulerConsumer": topology.SchedulerConsumer().Name, "CheckConsumer": topology.CheckConsumer("<location>").Name,
		"AdhocConsumer": topology.AdhocConsumer("<location>").Name, "CheckCallConsumer": topology.CheckCallConsumer("<location>").Name,
		"EvaluateConsumer": topology.EvaluateConsumer().Name, "RecheckConsumer": topology.RecheckConsumer().Name,
		"NotifyConsumer": topology.NotifyConsumer().Name, "FlushConsumer": topology.FlushConsumer().Name, "SweepConsumer": topology.SweepConsumer().Name,
		"MailConsumer": "", "MailCallConsumer": topology.MailCallConsumer().Name, "NoticeConsumer": topology.NoticeConsumer().Name,
		"DeadLetterConsumer": topology.DeadLetterConsumer().Name, "DigestConsumer": topology.DigestConsumer().Name, "RescueConsumer": topology.RescueConsumer().Name,
	}
	names := slices.DeleteFunc(namesOf(t, "consumers.go", "Consumer", table), func(name string) bool { return name == "" })
	for _, class := range job.MailClasses() {
		names = append(names, topology.MailConsumer(class).Name)
	}
	return names
}

// namesOf returns the names in a table after a check that it has a line for each
// exported function with a suffix in a file of package topology.
func namesOf(t *testing.T, file, suffix string, table map[string]string) (names []string) {
	t.Helper()
	source, err := parser.ParseFile(token.NewFileSet(), filepath.Join("..", "..", "pipeline", "topology", file), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, declaration := range source.Decls {
		function, ok := declaration.(*ast.FuncDecl)
		if !ok || !function.Name.IsExported() || !strings.HasSuffix(function.Name.Name, suffix) {
			continue
		}
		name, listed := table[function.Name.Name]
		if !listed {
			t.Errorf("%s: got no line in this test, want one", function.Name.Name)
		}
		names = append(names, name)
	}
	return names
}
