package main

import (
	"embed"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"vedette/cmd/vedette/internal/cli"
)

// manual holds the topics, each a file that can be read alone.
//
//go:embed help
var manual embed.FS

// topicNames lists the topics in the order in which a newcomer would read them.
func topicNames() []string {
	return []string{
		"file", "probes", "expressions", "notifications", "templates", "secrets", "jobs", "operating", "storage", "clocks", "watchdog", "exit-codes", "json-output",
		"cluster", "rights", "upgrading", "wire", "internals", "performance", "importing",
	}
}

// readTopic returns a topic's text, followed by its reference if it has one.
func readTopic(name string) (string, error) {
	text, err := fs.ReadFile(manual, "help/"+name+".md")
	if err != nil {
		return "", fmt.Errorf("read topic: %w", err)
	}
	switch name {
	case "file":
		return string(text) + fileReference(), nil
	case "wire":
		vocabulary, err := fs.ReadFile(manual, "help/wire-vocabulary.txt")
		if err != nil {
			return "", fmt.Errorf("read vocabulary: %w", err)
		}
		return string(text) + "\n## Vocabulary\n\n```text\n" + string(vocabulary) + "```\n", nil
	default:
		return string(text), nil
	}
}

// topicTitle returns a topic's first line, without the heading's mark.
func topicTitle(name string) string {
	text, err := readTopic(name)
	if err != nil {
		return ""
	}
	title, _, _ := strings.Cut(text, "\n")
	return strings.TrimPrefix(title, "# ")
}

// helpCommand replaces cobra's command help, which knows commands only.
func helpCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND | TOPIC]",
		Short: "Show the help of a command, or a topic of the manual",
		Long: `Shows the help of a command, or a topic of the manual. Without arguments it lists
all commands and topics. Topics are written in Markdown.`,
		Example: `  vedette help
  vedette help notifications
  vedette help dead replay`,
		ValidArgs: topicNames(),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return listTopics(cmd.Root(), cmd.OutOrStdout())
			}
			if len(args) == 1 && slices.Contains(topicNames(), args[0]) {
				return showTopic(args[0], cmd.OutOrStdout())
			}
			if found, rest, err := cmd.Root().Find(args); err == nil && len(rest) == 0 {
				found.InitDefaultHelpFlag()
				return found.Help()
			}
			return unknownTopic(cmd.Root(), args)
		},
	}
}

func showTopic(name string, to io.Writer) error {
	text, err := readTopic(name)
	if err != nil {
		return err
	}
	_, err = io.WriteString(to, text)
	return err
}

// listTopics prints the root command's help, and then the topics.
func listTopics(root *cobra.Command, to io.Writer) error {
	if err := root.Help(); err != nil {
		return err
	}
	table := cli.NewTable(to)
	cli.Writef(table, "\nTopics:\n")
	for _, name := range topicNames() {
		cli.Writef(table, "  %s\t%s\n", name, topicTitle(name))
	}
	cli.Writef(table, "\nUse \"vedette help TOPIC\" to read a topic.\n")
	return table.Flush()
}

// unknownTopic names the command or topic that was probably meant.
func unknownTopic(root *cobra.Command, args []string) error {
	given := strings.Join(args, " ")
	err := fmt.Errorf("show help: found %q, expected a command or a topic", given)
	known := &cobra.Command{SuggestionsMinimumDistance: 2} //nolint:mnd // two typing errors
	for _, name := range topicNames() {
		known.AddCommand(&cobra.Command{Use: name, Run: func(*cobra.Command, []string) {}})
	}
	for _, cmd := range root.Commands() {
		known.AddCommand(&cobra.Command{Use: cmd.Name(), Run: func(*cobra.Command, []string) {}})
	}
	if meant := known.SuggestionsFor(args[0]); len(meant) > 0 && len(args) == 1 {
		return cli.InputError(&cli.HintError{Err: err, Hint: fmt.Sprintf("did you mean %q?", meant[0])})
	}
	return cli.InputError(&cli.HintError{Err: err, Hint: "'vedette help' lists commands and topics"})
}
