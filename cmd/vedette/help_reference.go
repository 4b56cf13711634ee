package main

import (
	"fmt"
	"strings"

	"vedette/producer/monitor"
)

// fileReference describes every key in the monitors file, one text block for
// each section.
func fileReference() string {
	var b strings.Builder
	b.WriteString("\n## Reference\n\nEvery key with its type, unit, default, meaning and example. [] stands for an item in a list.\n")
	section := ""
	for _, key := range monitor.Keys() {
		if name := sectionName(key.Path); name != section {
			if section != "" {
				b.WriteString("```\n")
			}
			section = name
			fmt.Fprintf(&b, "\n### %s\n\n```text\n", name)
		}
		b.WriteString(describeKey(key))
	}
	b.WriteString("```\n")
	return b.String()
}

// sectionName returns the first name in a path; probes have sections of their own.
func sectionName(path string) string {
	parts := strings.Split(path, ".")
	name := strings.TrimSuffix(parts[0], "[]")
	if name == "monitors" && len(parts) > 2 {
		return name + "[]." + strings.TrimSuffix(parts[1], "[]")
	}
	return name
}

// describeKey writes two lines about a key.
func describeKey(key monitor.Key) string {
	kind := key.Type
	if key.Unit != "" {
		kind += " (" + key.Unit + ")"
	}
	switch {
	case key.Required:
		kind += ", required"
	case key.Default != "":
		kind += ", default " + key.Default
	}
	text := fmt.Sprintf("%s: %s\n    %s.", key.Path, kind, key.Meaning)
	if key.Example != "" {
		text += " Example: " + key.Example
	}
	return text + "\n"
}
