package e2e_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vedette/cmd/vedette/internal/cli"
)

// A lost state is named in all places that people look at, and who got a DOWN mail
// still gets the UP mail.
func TestLostDataAreNamedEverywhere(t *testing.T) {
	t.Parallel()
	x, box := newTarget(t), newInbox(t)
	r := newInstance(t, "operators: boss\n"+strings.Replace(watching(x, box), "recipients:", "recipients:\n  boss: boss2@example.org", 1))
	data := filepath.Join(r.dir, "vedette-data")
	x.setIll(true)
	r.start()
	r.ready()
	eventually(t, "DOWN mails", func() bool { return allHave(box, "[DOWN]") })
	r.stop()
	if err := os.Truncate(filepath.Join(data, "jetstream", "jetstream", "$G", "streams", "KV_VEDETTE_STATE", "msgs", "1.blk"), 0); err != nil {
		t.Fatal(err)
	}
	r.start()
	r.ready()
	const want = "KV_VEDETTE_STATE"
	body, code := r.get("/readyz")
	if code != http.StatusOK || !strings.Contains(body, want) || !strings.Contains(body, "data_lost") {
		t.Errorf("got /readyz %d %s, want it ready, with the loss", code, body)
	}
	for _, command := range []string{"doctor", "status"} {
		eventually(t, "the loss in "+command, func() bool {
			output, code := r.vedette(command)
			return code == cli.ExitFound && strings.Contains(output, want)
		})
	}
	lines := 0
	for line := range strings.Lines(r.output.String()) {
		if strings.Contains(line, "level=") && strings.Contains(line, want) && !strings.Contains(line, "fault began") {
			lines++
		}
	}
	if lines != 1 {
		t.Errorf("got %d lines about the loss, want one", lines)
	}
	eventually(t, "a mail to the operators", func() bool {
		return strings.Contains(fmt.Sprint(box.All()), want) && len(box.Subjects("boss2@example.org")) > 0
	})
	x.setIll(false)
	eventually(t, "UP mails", func() bool { return allHave(box, "[UP]") })
	if downs := box.Count("night@example.org", "[DOWN]"); downs != 1 {
		t.Errorf("got %d DOWN mails, want one", downs)
	}
	r.stop()
}

func TestUnusableDataDirectoryIsRefusedWithAHint(t *testing.T) {
	t.Parallel()
	r := newInstance(t, watching(newTarget(t), newInbox(t)))
	path := filepath.Join(r.dir, "vedette-data", "jetstream")
	if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	output, code := r.vedette("run", "--http", r.http, "--nats-listen", "127.0.0.1:0", r.file)
	if code != cli.ExitFailed || !strings.Contains(output, "hint: move vedette-data/jetstream away") {
		t.Errorf("got %d %s, want a refusal with a hint", code, output)
	}
}
