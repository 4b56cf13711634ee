package check_test

import (
	"log/slog"

	"log" //nolint:depguard // httptest wants one, to be silent
)

func quiet() *log.Logger { return slog.NewLogLogger(slog.DiscardHandler, slog.LevelError) }
