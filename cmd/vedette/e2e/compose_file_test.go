package e2e_test

import (
	"os"
	"testing"

	"github.com/goccy/go-yaml"
)

// composeFile is what the test reads of compose.yaml.
type composeFile struct {
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

// readCompose reads a compose file.
func readCompose(t *testing.T, path string) composeFile {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var file composeFile
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	return file
}
