package main

import (
	"strings"
	"testing"
)

func TestHelpSaysWhatEachRoleIsFor(t *testing.T) {
	t.Parallel()
	for line := range strings.Lines(roleUses()) {
		if len(strings.Fields(line)) < 3 {
			t.Errorf("got %q, want what the role is for", line)
		}
	}
}
