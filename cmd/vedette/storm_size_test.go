//go:build !race

package main

// stormSize is how many monitors go down at once.
const stormSize = 1000
