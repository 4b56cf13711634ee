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

// warnOfSecrets warns about secrets that this process cannot find. Checks that
// need them report unknown until they exist.
func (r *instanceRun) warnOfSecrets(file *monitor.File) {
	if !slices.Contains(r.options.Stages, workers.StageCheck) {
		return
	}
	needed := map[string][]string{}
	file.Encoded.All(func(id compact.ID) bool {
		text := file.Encoded.Text(id)
		if !job.HasReference(string(text)) {
			return true // most monitors
		}
		if m, err := job.Decode[job.Monitor](text); err == nil { // encoded by this process
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

// abbreviate lists the first names, and counts the rest.
func abbreviate(names []string) string {
	const shown = 3
	if len(names) <= shown {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:shown], ", "), len(names)-shown)
}
