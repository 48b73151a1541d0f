package report

import (
	"strings"
	"testing"
)

// A smaller disk for more receivers makes no line of its own, and the chart says
// where it begins.
func TestThroughputOfTwoSizes(t *testing.T) {
	r := madeUp(1)
	for i := range r.Results {
		if s := &r.Results[i].Scenario; s.Receivers >= 8 {
			s.RawBytes /= 2
		}
	}
	c, ok := r.throughput(Debian)
	if want := "2.00 GB, from 8 receivers on 1.00 GB;"; !ok || !strings.Contains(c.subtitle, want) {
		t.Errorf("the chart says %q, want it to say %q", c.subtitle, want)
	}
}
