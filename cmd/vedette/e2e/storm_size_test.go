//go:build !race

package e2e_test

// stormSize is how many monitors go down at once, or mails wait.
const stormSize = 1000

// race reports whether the race detector is on.
const race = false
