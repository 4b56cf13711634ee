package main

import (
	"context"
	"os"
	"testing"

	"go.uber.org/goleak"
)

// The test binary is the program too: started with this variable it runs one
// command line, so that tests can kill a real process.
const beVedette = "VEDETTE_TEST_MAIN"

func TestMain(m *testing.M) {
	if os.Getenv(beVedette) != "" {
		os.Exit(Main(context.Background(), os.Args[1:], os.Stdout, os.Stderr))
	}
	goleak.VerifyTestMain(m)
}
