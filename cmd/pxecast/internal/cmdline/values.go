package cmdline

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// leastRate keeps a room from waiting for years because of a forgotten M.
const leastRate = 64_000

// ParseRate reads --rate: "auto" (0) or bits a second, with k, M or G for
// powers of 1000.
func ParseRate(s string) (int64, error) {
	if s == "auto" {
		return 0, nil
	}
	v, err := number(s, "bit/s")
	if err != nil {
		return 0, Usagef("--rate %s: %v: give bits a second such as 200M or 1G, or auto", s, err)
	}
	if v < leastRate {
		return 0, Usagef("--rate %s is only %.0f bits a second: did you mean %sM?", s, v, s)
	}
	return int64(v), nil
}

// ParseParity reads --parity: "auto" (-1) or a percentage of the data, which
// it returns as a fraction.
func ParseParity(s string) (float64, error) {
	if s == "auto" {
		return -1, nil
	}
	v, err := strconv.ParseFloat(strings.TrimSuffix(s, "%"), 64)
	if err != nil || !(v >= 0 && v <= 30) {
		return 0, Usagef("--parity %s: give a percentage from 0 to 30, or auto", s)
	}
	return v / 100, nil
}

// ParseSize reads a number of bytes, with k, M or G for powers of 1024, as
// memory is counted.
func ParseSize(flag, s string) (int, error) {
	v, err := ParseBytes(flag, s)
	if err == nil && v > math.MaxInt32 {
		err = Usagef("--%s %s is more than 2G", flag, s)
	}
	return int(v), err
}

// ParseBytes is ParseSize for more than a memory holds.
func ParseBytes(flag, s string) (int64, error) {
	v, err := number(s, "iB", "B")
	if err != nil {
		return 0, Usagef("--%s %s: %v: give bytes such as 64M", flag, s, err)
	}
	for i, unit := 0, unitOf(s); i < unit; i++ {
		v = v / 1000 * 1024
	}
	return int64(v), nil
}

const units = "kMGT"

// number reads "1.5G", perhaps followed by one of the unit's names.
func number(s string, names ...string) (float64, error) {
	t := trim(s, names)
	power := unitOf(t)
	if power > 0 {
		t = t[:len(t)-1]
	}
	v, err := strconv.ParseFloat(t, 64)
	if err != nil || math.IsNaN(v) || math.IsInf(v, 0) || v < 0 {
		return 0, fmt.Errorf("not a number with an optional k, M or G")
	}
	if v *= math.Pow(1000, float64(power)); v > 1e15 {
		return 0, fmt.Errorf("too large")
	}
	return v, nil
}

func trim(s string, names []string) string {
	for _, n := range names {
		if t, ok := strings.CutSuffix(s, n); ok {
			return t
		}
	}
	return s
}

// unitOf returns which power of 1000 the text's last letter means.
func unitOf(s string) int {
	s = trim(s, []string{"iB", "B"})
	if s == "" {
		return 0
	}
	last := s[len(s)-1:]
	if last == "K" {
		last = "k"
	}
	if last == "m" || last == "g" || last == "t" {
		last = strings.ToUpper(last)
	}
	return strings.Index(units, last) + 1
}
