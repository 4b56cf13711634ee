package bench

import (
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"vedette/cmd/vedette/internal/harness"
)

// relayCommand serves a relay that stores no mail. It prints its address.
func relayCommand() *cobra.Command {
	var relay harness.Relay
	cmd := &cobra.Command{
		Use: "relay", Short: "Serve the relay of a benchmark", Hidden: true, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			listener, err := listen(cmd.Context(), 0)
			if err != nil {
				return err
			}
			if err := json.NewEncoder(cmd.OutOrStdout()).Encode(listener.Addr().String()); err != nil {
				return fmt.Errorf("print address: %w", err)
			}
			go harness.Accept(listener, relay.Serve)
			_, err = io.Copy(io.Discard, os.Stdin) // until the benchmark ends
			return err
		},
	}
	cmd.Flags().DurationVar(&relay.RTT, "rtt", 0, "delay of each answer")
	return cmd
}
