// Package composetest reads compose.yaml for tests.
package composetest

import (
	"os"
	"testing"

	"github.com/goccy/go-yaml"
)

// File is what the test reads of compose.yaml.
type File struct {
	Services map[string]struct {
		Image       string
		Command     []string
		Secrets     []string
		Volumes     []string
		Healthcheck struct{ Test []string }
		ReadOnly    bool `yaml:"read_only"`
	}
	Volumes map[string]any
	Secrets map[string]struct{ File string }
}

// Read reads such a file.
func Read(t *testing.T, path string) File {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var file File
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	return file
}
