package cli

import (
	"errors"
	"fmt"
	"strings"

	"vedette/pipeline/job"
)

// CheckLocation is why a location can be none.
func CheckLocation(location string) error {
	if !job.ValidName(location) || strings.Contains(location, ".") {
		return fmt.Errorf("read --location: found %q, expected letters, digits, _ and -", location)
	}
	return nil
}

// CheckLocations are the names that are no names of locations.
func CheckLocations(locations []string) error {
	var problems []error
	for _, location := range locations {
		problems = append(problems, CheckLocation(location))
	}
	return errors.Join(problems...)
}
