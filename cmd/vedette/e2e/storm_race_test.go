//go:build race

package e2e_test

// stormSize is how many monitors go down at once, or mails wait. The race
// detector makes each of them ten times as dear, and finds what it finds with
// fewer.
const stormSize = 100

// race reports whether the race detector is on.
const race = true
