package receiver

import (
	"strings"
	"testing"
	"time"
)

// By which lanes blocks come.
func TestModes(t *testing.T) {
	const s = time.Second
	for name, c := range map[string]struct {
		signs
		want mode
	}{
		"all is well":                     {signs{lacking: true, admitted: true}, modeMulticast},
		"nothing is lacking":              {signs{admitted: true, silent: 9 * s, symbol: 9 * s, cut: true}, modeMulticast},
		"no symbol though some were sent": {signs{lacking: true, admitted: true, symbol: deafAfter, cut: true}, modeDeaf},
		"no symbol, and none was sent":    {signs{lacking: true, admitted: true, symbol: 99 * s}, modeMulticast},
		"no symbol for a moment":          {signs{lacking: true, admitted: true, symbol: 2 * s, cut: true}, modeMulticast},
		"not admitted":                    {signs{lacking: true, symbol: 9 * s, cut: true}, modeMulticast},
		"deaf, and little is sent":        {signs{mode: modeDeaf, lacking: true, admitted: true, symbol: 60 * s}, modeDeaf},
		"deaf, and a symbol came":         {signs{mode: modeDeaf, lacking: true, admitted: true, back: true}, modeMulticast},
		"deaf, and has all":               {signs{mode: modeDeaf, admitted: true, symbol: 60 * s, cut: true}, modeMulticast},
		"deaf, and the sender dies":       {signs{mode: modeDeaf, lacking: true, admitted: true, symbol: 60 * s, silent: 3 * s}, modeOrphan},
		"the sender is silent":            {signs{lacking: true, admitted: true, silent: 3 * s, symbol: 3 * s}, modeOrphan},
		"silent before it admitted us":    {signs{lacking: true, silent: 3 * s}, modeOrphan},
		"silent for a moment":             {signs{lacking: true, admitted: true, silent: 2 * s}, modeMulticast},
		"the sender is back":              {signs{mode: modeOrphan, lacking: true, admitted: true, symbol: s}, modeMulticast},
		"it is back, but not its data":    {signs{mode: modeOrphan, lacking: true, admitted: true, symbol: 9 * s, cut: true}, modeDeaf},
	} {
		if got := c.next(); got != c.want {
			t.Errorf("%s: mode %d, want %d", name, got, c.want)
		}
	}
}

// What people are told for what does and does not arrive.
func TestCauses(t *testing.T) {
	for _, c := range []struct {
		traces
		want, never string
	}{
		{traces{short: true, announced: true}, "MTU", "snooping"},
		{traces{announced: true}, "snooping without a querier", "MTU"},
		{traces{announced: true, before: true}, "has forgotten this machine", "MTU"},
		{traces{}, "firewall here", "querier"},
		{traces{before: true}, "querier", "announcements"},
		{traces{remote: true}, "routers", "querier"},
		{traces{remote: true, announced: true}, "snooping", "routers"},
	} {
		got := c.cause()
		if !strings.Contains(got, c.want) || strings.Contains(got, c.never) {
			t.Errorf("%+v: %q, want %q and not %q", c.traces, got, c.want, c.never)
		}
	}
}
