package cli

import (
	"fmt"
	"strings"

	"vedette/producer"
)

// maxChangeLines limits the names listed for each kind of change.
const maxChangeLines = 20

// ChangeLines lists the changes to an installation, and counts them.
func ChangeLines(c producer.Change, dry bool) string {
	var b strings.Builder
	for _, part := range []struct {
		sign  string
		names []string
	}{{"+", c.Added}, {"~", c.Changed}, {"-", c.Removed}} {
		for _, name := range part.names[:min(maxChangeLines, len(part.names))] {
			fmt.Fprintf(&b, "%s %s\n", part.sign, name)
		}
		if more := len(part.names) - maxChangeLines; more > 0 {
			fmt.Fprintf(&b, "%s … and %d more\n", part.sign, more)
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
