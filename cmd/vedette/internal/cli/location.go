package cli

import (
	"errors"
	"fmt"
	"strings"

	"vedette/pipeline/job"
)

// LocationProblem is why a location can be none.
func LocationProblem(location string) error {
	if !job.ValidName(location) || strings.Contains(location, ".") {
		return fmt.Errorf("read --location: found %q, expected letters, digits, _ and -", location)
	}
	return nil
}

// LocationProblems are the names that are no names of locations.
func LocationProblems(locations []string) error {
	var problems []error
	for _, location := range locations {
		problems = append(problems, LocationProblem(location))
	}
	return errors.Join(problems...)
}
