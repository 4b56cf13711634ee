package instance

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"vedette/cmd/vedette/internal/cli"
	"vedette/pipeline/compact"
	"vedette/pipeline/job"
	"vedette/producer/monitor"
	"vedette/workers"
)

// warnOfSecrets tells which secrets of a file this process could not find: its
// monitors are unknown until they are there.
func (r *instanceRun) warnOfSecrets(file *monitor.File) {
	if !slices.Contains(r.options.Stages, workers.StageCheck) {
		return
	}
	needed := map[string][]string{}
	file.Encoded.All(func(id compact.ID) bool {
		text := file.Encoded.Text(id)
		if !job.HasReference(string(text)) {
			return true // by far the most
		}
		if m, err := job.Decode[job.Monitor](text); err == nil { // we have encoded it
			for _, secret := range m.SecretNames() {
				needed[secret] = append(needed[secret], m.Name)
			}
		}
		return true
	})
	for _, name := range slices.Sorted(maps.Keys(needed)) {
		if _, err := r.secrets.Secret(name); err != nil {
			cli.Writef(r.stderr, "warning: %v; needed by %s\n", err, abbreviate(needed[name]))
		}
	}
}

// abbreviate lists some of many names.
func abbreviate(names []string) string {
	const few = 3
	if len(names) <= few {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:few], ", "), len(names)-few)
}
