//go:build race

package main

// stormSize is how many monitors go down at once, or mails wait. The race
// detector makes each of them ten times as dear, and finds what it finds with
// fewer.
const stormSize = 100
