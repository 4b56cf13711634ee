package main

import (
	"io"
	"os"
	"testing"

	"github.com/goccy/go-yaml"
)

// The command lines in compose.yaml have commands that know their flags and
// arguments. End-to-end tests run them.
func TestComposeFileHasValidCommandLines(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../compose.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Services map[string]struct {
			Image       string
			Command     []string
			Healthcheck struct{ Test []string }
		}
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	for name, service := range file.Services {
		if service.Image != "vedette" {
			continue
		}
		for _, args := range [][]string{service.Command, service.Healthcheck.Test[2:]} {
			cmd, rest, err := rootCommand(io.Discard, io.Discard).Find(args)
			if err == nil {
				err = cmd.ParseFlags(rest)
			}
			if err == nil {
				err = cmd.ValidateArgs(cmd.Flags().Args())
			}
			if err != nil || !cmd.HasParent() {
				t.Errorf("%s: got %v, want a command line, found %v", name, err, args)
			}
		}
	}
}
