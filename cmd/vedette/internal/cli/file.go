package cli

import (
	"errors"
	"io"
	"time"

	"vedette/pipeline/job"
	"vedette/producer"
	"vedette/producer/monitor"
	"vedette/workers/check"
	"vedette/workers/mail"
	"vedette/workers/notify"
)

// LoadFile reads a monitor file, and says its warnings. A file with mistakes
// is an error that exits with 2, after every mistake was shown.
func LoadFile(path string, stderr io.Writer) (*monitor.File, error) {
	validator, err := check.NewValidator()
	if err != nil {
		return nil, err
	}
	file, err := monitor.Load(path, monitor.Options{
		Encode: true, Progress: readProgress(stderr, path, time.Now),
		CheckSpec: validator.Validate, CheckTemplate: checkTemplate,
		CheckDKIMKey: func(text string) error { _, err := mail.ParseDKIMKey([]byte(text)); return err },
		CheckTarget: func(target string) error {
			_, err := check.ParseTarget(target)
			return err
		},
	})
	if invalidFile, ok := errors.AsType[*monitor.InvalidError](err); ok {
		return nil, InputError(invalidFile)
	}
	if err != nil {
		return nil, InputError(err)
	}
	for _, warning := range file.Warnings {
		Writef(stderr, "warning: %s\n", warning)
	}
	return file, nil
}

// Definitions are what a monitor file stores in an installation.
func Definitions(file *monitor.File) producer.Definitions {
	return producer.Definitions{
		Encoded: file.Encoded, Recipients: file.Recipients,
		Settings: job.Settings{V: job.Version, Operators: file.Operators, Grouping: file.Notifications.Grouping, Maintenance: file.Maintenance},
	}
}

// checkTemplate tries a template of mails, before any is written with it.
func checkTemplate(kind, text string) error {
	templates := notify.Templates{Text: text}
	if kind == "html" {
		templates = notify.Templates{HTML: text}
	}
	_, err := notify.NewRenderer(templates)
	return err
}
