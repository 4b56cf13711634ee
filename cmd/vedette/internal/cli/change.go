package cli

import (
	"fmt"
	"strings"

	"vedette/producer"
)

// ChangeLines tells people of a change: a line each while they are few.
func ChangeLines(c producer.Change, dry bool) string {
	var b strings.Builder
	for _, part := range []struct {
		sign  string
		names []string
	}{{"+", c.Added}, {"~", c.Changed}, {"-", c.Removed}} {
		for i, name := range part.names {
			if i == maxChangeLines {
				fmt.Fprintf(&b, "%s … and %d more\n", part.sign, len(part.names)-i)
				break
			}
			fmt.Fprintf(&b, "%s %s\n", part.sign, name)
		}
	}
	verb := "applied"
	if dry {
		verb = "would apply"
	}
	fmt.Fprintf(&b, "%s: %d added, %d changed, %d removed, %d unchanged\n",
		verb, len(c.Added), len(c.Changed), len(c.Removed), c.Same)
	return b.String()
}

const maxChangeLines = 20
