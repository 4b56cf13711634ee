package cli

import (
	"github.com/spf13/cobra"

	"vedette/workers/check"
)

// SecretsFlag is how a process that makes checks is told where secrets are.
func SecretsFlag(cmd *cobra.Command, dir *string) {
	cmd.Flags().StringVar(dir, "secrets", "", "directory with a file for each secret that monitors refer to by ${secret:NAME}; else the variable VEDETTE_SECRET_NAME (default "+check.DefaultSecrets+")")
}

// OpenSecrets finds mistakes in the flag before anything is started.
func OpenSecrets(dir string) (*check.SecretStore, error) {
	store, err := check.NewSecretStore(dir, nil)
	if err != nil {
		return nil, InputError(&HintError{Err: err, Hint: "--secrets names a directory with a file for each secret, such as " + check.DefaultSecrets})
	}
	return store, nil
}
