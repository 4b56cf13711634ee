//go:build !race

package main

// stormSize is how many monitors go down at once, or mails wait.
const stormSize = 1000
