package bench

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"time"

	"github.com/spf13/cobra"
)

// farmSize is how many addresses the targets have. A client has some 28,000
// ports for each, and a port of a connection that was closed rests a minute.
const farmSize = 64

// benchFarmCommand serves many addresses, answered by hand, so that the targets
// leave the processors to what is measured. It tells on standard output where
// they are, and for each line of standard input what they have cost so far.
func benchFarmCommand() *cobra.Command {
	var delay time.Duration
	cmd := &cobra.Command{
		Use: "farm", Short: "The targets of a benchmark of scale", Hidden: true, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var urls []string
			for i := range farmSize {
				listener, err := farmListener(cmd.Context(), i)
				if err != nil {
					return err
				}
				go farm(listener, delay) // until the process ends
				urls = append(urls, "http://"+listener.Addr().String()+"/")
			}
			out := json.NewEncoder(cmd.OutOrStdout())
			if err := out.Encode(urls); err != nil {
				return fmt.Errorf("tell where the targets are: %w", err)
			}
			for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
				if err := out.Encode(cpuTime()); err != nil {
					return fmt.Errorf("tell what the targets cost: %w", err)
				}
			}
			return nil
		},
	}
	cmd.Flags().DurationVar(&delay, "delay", 0, "how long the targets take to answer")
	return cmd
}

// farmListener spreads targets over the addresses of loopback, where the system
// has more than one.
func farmListener(ctx context.Context, i int) (net.Listener, error) {
	var listen net.ListenConfig
	if listener, err := listen.Listen(ctx, "tcp", fmt.Sprintf("127.0.0.%d:0", i+1)); err == nil {
		return listener, nil
	}
	listener, err := listen.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for targets: %w", err)
	}
	return listener, nil
}

func farm(listener net.Listener, delay time.Duration) {
	for {
		if conn, err := listener.Accept(); err == nil { // an error is the client's, who has gone
			go answer(conn, delay)
		}
	}
}

const (
	// answerWait is how long a target waits for a request.
	answerWait = 10 * time.Second
	// silentPath begins the path of requests that are not answered.
	silentPath = "silent/"
	// promptPath begins the path of those that are answered without delay.
	promptPath = "prompt/"
)

// answer reads one request and says after a while that all is well, or says
// nothing until the client goes.
func answer(conn net.Conn, delay time.Duration) {
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(answerWait)) // it fails when the client has gone, and so does the rest
	var request [4096]byte
	for n := 0; n < len(request); {
		read, err := conn.Read(request[n:])
		if n += read; bytes.HasSuffix(request[:n], []byte("\r\n\r\n")) {
			if bytes.HasPrefix(request[:n], []byte("GET /"+silentPath)) {
				_ = conn.SetDeadline(time.Time{})
				_, _ = conn.Read(request[:])
				return
			}
			if delay > 0 && !bytes.HasPrefix(request[:n], []byte("GET /"+promptPath)) {
				<-time.After(delay)
			}
			_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n")
			return
		}
		if err != nil {
			return
		}
	}
}

// targetFarm is that process, as the benchmark sees it.
type targetFarm struct {
	urls  []string
	cmd   *exec.Cmd
	leash io.WriteCloser // its end is the end of the targets
	said  *json.Decoder
}

func startFarm(ctx context.Context, delay time.Duration) (*targetFarm, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find the program: %w", err)
	}
	f := &targetFarm{cmd: exec.CommandContext(ctx, self, "bench", "farm", "--delay", delay.String())} //nolint:gosec // ourselves
	f.cmd.Stderr = os.Stderr
	output, err := f.cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("start targets: %w", err)
	}
	if f.leash, err = f.cmd.StdinPipe(); err != nil {
		return nil, fmt.Errorf("start targets: %w", err)
	}
	if err := f.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start targets: %w", err)
	}
	f.said = json.NewDecoder(output)
	if err := f.said.Decode(&f.urls); err != nil {
		f.stop()
		return nil, fmt.Errorf("start targets: %w", err)
	}
	return f, nil
}

// prompt are targets that answer without delay.
func (f *targetFarm) prompt() []string {
	urls := make([]string, len(f.urls))
	for i, url := range f.urls {
		urls[i] = url + promptPath
	}
	return urls
}

// cost is the processor time that the targets have used so far.
func (f *targetFarm) cost() (used time.Duration, err error) {
	if _, err = io.WriteString(f.leash, "\n"); err == nil {
		err = f.said.Decode(&used)
	}
	if err != nil {
		return 0, fmt.Errorf("ask what the targets cost: %w", err)
	}
	return used, nil
}

func (f *targetFarm) stop() {
	_ = f.leash.Close()
	_ = f.cmd.Wait() // how it ends is nobody's affair
}
