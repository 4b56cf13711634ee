//go:build race

package e2e_test

// stormSize is how many monitors go down at once, or mails wait. The race detector
// makes each ten times as expensive, and needs fewer to find a race.
const stormSize = 100

// race reports whether the race detector is on.
const race = true
