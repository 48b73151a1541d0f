//go:build race

package simulation

// raced says that the race detector is on. It makes everything seven times as slow
// and is there to find races, not to hold the rooms to their bounds again: of
// what a test plays in many ways it plays some.
const raced = true
