package cli

import (
	"io"
	"time"

	"vedette/pipeline/job"
	"vedette/producer"
	"vedette/producer/monitor"
	"vedette/workers/check"
	"vedette/workers/mail"
	"vedette/workers/notify"
)

// LoadFile reads a monitor file, and prints its warnings. The error has all
// mistakes, and exits with [ExitUsage].
func LoadFile(path string, stderr io.Writer) (*monitor.File, error) {
	return loadFile(path, monitor.Options{}, stderr)
}

// ValidateFile is [LoadFile] for a file that must have monitors.
func ValidateFile(path string, stderr io.Writer) (*monitor.File, error) {
	return loadFile(path, monitor.Options{NeedMonitors: true}, stderr)
}

func loadFile(path string, options monitor.Options, stderr io.Writer) (*monitor.File, error) {
	validator, err := check.NewValidator()
	if err != nil {
		return nil, err
	}
	options.Encode, options.Progress = true, readProgress(stderr, path, time.Now)
	options.CheckSpec, options.CheckTemplate = validator.Validate, checkTemplate
	options.CheckDKIMKey = func(text string) error { _, err := mail.ParseDKIMKey([]byte(text)); return err }
	options.CheckTarget = func(target string) error { _, err := check.ParseTarget(target); return err }
	file, err := monitor.Load(path, options)
	if err != nil {
		return nil, InputError(err)
	}
	for _, warning := range file.Warnings {
		Writef(stderr, "warning: %s\n", warning)
	}
	return file, nil
}

// Definitions returns what a monitor file stores in an installation.
func Definitions(file *monitor.File) producer.Definitions {
	return producer.Definitions{
		Encoded: file.Encoded, Recipients: file.Recipients,
		Settings: job.Settings{V: job.Version, Operators: file.Operators, Grouping: file.Notifications.Grouping, Maintenance: file.Maintenance},
	}
}

// checkTemplate tries a mail template.
func checkTemplate(kind, text string) error {
	templates := notify.Templates{Text: text}
	if kind == "html" {
		templates = notify.Templates{HTML: text}
	}
	_, err := notify.NewRenderer(templates)
	return err
}
