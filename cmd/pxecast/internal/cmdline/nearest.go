package cmdline

import "strings"

// Nearest returns the name that was probably meant by word, "" when none is
// near: at most a third of its letters wrong, or one the beginning of the other.
func Nearest(word string, names []string) string {
	best, least := "", max(1, len(word)/3)+1
	for _, n := range names {
		d := distance(word, n)
		if len(word) >= 3 && len(n) >= 3 && (strings.HasPrefix(n, word) || strings.HasPrefix(word, n)) {
			d = 1
		}
		if len(n) > 1 && d < least {
			best, least = n, d
		}
	}
	return best
}

// distance returns how many letters must be inserted, removed, replaced or
// exchanged with their neighbour to make b of a (optimal string alignment).
func distance(a, b string) int {
	before, prev, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before, prev, row = prev, row, before
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(prev[j]+cost, prev[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
	}
	return row[len(b)]
}
