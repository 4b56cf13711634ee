package e2e_test

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"testing"

	"go.uber.org/goleak"
)

// minParallel is how many tests run at once at least. They wait for other processes
// most of the time: two cores need 13 minutes for two at once, and 6 for six.
const minParallel = 6

func TestMain(m *testing.M) {
	flag.Parse()
	if err := runSeveral(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	dir, err := os.MkdirTemp("", "vedette-e2e-*")
	if err == nil {
		err = buildProgram(dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		_ = os.RemoveAll(dir)
		os.Exit(code)
	}))
}

// runSeveral raises the number of tests at once, unless the command line sets it.
func runSeveral() error {
	set := false
	flag.Visit(func(f *flag.Flag) { set = set || f.Name == "test.parallel" })
	if set || runtime.GOMAXPROCS(0) >= minParallel {
		return nil
	}
	return flag.Set("test.parallel", strconv.Itoa(minParallel))
}
