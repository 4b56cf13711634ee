package cli

import (
	"fmt"
	"io"
	"log/slog"
	"runtime/debug"
	"strings"
)

// Version is the version of this program.
func Version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "unknown"
	}
	return info.Main.Version
}

// Logger makes the log that a command writes to: lines for people, or JSON.
func Logger(to io.Writer, format, level string) (*slog.Logger, error) {
	var threshold slog.Level
	if err := threshold.UnmarshalText([]byte(level)); err != nil {
		return nil, fmt.Errorf("read --log-level: found %q, expected debug, info, warn or error", level)
	}
	options := &slog.HandlerOptions{Level: threshold}
	switch strings.ToLower(format) {
	case "text":
		return slog.New(slog.NewTextHandler(to, options)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(to, options)), nil
	default:
		return nil, fmt.Errorf("read --log-format: found %q, expected text or json", format)
	}
}
