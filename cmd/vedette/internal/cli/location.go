package cli

import (
	"errors"
	"fmt"
	"strings"

	"vedette/pipeline/job"
)

// CheckLocations returns an error for each name that a location cannot have.
func CheckLocations(locations ...string) error {
	var problems []error
	for _, location := range locations {
		if !job.ValidName(location) || strings.Contains(location, ".") {
			problems = append(problems, fmt.Errorf("read --location: found %q, expected letters, digits, _ and -", location))
		}
	}
	return errors.Join(problems...)
}
