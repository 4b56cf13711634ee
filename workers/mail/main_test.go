package mail_test

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(beDeliverer); dir != "" {
		os.Exit(deliver(dir, os.Args[1:]))
	}
	goleak.VerifyTestMain(m)
}
