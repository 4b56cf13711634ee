package cli

import (
	"github.com/spf13/cobra"

	"vedette/workers/check"
)

// SecretsFlag adds the flag for the directory with secrets.
func SecretsFlag(cmd *cobra.Command, dir *string) {
	cmd.Flags().StringVar(dir, "secrets", "", "directory with a file for each secret that monitors use as ${secret:NAME}; without a file, the variable VEDETTE_SECRET_NAME is used (default "+check.DefaultSecrets+")")
}

// OpenSecrets checks the flag before anything is started.
func OpenSecrets(dir string) (*check.SecretStore, error) {
	store, err := check.NewSecretStore(dir, nil)
	if err != nil {
		return nil, InputError(&HintError{Err: err, Hint: "set --secrets to a directory with a file for each secret, such as " + check.DefaultSecrets})
	}
	return store, nil
}
