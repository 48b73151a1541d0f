package screen

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// Bytes writes a number of bytes as disk makers do, in powers of 1000.
func Bytes[N ~int64 | ~uint64 | ~int](n N) string {
	f, unit := float64(n), 0
	if f < 1000 {
		return fmt.Sprintf("%.0f B", f)
	}
	for f >= 999.95 && unit < 5 {
		f, unit = f/1000, unit+1
	}
	return fmt.Sprintf("%.1f %cB", f, " kMGTP"[unit])
}

// Rate writes bytes a second in MB/s, "–" for none.
func Rate(perSecond float64) string {
	switch mb := perSecond / 1e6; {
	case mb <= 0 || math.IsNaN(mb) || math.IsInf(mb, 0):
		return "–"
	case mb < 10:
		return fmt.Sprintf("%.1f MB/s", mb)
	default:
		return fmt.Sprintf("%.0f MB/s", mb)
	}
}

// Duration writes a time to the second: "8 s", "1:05", "2:00:00".
func Duration(d time.Duration) string {
	s := int64(d.Round(time.Second) / time.Second)
	switch {
	case s < 60:
		return fmt.Sprintf("%d s", s)
	case s < 3600:
		return fmt.Sprintf("%d:%02d", s/60, s%60)
	}
	return fmt.Sprintf("%d:%02d:%02d", s/3600, s/60%60, s%60)
}

// Percent writes a part of a whole, rounded down: 100 % is all of it.
func Percent(part, whole float64) string {
	if whole <= 0 {
		return "–"
	}
	return fmt.Sprintf("%d %%", int(min(100, part/whole*100)))
}

// Remaining writes how long left takes at a rate, both in the same unit.
func Remaining(left, perSecond float64) string {
	if left <= 0 {
		return ""
	}
	if s := left / perSecond; perSecond > 0 && s < 360_000 {
		return Duration(time.Duration(s*float64(time.Second)) + time.Second/2)
	}
	return "–"
}

// Bar draws a part of a whole, width columns wide with its ends.
func Bar(part, whole float64, width int) string {
	inner := max(1, width-2)
	n := 0
	if whole > 0 {
		n = int(min(1, max(0, part/whole)) * float64(inner))
	}
	return "[" + strings.Repeat("#", n) + strings.Repeat("-", inner-n) + "]"
}

// A Meter is the rate at which a count grew over the last seconds.
type Meter struct {
	at    []time.Time
	count []float64
}

// meterWindow smooths what reports of a few a second make jump.
const meterWindow = 4 * time.Second

// Add takes what the count is now and returns its growth a second, 0 before
// there is anything to compare with.
func (m *Meter) Add(now time.Time, count float64) float64 {
	if n := len(m.count); n > 0 && count < m.count[n-1] {
		m.at, m.count = nil, nil // started again
	}
	for len(m.at) > 1 && now.Sub(m.at[0]) > meterWindow {
		m.at, m.count = m.at[1:], m.count[1:]
	}
	m.at, m.count = append(m.at, now), append(m.count, count)
	dt := now.Sub(m.at[0]).Seconds()
	if dt <= 0 {
		return 0
	}
	return (count - m.count[0]) / dt
}
