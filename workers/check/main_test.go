package check_test

import (
	"log" //nolint:depguard // httptest wants one, to be silent
	"log/slog"
)

func quiet() *log.Logger { return slog.NewLogLogger(slog.DiscardHandler, slog.LevelError) }
