package main

import "github.com/spf13/cobra"

func mailCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "mail",
		Short: "Send mails, test relays, and list the delivery status of mails",
		Long: `Ad-hoc mails go through the queues of the running instance, as alerts do: no mail
is lost when a relay cannot be reached, and no mail delays another.`,
		Example: `  vedette mail send --to you@example.org --subject Hello --text 'From a shell.'
  vedette mail test monitors.yaml --to you@example.org
  vedette mail log`,
	}
	cmd.AddCommand(mailSendCommand(), mailTestCommand(), mailLogCommand())
	return cmd
}
